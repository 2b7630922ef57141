"""Functions of one int8 value, for device/src/kernels/lookup.c: each becomes a table of 256 bytes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgetwin.deploy.compiler import activations
from edgetwin.deploy.compiler.fixed_point import activation_range
from edgetwin.deploy.compiler.graph import Operator, UnsupportedModelError
from edgetwin.deploy.compiler.layers import Constant, Kernel
from edgetwin.deploy.compiler.lowering import Lowering, lowers
from edgetwin.deploy.compiler.lowering.operands import in_place, quantized, require

__all__ = ["LOOKUP", "add_lookup"]

LOOKUP = Kernel("lookup", 12, ("input", "output", "table", "count"))


def add_lookup(lowering: Lowering, operator: Operator, table: npt.NDArray[np.int8]) -> None:
    """Appends the layer of a function; table : (256,) results for -128, ... 127."""
    source, output = operator.input(0), operator.outputs[0]
    require(source.size == output.size, operator, f"its output has {output.size} values, its input {source.size}")
    places = lowering.operand(source), lowering.place(output)
    lowering.add(
        LOOKUP,
        operator,
        reads=[places[0]],
        writes=[places[1]],
        overlaps=in_place(places[1], places[0]),
        completes=output,
        input=places[0],
        output=places[1],
        table=Constant(f"{operator.code.lower()} table", np.roll(table, 128).tobytes()),  # by the unsigned value
        count=output.size,
    )


@lowers("LOOKUP")
def lower_lookup(lowering: Lowering, operator: Operator) -> None:
    """A function that a pass made."""
    add_lookup(lowering, operator, operator.options["table"])


@lowers("LOGISTIC")
def lower_logistic(lowering: Lowering, operator: Operator) -> None:
    """1 / (1 + exp(-x))."""
    (scale, zero_point), output = quantized(operator, operator.input(0), operator.outputs[0])
    require(output[1] == -128, operator, f"its output's zero point is {output[1]}, not -128")
    add_lookup(lowering, operator, activations.logistic_table(float(scale), zero_point))


@lowers("TANH")
def lower_tanh(lowering: Lowering, operator: Operator) -> None:
    """The hyperbolic tangent."""
    (scale, zero_point), _ = quantized(operator, operator.input(0), operator.outputs[0])
    add_lookup(lowering, operator, activations.tanh_table(float(scale), zero_point))


@lowers("RELU", "RELU_N1_TO_1")
def lower_relu(lowering: Lowering, operator: Operator) -> None:
    """max(x, 0), or x held to -1 .. 1."""
    source, output = quantized(operator, operator.input(0), operator.outputs[0])
    low, high = activation_range(operator.code, float(output[0]), output[1])
    add_lookup(lowering, operator, activations.relu_table(*source, *output, low, high))


@lowers("RELU6")
def lower_relu6(lowering: Lowering, operator: Operator) -> None:
    """x held to 0 .. 6. TFLite Micro clamps the stored values by the input's scale and changes no scale."""
    (scale, zero_point), _ = quantized(operator, operator.input(0), operator.outputs[0])
    _, six = activation_range("RELU6", float(scale), zero_point)
    values = np.arange(-128, 128)
    clamped = np.where(values > six, six, np.maximum(values, zero_point))
    add_lookup(lowering, operator, clamped.astype(np.int8))


@lowers("LEAKY_RELU")
def lower_leaky_relu(lowering: Lowering, operator: Operator) -> None:
    """x, or alpha x below 0."""
    source, output = quantized(operator, operator.input(0), operator.outputs[0])
    alpha = float(operator.options["alpha"])
    add_lookup(lowering, operator, activations.leaky_relu_table(*source, *output, alpha))


@lowers("HARD_SWISH")
def lower_hard_swish(lowering: Lowering, operator: Operator) -> None:
    """x relu6(x + 3) / 6."""
    source, output = quantized(operator, operator.input(0), operator.outputs[0])
    table = activations.hard_swish_table(*source, *output)
    if table is None:
        raise UnsupportedModelError(
            operator, "its scales are too small or too far apart", "calibrate with representative data"
        )
    add_lookup(lowering, operator, table)
