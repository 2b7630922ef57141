"""TRANSPOSE_CONV as ordinary convolutions: one for each place of an output in the stride, a phase."""

from __future__ import annotations

import numpy as np

from edgetwin.deploy.compiler.graph import Operator, UnsupportedModelError
from edgetwin.deploy.compiler.lowering import Lowering, lowers
from edgetwin.deploy.compiler.lowering.conv import add_conv
from edgetwin.deploy.compiler.lowering.packing import rows_of
from edgetwin.deploy.compiler.lowering.windows import Axis, padding_before


@lowers("TRANSPOSE_CONV")
def lower_transpose_conv(lowering: Lowering, operator: Operator) -> None:
    """Convolutions whose outputs lie a stride apart."""
    filters, source, output = operator.input(1), operator.input(2), operator.outputs[0]
    bias = operator.inputs[3] if len(operator.inputs) > 3 else None
    if len(source.shape) != 4 or len(filters.shape) != 4 or len(output.shape) != 4 or source.shape[0] != 1:
        raise UnsupportedModelError(operator, "its input is not one image", "use a batch of 1")
    channels, depth = filters.shape[0], filters.shape[3]
    if depth != source.shape[3] or channels != output.shape[3]:
        raise UnsupportedModelError(operator, "its weights do not fit its input and output", "convert the model again")
    stored = filters.data if filters.data is not None else np.zeros(filters.shape, np.int8)
    whole = rows_of(operator, source, filters, bias, stored.reshape(channels, -1))
    strides = operator.options["stride_h"], operator.options["stride_w"]
    phases = [
        [_phase(operator, axis, strides[axis], place) for place in range(min(strides[axis], output.shape[1 + axis]))]
        for axis in range(2)
    ]
    width = output.shape[2]
    for row, (height_axis, height_taps) in enumerate(phases[0]):
        for column, (width_axis, width_taps) in enumerate(phases[1]):
            weights = _taken(_taken(stored, 1, height_taps), 2, width_taps)
            rows = whole.with_weights(weights.reshape(channels, -1), int(source.zero_point[0]))
            add_conv(
                lowering,
                operator,
                source,
                output,
                rows,
                (height_axis, width_axis),
                steps=(strides[0] * width * channels, strides[1] * channels),
                offset=(row * width + column) * channels,
                is_last=row == len(phases[0]) - 1 and column == len(phases[1]) - 1,
                macs=height_axis.outputs * width_axis.outputs * weights.size,
            )


def _phase(operator: Operator, axis: int, stride: int, place: int) -> tuple[Axis, slice]:
    """Windows of the outputs at `place` + t * stride along an axis, and their taps of the filter.

    Output o gets input i through tap o + pad - i * stride. So the outputs of a phase use the taps that are place + pad
    modulo the stride, and walk back through them as they go on through the input.
    """
    size, kernel = operator.input(2).shape[1 + axis], operator.input(1).shape[1 + axis]
    outputs = operator.outputs[0].shape[1 + axis]
    if stride < 1 or kernel < 1:
        raise UnsupportedModelError(operator, "a stride or a size is below 1", "convert the model again")
    same = operator.options["padding"] == "SAME"
    windows = -(-outputs // stride) if same else (outputs + stride - kernel) // stride
    pad = padding_before(outputs, windows, kernel, stride)
    first = (place + pad) % stride
    taps = len(range(first, kernel, stride))
    before = taps - 1 - (place + pad) // stride
    count = len(range(place, outputs, stride))
    if not taps:  # no tap reaches these outputs: one of zeros
        return Axis(size, count, 1, 1, 1, 0), slice(0, 0)
    return Axis(size, count, taps, 1, 1, before), slice(first, kernel, stride)


def _taken(weights: np.ndarray, axis: int, taps: slice) -> np.ndarray:
    """The taps along an axis, in the order of the input; one of zeros where there is none."""
    if taps.stop == 0:
        return np.zeros_like(np.take(weights, [0], axis))
    return np.flip(np.take(weights, range(taps.start, taps.stop, taps.step), axis), axis)
