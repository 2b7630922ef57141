"""Keras networks as int8 .tflite files."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.errors import UserError
from edgetwin.nn.backend import load_keras

__all__ = ["convert", "to_tflite"]

Float32Array = npt.NDArray[np.float32]

MODES = ("int8",)


def to_tflite(model: Any, representative: Float32Array, mode: str = "int8") -> bytes:
    """A network as a .tflite file for one input at a time.

    Parameters
    ----------
    model : a built Keras network with one input. Recurrent layers must be unrolled
    representative : (N, ...) inputs whose ranges the scales are taken from
    mode : "int8": weights, activations, inputs and outputs

    Raises
    ------
    UserError : TensorFlow cannot convert the network, or ends while it does: it runs in a process of its own, since
        its converter crashes on some networks.
    """
    _check(model, mode)
    with tempfile.TemporaryDirectory(prefix="edgetwin-") as name:
        folder = Path(name)
        model.save(folder / "network.keras")
        np.save(folder / "representative.npy", np.asarray(representative, np.float32))
        command = [sys.executable, "-m", "edgetwin.nn.quantization", name, mode]
        environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment)
        if done.returncode != 0:
            raise UserError(f"TensorFlow cannot convert {model.name}: {_reason(done)}")
        return (folder / "network.tflite").read_bytes()


def convert(model: Any, representative: Float32Array, mode: str = "int8") -> bytes:
    """As :func:`to_tflite`, in this process, whose Keras must run on TensorFlow."""
    _check(model, mode)
    keras = load_keras()
    tf: Any = importlib.import_module("tensorflow")
    # Shapes are known only with a fixed batch; else the file computes them.
    inputs = keras.Input(batch_shape=(1, *model.inputs[0].shape[1:]))
    fixed = keras.models.clone_model(model, input_tensors=inputs)
    fixed.set_weights(model.get_weights())
    converter = tf.lite.TFLiteConverter.from_keras_model(fixed)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample[np.newaxis]] for sample in representative)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    with contextlib.redirect_stdout(io.StringIO()):  # Keras lists the network's variables there
        return bytes(converter.convert())


def _check(model: Any, mode: str) -> None:
    if mode not in MODES:
        raise ValueError(f"mode is one of {', '.join(MODES)}, not {mode!r}")
    if len(model.inputs) != 1:
        raise UserError(f"{model.name} has {len(model.inputs)} inputs: only networks with one can be converted")


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        cause = f"the converter ended by {signal.Signals(-done.returncode).name}"
        return f"{cause}: unroll recurrent layers, and leave out layers that TensorFlow Lite does not know"
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"the converter ended with {done.returncode}"


def _main(name: str, mode: str) -> None:
    folder = Path(name)
    model = load_keras().models.load_model(folder / "network.keras", compile=False)
    representative = np.load(folder / "representative.npy", allow_pickle=False)
    (folder / "network.tflite").write_bytes(convert(model, representative, mode))


if __name__ == "__main__":
    _main(*sys.argv[1:])
