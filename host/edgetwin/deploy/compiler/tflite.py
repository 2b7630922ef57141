"""Reads a .tflite file into a graph, without TensorFlow.

A file is not trusted: every index, size and value that later stages use is checked, and anything that the flatbuffer's
accessors stumble over becomes one error.
"""

from __future__ import annotations

import functools
import math
import re
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from edgetwin.deploy.compiler.graph import Graph, Operator, Tensor, UnsupportedModelError
from edgetwin.errors import UserError

__all__ = ["read_tflite"]

#: Bounds of what is read, so that a hostile file cannot make the reader work or allocate without end.
_MOST_TENSORS = 1 << 16
_MOST_OPERANDS = 1 << 12
_MOST_RANK = 8
_MOST_ELEMENTS = 1 << 30
_MOST_NAME = 200

_DTYPES: dict[int, type[np.generic]] = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
    tflite.TensorType.UINT8: np.uint8,
    tflite.TensorType.INT64: np.int64,
    tflite.TensorType.BOOL: np.bool_,
    tflite.TensorType.INT16: np.int16,
    tflite.TensorType.INT8: np.int8,
}

#: Operators whose options are read: the schema's table ("" for none) and the last version whose meaning is known here.
_OPERATORS: dict[str, tuple[str, int]] = {
    "ADD": ("AddOptions", 5),
    "AVERAGE_POOL_2D": ("Pool2DOptions", 3),
    "CONCATENATION": ("ConcatenationOptions", 4),
    "CONV_2D": ("Conv2DOptions", 8),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", 7),
    "DEQUANTIZE": ("DequantizeOptions", 6),
    "EXPAND_DIMS": ("ExpandDimsOptions", 1),
    "FULLY_CONNECTED": ("FullyConnectedOptions", 14),
    "HARD_SWISH": ("HardSwishOptions", 1),
    "LEAKY_RELU": ("LeakyReluOptions", 2),
    "LOGISTIC": ("", 3),
    "MAXIMUM": ("MaximumMinimumOptions", 4),
    "MAX_POOL_2D": ("Pool2DOptions", 3),
    "MEAN": ("ReducerOptions", 3),
    "MINIMUM": ("MaximumMinimumOptions", 4),
    "MUL": ("MulOptions", 7),
    "PACK": ("PackOptions", 4),
    "PAD": ("PadOptions", 4),
    "PADV2": ("PadV2Options", 4),
    "QUANTIZE": ("QuantizeOptions", 4),
    "RELU": ("", 3),
    "RELU6": ("", 3),
    "RELU_N1_TO_1": ("", 2),
    "RESHAPE": ("ReshapeOptions", 2),
    "RESIZE_NEAREST_NEIGHBOR": ("ResizeNearestNeighborOptions", 4),
    "SHAPE": ("ShapeOptions", 1),
    "SLICE": ("SliceOptions", 7),
    "SOFTMAX": ("SoftmaxOptions", 3),
    "SPLIT": ("SplitOptions", 4),
    "SPLIT_V": ("SplitVOptions", 3),
    "SQUEEZE": ("SqueezeOptions", 2),
    "STRIDED_SLICE": ("StridedSliceOptions", 8),
    "SUB": ("SubOptions", 5),
    "TANH": ("", 3),
    "TRANSPOSE": ("TransposeOptions", 6),
    "TRANSPOSE_CONV": ("TransposeConvOptions", 5),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": ("UnidirectionalSequenceLSTMOptions", 4),
    "UNPACK": ("UnpackOptions", 4),
}

_ENUMERATIONS: dict[str, type[Any]] = {
    "padding": tflite.Padding,
    "fused_activation_function": tflite.ActivationFunctionType,
    "weights_format": tflite.FullyConnectedOptionsWeightsFormat,
    "quantized_bias_type": tflite.TensorType,
    "out_type": tflite.TensorType,
}

#: An empty table (its vtable first), for options that a file leaves out: all fields have their defaults.
_NO_FIELDS = (struct.pack("<HHi", 4, 4, 4), 4)


