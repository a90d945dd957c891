"""What to measure, and its execution, point by point, each recorded in one transaction."""
