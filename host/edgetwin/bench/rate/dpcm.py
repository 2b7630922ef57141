"""DPCM with Rice codes: samples on a uniform grid, differences in time, a Rice parameter for every 64 of them.

The parameter takes 4 bits, of which one value says that the whole block is zero (as the zero block of CCSDS 121.0-B).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.bench.rate.point import Decoded, Point, reach
from edgetwin.bench.rate.signals import RateData

__all__ = ["dpcm_rice", "rice_bits"]

IntArray = npt.NDArray[np.int64]

BLOCK = 64
PARAMETER_BITS = 4
#: Rice parameters; the last value of the four bits is the block of zeros.
PARAMETERS = range(2**PARAMETER_BITS - 1)
ORDERS = (1, 2)


def dpcm_rice(data: RateData, target: float) -> Point:
    """The test part at an NRMSE of `target`, by differences of the order that suits the training part."""
    # A level for the commonest values, such as a sensor at rest or an image's background, keeps them without error.
    origin = float(np.median(data.train))
    train, test = (data.series(windows).astype(np.float64) - origin for windows in (data.train, data.test))

    def code(step: float) -> Decoded:
        order = min(ORDERS, key=lambda order: rice_bits(_differences(train, step, order)))
        residuals = _differences(test, step, order)
        return data.windows(_integrated(residuals, order) * step + origin), rice_bits(residuals)

    # The error of a uniform quantiser is its step / √12.
    return reach(data, target, code, float(np.sqrt(12)) * target)


def _differences(series: npt.NDArray[np.float64], step: float, order: int) -> IntArray:
    levels: IntArray = np.rint(series / step).astype(np.int64)
    nothing = np.zeros((len(levels), 1), np.int64)
    for _ in range(order):
        levels = np.diff(levels, axis=1, prepend=nothing)
    return levels


def _integrated(residuals: IntArray, order: int) -> IntArray:
    for _ in range(order):
        residuals = np.cumsum(residuals, axis=1)
    return residuals


def rice_bits(residuals: IntArray) -> int:
    """Bits of residuals (S, T) by the best Rice parameter of each block; a series' last block may be shorter."""
    # 0, −1, 1, −2, ... become 0, 1, 2, 3, ...
    codes = np.where(residuals < 0, -2 * residuals - 1, 2 * residuals)
    starts = np.arange(0, codes.shape[1], BLOCK)

    def sums(values: npt.NDArray[Any]) -> IntArray:
        return np.asarray(np.add.reduceat(values, starts, axis=1))

    lengths = np.diff(starts, append=codes.shape[1])
    costs = np.stack([sums(codes >> k) + (1 + k) * lengths for k in PARAMETERS])
    bits = np.where(sums(codes) == 0, 0, costs.min(axis=0)) + PARAMETER_BITS
    return int(bits.sum())
