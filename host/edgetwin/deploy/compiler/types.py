"""Which models are int8 throughout: others are refused by kind, with what to change."""

from __future__ import annotations

import numpy as np

from edgetwin.deploy.compiler.graph import Graph, Operator, Tensor, UnsupportedModelError
from edgetwin.errors import UserError

__all__ = ["check_types"]

_INT8 = "convert it to full int8: a representative data set, inference_input_type and inference_output_type tf.int8"
_AGAIN = "convert the model again"
#: Operators that floats may meet: those at the edges, and those that no kernel computes.
_FLOATS = ("QUANTIZE", "DEQUANTIZE", "RESHAPE", "SQUEEZE", "EXPAND_DIMS")


def check_types(graph: Graph) -> None:
    """Refuses models that are not int8 throughout; float32 may enter QUANTIZE and leave DEQUANTIZE.

    Raises
    ------
    UserError : a float, float16, dynamic-range, uint8 or int16x8 model, or an input or output that no board takes.
    UnsupportedModelError : one operator has a tensor that no kernel takes.
    """
    for operator in graph.operators:
        for tensor in operator.operands:
            _check_kind(graph, tensor)
            if tensor.dtype == np.float32 and operator.code not in _FLOATS:
                _refuse_floats(graph, operator, tensor)
            fault = _fault(tensor)
            if fault is not None:
                raise UnsupportedModelError(operator, *fault)
    for tensor in (*graph.inputs, *graph.outputs):  # that no operator may read or write
        _check_kind(graph, tensor)
        fault = _fault(tensor)
        if fault is not None:
            raise UserError(f"{graph.name}: {': '.join(fault)}")


def _check_kind(graph: Graph, tensor: Tensor) -> None:
    """Refuses models by the type of one tensor; what floats are depends on their operators."""
    if tensor.dtype in (np.uint8, np.float16, np.float64):
        raise UserError(f"{graph.name} is a {tensor.dtype} model ({tensor.name}): {_INT8}")
    if tensor.dtype == np.int16 and not tensor.is_constant and not tensor.is_variable:
        raise UserError(f"{graph.name} is an int16x8 model ({tensor.name}): {_INT8}")


def _refuse_floats(graph: Graph, operator: Operator, tensor: Tensor) -> None:
    kinds = {(other.dtype.name, other.is_constant) for operator in graph.operators for other in operator.operands}
    if ("int8", False) in kinds:
        raise UnsupportedModelError(operator, "it computes with floats inside an int8 model", _INT8)
    kind = "a dynamic-range model: its activations are floats" if ("int8", True) in kinds else "a float model"
    raise UserError(f"{graph.name} is {kind} ({tensor.name}): {_INT8}")


def _fault(tensor: Tensor) -> tuple[str, str] | None:
    """(what is wrong, remedy) of how an int8 tensor is quantised, if something is."""
    if tensor.dtype != np.int8:
        return None
    if not tensor.is_constant and tensor.scale.size != 1:
        return f"{tensor.name} is int8 without one scale", _INT8
    if np.any(np.abs(2 * tensor.zero_point + 1) > 255):
        return f"{tensor.name} has a zero point beyond int8", _AGAIN
    if not tensor.is_constant and not tensor.scale[0] > 0:
        return f"{tensor.name} has the scale 0", _AGAIN
    return None
