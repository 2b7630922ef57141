"""What rules ask of an operator's tensors, and what kernels may write over."""

from __future__ import annotations

import numpy as np

from edgetwin.deploy.compiler.fixed_point import activation_range
from edgetwin.deploy.compiler.graph import Operator, Tensor, UnsupportedModelError
from edgetwin.deploy.compiler.layers import Buffer, Constant, Overlap, Place

__all__ = ["bounds", "in_place", "integers", "quantized", "require", "require_alike"]

_AGAIN = "convert the model again"


def require(condition: bool, operator: Operator, what: str, remedy: str = _AGAIN) -> None:
    """Refuses an operator, for what is said, unless a condition holds."""
    if not condition:
        raise UnsupportedModelError(operator, what, remedy)


def quantized(operator: Operator, *tensors: Tensor) -> list[tuple[np.float32, int]]:
    """(scale, zero point) of each tensor, which must be int8 with one scale."""
    for tensor in tensors:
        single = tensor.dtype == np.int8 and tensor.scale.size == 1 and float(tensor.scale[0]) > 0
        require(single, operator, f"{tensor.name} is not int8 with one scale", "convert the model to full int8")
    return [(np.float32(tensor.scale[0]), int(tensor.zero_point[0])) for tensor in tensors]


def require_alike(operator: Operator, *tensors: Tensor) -> None:
    """Refuses int8 tensors of which one is quantised otherwise than the others."""
    scales = {(float(scale), zero_point) for scale, zero_point in quantized(operator, *tensors)}
    require(len(scales) == 1, operator, "inputs and outputs have different scales or zero points")


def integers(operator: Operator, position: int) -> list[int]:
    """An input that must be constant: axes, sizes, limits."""
    tensor = operator.input(position)
    require(
        tensor.data is not None and tensor.dtype in (np.int32, np.int64),
        operator,
        f"{tensor.name} is computed in the model",
        "make it a constant",
    )
    return [int(value) for value in np.asarray(tensor.data).ravel()]


def bounds(operator: Operator, output: Tensor) -> tuple[int, int]:
    """(low, high) of an int8 output under the operator's fused activation."""
    activation = operator.options.get("fused_activation_function", "NONE")
    fusible = activation in ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
    require(fusible, operator, f"{activation} is fused", "make it a layer of its own")
    ((scale, zero_point),) = quantized(operator, output)
    return activation_range(activation, float(scale), zero_point)


def in_place(output: Place, *operands: Place | Constant, distance: int = 0) -> list[Overlap]:
    """Overlaps of a kernel that reads an element of each operand, and nothing below it, before it writes that element.

    distance : bytes that the output must begin below an operand
    """
    distances: dict[Buffer, int] = {}
    for operand in operands:
        if isinstance(operand, Place):
            least = distances.get(operand.buffer, -operand.buffer.size)
            distances[operand.buffer] = max(least, distance + output.offset - operand.offset)
    return [Overlap(output.buffer, source, least) for source, least in distances.items()]
