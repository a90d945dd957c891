"""From raw counts and samples to values with their uncertainty. Pure: numbers in, numbers out.

References: "GUM" is JCGM 100:2008, Guide to the expression of uncertainty in measurement.
"""

from bench.stats.accuracy import CurrentRange, ProbeAccuracy, same_limits
from bench.stats.coverage import coverage_factor, expand95, ratio_terms
from bench.stats.ratio import Ratio, ratio_uncertainty
from bench.stats.reduction import confirm_clock, reduce
from bench.stats.repetitions import RESOLUTION_CYCLES, NetCycles, net_cycles
from bench.stats.uncertainty import combine, rectangular, student95
from bench.stats.window import mean_standard_error, true_clock, window_stats

__all__ = [
    "RESOLUTION_CYCLES",
    "CurrentRange",
    "NetCycles",
    "ProbeAccuracy",
    "Ratio",
    "combine",
    "confirm_clock",
    "coverage_factor",
    "expand95",
    "mean_standard_error",
    "net_cycles",
    "ratio_terms",
    "ratio_uncertainty",
    "rectangular",
    "reduce",
    "same_limits",
    "student95",
    "true_clock",
    "window_stats",
]
