"""Training a network: how long, on what, and the same again for the same seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.nn.backend import load_keras

__all__ = ["Schedule", "accuracy", "predict", "seed_networks", "train"]

Float32Array = npt.NDArray[np.float32]

# Signals that a network is asked about at once: its activations must fit in memory.
PREDICTION_BATCH = 1024
# Where a learning rate that is halved on a plateau ends (the Keras example for FordA).
LEAST_LEARNING_RATE = 1e-4


@dataclass(frozen=True)
class Schedule:
    """How a network is trained, by Adam at Keras' default rate.

    epochs : most passes over the training data
    batch_size : signals a step
    validation_share : of the training data, the last ones, that are held out to watch the loss; 0 to below 1
    patience : epochs without a lower validation loss after which training ends; the best epoch's weights are kept.
        None: all epochs are run and the last one's weights are kept
    halve_after : epochs without a lower validation loss after which the learning rate is halved; None: never
    """

    epochs: int
    batch_size: int
    validation_share: float = 0.1
    patience: int | None = None
    halve_after: int | None = None

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1 or not 0 <= self.validation_share < 1:
            raise ValueError("epochs and batch_size must be at least 1, validation_share from 0 to below 1")
        if self.validation_share == 0 and not self.patience is self.halve_after is None:
            raise ValueError("patience and halve_after watch the validation loss: give a validation_share above 0")


def seed_networks(seed: int) -> None:
    """Seeds what initialises, shuffles and drops out in networks (Python's, NumPy's and the backend's generators)."""
    load_keras().utils.set_random_seed(seed)


def train(
    model: Any,
    inputs: Float32Array,
    targets: npt.NDArray[Any],
    schedule: Schedule,
    *,
    loss: str = "sparse_categorical_crossentropy",
    on_epoch: Callable[[], object] | None = None,
) -> dict[str, list[float]]:
    """Trains a built model in place.

    inputs : (N, ...); targets : (N,) class indices, or whatever `loss` (a Keras name) compares with the outputs
    on_epoch : called after each epoch

    Returns the losses of each epoch, by Keras' names (`loss`, `val_loss`). On CPU the result is the same for the same
    :func:`seed_networks`, machine and number of threads.
    """
    keras = load_keras()
    callbacks: list[Any] = []
    if schedule.patience is not None:
        callbacks.append(keras.callbacks.EarlyStopping(patience=schedule.patience, restore_best_weights=True))
    if schedule.halve_after is not None:
        callbacks.append(
            keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=schedule.halve_after, min_lr=LEAST_LEARNING_RATE)
        )
    if on_epoch is not None:
        callbacks.append(keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: on_epoch()))
    model.compile(optimizer="adam", loss=loss)
    history = model.fit(
        inputs,
        targets,
        batch_size=schedule.batch_size,
        epochs=schedule.epochs,
        validation_split=schedule.validation_share,
        callbacks=callbacks,
        verbose=0,
    )
    return {name: [float(value) for value in values] for name, values in history.history.items()}


def predict(model: Any, inputs: Float32Array) -> Float32Array:
    """Outputs (N, ...) of a model for inputs (N, ...), N at least 1."""
    # Called as it is: model.predict() would first compile a graph for every model, which takes longer than its answer.
    to_numpy = load_keras().ops.convert_to_numpy
    batches = range(0, len(inputs), PREDICTION_BATCH)
    outputs = [to_numpy(model(inputs[start : start + PREDICTION_BATCH], training=False)) for start in batches]
    return np.concatenate(outputs).astype(np.float32, copy=False)


def accuracy(model: Any, inputs: Float32Array, labels: npt.NDArray[np.integer]) -> float:
    """Share of inputs (N, ...) whose most probable class is their label (N,)."""
    return float(np.mean(predict(model, inputs).argmax(axis=1) == labels))
