"""Batch normalisation folded into the layer before it: what remains of it when a network is run.

Source: B. Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
CVPR 2018 (arXiv:1712.05877), section 3.2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.nn.layer_graph import LayerCall, LayerGraph

__all__ = ["KERNEL_LAYERS", "fold"]

#: Layers of a kernel and perhaps a bias, by the axes of the kernel that together are the output channels.
KERNEL_LAYERS: dict[str, tuple[int, ...]] = {
    "Dense": (1,),
    "Conv1D": (2,),
    "Conv2D": (3,),
    "Conv2DTranspose": (2,),
    "DepthwiseConv2D": (2, 3),
}

Arrays = list[npt.NDArray[np.float32]]


def fold(model: Any) -> Any:
    """A network with the same outputs, whose layers have taken in the normalisation that follows them.

    model : a functional or sequential network with one input and one output; it is left as it is. A normalisation stays
        where no layer of :data:`KERNEL_LAYERS` comes right before it, or where that layer's output is used elsewhere
        too
    """
    graph = LayerGraph.of(model)
    normalisations: dict[int, Any] = {}  # by the id of the call before
    folded = set[int]()
    for call in graph.calls:
        after = graph.only_consumer(call)
        if after is not None and _folds(call.layer, after.layer):
            normalisations[id(call)] = after.layer
            folded.add(id(after))

    def apply(call: LayerCall, args: tuple[Any, ...]) -> Any:
        if id(call) in folded:
            return args[0]
        if id(call) not in normalisations:
            return call.apply_copy(args)
        layer = call.copied(use_bias=True)
        output = layer(*args, **call.kwargs)
        layer.set_weights(_folded(call.layer, normalisations[id(call)]))
        return output

    return graph.rebuild(apply)


def _folds(layer: Any, after: Any) -> bool:
    if type(layer).__name__ not in KERNEL_LAYERS or type(after).__name__ != "BatchNormalization":
        return False
    # What the layer gives is then linear in its weights, and each channel is normalised by its own.
    return layer.activation.__name__ == "linear" and after.axis in (-1, len(layer.output.shape) - 1)


def _folded(layer: Any, normalisation: Any) -> Arrays:
    """Kernel and bias of a layer that does the normalisation too."""
    values = zip(normalisation.weights, normalisation.get_weights(), strict=True)
    statistics = {weight.name: value for weight, value in values}
    factor = statistics.get("gamma", 1.0) / np.sqrt(statistics["moving_variance"] + normalisation.epsilon)
    kernel, *biases = layer.get_weights()
    bias = biases[0] if biases else 0.0
    axes = KERNEL_LAYERS[type(layer).__name__]
    shape = [size if axis in axes else 1 for axis, size in enumerate(kernel.shape)]
    return [
        kernel * factor.reshape(shape),
        (bias - statistics["moving_mean"]) * factor + statistics.get("beta", 0.0),
    ]
