"""Where a quantised network loses: the noise that each layer's output has against the float network's."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.nn.interpreter import Interpreter

__all__ = ["LayerNoise", "layer_names", "layer_noise"]

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LayerNoise:
    """
    layer : Keras' name of the last layer that the tensor is made by; "output"; or the tensor's name
    tensor : what an operator computes, of several of one layer the noisiest
    decibels : signal-to-quantisation-noise ratio; infinite where the two files agree
    """

    layer: str
    tensor: str
    decibels: float


def layer_noise(real: bytes, quantised: bytes, inputs: Float32Array, layers: Collection[str] = ()) -> list[LayerNoise]:
    """The signal-to-quantisation-noise ratio of each layer of a .tflite file, the noisiest first.

    The ratio is 10 log10(sum x^2 / sum (x - y)^2) over all elements of a tensor and all inputs, x of the float file and
    y of the quantised one (Oppenheim and Schafer, "Discrete-Time Signal Processing", section 4.8.3). Noise that comes
    from earlier layers is in it. A bit more is 6.02 dB.

    Parameters
    ----------
    real, quantised : .tflite files of one network. Tensors are compared that have the same name and shape in both
    inputs : (N, ...), N at least 1
    layers : Keras' names, of :func:`layer_names`
    """
    signal: dict[str, float] = {}
    noise: dict[str, float] = {}
    exact, rounded = Interpreter(real, keep_tensors=True), Interpreter(quantised, keep_tensors=True)
    for sample in inputs:
        found = rounded.tensors(sample)
        for name, x in exact.tensors(sample).items():
            y = found.get(name)
            if y is None or y.shape != x.shape:
                continue
            signal[name] = signal.get(name, 0.0) + float(np.square(x, dtype=np.float64).sum())
            noise[name] = noise.get(name, 0.0) + float(np.square(x - y, dtype=np.float64).sum())
    ratios = [LayerNoise(_layer(name, layers), name, _decibels(signal[name], noise[name])) for name in signal]
    ratios.sort(key=lambda ratio: ratio.decibels)
    noisiest = {ratio.layer: ratio for ratio in reversed(ratios)}
    return sorted(noisiest.values(), key=lambda ratio: ratio.decibels)


def layer_names(model: Any) -> set[str]:
    """Names of a Keras network's layers, those of networks within it too."""
    return {name for layer in model.layers for name in {layer.name, *(layer_names(layer) if _holds(layer) else ())}}


def _holds(layer: Any) -> bool:
    return hasattr(layer, "layers")


def _decibels(signal: float, noise: float) -> float:
    if not noise:
        return float("inf")
    return float(10 * np.log10(signal / noise)) if signal else float("-inf")


def _layer(tensor: str, layers: Collection[str]) -> str:
    """The layer in a tensor's name.

    A name is a path of scopes that ends with an operator, or several with semicolons where operators became one, the
    last to run first. Keras appends _1, or a higher number, to the names of layers when it traces them; operators'
    (add_1) can be those of layers elsewhere.
    """
    for path in tensor.split(";"):
        for scope in reversed(path.split("/")[:-1]):
            for name in (re.sub(r"_\d+$", "", scope), scope):
                if name in layers:
                    return name
    return "output" if "PartitionedCall" in tensor else tensor
