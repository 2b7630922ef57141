"""The deep convolutional autoencoder (DCAE) of images, with a code of ten values to cluster by.

Source: the thesis, tables 3.2 and 4.1 and section 3.3.2 ("DeepCluster"). The tables' 1152 and 512 are the lengths of
the flattened maps of 3 x 3 and 2 x 2, so one dense layer leads from them to the code and one back. What kernel the
reconstruction layer has they do not say: 3x3 here.
"""

from __future__ import annotations

from typing import Any

from edgetwin.errors import UserError
from edgetwin.nn.backend import load_keras

__all__ = ["dcae"]

#: By height and width of the images: kernels of the three convolutions, and of the three on the way back.
KERNELS = {(28, 28): ((5, 5, 3), (3, 5, 5)), (16, 16): ((4, 4, 2), (2, 3, 3))}
FILTERS = (32, 64, 128)


def dcae(input_shape: tuple[int, int, int] = (28, 28, 1), *, code: int = 10, width: float = 1.0) -> Any:
    """Three convolutions that halve an image, a dense code, three transposed ones back; ReLU, at the end a sigmoid.

    input_shape : (28, 28, channels) as MNIST, or (16, 16, channels) as USPS; values 0..1
    code : values that an image becomes, the layer named "code"
    width : of each convolution, as a share of the thesis'

    Raises UserError for images of another size.
    """
    if input_shape[:2] not in KERNELS:
        raise UserError(f"dcae takes images of 28x28 or 16x16, not {input_shape[0]}x{input_shape[1]}")
    layers = (keras := load_keras()).layers
    kernels, back = KERNELS[input_shape[:2]]
    filters = [max(1, round(width * count)) for count in FILTERS]
    # 28, 14, 7 and, without padding, 3; 16, 8, 4 and 2.
    paddings = ("same", "same", "valid")

    x = inputs = keras.Input(input_shape)
    for count, kernel, padding in zip(filters, kernels, paddings, strict=True):
        x = layers.Conv2D(count, kernel, 2, padding=padding, activation="relu")(x)
    smallest = x.shape[1:]
    x = layers.Dense(code, name="code")(layers.Flatten()(x))
    x = layers.Dense(smallest[0] * smallest[1] * smallest[2], activation="relu")(x)
    x = layers.Reshape(smallest)(x)
    for count, kernel, padding in zip(reversed(filters), back, reversed(paddings), strict=True):
        x = layers.Conv2DTranspose(count, kernel, 2, padding=padding, activation="relu")(x)
    outputs = layers.Conv2D(input_shape[-1], 3, padding="same", activation="sigmoid")(x)
    return keras.Model(inputs, outputs, name="dcae")