def read_tflite(content: bytes, name: str) -> Graph:
    """The graph of an int8 .tflite file.

    name : of the file, for messages and the bundle

    Raises
    ------
    UserError : not a .tflite file, cut or corrupted, or of a kind that cannot be compiled.
    UnsupportedModelError : one operator is what cannot be compiled.
    """
    if content[4:8] != b"TFL3":
        raise UserError(f"{name} is not a TensorFlow Lite model: give a .tflite file")
    try:
        graph = _Reader(content, name).graph()
    except (struct.error, IndexError, ValueError, TypeError, OverflowError, MemoryError, RecursionError) as error:
        raise UserError(f"{name} is cut or corrupted: copy or convert it again") from error
    _check_order(graph)
    return graph


class _Reader:
    def __init__(self, content: bytes, name: str) -> None:
        self._content = content
        self._name = name
        self._model = tflite.Model.GetRootAs(content, 0)

    def graph(self) -> Graph:
        model = self._model
        if model.Version() != 3:
            raise UserError(
                f"{self._name} has schema version {model.Version()}: only version 3 is known, convert it again"
            )
        if model.SubgraphsLength() != 1:
            raise UserError(
                f"{self._name} has {model.SubgraphsLength()} subgraphs: only models of one run on a board; "
                "unroll loops (unroll=True) and export one signature"
            )
        subgraph = model.Subgraphs(0)
        self._bounded(subgraph.TensorsLength(), _MOST_TENSORS, "tensors")
        self._bounded(subgraph.OperatorsLength(), _MOST_TENSORS - 1, "operators")
        tensors = [self._tensor(i, subgraph.Tensors(i)) for i in range(subgraph.TensorsLength())]
        inputs = _present(self._operands(tensors, _vector(subgraph, "Inputs")))
        outputs = _present(self._operands(tensors, _vector(subgraph, "Outputs")))
        operators = [self._operator(i, subgraph.Operators(i), tensors) for i in range(subgraph.OperatorsLength())]
        if not inputs or not outputs or not operators:
            raise UserError(f"{self._name} has no input, no output or no operator: convert it again")
        operands = [tensor for operator in operators for tensor in operator.operands]
        for tensor in dict.fromkeys([*inputs, *outputs, *operands]):
            self._check(tensor)
        return Graph(self._name, inputs, outputs, operators)

    def _bounded(self, count: int, most: int, what: str) -> int:
        if count > most:
            raise UserError(f"{self._name} has {count} {what}, at most {most} can be compiled")
        return count

    def _tensor(self, index: int, stored: Any) -> Tensor:
        tensor_name = _text(stored.Name()) or f"tensor {index}"
        shape = tuple(int(size) for size in _vector(stored, "Shape"))
        where = f"{self._name}: tensor {index} ({tensor_name})"
        if len(shape) > _MOST_RANK:
            raise UserError(f"{where} has {len(shape)} dimensions, at most {_MOST_RANK} are known")
        if stored.Sparsity() is not None:
            raise UserError(f"{where} is stored sparse: convert the model without sparse storage")
        dtype = np.dtype(_DTYPES.get(stored.Type(), np.void))
        scale, zero_point, axis = self._quantization(where, shape, stored.Quantization())
        return Tensor(
            index=index,
            name=tensor_name,
            shape=shape,
            dtype=dtype,
            scale=scale,
            zero_point=zero_point,
            axis=axis,
            data=self._data(where, shape, dtype, stored.Buffer()),
            is_variable=bool(stored.IsVariable()),
        )

    def _check(self, tensor: Tensor) -> None:
        """Refuses what can be no input, output or operand (the intermediates of an LSTM have no shape)."""
        where = f"{self._name}: tensor {tensor.index} ({tensor.name})"
        if any(size < 1 for size in tensor.shape):
            raise UserError(
                f"{where} has the dynamic or empty shape {list(tensor.shape)}: convert the model with fixed shapes, "
                "as with keras.Input(batch_shape=(1, ...))"
            )
        if tensor.dtype == np.void:
            raise UserError(f"{where} is of a type that no kernel takes: convert the model to full int8")
        if math.prod(tensor.shape) > _MOST_ELEMENTS:
            raise UserError(f"{where} has the shape {list(tensor.shape)}: it is too large for a board")

    def _quantization(
        self, where: str, shape: tuple[int, ...], stored: Any
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], int]:
        scale = np.zeros(0, np.float32) if stored is None else _vector(stored, "Scale").astype(np.float32)
        if scale.size == 0:
            return scale, np.zeros(0, np.int64), 0
        zero_point = _vector(stored, "ZeroPoint").astype(np.int64)
        axis = int(stored.QuantizedDimension())
        if len(shape) == 1:  # some converters give a bias the axis of its filter
            axis = 0
        channels = shape[axis] if 0 <= axis < len(shape) else 1
        if zero_point.size == 0:
            zero_point = np.zeros(scale.size, np.int64)
        if zero_point.size == 1:
            zero_point = np.repeat(zero_point, scale.size)
        if scale.size not in (1, channels) or zero_point.size != scale.size:
            raise UserError(f"{where} has {scale.size} scales for {channels} channels: convert the model again")
        if not (np.isfinite(scale).all() and (scale >= 0).all() and (np.abs(zero_point) <= 1 << 15).all()):
            raise UserError(f"{where} has an impossible scale or zero point: convert the model again")
        return scale, zero_point, axis

    def _data(self, where: str, shape: tuple[int, ...], dtype: np.dtype[Any], index: int) -> npt.NDArray[Any] | None:
        if index == 0:
            return None
        if index >= self._model.BuffersLength():
            raise IndexError(index)
        buffer = self._model.Buffers(index)
        start, size = buffer.Offset(), buffer.Size()
        if start > 1:  # outside the flatbuffer, in the same file (Buffer.offset, schema.fbs)
            if start + size > len(self._content):
                raise IndexError(start)
            raw = np.frombuffer(self._content, np.uint8, size, start)
        else:
            raw = _vector(buffer, "Data").view(np.uint8)
        if raw.size == 0 or dtype == np.void:
            return None
        if raw.size != math.prod(shape) * dtype.itemsize:
            raise UserError(
                f"{where} has {raw.size} bytes for the shape {list(shape)}: the file is corrupted, convert it again"
            )
        values: npt.NDArray[Any] = np.frombuffer(raw.tobytes(), dtype.newbyteorder("<")).astype(dtype).reshape(shape)
        return values

    def _operands(self, tensors: list[Tensor], indices: npt.NDArray[Any]) -> list[Tensor | None]:
        """Tensors by index; -1 is one that is absent."""
        self._bounded(indices.size, _MOST_OPERANDS, "operands of one operator")
        if indices.size and not -1 <= indices.min() <= indices.max() < len(tensors):
            raise IndexError("tensor index")
        return [None if index < 0 else tensors[index] for index in indices]

    def _operator(self, index: int, stored: Any, tensors: list[Tensor]) -> Operator:
        if stored.OpcodeIndex() >= self._model.OperatorCodesLength():
            raise IndexError(stored.OpcodeIndex())
        opcode = self._model.OperatorCodes(stored.OpcodeIndex())
        # Files from before 2020 have the code in the first field alone.
        code = _enumerated(tflite.BuiltinOperator, max(opcode.DeprecatedBuiltinCode(), opcode.BuiltinCode()))
        operator = Operator(
            index=index,
            code=code,
            version=opcode.Version(),
            inputs=self._operands(tensors, _vector(stored, "Inputs")),
            outputs=_present(self._operands(tensors, _vector(stored, "Outputs"))),
            intermediates=_present(self._operands(tensors, _vector(stored, "Intermediates"))),
        )
        if not operator.outputs:
            raise UserError(f"{self._name}: {code} (operator {index}) has no output: convert the model again")
        if code == "CUSTOM":
            custom = _text(opcode.CustomCode()) or "without a name"
            remedy = (
                "convert without SELECT_TF_OPS" if custom.startswith("Flex") else "replace it by built-in operators"
            )
            raise UnsupportedModelError(operator, f"the custom operator {custom} is not supported", remedy)
        if code not in _OPERATORS:
            use = ", ".join(name for name in _OPERATORS if name != "SHAPE")
            raise UnsupportedModelError(operator, "the operator is not supported", f"use {use}")
        table, newest = _OPERATORS[code]
        if operator.version > newest:
            raise UnsupportedModelError(
                operator,
                f"version {operator.version} is newer than {newest}, the last one known",
                "upgrade edgetwin, or convert the model with an older TensorFlow",
            )
        operator.input(0)
        operator.options = _options(operator, table, stored) if table else {}
        return operator


