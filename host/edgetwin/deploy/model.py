"""Models as boards hold them (.etm): what is in a bundle, and the same computation on the host.

>>> model = Model("keyword.etm")
>>> scores = model.predict(windows)  # real values in, real values out
>>> exact = model.invoke(quantised)  # int8 in, int8 out, as on a board
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from edgetwin import core
from edgetwin.deploy.container import (
    HEADER_SIZE,
    BundleError,
    ImpossibleField,
    Kind,
    MissingKernel,
    Truncated,
    UnknownVersion,
    WrongTarget,
    content_id,
    load,
    unwrap,
)
from edgetwin.deploy.metadata import Metadata, unpack_metadata
from edgetwin.errors import UserError
from edgetwin.files import write_atomically
from edgetwin.signals.affine import dequantise, quantise

__all__ = ["LayerInfo", "Model", "ModelBundle", "TensorInfo"]

TARGETS = ("portable", "helium")  # by et_model_target

# version, target, zero, workspace, state, inputs, outputs, layers, zero, bytes of records, bytes of constants, zero
_FIELDS = struct.Struct("<HBBIIHHHHIII")
# place, bytes, type, rank, zero, shape, scale, zero point, zero
_TENSOR = struct.Struct("<IIBBH5ifiII")
_TENSOR_TYPES: dict[int, type[np.generic]] = {1: np.int8, 2: np.float32}

_ERRORS: dict[int, type[BundleError]] = {
    error.status: error for error in (Truncated, UnknownVersion, ImpossibleField, MissingKernel, WrongTarget)
}

_REMEDIES = {
    UnknownVersion.status: "upgrade edgetwin",
    MissingKernel.status: "upgrade edgetwin",
    WrongTarget.status: "compile it with --target portable to run it here",
}

Array = npt.NDArray[Any]


class TensorInfo(NamedTuple):
    """An input or output; a real value is scale * (q - zero_point)."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]  # int8 or float32
    scale: float  # 0 for float32
    zero_point: int
    place: int  # bytes from the workspace's start
    size: int  # bytes

    def quantised(self, values: npt.ArrayLike) -> Array:
        """Real values in this tensor's type. Raises UserError for NaN, which has no nearest integer, and what is no
        real number."""
        given = np.asarray(values)
        if given.dtype.kind not in "biuf":
            raise UserError(f"the values for input {self.name} are {given.dtype}, not real numbers: convert them")
        real = np.asarray(given, np.float32)
        if self.dtype == np.float32:
            return real
        if np.isnan(real).any():
            raise UserError(f"the values for input {self.name} hold NaN: fill them in or drop their rows")
        return quantise(real, self.scale, self.zero_point, self.dtype)

    def real(self, values: Array) -> npt.NDArray[np.float32]:
        """The real values that this tensor's stand for, float32."""
        if self.dtype == np.float32:
            return values.astype(np.float32)
        return dequantise(values, self.scale, self.zero_point)


class LayerInfo(NamedTuple):
    """A layer, as the compiler described it."""

    title: str  # of the operator that it comes from
    kernel: str
    macs: int
    weight_bytes: int
    tensor: int  # that is complete after the layer, by its index in the .tflite file; -1: not in the file, or none
    place: int  # of that tensor, bytes from the workspace's start
    size: int  # of that tensor, in bytes; 0: none


