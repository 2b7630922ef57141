"""What is quantised: a network, inputs that its ranges are taken from, and what it is judged on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from edgetwin.data.samples import DataError
from edgetwin.data.stored import read_arrays
from edgetwin.errors import UserError
from edgetwin.nn.backend import load_keras
from edgetwin.nn.examples import ExampleSet
from edgetwin.nn.quantization import check_scale
from edgetwin.nn.recipe import Task
from edgetwin.nn.trained import TrainedNetwork, spread

__all__ = ["Subject"]

Float32Array = npt.NDArray[np.float32]

INPUTS, LABELS, REPRESENTATIVES = "x", "y", "representative"


@dataclass(frozen=True, eq=False)
class Subject:
    """
    model : a Keras network
    representative : (N, ...) inputs that the ranges of activations are taken from
    test : examples that none of them is of, where there are others
    """

    name: str
    model: Any
    task: Task
    representative: Float32Array
    test: ExampleSet

    @classmethod
    def of_recipe(cls, trained: TrainedNetwork) -> Self:
        """A recipe's trained network, on the whole test part."""
        return cls(trained.name, trained.model, trained.recipe.task, trained.representative, trained.examples.test)

    @classmethod
    def of_file(cls, network: Path, data: Path) -> Self:
        """A network that Keras saved, on arrays of the user's.

        network : a .keras file
        data : an .npz file with inputs x (N, ...) as the network takes them; of a classifier also y (N,), class
            indices; and, where the scales shall not come from x, representative (M, ...)

        Raises UserError for files that cannot be read, or do not fit each other.
        """
        model = _load(network)
        names = read_arrays(data)
        needed = [INPUTS, *(name for name in (LABELS, REPRESENTATIVES) if name in names)]
        arrays = read_arrays(data, *needed)
        inputs = _inputs(arrays[INPUTS], data, INPUTS, model)
        if REPRESENTATIVES in arrays:
            representative = _inputs(arrays[REPRESENTATIVES], data, REPRESENTATIVES, model)
            check_scale(representative, inputs)
        else:
            representative = spread(inputs)
        shape = tuple(model.outputs[0].shape[1:])
        reconstructs = shape == inputs.shape[1:]
        if len(shape) != 1 and not reconstructs:
            raise UserError(f"{network} answers with values of shape {shape}: neither one a class nor its input again")
        if LABELS not in arrays:
            if not reconstructs:
                raise DataError(f"{data}: has no y: give class indices, since {network} does not reconstruct its input")
            return cls(
                network.stem, model, "reconstruction", representative, ExampleSet(inputs, np.zeros(len(inputs), int))
            )
        labels = _labels(arrays[LABELS], data, len(inputs), shape)
        return cls(network.stem, model, "classification", representative, ExampleSet(inputs, labels))


def _load(network: Path) -> Any:
    if not network.is_file():
        raise UserError(f"{network}: no such file")
    try:
        model = load_keras().models.load_model(network, compile=False)
    except Exception as error:  # Keras raises nearly anything for damaged files and classes that it does not know
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{network} cannot be read as a .keras file of Keras' own layers: {reason}") from error
    try:
        edges = len(model.inputs), len(model.outputs)
    except (AttributeError, TypeError) as error:  # a Sequential without an Input, or a class of its own
        raise UserError(f"{network} has no fixed input: build it with keras.Input, and save it again") from error
    if edges != (1, 1):
        raise UserError(
            f"{network} has {edges[0]} inputs and {edges[1]} outputs: only networks with one each are taken"
        )
    return model


def _inputs(values: npt.NDArray[Any], data: Path, name: str, model: Any) -> Float32Array:
    shape = tuple(model.inputs[0].shape[1:])
    if values.dtype.kind not in "fiub" or not values.size or values.shape[1:] != shape:
        raise DataError(
            f"{data}: {name} is {values.dtype} of shape {values.shape}; the network takes numbers of shape (N, "
            f"{', '.join(map(str, shape))})"
        )
    with np.errstate(over="ignore"):
        inputs = values.astype(np.float32)
    if not np.isfinite(inputs).all():
        raise DataError(f"{data}: {name} has values that are NaN or infinite: leave those inputs out")
    return inputs


def _labels(values: npt.NDArray[Any], data: Path, count: int, shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    if len(shape) != 1:
        raise DataError(f"{data}: has y, but the network answers with values of the shape of its input: leave y out")
    classes = max(shape[0], 2)
    fitting = values.dtype.kind in "iub" and values.size == count
    if not fitting or values.min() < 0 or values.max() >= classes:
        raise DataError(
            f"{data}: y is {values.dtype} of shape {values.shape}; give ({count},) class indices below the network's "
            f"{classes} classes"
        )
    return values.reshape(-1).astype(np.int64)
