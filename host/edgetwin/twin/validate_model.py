"""The proof for models: a board's outputs, and every tensor on the way, against the host core's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgetwin.deploy import Model, ModelBundle
from edgetwin.errors import UserError
from edgetwin.link import Session

__all__ = ["Difference", "ModelComparison", "compare_model"]


@dataclass(frozen=True)
class Difference:
    """Values of one tensor that differ.

    row : of the inputs
    tensor : an output's name, or the layer that computes it
    values : that differ, `size` in all
    """

    row: int
    tensor: str
    values: int
    size: int


@dataclass(frozen=True)
class ModelComparison:
    """Board against host.

    rows, tensors, values : what was compared
    differences : one for each tensor that differs, in the order in which they were computed
    """

    rows: int
    tensors: int
    values: int
    differences: list[Difference]

    @property
    def exact(self) -> bool:
        """No value differs."""
        return not self.differences


Pairs = list[tuple[str, NDArray[Any], NDArray[Any]]]


def compare_model(
    session: Session,
    bundle: ModelBundle,
    reference: Model,
    inputs: Sequence[NDArray[Any]],
    *,
    layers: bool = False,
    progress: Callable[[], Any] = lambda: None,
) -> ModelComparison:
    """Runs each row of the inputs on the board, whose current model is `bundle`, and on the host.

    Parameters
    ----------
    reference : the same model, or one of the same network for cores that the host has
    inputs : an array (N, *shape) for each input; rows follow each other where the model keeps state
    layers : compare what each layer writes, not the outputs only
    progress : called after each row

    Raises UserError where the two cannot be compared.
    """
    if [(i.shape, i.dtype) for i in bundle.inputs] != [(i.shape, i.dtype) for i in reference.inputs]:
        raise UserError("the reference takes other inputs than the model: compile both from one .tflite file")
    matches = _matching_layers(bundle, reference.bundle) if layers else []
    reference.reset()
    tensors = values = 0
    differences: list[Difference] = []
    for row in range(len(inputs[0])):
        one = [array[row] for array in inputs]
        pairs = (
            _layers(session, bundle, reference, one, row, matches)
            if layers
            else _outputs(session, bundle, reference, one, row)
        )
        for name, board, host in pairs:
            tensors += 1
            values += host.size
            differ = int((board != host).sum()) if board.shape == host.shape else host.size
            if differ:
                differences.append(Difference(row, name, differ, host.size))
        progress()
    return ModelComparison(len(inputs[0]), tensors, values, differences)


def _outputs(
    session: Session, bundle: ModelBundle, reference: Model, inputs: Sequence[NDArray[Any]], row: int
) -> Pairs:
    board = session.invoke(inputs, reset=row == 0)
    host = reference.invoke(list(inputs))
    hosts = host if isinstance(host, list) else [host]
    return [
        (info.name, _bits(ours), _bits(theirs)) for info, ours, theirs in zip(bundle.outputs, board, hosts, strict=True)
    ]


def _layers(
    session: Session,
    bundle: ModelBundle,
    reference: Model,
    inputs: Sequence[NDArray[Any]],
    row: int,
    matches: list[tuple[int, int]],
) -> Pairs:
    board = session.run_layers(inputs, [(layer.place, layer.size) for layer in bundle.layers], reset=row == 0)
    host = reference.trace(list(inputs))
    return [
        (f"layer {ours}, {bundle.layers[ours].title}", np.frombuffer(board[ours].read, np.int8), host[theirs])
        for ours, theirs in matches
    ]


def _matching_layers(bundle: ModelBundle, reference: ModelBundle) -> list[tuple[int, int]]:
    """Layers of both that write the same tensor: all of one bundle, else by the tensor's index in the .tflite file."""
    if bundle.id == reference.id:
        return [(i, i) for i, layer in enumerate(bundle.layers) if layer.size]
    places = {layer.tensor: i for i, layer in enumerate(reference.layers) if layer.size}
    return [(i, places[layer.tensor]) for i, layer in enumerate(bundle.layers) if layer.size and layer.tensor in places]


def _bits(array: NDArray[Any]) -> NDArray[Any]:
    """The values one after the other, as integers: NaN equals itself, and -0 is not 0."""
    return np.ascontiguousarray(array).reshape(-1).view(f"i{array.dtype.itemsize}")
