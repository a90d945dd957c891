"""An automated bench that measures what neural-network primitives cost on microcontrollers."""
