"""What a recipe's network learns from and is tested on, as arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgetwin.data.catalogue import load_labelled, load_telemetry
from edgetwin.data.classes import AS_THEY_ARE, RawValues
from edgetwin.data.images import load_image_folder
from edgetwin.data.samples import DataError
from edgetwin.data.stored import data_folder
from edgetwin.nn.recipe import Budget, Recipe

__all__ = ["ExampleSet", "Examples", "load_examples"]

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ExampleSet:
    """inputs : (N, ...) float32; labels : (N,) int64, classes, or 1 where telemetry is anomalous."""

    inputs: Float32Array
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: slice | npt.NDArray[np.intp]) -> ExampleSet:
        return ExampleSet(self.inputs[index], self.labels[index])


@dataclass(frozen=True, eq=False)
class Examples:
    """The parts of a data set. Images are (height, width, channels) from 0 to 1, series (length, channels).

    names : of the classes, where they have any
    raw : what the values of the inputs were
    """

    train: ExampleSet
    validation: ExampleSet | None
    test: ExampleSet
    classes: int
    names: tuple[str, ...] = ()
    raw: RawValues = AS_THEY_ARE

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one input."""
        return self.train.inputs.shape[1:]


def load_examples(recipe: Recipe, budget: Budget, folder: Path | None = None) -> Examples:
    """A recipe's data, from `folder` or $EDGETWIN_DATA.

    Labelled parts are shuffled by the recipe's seed before anything is held out or left out, since some data sets are
    sorted by class; of telemetry, whose windows overlap, the last part is held out. Raises DataError if the data cannot
    be had, or too few are left.
    """
    whole = _telemetry(recipe, folder) if recipe.data.server is not None else _labelled(recipe, folder)
    validation = whole.validation
    train, test = whole.train, whole.test
    if recipe.data.server is None:
        random = np.random.default_rng(recipe.seed)
        train, test = (part[random.permutation(len(part))] for part in (train, test))
    if held_out := round(recipe.data.validation * len(train)):
        train, validation = train[:-held_out], train[-held_out:]
    if not len(train):
        raise DataError(f"{recipe.data.name}: no example is left to learn from: hold out less")
    if recipe.schedule.keep == "best" and validation is None:
        raise DataError(f'keep = "best" needs a validation part, which {recipe.data.name} lacks: give data.validation')
    most = budget.examples
    validation = None if validation is None else validation[:most]
    return replace(whole, train=train[:most], validation=validation, test=test[:most])


def _labelled(recipe: Recipe, folder: Path | None) -> Examples:
    images = recipe.data.images
    if images is None:
        data = load_labelled(recipe.data.name, folder)
    else:
        data = load_image_folder((data_folder(folder) or Path()) / recipe.data.name, **dict(images))
    # A network's last axis is channels: one where the data have none.
    shape = data.shape if len(data.shape) == 3 else (*data.shape, 1)

    def part(signals: Float32Array, labels: npt.NDArray[np.int64]) -> ExampleSet:
        return ExampleSet(signals.reshape(-1, *shape), labels)

    validation = None
    if data.validation is not None and data.validation_labels is not None:
        validation = part(data.validation, data.validation_labels)
    train, test = part(data.train, data.train_labels), part(data.test, data.test_labels)
    return Examples(train, validation, test, data.classes, data.names, data.raw)


def _telemetry(recipe: Recipe, folder: Path | None) -> Examples:
    """Windows one row apart, flat; one is anomalous if its last row is, so that a board can say so at once."""
    assert recipe.data.server is not None
    data, window = load_telemetry(recipe.data.name, recipe.data.server, folder), recipe.data.window
    if min(len(data.train), len(data.test)) < window:
        raise DataError(f"{data.name} has {len(data.test)} rows to test on, fewer than data.window = {window}")

    def windows(rows: Float32Array) -> Float32Array:
        sliding = np.lib.stride_tricks.sliding_window_view(rows, window, axis=0)
        return np.ascontiguousarray(sliding.transpose(0, 2, 1).reshape(len(sliding), -1))

    train, test = windows(data.train), windows(data.test)
    labels = data.anomalous[window - 1 :].astype(np.int64)
    parts = ExampleSet(train, np.zeros(len(train), np.int64)), None, ExampleSet(test, labels)
    rows = f"{window} rows, the oldest first, of " if window > 1 else ""
    raw = RawValues(f"{rows}{data.train.shape[1]} metrics, scaled to 0..1 as the data set's authors do")
    return Examples(*parts, 2, raw=raw)