@dataclass(frozen=True, eq=False)
class ModelBundle:
    """A checked model bundle.

    bundle : all bytes
    id : content id
    target : "portable" or "helium"
    workspace_size, state_size : bytes of RAM that it needs, and of them those that outlive an invocation
    layer_count : records
    metadata : what the compiler says of it, for hosts
    """

    bundle: bytes
    id: int
    target: str
    workspace_size: int
    state_size: int
    layer_count: int
    inputs: list[TensorInfo]
    outputs: list[TensorInfo]
    metadata: Metadata

    @classmethod
    def from_bytes(cls, bundle: bytes) -> Self:
        """Reads a bundle as a board checks it; bytes after it are ignored.

        Layers for another kind of core are checked as far as this computer has their kernels, the rest by the board.
        Raises the BundleError that names what is wrong.
        """
        payload = unwrap(Kind.MODEL, bundle)
        bundle = bundle[: HEADER_SIZE + len(payload)]
        with suppress(WrongTarget):
            _open(bundle)
        fields = _FIELDS.unpack_from(payload)
        _, target, _, workspace, state, inputs, outputs, layers, _, records, constants, _ = fields
        end = _FIELDS.size
        for size in ((inputs + outputs) * _TENSOR.size, records, state, constants):
            end += size + -size % 16
        metadata = unpack_metadata(payload[end:])
        names = [*_names(metadata, "inputs", inputs), *_names(metadata, "outputs", outputs)]
        tensors = [_tensor(payload, _FIELDS.size + i * _TENSOR.size, name) for i, name in enumerate(names)]
        return cls(
            bundle=bundle,
            id=content_id(payload),
            target=TARGETS[target],
            workspace_size=workspace,
            state_size=state,
            layer_count=layers,
            inputs=tensors[:inputs],
            outputs=tensors[inputs:],
            metadata=metadata,
        )

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Reads a bundle from a file. Raises UserError, with the path in it."""
        return load(path, cls.from_bytes)

    def to_bytes(self) -> bytes:
        """The bundle's bytes."""
        return self.bundle

    def save(self, path: str | Path) -> None:
        """Writes the bundle beside `path`, then renames it: the file is whole or the old one. Raises UserError."""
        write_atomically(Path(path), self.bundle)

    @cached_property
    def layers(self) -> list[LayerInfo]:
        """The layers in order. Raises ImpossibleField where the metadata do not describe them."""
        table = self.metadata.get("layers", {})
        columns = [table.get(name) if isinstance(table, dict) else None for name in LayerInfo._fields]
        for column, name in zip(columns, LayerInfo._fields, strict=True):
            kind = str if name in ("title", "kernel") else int
            if not isinstance(column, list) or len(column) != self.layer_count or {type(x) for x in column} - {kind}:
                raise ImpossibleField(f"the model's metadata do not describe its layers ({name}): compile it again")
        layers = [LayerInfo(*row) for row in zip(*columns, strict=True)]
        for layer in layers:
            if not 0 <= layer.place <= layer.place + layer.size <= self.workspace_size:
                raise ImpossibleField(f"the model's metadata misplace a tensor of {layer.title}: compile it again")
        return layers


