"""Rate-distortion curves: bits a sample over the error of what is decoded, for our codecs and their peers."""

from edgetwin.bench.rate.curves import TARGETS, Curves, codecs, measure
from edgetwin.bench.rate.peers import require_peers
from edgetwin.bench.rate.signals import BUDGETS, EXTRA_SETS, MAIN_SETS, Budget, RateData, load_file, load_set

__all__ = [
    "BUDGETS",
    "EXTRA_SETS",
    "MAIN_SETS",
    "TARGETS",
    "Budget",
    "Curves",
    "RateData",
    "codecs",
    "load_file",
    "load_set",
    "measure",
    "require_peers",
]
