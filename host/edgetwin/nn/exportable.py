"""Which Keras layers become files that boards and ONNX run, and what to use in place of others."""

from __future__ import annotations

from typing import Any

from edgetwin.errors import UserError

__all__ = ["LAYERS", "check_layers"]

#: Layers that every exporter takes, by their classes' names.
LAYERS = frozenset(
    (
        *("InputLayer", "Dense", "Conv1D", "Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Conv2DTranspose"),
        *("BatchNormalization", "Activation", "ReLU", "LeakyReLU", "Softmax", "Rescaling"),
        *("Add", "Subtract", "Multiply", "Maximum", "Minimum", "Concatenate"),
        *("Flatten", "Reshape", "Permute", "ZeroPadding1D", "ZeroPadding2D"),
        *("AveragePooling1D", "AveragePooling2D", "MaxPooling1D", "MaxPooling2D"),
        *("GlobalAveragePooling1D", "GlobalAveragePooling2D"),
        *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout"),
        *("SimpleRNN", "LSTM", "GRU"),
    )
)
_NEAREST = {
    "UpSampling1D": "Conv2DTranspose with strides, on a series of height 1",
    "UpSampling2D": "Conv2DTranspose with strides",
    "Conv1DTranspose": "Conv2DTranspose, on a series of height 1",
    "DepthwiseConv1D": "DepthwiseConv2D, on a series of height 1",
    "SeparableConv1D": "Conv1D",
    "Conv3D": "Conv2D",
    "Conv3DTranspose": "Conv2DTranspose",
    "LocallyConnected2D": "Conv2D",
    "LayerNormalization": "BatchNormalization",
    "GroupNormalization": "BatchNormalization",
    "UnitNormalization": "BatchNormalization",
    "Normalization": "Rescaling",
    "ELU": "LeakyReLU",
    "PReLU": "LeakyReLU",
    "GlobalMaxPooling1D": "GlobalAveragePooling1D, or MaxPooling1D over the whole length",
    "GlobalMaxPooling2D": "GlobalAveragePooling2D, or MaxPooling2D over the whole image",
    "MultiHeadAttention": "Conv1D, or an LSTM with unroll=True",
    "Embedding": "Dense on one-hot inputs",
    "Bidirectional": "an LSTM or GRU with unroll=True",
    "RNN": "LSTM or GRU with unroll=True",
    "Average": "Add, then Rescaling",
    "Dot": "Multiply, then GlobalAveragePooling1D",
}
_RECURRENT = ("SimpleRNN", "LSTM", "GRU")
_ACTIVATIONS = ("linear", "relu", "relu6", "leaky_relu", "sigmoid", "tanh", "softmax", "hard_silu")


def check_layers(model: Any) -> None:
    """Raises UserError, with the layer's name and the nearest form that is supported, for one that cannot be exported.

    model : a built Keras network; networks within it are looked into
    """
    for layer in model.layers:
        if hasattr(layer, "layers"):
            check_layers(layer)
            continue
        kind, name = type(layer).__name__, f"layer {layer.name} of {model.name}"
        if not type(layer).__module__.startswith("keras."):
            raise UserError(f"{name} is a class of your own, {kind}: build it from {_listed()}")
        if kind not in LAYERS:
            raise UserError(f"{name} is a {kind}, which no board runs: use {_NEAREST.get(kind, _listed())}")
        if kind in _RECURRENT and not layer.unroll:
            raise UserError(f"{name} is a {kind} that loops: give it unroll=True")
        activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
        if activation not in _ACTIVATIONS:
            raise UserError(f"{name} has the activation {activation}: use {', '.join(_ACTIVATIONS)}")


def _listed() -> str:
    return ", ".join(sorted(LAYERS - {"InputLayer"}))
