"""A point of a rate-distortion curve, and the search for a codec's own parameter that reaches a target."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgetwin.bench.rate.signals import RateData
from edgetwin.errors import UserError
from edgetwin.twin.reconstruct import nrmse

__all__ = ["Decoded", "Point", "reach"]

#: What a codec made of the test part: windows (N, m), and the bits that they took.
Decoded = tuple[npt.NDArray[np.float32], float]

#: A target is met from below by this share of itself; where a codec moves in steps, as near as so many trials come.
_CLOSE = 0.005
_TRIALS = 20


@dataclass(frozen=True)
class Point:
    """What was measured on the decoded test part.

    bits_per_sample : tables that are in the decoder before the first window left out
    nrmse : ‖Y − Ŷ‖ / ‖Y − Ȳ‖
    dictionary_bytes : of the dictionary that encoder and decoder hold
    """

    bits_per_sample: float
    nrmse: float
    dictionary_bytes: int = 0

    @classmethod
    def of(cls, data: RateData, decoded: Decoded) -> Point:
        """The point at which `data.test` became these windows and bits."""
        windows, bits = decoded
        return cls(bits / data.test.size, nrmse(data.test, windows, data.channels))


def reach(data: RateData, target: float, trial: Callable[[float], Decoded], parameter: float) -> Point:
    """The fewest bits at an NRMSE of `target` or less, over a parameter that the NRMSE grows with.

    trial : codes and decodes the test part with a parameter above 0, such as a quantiser's step
    parameter : to begin with

    Raises UserError where no parameter reaches the target.
    """
    low, high = 0.0, math.inf  # the largest parameter that is good enough, the smallest that is not
    best: Point | None = None
    for _ in range(_TRIALS):
        point = Point.of(data, trial(parameter))
        if point.nrmse > target:
            high = min(high, parameter)
        else:
            low = max(low, parameter)
            if best is None or point.bits_per_sample < best.bits_per_sample:
                best = point
        if (1 - _CLOSE) * target <= point.nrmse <= target or high < low * 1.0005:
            break
        # The error is nearly proportional to the parameter, until it saturates.
        aimed = parameter * (1 - _CLOSE / 2) * target / max(point.nrmse, target / 10)
        between = math.sqrt(low * high) if low and high < math.inf else aimed
        parameter = aimed if low < aimed < high else between
    if best is None:
        raise UserError(f"{data.name}: an NRMSE of {target:g} is out of a codec's reach")
    return best
