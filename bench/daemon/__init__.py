"""Runs submitted sweeps unattended, on one host or many: the service layer, the choice of what comes next, and the daemon itself."""
