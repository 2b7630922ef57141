"""A head learns on what a frozen base finds in images.

The base gives the same features of an image in every epoch, so they are computed once; a head that is trained on them
becomes what it would in the whole network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.bench.cmi.base import Base
from edgetwin.bench.cmi.data import ImageSet
from edgetwin.bench.cmi.images import Form, render
from edgetwin.bench.cmi.results import Confusion
from edgetwin.errors import UserError
from edgetwin.nn.backend import load_keras
from edgetwin.nn.training import predict

__all__ = ["BATCH", "Features", "features", "inputs", "train_head"]

Float32Array = npt.NDArray[np.float32]

# Images whose activations fit in memory at once.
BATCH = 64
# Keras' defaults, since the paper says neither.
BATCH_SIZE, LEARNING_RATE = 32, 1e-3


@dataclass(frozen=True, eq=False)
class Features:
    """values : (N, n), flat; labels : (N,); image_bytes : of the images' files, together."""

    values: Float32Array
    labels: npt.NDArray[np.int64]
    image_bytes: int


def inputs(base: Base, images: ImageSet, form: Form) -> Iterator[tuple[Float32Array, int]]:
    """A network's inputs, :data:`BATCH` images at a time, and the bytes of their files."""
    for start in range(0, len(images), BATCH):
        pixels, size = render(images.pixels[start : start + BATCH], form)
        yield base.prepare(pixels), size


def features(
    network: Any, base: Base, images: ImageSet, form: Form, on_batch: Callable[[], object] = lambda: None
) -> Features:
    """What the base in `network` finds in images; `on_batch` is called after each :data:`BATCH` of them."""
    convolutions = network.get_layer("vgg16_base")
    values, total = [], 0
    for batch, size in inputs(base, images, form):
        found = predict(convolutions, batch)
        values.append(found.reshape(len(found), -1))
        total += size
        on_batch()
    return Features(np.concatenate(values), images.labels, total)


def train_head(
    network: Any,
    train: Features,
    validation: Features,
    test: Features,
    epochs: tuple[int, ...],
    on_epoch: Callable[[], object] = lambda: None,
) -> tuple[dict[str, list[float]], dict[int, float], Confusion]:
    """Trains the last layer of `network` in place, by Adam, for as many epochs as the last of `epochs`.

    Returns loss and accuracy of each epoch by Keras' names, the test accuracy after `epochs`, and what the test images
    are taken for at the end. It depends on the backend's seed. Raises UserError if the loss is no longer a number.
    """
    keras = load_keras()
    # The layer is the network's own: what it learns here, the network has learned.
    values = keras.Input(train.values.shape[1:])
    head = keras.Model(values, network.layers[-1](values))
    head.compile(optimizer=keras.optimizers.Adam(LEARNING_RATE), loss="binary_crossentropy", metrics=["accuracy"])
    tested: dict[int, float] = {}
    confusion = Confusion()

    def finished(epoch: int, logs: dict[str, float]) -> None:
        nonlocal confusion
        if not math.isfinite(logs["loss"]):
            found = f"the head's loss became {logs['loss']} in epoch {epoch + 1}"
            raise UserError(f"{found}: look for extreme values in the weights of the base")
        if epoch + 1 in epochs:
            confusion = Confusion.of(predict(head, test.values), test.labels)
            tested[epoch + 1] = confusion.accuracy
        on_epoch()

    history = head.fit(
        train.values,
        train.labels,
        batch_size=BATCH_SIZE,
        epochs=epochs[-1],
        validation_data=(validation.values, validation.labels),
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=finished)],
        verbose=0,
    )
    return {name: [float(value) for value in values] for name, values in history.history.items()}, tested, confusion
