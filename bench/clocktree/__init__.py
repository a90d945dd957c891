"""Clock configurations for a requested frequency: limits come from the board, everything here is pure arithmetic."""

from bench.clocktree.check import check
from bench.clocktree.solver import ACCEPT_HZ, clock_table, nearest, solve

__all__ = ["ACCEPT_HZ", "check", "clock_table", "nearest", "solve"]
