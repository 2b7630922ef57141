"""What a network's file says of itself: how raw values become its inputs, what its classes are, where it comes from."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveInt, ValidationError

from edgetwin.errors import UserError
from edgetwin.nn.tflite_metadata import read_entry, with_entry

__all__ = ["ENTRY", "Description", "Preprocessing", "describe_tflite", "parse_description", "read_tflite"]

#: Of the entry in a .tflite file's metadata, and of the property of an ONNX file: JSON.
ENTRY = "edgetwin"


class _Table(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Preprocessing(_Table):
    """An input is raw * scale + offset.

    shape : of one input, without the batch
    raw : what the raw values are
    """

    shape: tuple[PositiveInt, ...]
    raw: str
    scale: FiniteFloat
    offset: FiniteFloat = 0.0

    def apply(self, raw: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Inputs of raw values of any shape."""
        return (np.asarray(raw, np.float64) * self.scale + self.offset).astype(np.float32)


class Description(_Table):
    """Plain values, as JSON in .tflite and ONNX files.

    task : of its recipe
    labels : names of the classes 0, 1, ...; none where they have none, or the network does not classify
    provenance : recipe, data, budget, seed, sha256 of the weights, versions, commands
    """

    name: str = Field(max_length=200)
    task: str
    labels: tuple[str, ...] = ()
    preprocessing: Preprocessing
    provenance: dict[str, str | int | float | None] = {}

    def for_bundle(self) -> dict[str, Any]:
        """What a model bundle's metadata carry of it."""
        plain = self.model_dump(mode="json", include={"labels", "preprocessing", "provenance"})
        return {key: value for key, value in plain.items() if value}


def describe_tflite(file: bytes, description: Description) -> bytes:
    """A .tflite file with a description. Raises UserError if it has one."""
    return with_entry(file, ENTRY, description.model_dump_json().encode())


def read_tflite(file: bytes) -> Description | None:
    """The description in a .tflite file; None if there is none. Raises UserError for a damaged one."""
    entry = read_entry(file, ENTRY)
    return None if entry is None else parse_description(entry)


def parse_description(text: str | bytes) -> Description:
    """A description of its JSON. Raises UserError for a damaged one."""
    try:
        return Description.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "JSON"
        what = f"the file's description of itself is damaged ({where}: {first['msg']})"
        raise UserError(f"{what}: export it again") from error
