"""The four networks of MLPerf Tiny as int8 .tflite files, with random weights: what engines are measured on.

Random weights cost as many instructions and bytes as trained ones; ``edgetwin.nn.quantization`` converts those.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.files import write_atomically
from edgetwin.nn.architectures import dense_autoencoder, ds_cnn, mobilenet, resnet8
from edgetwin.nn.backend import require_keras
from edgetwin.nn.quantization import to_tflite

__all__ = ["TINY", "randomise", "tiny_tflite"]

#: By name.
TINY: dict[str, Callable[[], Any]] = {
    "resnet8": resnet8,
    "ds_cnn": ds_cnn,
    "mobilenet": mobilenet,
    "dense_autoencoder": dense_autoencoder,
}

# Inputs that scales are taken from: normal ones, whose ranges few give as well as many.
REPRESENTATIVE = 8


def tiny_tflite(name: str, seed: int = 0) -> bytes:
    """A network of :data:`TINY` with random weights; the same bytes for the same seed and TensorFlow.

    Made once and kept in the user's cache folder (XDG_CACHE_HOME, else ~/.cache): conversion takes up to a minute.
    Raises UserError if it is not there and TensorFlow is not installed.
    """
    path = _cache() / f"{name}-{seed}-{_version()}.tflite"
    if not path.exists():
        require_keras()
        model, random = TINY[name](), np.random.default_rng(seed)
        randomise(model, random)
        inputs = random.standard_normal((REPRESENTATIVE, *model.inputs[0].shape[1:]), np.float32)
        write_atomically(path, to_tflite(model, inputs))
    return path.read_bytes()


def randomise(model: Any, random: np.random.Generator) -> None:
    """Gives a built network random weights whose activations keep their spread, whatever Keras and its backend are."""
    model.set_weights([_random(weight.path.rsplit("/", 1)[-1], weight.shape, random) for weight in model.weights])


def _random(name: str, shape: tuple[int, ...], random: np.random.Generator) -> npt.NDArray[np.float32]:
    if name in ("gamma", "moving_variance"):
        return random.uniform(0.5, 1.5, shape).astype(np.float32)
    if name in ("beta", "bias", "moving_mean"):
        return random.normal(0, 0.1, shape).astype(np.float32)
    # A kernel: its last axis is the outputs, a depthwise one's has length 1 and each input has its own.
    terms = int(np.prod(shape[:-2] if shape[-1] == 1 and len(shape) == 4 else shape[:-1]))
    return random.normal(0, (2 / terms) ** 0.5, shape).astype(np.float32)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgetwin" / "tiny"


def _version() -> str:
    """Of all that the bytes depend on."""
    makers: list[Callable[..., Any]] = [to_tflite, *TINY.values()]
    sources = [__file__, *map(inspect.getfile, makers)]
    digest = hashlib.sha256(b"".join(Path(source).read_bytes() for source in sources))
    for package in ("keras", "tensorflow", "tensorflow_cpu"):
        try:
            digest.update(f"{package} {importlib.metadata.version(package)}".encode())
        except importlib.metadata.PackageNotFoundError:
            continue
    return digest.hexdigest()[:12]