def _options(operator: Operator, table: str, stored: Any) -> dict[str, Any]:
    """All fields of an operator's options."""
    found, union = stored.BuiltinOptionsType(), stored.BuiltinOptions()
    options = getattr(tflite, table)()
    if found == tflite.BuiltinOptions.NONE or union is None:
        options.Init(*_NO_FIELDS)
    elif found != getattr(tflite.BuiltinOptions, table):
        raise UnsupportedModelError(operator, "it has the options of another operator", "convert the model again")
    else:
        options.Init(union.Bytes, union.Pos)
    return {field: read(options) for field, read in _fields(table)}


@functools.cache
def _fields(table: str) -> list[tuple[str, Callable[[Any], Any]]]:
    """Names, in snake case, and readers of a table's fields, from the accessors that flatc made."""
    options = getattr(tflite, table)
    accessors = [name for name in vars(options) if not name.startswith(("_", "Init", "GetRootAs"))]
    vectors = {name.removesuffix("AsNumpy") for name in accessors if name.endswith("AsNumpy")}
    scalars = [
        name
        for name in accessors
        if not name.endswith("BufferHasIdentifier") and not any(name.startswith(vector) for vector in vectors)
    ]
    readers: list[tuple[str, Callable[[Any], Any]]] = [
        (_snake(name), functools.partial(_scalar, name)) for name in scalars
    ]
    return readers + [(_snake(name), functools.partial(_list, name)) for name in sorted(vectors)]


