"""int8 numbers as they will be, in a network that still learns with real ones. Importing this imports Keras.

Source: B. Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
CVPR 2018 (arXiv:1712.05877), section 3 and equation 12; weights symmetric and per output channel, as TensorFlow Lite
has them.
"""

from __future__ import annotations

from typing import Any

from edgetwin.nn.backend import load_keras
from edgetwin.nn.folding import KERNEL_LAYERS

__all__ = ["ActivationRange", "QuantisedKernel", "quantise_activations", "quantise_kernel"]

keras = load_keras()
Layer: Any = keras.layers.Layer
Wrapper: Any = keras.layers.Wrapper
ops = keras.ops

#: Steps between the least and the greatest int8 number.
STEPS = 255
#: The greatest int8 weight; the least is its negative.
WEIGHT_MAXIMUM = 127
#: Of a range, how much of it stays in a step of training; less in the first ones, which are a plain mean.
MOMENTUM = 0.99
# Of a range of zeros only, so that nothing is divided by 0.
LEAST_SCALE = 1e-12


def quantise_activations(x: Any, low: Any, high: Any) -> Any:
    """The nearest of the 256 numbers from about `low` to about `high`, among them exactly 0 (eq. 12).

    Its gradient is 1 for x inside the range, 0 outside.

    low, high : at most 0, at least 0
    """
    scale = ops.maximum((high - low) / STEPS, LEAST_SCALE)
    zero_point = ops.round(-low / scale)
    clipped = ops.clip(x, -zero_point * scale, (STEPS - zero_point) * scale)
    return clipped + ops.stop_gradient(ops.round(clipped / scale) * scale - clipped)


def quantise_kernel(kernel: Any, axes: tuple[int, ...]) -> Any:
    """Weights as the nearest multiples, up to the 127th, of one number for each output channel. Its gradient is 1.

    axes : that together are the output channels
    """
    others = [axis for axis in range(len(kernel.shape)) if axis not in axes]
    largest = ops.max(ops.abs(kernel), axis=others, keepdims=True)
    scale = ops.maximum(largest / WEIGHT_MAXIMUM, LEAST_SCALE)
    return kernel + ops.stop_gradient(ops.round(kernel / scale) * scale - kernel)


class ActivationRange(Layer):  # type: ignore[misc]  # Keras has no types
    """Quantises a tensor in the range that it had in training: the moving mean of each batch's, widened to 0.

    observe : whether a training step moves the range
    """

    def build(self, shape: Any) -> None:
        """Of nothing seen yet, the range is empty."""
        self.low, self.high, self.steps = (
            self.add_weight(shape=(), initializer="zeros", trainable=False, name=name)
            for name in ("low", "high", "steps")
        )

    def call(self, x: Any, training: bool = False, observe: bool = True) -> Any:
        """The tensor as int8 will have it."""
        if training and observe:
            seen = ops.stop_gradient(x)
            stays = ops.minimum(MOMENTUM, self.steps / (self.steps + 1))
            for bound, found in (
                (self.low, ops.minimum(ops.min(seen), 0)),
                (self.high, ops.maximum(ops.max(seen), 0)),
            ):
                bound.assign(stays * bound + (1 - stays) * found)
            self.steps.assign(self.steps + 1)
        return quantise_activations(x, ops.convert_to_tensor(self.low), ops.convert_to_tensor(self.high))


class QuantisedKernel(Wrapper):  # type: ignore[misc]  # Keras has no types
    """A layer of :data:`edgetwin.nn.folding.KERNEL_LAYERS` that computes with the weights that int8 will have."""

    def call(self, x: Any) -> Any:
        """Its outputs."""
        axes = KERNEL_LAYERS[type(self.layer).__name__]

        def values(variables: list[Any]) -> list[Any]:
            # Converted: a bare variable would be taken for its value, and not learn.
            tensors = [ops.convert_to_tensor(variable) for variable in variables]
            return [
                quantise_kernel(tensor, axes) if variable is self.layer.kernel else tensor
                for variable, tensor in zip(variables, tensors, strict=True)
            ]

        layer = self.layer
        trained, fixed = values(layer.trainable_variables), values(layer.non_trainable_variables)
        output, _ = layer.stateless_call(trained, fixed, x)
        return output
