"""Models of the tests, written without TensorFlow, and what TensorFlow Lite Micro makes of them.

>>> model = ModelBuilder()
>>> x = model.tensor((1, 8, 8, 3), scale=0.5, zero_point=-3)
>>> w = model.tensor((4, 3, 3, 3), scale=[0.1] * 4, data=weights)  # per channel, along axis 0
>>> b = model.tensor((4,), "int32", scale=[0.05] * 4, data=biases)
>>> y = model.tensor((1, 4, 4, 4), scale=0.25, zero_point=7)
>>> model.operator("CONV_2D", [x, w, b], [y], padding="SAME", stride_w=2, stride_h=2)
>>> (output,) = run_tflm(model.build([x], [y]), [image])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
import tflite
from tflite_micro import runtime

#: Options tables that are not named after their operator; None: it has none.
_OPTIONS = {
    "AVERAGE_POOL_2D": "Pool2D",
    "MAX_POOL_2D": "Pool2D",
    "MEAN": "Reducer",
    "MAXIMUM": "MaximumMinimum",
    "MINIMUM": "MaximumMinimum",
    "PADV2": "PadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTM",
    "LOGISTIC": None,
    "TANH": None,
    "RELU": None,
    "RELU6": None,
}
_ENUMS = {"padding": tflite.Padding, "fused_activation_function": tflite.ActivationFunctionType}
#: 0 if absent, with which no operator can run.
_ONES = ("StrideW", "StrideH", "FilterWidth", "FilterHeight")
_ALIGNMENT = 16


def _camel(name: str) -> str:
    return name.title().replace("_", "")


class ModelBuilder:
    """A model of one subgraph; tensors are named by the index that :meth:`tensor` returns."""

    def __init__(self) -> None:
        self._tensors: list[dict[str, Any]] = []
        self._operators: list[dict[str, Any]] = []

    def tensor(
        self,
        shape: Sequence[int],
        dtype: str = "int8",
        scale: float | Sequence[float] | None = None,
        zero_point: int | Sequence[int] = 0,
        *,
        data: Any = None,
        axis: int = 0,
        variable: bool = False,
        name: str | None = None,
    ) -> int:
        """Adds a tensor: a constant if it has `data`, a state if it is `variable`; quantised if it has a scale."""
        index = len(self._tensors)
        scales = np.atleast_1d(np.asarray([] if scale is None else scale, np.float32))
        zeros = np.broadcast_to(np.asarray(zero_point, np.int64), scales.shape)
        if data is not None:
            data = np.ascontiguousarray(np.broadcast_to(np.asarray(data, dtype), shape))
        self._tensors.append(
            {
                "shape": [int(size) for size in shape],
                "type": getattr(tflite.TensorType, dtype.upper()),
                "name": name or f"tensor_{index}",
                "scale": scales,
                "zero_point": zeros,
                "axis": axis,
                "data": data,
                "variable": variable,
            }
        )
        return index

    def constant(self, values: Any, dtype: str = "int32") -> int:
        """Adds a constant without a scale: axes, paddings, shapes."""
        array = np.asarray(values, dtype)
        return self.tensor(array.shape, dtype, data=array)

    def shape(self, tensor: int) -> tuple[int, ...]:
        """The dimensions of a tensor."""
        return tuple(self._tensors[tensor]["shape"])

    def operator(
        self,
        code: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        version: int = 1,
        intermediates: Sequence[int] = (),
        **options: Any,
    ) -> None:
        """Adds an operator.

        inputs : -1 where an optional one is absent
        options : the schema's fields in snake case; enumerations by name; strides and filters are 1 unless given
        """
        self._operators.append(
            {
                "code": code,
                "inputs": inputs,
                "outputs": outputs,
                "version": version,
                "intermediates": intermediates,
                "options": options,
            }
        )

    def build(self, inputs: Sequence[int], outputs: Sequence[int], *, external: bool = False) -> bytes:
        """The file; `external` puts constants behind the flatbuffer, as the converter does with large models."""
        if not external:
            return self._write(inputs, outputs, None)[0]
        draft, sizes = self._write(inputs, outputs, [_ALIGNMENT] * len(self._tensors))
        places, end = [], len(draft)
        for size in sizes:
            end += -end % _ALIGNMENT
            places.append(end)
            end += size
        file = bytearray(self._write(inputs, outputs, places)[0])
        for tensor, place in zip(self._tensors, places, strict=True):
            if tensor["data"] is not None:
                file += bytes(place - len(file)) + tensor["data"].tobytes()
        return bytes(file)

    def _write(
        self, inputs: Sequence[int], outputs: Sequence[int], places: list[int] | None
    ) -> tuple[bytes, list[int]]:
        b = flatbuffers.Builder(4096)
        data = [b"" if t["data"] is None else t["data"].tobytes() for t in self._tensors]
        buffers = [_table(b, "Buffer")]
        for index, values in enumerate(data):
            if values and places is not None:
                buffers.append(_table(b, "Buffer", Offset=places[index], Size=len(values)))
            else:
                buffers.append(_table(b, "Buffer", Data=_bytes(b, values)) if values else buffers[0])
        tensors = [self._write_tensor(b, tensor, index + 1) for index, tensor in enumerate(self._tensors)]
        kinds = list(dict.fromkeys((op["code"], op["version"]) for op in self._operators))
        codes = []
        for code, version in kinds:
            number = getattr(tflite.BuiltinOperator, code)
            codes.append(
                _table(b, "OperatorCode", DeprecatedBuiltinCode=min(number, 127), BuiltinCode=number, Version=version)
            )
        operators = [self._write_operator(b, op, kinds) for op in self._operators]
        subgraph = _table(
            b,
            "SubGraph",
            Tensors=_offsets(b, tensors),
            Inputs=_integers(b, inputs),
            Outputs=_integers(b, outputs),
            Operators=_offsets(b, operators),
            Name=b.CreateString("main"),
        )
        model = _table(
            b,
            "Model",
            Version=3,
            OperatorCodes=_offsets(b, codes),
            Subgraphs=_offsets(b, [subgraph]),
            Description=b.CreateString("test"),
            Buffers=_offsets(b, buffers),
        )
        b.Finish(model, file_identifier=b"TFL3")
        return bytes(b.Output()), [len(values) for values in data]

    def _write_tensor(self, b: flatbuffers.Builder, tensor: Mapping[str, Any], buffer: int) -> int:
        fields = {"Shape": _integers(b, tensor["shape"]), "Name": b.CreateString(tensor["name"])}
        if len(tensor["scale"]):
            fields["Quantization"] = _table(
                b,
                "QuantizationParameters",
                Scale=b.CreateNumpyVector(tensor["scale"]),
                ZeroPoint=b.CreateNumpyVector(np.ascontiguousarray(tensor["zero_point"])),
                QuantizedDimension=tensor["axis"],
            )
        return _table(b, "Tensor", Type=tensor["type"], Buffer=buffer, IsVariable=tensor["variable"], **fields)

    def _write_operator(self, b: flatbuffers.Builder, operator: Mapping[str, Any], kinds: list[tuple[str, int]]) -> int:
        code = operator["code"]
        fields: dict[str, Any] = {"Inputs": _integers(b, operator["inputs"])}
        fields["Outputs"] = _integers(b, operator["outputs"])
        if operator["intermediates"]:
            fields["Intermediates"] = _integers(b, operator["intermediates"])
        name = _OPTIONS.get(code, _camel(code))
        if name is not None:
            fields["BuiltinOptionsType"] = getattr(tflite.BuiltinOptions, f"{name}Options")
            fields["BuiltinOptions"] = _write_options(b, f"{name}Options", operator["options"])
        return _table(b, "Operator", OpcodeIndex=kinds.index((code, operator["version"])), **fields)


def _table(b: flatbuffers.Builder, name: str, **fields: Any) -> int:
    getattr(tflite, f"{name}Start")(b)
    for field, value in fields.items():
        getattr(tflite, f"{name}Add{field}")(b, value)
    return int(getattr(tflite, f"{name}End")(b))


def _write_options(b: flatbuffers.Builder, table: str, given: Mapping[str, Any]) -> int:
    fields: dict[str, Any] = {}
    for field in _ONES:
        if hasattr(tflite, f"{table}Add{field}"):
            fields[field] = 1
    for field, value in given.items():
        if field in _ENUMS:
            value = getattr(_ENUMS[field], value)
        elif isinstance(value, (list, tuple)):
            value = _integers(b, value)
        fields[_camel(field)] = value
    return _table(b, table, **fields)


def _integers(b: flatbuffers.Builder, values: Sequence[int]) -> int:
    return int(b.CreateNumpyVector(np.asarray(values, np.int32)))


def _offsets(b: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return int(b.EndVector())


def _bytes(b: flatbuffers.Builder, values: bytes) -> int:
    b.StartVector(1, len(values), _ALIGNMENT)
    b.head -= len(values)
    b.Bytes[b.head : b.head + len(values)] = values
    return int(b.EndVector())


class Tflm:
    """TensorFlow Lite Micro's reference interpreter, which raises RuntimeError for what it does not take.

    keep : every tensor keeps its values, for :meth:`tensor`
    """

    def __init__(self, model: bytes, *, keep: bool = False) -> None:
        config = runtime.InterpreterConfig
        self._interpreter = runtime.Interpreter.from_bytes(
            model,
            arena_size=max(1 << 20, 20 * len(model)),
            intrepreter_config=config.kPreserveAllTensors if keep else config.kAllocationRecording,
        )
        subgraph = tflite.Model.GetRootAs(model, 0).Subgraphs(0)
        self._outputs = subgraph.OutputsLength()

    def invoke(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Outputs of one invocation; states are kept between them."""
        for index, values in enumerate(inputs):
            self._interpreter.set_input(values, index)
        self._interpreter.invoke()
        return [np.array(self._interpreter.get_output(index)) for index in range(self._outputs)]

    def input_shape(self, index: int) -> tuple[int, ...]:
        """The dimensions of an input."""
        return tuple(int(size) for size in self._interpreter.get_input_details(index)["shape"])

    def tensor(self, index: int) -> np.ndarray:
        """What the last invocation left in a tensor."""
        return np.array(self._interpreter.GetTensor(index, 0)["tensor_data"])


def run_tflm(model: bytes, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Outputs of a model's first invocation."""
    return Tflm(model).invoke(inputs)
