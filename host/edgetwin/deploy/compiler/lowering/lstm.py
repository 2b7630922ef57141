"""UNIDIRECTIONAL_SEQUENCE_LSTM, for device/src/kernels/lstm.c: what TensorFlow Lite Micro takes, and nothing else."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from edgetwin.deploy.compiler.activations import sigmoid_curve
from edgetwin.deploy.compiler.fixed_point import quantize_multiplier
from edgetwin.deploy.compiler.graph import Operator, Tensor
from edgetwin.deploy.compiler.layers import Kernel, Place, array, constant
from edgetwin.deploy.compiler.lowering import Lowering, lowers
from edgetwin.deploy.compiler.lowering.operands import quantized, require

__all__ = ["LSTM"]

_GATES = 4  # input, forget, cell, output, as the operator's inputs have them
LSTM = Kernel(
    "lstm",
    15,
    (
        *("input", "output", "hidden", "cell", "steps", "depth", "units"),
        *("input_weights", "hidden_weights", "biases", "sigmoid"),
        *array("input_multipliers", _GATES),
        *array("input_shifts", _GATES),
        *array("hidden_multipliers", _GATES),
        *array("hidden_shifts", _GATES),
        *("forget_multiplier", "forget_shift", "update_multiplier", "update_shift"),
        *("output_multiplier", "output_shift", "zero", "clip", "tanh_factor", "tanh_shift"),
    ),
)

# Positions of the operator's inputs.
_INPUT_WEIGHTS, _HIDDEN_WEIGHTS, _PEEPHOLES, _BIASES = range(1, 5), range(5, 9), range(9, 12), range(12, 16)
_PROJECTION, _HIDDEN, _CELL, _NORMALISATION = range(16, 18), 18, 19, range(20, 24)

_SUM_SCALE = 2.0**-12  # of a gate before its function
_GATE_SCALE = 2.0**-15  # and after it
_NO_CLIP = 1 << 15


@lowers("UNIDIRECTIONAL_SEQUENCE_LSTM")
def lower_lstm(lowering: Lowering, operator: Operator) -> None:
    """int8 with an int16 cell state, which is kept between invocations, as the hidden state is."""
    source, output = operator.input(0), operator.outputs[0]
    hidden, cell = operator.input(_HIDDEN), operator.input(_CELL)
    _require_plain(operator, hidden, cell)
    (x_scale, x_zero), (h_scale, h_zero), _ = quantized(operator, source, hidden, output)
    steps, depth, units = _sizes(operator)
    weights = [
        _weights(operator, _INPUT_WEIGHTS, (units, depth), x_scale),
        _weights(operator, _HIDDEN_WEIGHTS, (units, units), h_scale),
    ]
    cell_scale = float(cell.scale[0])
    forget = quantize_multiplier(_GATE_SCALE * cell_scale / cell_scale)
    update = quantize_multiplier(_GATE_SCALE * _GATE_SCALE / cell_scale)
    result = quantize_multiplier(_GATE_SCALE * _GATE_SCALE / float(h_scale))
    tanh = 12 + round(math.log2(cell_scale))
    require(-15 <= tanh <= 14, operator, f"its cell state's scale is {cell_scale}", "use one between 2^-27 and 4")
    places = lowering.operand(source), lowering.place(output)
    states = (
        _state(lowering, hidden, np.full(units, h_zero, np.int8)),
        _state(lowering, cell, np.zeros(units, np.int16)),
    )
    lowering.add(
        LSTM,
        operator,
        reads=[places[0], *states],
        writes=[places[1], *states],
        completes=output,
        macs=steps * _GATES * units * (depth + units),
        input=places[0],
        output=places[1],
        hidden=states[0],
        cell=states[1],
        steps=steps,
        depth=depth,
        units=units,
        input_weights=constant("input weights", weights[0][0], np.int8),
        hidden_weights=constant("recurrent weights", weights[1][0], np.int8),
        biases=constant("biases", _biases(operator, [weights[0][0], weights[1][0]], [x_zero, h_zero]), np.int32),
        sigmoid=constant("sigmoid", sigmoid_curve(), np.uint16),
        input_multipliers=[multiplier for multiplier, _ in weights[0][1]],
        input_shifts=[shift for _, shift in weights[0][1]],
        hidden_multipliers=[multiplier for multiplier, _ in weights[1][1]],
        hidden_shifts=[shift for _, shift in weights[1][1]],
        forget_multiplier=forget[0],
        forget_shift=forget[1],
        update_multiplier=update[0],
        update_shift=update[1],
        output_multiplier=result[0],
        output_shift=result[1],
        zero=h_zero,
        clip=_clip(operator, cell_scale),
        tanh_factor=3 << max(tanh, 0),
        tanh_shift=max(-tanh, 0),
    )


def _require_plain(operator: Operator, hidden: Tensor, cell: Tensor) -> None:
    """Refuses variants that TensorFlow Lite Micro has not."""
    inputs = [*operator.inputs, *[None] * 24]
    variants = {"peepholes": _PEEPHOLES, "a projection": _PROJECTION, "layer normalisation": _NORMALISATION}
    for name, positions in variants.items():
        absent = all(inputs[position] is None for position in positions)
        require(absent, operator, f"it has {name}", "use a plain LSTM")
    activation = operator.options["fused_activation_function"]
    require(activation == "TANH", operator, f"its activation is {activation}", "use tanh")
    states = hidden.is_variable and cell.is_variable
    require(states, operator, "its states are no variables", "convert it from a Keras LSTM layer")
    single = cell.dtype == np.int16 and cell.scale.size == 1 and float(cell.scale[0]) > 0
    require(single, operator, f"its cell state is {cell.dtype}, not int16 with one scale", "convert it to full int8")


def _sizes(operator: Operator) -> tuple[int, int, int]:
    """(steps, depth, units) of one series."""
    source, output = operator.input(0), operator.outputs[0]
    hidden = operator.input(_HIDDEN)
    require(len(source.shape) == len(output.shape) == 3, operator, "its input and output are no series")
    batch, steps = source.shape[1::-1] if operator.options["time_major"] else source.shape[:2]
    require(batch == 1, operator, f"its batch is {batch}", "convert the model with a batch of 1")
    units = hidden.size
    fits = output.shape == (*source.shape[:2], units) and operator.input(_CELL).size == units
    require(fits, operator, "its states do not fit its output")
    return steps, source.shape[2], units


def _weights(
    operator: Operator, positions: range, shape: tuple[int, int], scale: np.float32
) -> tuple[npt.NDArray[np.int8], list[tuple[int, int]]]:
    """((units, gates, inputs) weights, (multiplier, shift) of each gate's sums)."""
    matrices, multipliers = [], []
    for position in positions:
        tensor = operator.input(position)
        ((step, zero_point),) = quantized(operator, tensor)
        known = tensor.data is not None and tensor.shape == shape and zero_point == 0
        require(known, operator, f"{tensor.name} is not a constant of the shape {shape} with the zero point 0")
        matrices.append(np.asarray(tensor.data))
        multipliers.append(quantize_multiplier(float(scale * step) / _SUM_SCALE))
    return np.stack(matrices, axis=1), multipliers


def _biases(operator: Operator, weights: list[npt.NDArray[np.int8]], zero_points: list[int]) -> npt.NDArray[np.int64]:
    """(units, 2, gates) what is added to the sums over inputs and over hidden states: zero points, and the biases."""
    offsets = [-zero * each.sum(axis=2, dtype=np.int64) for each, zero in zip(weights, zero_points, strict=True)]
    for gate, position in enumerate(_BIASES):
        bias = operator.input(position)
        known = bias.data is not None and bias.dtype == np.int32 and bias.shape == (len(weights[0]),)
        require(known, operator, f"{bias.name} is not a constant int32 bias")
        offsets[0][:, gate] += np.asarray(bias.data)
    return np.stack(offsets, axis=1).astype(np.int32).astype(np.int64)  # sums wrap


def _state(lowering: Lowering, tensor: Tensor, initial: npt.NDArray[np.generic]) -> Place:
    return lowering.state(tensor, initial.tobytes())


def _clip(operator: Operator, scale: float) -> int:
    """The largest cell state."""
    real = float(operator.options["cell_clip"])
    clip = int(min(float(np.float32(real)) / scale, 32767.0))
    require(real <= 0 or clip > 0, operator, f"its cell state is clipped to {real}: to nothing", "use a larger clip")
    return clip if real > 0 else _NO_CLIP
