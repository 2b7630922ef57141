"""Keras networks as ONNX files: of floats, and of int8 with QuantizeLinear and DequantizeLinear (QDQ)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.errors import UserError
from edgetwin.nn.backend import load_keras
from edgetwin.nn.description import ENTRY, Description, parse_description
from edgetwin.nn.exportable import check_layers
from edgetwin.nn.isolation import convert_alone, load_job

__all__ = ["OnnxFiles", "OnnxNetwork", "describe_onnx", "to_onnx"]

Float32Array = npt.NDArray[np.float32]

INPUT = "input"
FLOAT, PREPARED, INT8 = "float32.onnx", "prepared.onnx", "int8.onnx"
# Of onnxruntime's log, errors and worse.
_ERRORS_ONLY = 3


@dataclass(frozen=True)
class OnnxFiles:
    """Two ONNX files of one network, for one input at a time.

    int8 : weights, one scale a channel, and activations; its input and output are real values
    """

    float32: bytes
    int8: bytes


def to_onnx(model: Any, representative: Float32Array) -> OnnxFiles:
    """A network as ONNX files, with its batch normalisation folded.

    Parameters
    ----------
    model : a built Keras network with one input and one output
    representative : (N, ...) inputs whose ranges the scales of the int8 file are taken from

    Raises
    ------
    UserError : onnx or onnxruntime is not installed, a layer has no form in the files (it is named), or the converters
        fail: they run in a process of their own.
    """
    from edgetwin.nn.folding import fold  # imports Keras, which files are run without

    _packages()
    check_layers(model)
    return OnnxFiles(*convert_alone("tf2onnx", __spec__.name, fold(model), representative, (FLOAT, INT8)))


class OnnxNetwork:
    """An ONNX file run by onnxruntime on one thread, one input at a time. Raises UserError if the file is not valid."""

    def __init__(self, network: bytes) -> None:
        onnx, runtime = _packages()
        try:
            onnx.checker.check_model(network, full_check=True)
            options = runtime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            options.log_severity_level = _ERRORS_ONLY
            self._session = runtime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # both raise several kinds, onnxruntime's of no public base class
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(f"onnxruntime cannot run this .onnx file: {reason}") from error

    def predict(self, inputs: Float32Array) -> Float32Array:
        """Outputs (N, ...) for inputs (N, ...)."""
        name = self._session.get_inputs()[0].name
        return np.concatenate([self._session.run(None, {name: sample[np.newaxis]})[0] for sample in inputs])

    @property
    def description(self) -> Description | None:
        """What the file says of itself; None if nothing. Raises UserError where it is damaged."""
        entry = self._session.get_modelmeta().custom_metadata_map.get(ENTRY)
        return None if entry is None else parse_description(entry)


def describe_onnx(network: bytes, description: Description) -> bytes:
    """An ONNX file with a description in place of its other properties."""
    onnx, _ = _packages()
    proto = onnx.load_model_from_string(network)
    onnx.helper.set_model_props(proto, {ENTRY: description.model_dump_json()})
    return bytes(proto.SerializeToString(deterministic=True))


def _packages() -> tuple[Any, Any]:
    try:
        onnx = importlib.import_module("onnx")
        importlib.import_module("onnx.checker")
        importlib.import_module("onnx.helper")
        return onnx, importlib.import_module("onnxruntime")
    except ImportError as error:
        raise UserError(f"ONNX files need onnx and onnxruntime: pip install 'edgetwin[train]' ({error})") from error


def _write_float(model: Any, file: Path) -> None:
    keras = load_keras()
    shape = (1, *model.inputs[0].shape[1:])
    fixed = keras.models.clone_model(model, input_tensors=keras.Input(batch_shape=shape))
    fixed.set_weights(model.get_weights())
    fixed(np.zeros(shape, np.float32))  # a network that was never called is refused
    signature = [keras.InputSpec(shape=shape, dtype="float32", name=INPUT)]
    fixed.export(file, format="onnx", verbose=False, input_signature=signature)


def _write_int8(source: Path, prepared: Path, file: Path, representative: Float32Array) -> None:
    quantization: Any = importlib.import_module("onnxruntime.quantization")
    shapes: Any = importlib.import_module("onnxruntime.quantization.shape_inference")
    shapes.quant_pre_process(source, prepared, skip_symbolic_shape=True)

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]  # of a module without types
        """The representative inputs, one after the other."""

        def __init__(self) -> None:
            self._samples: Iterator[Float32Array] = iter(representative)

        def get_next(self) -> dict[str, Float32Array] | None:
            """The next one by the input's name; None after the last."""
            sample = next(self._samples, None)
            return None if sample is None else {INPUT: sample[np.newaxis]}

    quantization.quantize_static(
        prepared,
        file,
        Reader(),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        # Both signed: with unsigned activations, older x86 processors saturate sums of products.
        activation_type=quantization.QuantType.QInt8,
        weight_type=quantization.QuantType.QInt8,
    )


def _main(name: str) -> None:
    folder = Path(name)
    model, representative = load_job(folder)
    _write_float(model, folder / FLOAT)
    _write_int8(folder / FLOAT, folder / PREPARED, folder / INT8, representative)


if __name__ == "__main__":
    _main(*sys.argv[1:])
