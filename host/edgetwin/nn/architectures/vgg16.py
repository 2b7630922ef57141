"""VGG16: for small images, normalised, and for photographs, with a head of one's own on a base that is not trained.

Source: K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015,
configuration D. The small form is table 6.1 of the thesis: 3.13 10^8 multiply-accumulates, 14.7 M parameters in
convolutions. The other is the "CMI VGG16" of R. Trad, N. Azizi, A. Boukhamla (2022): 25,089 parameters to train.
"""

from __future__ import annotations

from typing import Any, Literal

from edgetwin.errors import UserError
from edgetwin.nn.backend import load_keras

__all__ = ["vgg16", "vgg16_transfer"]

#: Filters of the convolutions of each block, at width 1; pooling ends a block.
BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
DENSE_UNITS = 512


def vgg16(
    input_shape: tuple[int, int, int] = (32, 32, 3), classes: int = 10, *, width: float = 1.0, dropout: float = 0.3
) -> Any:
    """13 convolutions in five blocks, a dense layer, softmax; each layer normalised, rectified and dropped out.

    input_shape : (height, width, channels) of images of about 32 x 32
    width : of each layer, as a share of the paper's
    dropout : share of its outputs that each layer but the last loses while it is trained. The thesis does not say it
    """
    layers = (keras := load_keras()).layers

    def finished(x: Any) -> Any:
        return layers.Dropout(dropout)(layers.ReLU()(layers.BatchNormalization()(x)))

    x = inputs = keras.Input(input_shape)
    for block in BLOCKS:
        for filters in block:
            x = finished(_convolution(_scaled(filters, width))(x))
        # Padded, so that 28 x 28 pixels too outlast five halvings.
        x = layers.MaxPooling2D(2, padding="same")(x)
    x = finished(layers.Dense(_scaled(DENSE_UNITS, width), kernel_initializer="he_normal")(layers.Flatten()(x)))
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(x), name="vgg16")


def vgg16_transfer(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    *,
    width: float = 1.0,
    weights: Literal["imagenet"] | None = None,
) -> Any:
    """VGG16's convolutions, which are not trained, and one logistic unit on what they find: two classes.

    input_shape : (height, width, channels) of images, at least 32 x 32
    width : of each convolution, as a share of the paper's
    weights : "imagenet": the base's are downloaded (RGB images, width 1; its pixels are BGR, 0..255, less their mean);
        None: random ones, to be set by ``model.get_layer("vgg16_base").set_weights``

    Raises UserError where the weights cannot be had.
    """
    layers = (keras := load_keras()).layers
    x = inputs = keras.Input(input_shape)
    for number, block in enumerate(BLOCKS, start=1):
        for place, filters in enumerate(block, start=1):
            name = f"block{number}_conv{place}"
            x = _convolution(_scaled(filters, width), activation="relu", name=name)(x)
        x = layers.MaxPooling2D(2, name=f"block{number}_pool")(x)
    base = keras.Model(inputs, x, name="vgg16_base")
    if weights is not None:
        base.set_weights(_imagenet_weights(input_shape, width))
    base.trainable = False
    images = keras.Input(input_shape)
    outputs = layers.Dense(1, activation="sigmoid")(layers.Flatten()(base(images)))
    return keras.Model(images, outputs, name="vgg16_transfer")


def _scaled(filters: int, width: float) -> int:
    return max(1, round(filters * width))


def _convolution(filters: int, **options: Any) -> Any:
    layers = load_keras().layers
    return layers.Conv2D(filters, 3, padding="same", kernel_initializer="he_normal", **options)


def _imagenet_weights(input_shape: tuple[int, int, int], width: float) -> list[Any]:
    if width != 1.0 or input_shape[-1] != 3:
        raise UserError("ImageNet's weights are of width 1 and three channels: give those, or no weights")
    try:
        published = load_keras().applications.VGG16(include_top=False, input_shape=input_shape, weights="imagenet")
    except Exception as error:  # Keras raises a bare Exception where a download fails
        raise UserError(f"ImageNet's weights cannot be downloaded: mend the network, or give none ({error})") from error
    return list(published.get_weights())
