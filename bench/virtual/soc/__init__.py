"""The system around the core of a virtual board: bus, clock and power control, flash controller, pins, timers, debug components."""
