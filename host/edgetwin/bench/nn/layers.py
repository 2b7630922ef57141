"""Networks of one layer, of the shapes that CMSIS-NN was measured with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgetwin.deploy.compiler.graph import Graph, Operator, Tensor

__all__ = ["LAYERS"]


def _activations(name: str, shape: tuple[int, ...], scale: float = 0.05, zero_point: int = -7) -> Tensor:
    return Tensor(-1, name, shape, np.dtype(np.int8), np.array([scale], np.float32), np.array([zero_point], np.int64))


def _weights(shape: tuple[int, ...], axis: int, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Random weights, a scale a channel along `axis`, and their bias."""
    channels = shape[axis]
    scale = generator.uniform(0.002, 0.004, channels).astype(np.float32)
    data = generator.integers(-127, 128, shape, dtype=np.int8)
    bias = generator.integers(-2000, 2000, channels, dtype=np.int32)
    zero = np.zeros(channels, np.int64)
    return (
        Tensor(-1, "weights", shape, data.dtype, scale, zero, axis, data),
        Tensor(-1, "bias", (channels,), bias.dtype, scale * np.float32(0.05), zero, 0, bias),
    )


def _graph(code: str, inputs: list[Tensor], parameters: list[Tensor], output: Tensor, **options: Any) -> Graph:
    for index, tensor in enumerate([*inputs, *parameters, output]):
        tensor.index = index
    operator = Operator(0, code, 1, [*inputs, *parameters], [output], options)
    return Graph(code.lower(), inputs, [output], [operator])


def _convolution(height: int, width: int, channels: int, filters: int, kernel: int) -> Graph:
    generator = np.random.default_rng(0)
    return _graph(
        "CONV_2D",
        [_activations("input", (1, height, width, channels))],
        [*_weights((filters, kernel, kernel, channels), 0, generator)],
        _activations("output", (1, height, width, filters), 0.1, 3),
        padding="SAME",
        stride_w=1,
        stride_h=1,
        dilation_w_factor=1,
        dilation_h_factor=1,
        fused_activation_function="RELU",
    )


def _depthwise(height: int, width: int, channels: int, kernel: int) -> Graph:
    generator = np.random.default_rng(0)
    return _graph(
        "DEPTHWISE_CONV_2D",
        [_activations("input", (1, height, width, channels))],
        [*_weights((1, kernel, kernel, channels), 3, generator)],
        _activations("output", (1, height, width, channels), 0.1, 3),
        padding="SAME",
        stride_w=1,
        stride_h=1,
        depth_multiplier=1,
        dilation_w_factor=1,
        dilation_h_factor=1,
        fused_activation_function="RELU",
    )


def _fully_connected(inputs: int, outputs: int) -> Graph:
    generator = np.random.default_rng(0)
    return _graph(
        "FULLY_CONNECTED",
        [_activations("input", (1, inputs))],
        [*_weights((outputs, inputs), 0, generator)],
        _activations("output", (1, outputs), 0.1, 3),
        fused_activation_function="RELU",
        weights_format="DEFAULT",
        keep_num_dims=False,
        asymmetric_quantize_inputs=False,
    )


def _add(shape: tuple[int, ...]) -> Graph:
    return _graph(
        "ADD",
        [_activations("left", shape, 0.05, -7), _activations("right", shape, 0.03, 11)],
        [],
        _activations("output", shape, 0.06, 3),
        fused_activation_function="NONE",
        pot_scale_int16=False,
    )


def _max_pool(height: int, width: int, channels: int) -> Graph:
    return _graph(
        "MAX_POOL_2D",
        [_activations("input", (1, height, width, channels))],
        [],
        _activations("output", (1, height // 2, width // 2, channels)),
        padding="VALID",
        stride_w=2,
        stride_h=2,
        filter_width=2,
        filter_height=2,
        fused_activation_function="NONE",
    )


#: By name; what CMSIS-NN takes on the same board is in docs/models.md.
LAYERS: Mapping[str, Callable[[], Graph]] = {
    "conv 3x3, 64 to 64 at 8x8": lambda: _convolution(8, 8, 64, 64, 3),
    "conv 3x3, 16 to 16 at 32x32": lambda: _convolution(32, 32, 16, 16, 3),
    "conv 3x3, 3 to 16 at 32x32": lambda: _convolution(32, 32, 3, 16, 3),
    "conv 1x1, 64 to 64 at 25x5": lambda: _convolution(25, 5, 64, 64, 1),
    "depthwise 3x3, 64 at 25x5": lambda: _depthwise(25, 5, 64, 3),
    "fully connected 640 to 128": lambda: _fully_connected(640, 128),
    "add 32x32x16": lambda: _add((1, 32, 32, 16)),
    "max-pool 2x2 of 32x32x16": lambda: _max_pool(32, 32, 16),
}
