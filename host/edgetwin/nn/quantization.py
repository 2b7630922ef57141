"""Keras networks as .tflite files, of floats or quantised.

Source: B. Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
CVPR 2018 (arXiv:1712.05877); in the form of TensorFlow Lite's 8-bit quantization specification.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import sys
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from edgetwin.errors import UserError
from edgetwin.nn.backend import load_keras
from edgetwin.nn.exportable import check_layers
from edgetwin.nn.isolation import convert_alone, load_job

__all__ = ["MODES", "Mode", "check_scale", "convert", "to_tflite"]

Float32Array = npt.NDArray[np.float32]

Mode = Literal["float32", "float16", "dynamic", "int8", "int16x8"]
#: From the largest file to the smallest, and int16x8, whose file is as small as int8's.
MODES: tuple[Mode, ...] = get_args(Mode)

FILE = "network.tflite"
# Of inputs that are to be quantised: most of their values that may be outside of the representative range, and least
# share of it that they must use. An eighth is a loss of 3 of 8 bits.
MOST_CLIPPED, LEAST_USED = 0.05, 1 / 8
# In what TensorFlow's converter writes: the operator that it does not know, after the path of the layer it is in.
_UNKNOWN = re.compile(r'fused\["[^"]*", "([^"@]*)[^\n]*?\'tf\.(\w+)\' op is neither a custom op nor a flex op')


def to_tflite(
    model: Any, representative: Float32Array, mode: Mode = "int8", *, per_tensor_dense: bool = False
) -> bytes:
    """A network as a .tflite file for one input at a time.

    Parameters
    ----------
    model : a built Keras network with one input. Recurrent layers must be unrolled for int8 and int16x8
    representative : (N, ...) inputs whose ranges the scales of int8 and int16x8 are taken from, N at least 1
    mode : "float32"; "float16": weights, which are float32 again when it runs; "dynamic": int8 weights, symmetric,
        and activations whose scales are taken when it runs (layers of fewer than 1024 weights stay float32), real
        inputs and outputs; "int8": weights, one scale a channel, activations, inputs and outputs; "int16x8": as int8
        with int16 activations, inputs and outputs
    per_tensor_dense : of int8 and int16x8, one scale for all weights of a dense layer, as older interpreters need

    Raises
    ------
    UserError : the representative inputs are none, of another shape than the network's, or not finite; or TensorFlow
        cannot convert the network, or ends while it does: it runs in a process of its own, since its converter crashes
        on some networks. The layer is named where it is known to have no form on boards.
    """
    _check(model, representative, mode)
    options = (mode, "per_tensor_dense") if per_tensor_dense else (mode,)
    try:
        (file,) = convert_alone("TensorFlow", "edgetwin.nn.quantization", model, representative, (FILE,), options)
    except UserError as error:
        try:
            check_layers(model)
        except UserError as cause:
            raise UserError(f"{error}; {cause}") from error
        raise
    return file


def convert(model: Any, representative: Float32Array, mode: Mode = "int8", *, per_tensor_dense: bool = False) -> bytes:
    """As :func:`to_tflite`, in this process, whose Keras must run on TensorFlow."""
    _check(model, representative, mode)
    keras = load_keras()
    tf: Any = importlib.import_module("tensorflow")
    # Shapes are known only with a fixed batch; else the file computes them.
    inputs = keras.Input(batch_shape=(1, *model.inputs[0].shape[1:]))
    fixed = keras.models.clone_model(model, input_tensors=inputs)
    fixed.set_weights(model.get_weights())
    converter = tf.lite.TFLiteConverter.from_keras_model(fixed)
    if mode != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if mode == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if mode in ("int8", "int16x8"):
        sets = tf.lite.OpsSet
        wide = sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.representative_dataset = lambda: ([sample[np.newaxis]] for sample in representative)
        converter.target_spec.supported_ops = [sets.TFLITE_BUILTINS_INT8 if mode == "int8" else wide]
        converter.inference_input_type = converter.inference_output_type = tf.int8 if mode == "int8" else tf.int16
        converter._experimental_disable_per_channel_quantization_for_dense_layers = per_tensor_dense
    with contextlib.redirect_stdout(io.StringIO()):  # Keras lists the network's variables there
        return bytes(converter.convert())


def check_scale(representative: Float32Array, inputs: Float32Array) -> None:
    """Raises UserError where representative inputs have another scale than the inputs (N, ...) that a network takes.

    The range of the representative inputs becomes the range of int8: values outside of it are clipped, and of a range
    that is much wider only a few steps are used.
    """
    low, high = float(representative.min()), float(representative.max())
    clipped = float(np.mean((inputs < low) | (inputs > high)))
    if clipped > MOST_CLIPPED or float(np.ptp(inputs)) < LEAST_USED * (high - low):
        raise UserError(
            f"the representative inputs go from {low:g} to {high:g}, the network's from {inputs.min():g} to "
            f"{inputs.max():g}: scale the representative ones as those"
        )


def _check(model: Any, representative: Float32Array, mode: str) -> None:
    if mode not in MODES:
        raise ValueError(f"mode is one of {', '.join(MODES)}, not {mode!r}")
    if len(model.inputs) != 1:
        raise UserError(f"{model.name} has {len(model.inputs)} inputs: only networks with one can be converted")
    shape = tuple(model.inputs[0].shape[1:])
    if None in shape:
        raise UserError(f"{model.name} takes inputs of any size, {shape}: build it for one size to convert it")
    if np.shape(representative)[1:] != shape:
        given = np.shape(representative)[1:]
        raise UserError(f"the representative inputs have the shape {given}, {model.name} takes {shape}: give such ones")
    if not len(representative):
        raise UserError("there are no representative inputs: give some hundred of the inputs that it was trained on")
    if not np.isfinite(representative).all():
        raise UserError("the representative inputs have values that are NaN or infinite: leave those inputs out")


def _reason(error: Exception) -> str:
    """One line of what the converter writes."""
    if unknown := _UNKNOWN.search(str(error)):
        return f"it does not know the operator {unknown[2]} in {unknown[1]}"
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _main(name: str, mode: Mode, *options: str) -> None:
    folder = Path(name)
    try:
        model, representative = load_job(folder)
        file = convert(model, representative, mode, per_tensor_dense="per_tensor_dense" in options)
    except Exception as error:  # of no one class: Keras and the converter raise many
        sys.exit(_reason(error))
    (folder / FILE).write_bytes(file)


if __name__ == "__main__":
    _main(*sys.argv[1:])  # type: ignore[arg-type]  # a mode, as to_tflite gave it
