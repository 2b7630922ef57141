"""Weights of networks in files of plain arrays, and the state of a training run that can be taken up again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.errors import UserError
from edgetwin.files import writing

__all__ = ["Checkpoint", "OtherRunError", "load_weights", "save_weights", "weights_digest"]

# Goes up with every change of what the file holds.
VERSION = 1

Arrays = list[npt.NDArray[Any]]


class OtherRunError(UserError):
    """A checkpoint is of another recipe, budget or data."""


def save_weights(model: Any, path: Path) -> None:
    """Writes a model's weights, in its own order, as an .npz file that every Keras backend can take up."""
    _write(path, _named("weight", model.get_weights()))


def weights_digest(model: Any) -> str:
    """SHA-256 of a model's weights, in its own order, as hexadecimal digits."""
    return hashlib.sha256(b"".join(weight.tobytes() for weight in model.get_weights())).hexdigest()


def load_weights(model: Any, path: Path) -> None:
    """Gives a built model the weights of :func:`save_weights`. Raises UserError if the file is not of such a model."""
    with_names = _read(path)
    weights = _listed("weight", with_names)
    if [array.shape for array in weights] != [tuple(weight.shape) for weight in model.weights]:
        raise UserError(f"{path} has weights of another network than {model.name}: give the ones of this recipe")
    model.set_weights(weights)


@dataclass
class Checkpoint:
    """A run after an epoch.

    fingerprint : of the recipe, its budget and the data
    epoch : how many are done
    variables : of the model, with the state of what drops out; then of the optimizer
    best : the model's weights of the best epoch so far; empty where the last one's are kept
    history : a list a figure, one value an epoch
    """

    fingerprint: str
    epoch: int
    variables: Arrays
    best: Arrays
    history: dict[str, list[float]]

    def save(self, path: Path) -> None:
        """Writes it whole, over the last one."""
        told = {"version": VERSION, "fingerprint": self.fingerprint, "epoch": self.epoch, "history": self.history}
        arrays = _named("variable", self.variables) | _named("best", self.best)
        _write(path, arrays | {"told": np.array(json.dumps(told))})

    @classmethod
    def load(cls, path: Path, fingerprint: str) -> Checkpoint | None:
        """The run in a file; None if there is none. Raises UserError for a damaged one, or one of another run."""
        if not path.exists():
            return None
        arrays = _read(path)
        try:
            told = json.loads(str(arrays["told"]))
            version, found = told["version"], told["fingerprint"]
        except (KeyError, ValueError) as error:
            raise UserError(f"{path} is not a checkpoint: delete it, or train without --resume") from error
        if version != VERSION:
            raise UserError(f"{path} was written by another version of edgetwin: train without --resume")
        if found != fingerprint:
            raise OtherRunError(
                f"{path} is of another recipe, budget or data: give those it was made with, or train without --resume"
            )
        return cls(found, told["epoch"], _listed("variable", arrays), _listed("best", arrays), told["history"])


def _named(what: str, arrays: Sequence[npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    return {f"{what}_{number:04}": array for number, array in enumerate(arrays)}


def _listed(what: str, arrays: Mapping[str, npt.NDArray[Any]]) -> Arrays:
    return [arrays[name] for name in sorted(arrays) if name.startswith(f"{what}_")]


def _write(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    with writing(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # arrays only, no allow_pickle


def _read(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except Exception as error:  # zipfile and NumPy raise nearly anything for damaged bytes
        raise UserError(f"{path} is cut or damaged: delete it and train again") from error
