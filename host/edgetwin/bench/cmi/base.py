"""The convolutions that are transferred: what they learned elsewhere, and the network that takes them up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.bench.cmi.budget import Budget
from edgetwin.data.stored import read_arrays
from edgetwin.errors import UserError
from edgetwin.nn.architectures import vgg16, vgg16_transfer
from edgetwin.nn.checkpoint import load_weights
from edgetwin.nn.folding import fold
from edgetwin.nn.training import seed_networks

__all__ = ["DEFAULT", "IMAGENET", "RANDOM", "Base", "choose_base", "imagenet_base", "random_base", "trained_base"]

Float32Array = npt.NDArray[np.float32]

#: Where ``edgetwin train models/vgg16_cifar10`` puts its weights.
DEFAULT = Path("build", "models", "vgg16_cifar10", "weights.npz")
IMAGENET, RANDOM = "imagenet", "random"
# Filters of VGG16's first convolution.
FIRST_FILTERS = 64
# Of the images that ImageNet's weights were learned from, blue, green, red, 0 to 255 (keras.applications.vgg16).
IMAGENET_MEAN = np.array((103.939, 116.779, 123.68), np.float32)
# A network of any size has the same weights in its convolutions.
SIDE = 32
NARROW = 0.25


@dataclass(frozen=True, eq=False)
class Base:
    """
    title : where its weights come from: a file, "imagenet" or "random"
    width : of each convolution, as a share of the paper's
    weights : kernel and bias of each convolution in turn
    """

    title: str
    width: float
    weights: list[npt.NDArray[Any]]

    def network(self, side: int) -> Any:
        """The paper's network for images (side, side, 3): these convolutions, not trained, and a new head."""
        network = vgg16_transfer((side, side, 3), width=self.width)
        network.get_layer("vgg16_base").set_weights(self.weights)
        return network

    def prepare(self, pixels: Float32Array) -> Float32Array:
        """Inputs (N, side, side, 3) as the base learned from them, of pixels (N, side, side, 1 or 3) from 0 to 1."""
        colour = np.repeat(pixels, 3, axis=3) if pixels.shape[3] == 1 else pixels
        return 255 * colour[..., ::-1] - IMAGENET_MEAN if self.title == IMAGENET else colour


def choose_base(given: str | None, budget: Budget, *, seed: int) -> Base:
    """The base that was asked for: a file of weights or "imagenet"; None: the budget's own.

    Raises UserError, that says how to get it, if it cannot be had.
    """
    if given == IMAGENET:
        return imagenet_base()
    if given is None and budget.random_base:
        return random_base(seed=seed)
    return trained_base(DEFAULT if given is None else Path(given))


def trained_base(file: Path) -> Base:
    """The convolutions of a trained :func:`~edgetwin.nn.architectures.vgg16` of any width, its normalisations folded
    into them.

    file : weights of ``edgetwin train``

    Raises UserError if there is none, or it is of another network.
    """
    if not file.exists():
        raise UserError(
            f"{file}: no such weights: run edgetwin train models/vgg16_cifar10 first, or give --base FILE or imagenet"
        )
    names = sorted(read_arrays(file))
    arrays = read_arrays(file, *names)
    first, last = arrays[names[0]], arrays[names[-1]]
    if first.ndim != 4 or first.shape[2] != 3:
        raise UserError(f"{file} is not of VGG16 on colour images: give weights of edgetwin train models/vgg16_cifar10")
    width = first.shape[3] / FIRST_FILTERS
    model = vgg16(classes=last.size, width=width)
    load_weights(model, file)
    convolutions = [layer for layer in fold(model).layers if type(layer).__name__ == "Conv2D"]
    return Base(str(file), width, [array for layer in convolutions for array in layer.get_weights()])


def imagenet_base() -> Base:
    """ImageNet's. Raises UserError where they cannot be downloaded."""
    network = vgg16_transfer((SIDE, SIDE, 3), weights="imagenet")
    return Base(IMAGENET, 1.0, network.get_layer("vgg16_base").get_weights())


def random_base(width: float = NARROW, *, seed: int) -> Base:
    """One that learned nothing: for trials, and where only bytes and time are looked at."""
    seed_networks(seed)
    return Base(RANDOM, width, vgg16_transfer((SIDE, SIDE, 3), width=width).get_layer("vgg16_base").get_weights())
