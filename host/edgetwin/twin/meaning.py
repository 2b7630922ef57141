"""What a model's bundle says of its inputs and outputs: how raw values are scaled, and what its classes are called."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from edgetwin.deploy import ModelBundle
from edgetwin.errors import UserError
from edgetwin.nn.description import Preprocessing

__all__ = ["labels_of", "preprocessing_of"]


def preprocessing_of(bundle: ModelBundle) -> Preprocessing:
    """How raw values become the inputs of a model. Raises UserError where its metadata do not say it."""
    told = bundle.metadata.get("preprocessing")
    if told is None:
        raise UserError(
            "the model does not say how raw values are scaled: give real ones, or compile a .tflite of edgetwin export"
        )
    try:
        return Preprocessing.model_validate(told)
    except ValidationError as error:
        raise UserError("the model's metadata do not say how raw values are scaled: compile it again") from error


def labels_of(bundle: ModelBundle, scores: npt.NDArray[np.float32]) -> list[str] | None:
    """The label of each row of a model's real outputs (N, ...): of the highest, or whether the only one is above 0.5.

    None where the model has no labels, or not one for each output.
    """
    labels = bundle.metadata.get("labels")
    rows = scores.reshape(len(scores), -1)
    if rows.shape[1] == 1:
        rows = np.hstack([1 - rows, rows])
    if not isinstance(labels, list) or len(labels) != rows.shape[1]:
        return None
    return [str(labels[number]) for number in rows.argmax(axis=1)]
