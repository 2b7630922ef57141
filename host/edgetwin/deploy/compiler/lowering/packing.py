"""Weights for the kernels that multiply and add (device/src/kernels/nn.h): packed rows, and a table of their channels.

A sum is bias + Σ w (x - z), z the input's zero point. The kernels add w x alone: -z Σ w is in the packed bias, and
where the input is padded, x is z.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.deploy.compiler.fixed_point import activation_range, quantize_multiplier
from edgetwin.deploy.compiler.graph import Operator, Tensor, UnsupportedModelError
from edgetwin.deploy.compiler.layers import Constant, constant

__all__ = ["Rows", "rows_of"]

_QUAD = 4


@dataclass(frozen=True, eq=False)
class Rows:
    """Output channels of a layer.

    weights : (rows, depth) int8
    biases : (rows,) int64 within int32, the input's zero point folded in
    multipliers, shifts : (rows,) int64, of the sums
    zero_point, low, high : of the output
    is_bounded : what ports need for their short way from a sum to an output
    """

    name: str
    weights: npt.NDArray[np.int8]
    biases: npt.NDArray[np.int64]
    multipliers: npt.NDArray[np.int64]
    shifts: npt.NDArray[np.int64]
    zero_point: int
    low: int
    high: int
    is_bounded: bool

    @property
    def quads(self) -> int:
        """Groups of four weights that a row fills."""
        return -(-int(self.weights.shape[1]) // _QUAD)

    def pack_quads(self, group: int) -> Constant:
        """Rows in groups; in each group the first four weights of every row, then the next four."""
        quads = self._padded(group, _QUAD).reshape(-1, group, self.quads, _QUAD).transpose(0, 2, 1, 3)
        return Constant(f"{self.name} weights", np.ascontiguousarray(quads).tobytes())

    def pack_rows(self, group: int) -> Constant:
        """Rows as they are, one after the other, in whole groups."""
        return Constant(f"{self.name} weights", self._padded(group, 1).tobytes())

    def pack_lanes(self, group: int) -> Constant:
        """Rows in groups; in each group the first weight of every row, then the second."""
        lanes = self._padded(group, 1).reshape(-1, group, self.weights.shape[1]).transpose(0, 2, 1)
        return Constant(f"{self.name} weights", np.ascontiguousarray(lanes).tobytes())

    def _padded(self, group: int, piece: int) -> npt.NDArray[np.int8]:
        """The weights, with zeros up to whole groups of rows and whole pieces of a row."""
        rows, depth = self.weights.shape
        padded = np.zeros((-(-rows // group) * group, -(-depth // piece) * piece), np.int8)
        padded[:rows, :depth] = self.weights
        return padded

    def pack_channels(self, group: int) -> Constant:
        """Of each group: the biases, the multipliers, the shifts."""
        fields = np.zeros((3, -(-len(self.biases) // group) * group), np.int64)
        fields[:, : len(self.biases)] = self.biases, self.multipliers, self.shifts
        table = fields.reshape(3, -1, group).transpose(1, 0, 2)
        return constant(f"{self.name} channels", table.ravel(), np.int32)

    def fields(self) -> dict[str, Any]:
        """What every record says of its outputs."""
        return {
            "output_zero_point": self.zero_point,
            "low": self.low,
            "high": self.high,
            "is_bounded": int(self.is_bounded),
        }

    def with_weights(self, weights: npt.NDArray[np.int8], zero_point: int) -> Rows:
        """The same channels with some of their weights, from a table whose biases hold no zero point yet.

        zero_point : of the input
        """
        sums = weights.astype(np.int64).sum(axis=1)
        return Rows(
            self.name,
            weights,
            _wrap(self.biases - zero_point * sums),
            self.multipliers,
            self.shifts,
            self.zero_point,
            self.low,
            self.high,
            self.is_bounded,
        )


def rows_of(
    operator: Operator,
    source: Tensor,
    filters: Tensor,
    bias: Tensor | None,
    weights: npt.NDArray[np.int8],
) -> Rows:
    """An operator's output channels, their biases as they are stored: :meth:`Rows.with_weights` makes them ready.

    weights : (rows, depth), all of `filters`, in the order of the output's channels

    Raises
    ------
    UnsupportedModelError : weights that are no int8 constants with one scale or one a channel.
    """
    rows, output = len(weights), operator.outputs[0]
    _check(operator, filters, bias, rows)
    scales = _multipliers(operator, source, filters, output, rows)
    multipliers, shifts = np.array(scales, np.int64).reshape(rows, 2).T
    biases = np.zeros(rows, np.int64)
    if bias is not None and bias.data is not None:
        biases += bias.data.reshape(-1)[:rows].astype(np.int64)
    zero_point, input_zero_point = int(output.zero_point[0]), int(source.zero_point[0])
    activation = operator.options.get("fused_activation_function", "NONE")
    if activation not in ("NONE", "RELU", "RELU6", "RELU_N1_TO_1"):
        raise UnsupportedModelError(operator, f"the fused activation {activation}", "use RELU or RELU6, or none")
    low, high = activation_range(activation, float(output.scale[0]), zero_point)
    farthest = max(127 - input_zero_point, input_zero_point + 128)
    most = np.abs(biases) + farthest * np.abs(weights.astype(np.int64)).sum(axis=1)
    is_bounded = _are_bounded(most, multipliers, shifts)
    return Rows(operator.outputs[0].name, weights, biases, multipliers, shifts, zero_point, low, high, is_bounded)


def _check(operator: Operator, filters: Tensor, bias: Tensor | None, rows: int) -> None:
    if filters.data is None or filters.dtype != np.int8:
        raise UnsupportedModelError(operator, "its weights are no int8 constants", "convert it to full int8")
    if filters.scale.size not in (1, rows) or np.any(filters.zero_point):
        raise UnsupportedModelError(
            operator, "its weights have zero points, or other scales than one or one a channel", "convert it again"
        )
    if bias is not None and (bias.data is None or bias.dtype != np.int32 or bias.size < rows):
        raise UnsupportedModelError(
            operator, "its bias is no int32 constant of one value a channel", "convert it again"
        )


def _multipliers(
    operator: Operator, source: Tensor, filters: Tensor, output: Tensor, rows: int
) -> list[tuple[int, int]]:
    """(multiplier, shift) of each row, in TFLite's precisions; 0 gets a shift with which ports go the short way."""
    if operator.code == "FULLY_CONNECTED" and filters.scale.size == 1:
        # GetQuantizedConvolutionMultipler multiplies in float32.
        products = np.array([source.scale[0] * filters.scale[0]], np.float32).astype(np.float64)
    else:
        products = source.scale[0].astype(np.float64) * filters.scale.astype(np.float64)
    found = [quantize_multiplier(product / float(output.scale[0])) for product in products.tolist()]
    found = [(multiplier, shift if multiplier else -1) for multiplier, shift in found]
    return found * rows if len(found) == 1 else found


def _are_bounded(
    most: npt.NDArray[np.int64], multipliers: npt.NDArray[np.int64], shifts: npt.NDArray[np.int64]
) -> bool:
    """Whether no sum reaches 2^30, and a scaled one with all that is added before its shift stays an int32.

    What is added is at most 128.5 * 2^-shift: the zero point, and a half for rounding.
    """
    scaled = (most * multipliers >> 31) + 2
    return bool(
        np.all(most < 1 << 30)
        and np.all(shifts <= -1)
        and np.all(shifts >= -31)
        and np.all(scaled + 129 * (np.int64(1) << -np.minimum(shifts, 0)) < 1 << 31)
    )


def _wrap(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Values modulo 2^32, as int32 holds them."""
    return (values + (1 << 31)) % (1 << 32) - (1 << 31)