class Model:
    """A model run by the C core, bit for bit as a board runs it. State is kept between calls until :meth:`reset`.

    Rows: where every input's first dimension is 1, as in models converted for a batch of one, it stands for N rows;
    otherwise N rows are stacked in front of it, and an array without that axis is one row.

    Raises UserError, or the BundleError that names what is wrong with the bundle.
    """

    def __init__(self, model: str | Path | bytes | ModelBundle) -> None:
        if isinstance(model, ModelBundle):
            self.bundle = model
        elif isinstance(model, bytes):
            self.bundle = ModelBundle.from_bytes(model)
        else:
            self.bundle = ModelBundle.load(model)
        self._core = _open(self.bundle.bundle)
        self.inputs, self.outputs = self.bundle.inputs, self.bundle.outputs
        self._batched = all(info.shape[:1] == (1,) for info in self.inputs)

    @property
    def id(self) -> int:
        """Content id, as a board tells it."""
        return self.bundle.id

    def reset(self) -> None:
        """Begins a new series: what the model remembers is as before its first invocation."""
        self._core.reset()

    def invoke(self, x: npt.ArrayLike | Sequence[npt.ArrayLike]) -> Any:
        """Outputs of N invocations, one row after the other.

        x : an array of exactly the input's type (int8, or float32 where the model quantises by itself); for several
            inputs a list of one for each

        Returns an array, or a list of one for each output. Raises UserError for another shape or type.
        """
        arrays, rows = self._rows(self._listed(x))
        results = self._core.invoke(arrays)
        # A first dimension of 1 stood for the rows.
        shapes = [info.shape[1:] if self._batched and info.shape[:1] == (1,) else info.shape for info in self.outputs]
        answer = [array.reshape(rows, *shape) for array, shape in zip(results, shapes, strict=True)]
        return answer if len(answer) > 1 else answer[0]

    def predict(self, x: npt.ArrayLike | Sequence[npt.ArrayLike]) -> Any:
        """As :meth:`invoke` with real values, quantised as TensorFlow Lite does (nearest, halves away from zero,
        saturated), and the real values of the outputs, float32."""
        arrays = [info.quantised(array) for array, info in zip(self._listed(x), self.inputs, strict=True)]
        results = self.invoke(arrays)
        if len(self.outputs) == 1:
            return self.outputs[0].real(results)
        return [info.real(array) for array, info in zip(results, self.outputs, strict=True)]

    def trace(self, x: npt.ArrayLike | Sequence[npt.ArrayLike]) -> list[npt.NDArray[np.int8]]:
        """One invocation, and what each layer of ``bundle.layers`` has written: the bytes of the tensor that is
        complete after it; none for a layer that completes no tensor."""
        arrays, rows = self._rows(self._listed(x))
        if rows != 1:
            raise UserError(f"a trace takes one row, not {rows}")
        return self._core.run(arrays, [(i, layer.place, layer.size) for i, layer in enumerate(self.bundle.layers)])

    def _listed(self, x: npt.ArrayLike | Sequence[npt.ArrayLike]) -> list[Array]:
        """An array for each input."""
        given = [np.asarray(array) for array in x] if isinstance(x, (list, tuple)) else [np.asarray(x)]
        if len(given) != len(self.inputs):
            raise UserError(f"the model takes {len(self.inputs)} inputs, not {len(given)}")
        return given

    def _rows(self, arrays: Sequence[Array]) -> tuple[list[Array], int]:
        """The inputs as (N, *shape), and N. Raises UserError for another shape or type."""
        stacked = []
        for array, info in zip(arrays, self.inputs, strict=True):
            if array.dtype != info.dtype:
                raise UserError(
                    f"input {info.name} takes {info.dtype}, not {array.dtype}: convert it, or use predict for reals"
                )
            shape = info.shape[1:] if self._batched else info.shape
            rows = array[np.newaxis] if array.shape == shape else array
            if rows.shape[1:] != shape:
                raise UserError(f"input {info.name} takes rows of shape {shape}, not an array {array.shape}")
            stacked.append(rows.reshape(len(rows), *info.shape))
        if len({len(rows) for rows in stacked}) != 1:
            raise UserError(
                f"the inputs have {', '.join(str(len(rows)) for rows in stacked)} rows: give as many of each"
            )
        return stacked, len(stacked[0])


def _open(bundle: bytes) -> core.Model:
    """The core's model. Raises the BundleError that stands for the core's status."""
    try:
        return core.Model(bundle)
    except core.CoreError as error:
        remedy = _REMEDIES.get(error.status, "compile the model again")
        raise _ERRORS.get(error.status, ImpossibleField)(f"{error}: {remedy}") from error


def _tensor(payload: bytes, offset: int, name: str) -> TensorInfo:
    place, size, number, rank, _, *shape, scale, zero_point, _, _ = _TENSOR.unpack_from(payload, offset)
    return TensorInfo(name, tuple(shape[:rank]), np.dtype(_TENSOR_TYPES[number]), scale, zero_point, place, size)


def _names(metadata: Metadata, key: str, count: int) -> list[str]:
    """Names of the inputs or outputs; numbers where the metadata have none.

    Files hold arrays by name, so a name that was there before gets ":1", and so on.
    """
    names = metadata.get(key)
    if isinstance(names, list) and len(names) == count and all(isinstance(name, str) for name in names):
        repeats: dict[str, int] = {}
        for name in names:
            own = name
            while own in repeats:
                repeats[name] += 1
                own = f"{name}:{repeats[name]}"
            repeats[own] = 0
        return list(repeats)
    return [f"{key[:-1]} {i}" for i in range(count)]