def _scalar(name: str, options: Any) -> Any:
    value = getattr(options, name)()
    enumeration = _ENUMERATIONS.get(_snake(name))
    return value if enumeration is None else _enumerated(enumeration, value)


def _list(name: str, options: Any) -> list[Any]:
    values: list[Any] = _vector(options, name).tolist()
    return values


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _enumerated(enumeration: type[Any], value: int) -> str:
    """The name of an enumeration's value."""
    names: dict[int, str] = {number: name for name, number in vars(enumeration).items() if not name.startswith("_")}
    return names.get(value, f"number {value}")


def _vector(table: Any, name: str) -> npt.NDArray[Any]:
    """A vector of numbers; empty where it is absent."""
    values = getattr(table, name + "AsNumpy")()
    return values if isinstance(values, np.ndarray) else np.zeros(0, np.int64)


def _present(tensors: list[Tensor | None]) -> list[Tensor]:
    if any(tensor is None for tensor in tensors):
        raise IndexError("a tensor is absent")
    return [tensor for tensor in tensors if tensor is not None]


def _text(stored: bytes | None) -> str:
    """A name that can stand in a message: one line, not too long."""
    text = (stored or b"").decode("utf-8", "replace")[:_MOST_NAME]
    return "".join(character if character.isprintable() else "?" for character in text)


def _check_order(graph: Graph) -> None:
    """Every tensor that is read has been written before, and only once."""
    known = set(graph.inputs)
    for operator in graph.operators:
        for tensor in operator.inputs:
            if tensor is not None and not (tensor.is_constant or tensor.is_variable or tensor in known):
                raise UnsupportedModelError(
                    operator, f"{tensor.name} is read before it is written", "convert the model again"
                )
        for tensor in operator.outputs:
            if tensor.is_constant or tensor in known:
                raise UnsupportedModelError(operator, f"{tensor.name} is written twice", "convert the model again")
            known.add(tensor)
    if any(tensor.is_constant or tensor.is_variable for tensor in graph.inputs) or not known.issuperset(graph.outputs):
        raise UserError(
            f"{graph.name}: an input is a constant or a state, or an output is never written: convert the model again"
        )
