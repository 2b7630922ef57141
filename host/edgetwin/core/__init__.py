"""The binding to the C core, the code that boards run: nothing is computed here in another way.

Rows are signals. float32 throughout; the arithmetic contract is in ``device/include/edgetwin/vector.h``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgetwin.core import _core
from edgetwin.errors import UserError

__all__ = [
    "ATOM_TYPES",
    "KINDS",
    "VERSION",
    "Codes",
    "CoreError",
    "Decoded",
    "Dictionary",
    "Model",
    "TensorInfo",
    "node_buffers_size",
    "omp",
    "omp_workspace_size",
    "pad_atoms",
    "status_text",
]

VERSION = _core.VERSION

#: Atom types by name, with the number that a bundle carries and the NumPy type.
ATOM_TYPES: dict[str, tuple[int, type[np.generic]]] = {
    "float32": (1, np.float32),
    "int16": (2, np.int16),
    "int8": (3, np.int8),
}


class CoreError(UserError):
    """A status of the C core other than ``ET_OK`` (``device/include/edgetwin/status.h``)."""

    def __init__(self, status: int, what: str) -> None:
        super().__init__(f"{what}: {status_text(status)}")
        self.status = status


class Codes(NamedTuple):
    """Sparse codes of N signals; k = min(s, m, n). Row i uses its first ``counts[i]`` entries, the rest are 0."""

    support: NDArray[np.uint16]  # (N, k), ascending in each row
    coefficients: NDArray[np.float32]  # (N, k)
    counts: NDArray[np.uint16]  # (N,), atoms of each code
    residual_norm: NDArray[np.float32]  # (N,)
    status: NDArray[np.uint8]  # (N,), 0 where the signal was encoded


#: Kinds of window by the number that a decoder gives.
KINDS = ("sparse", "dct", "dpcm", "raw")


class Decoded(NamedTuple):
    """What packets held; N windows."""

    signals: NDArray[np.float32]  # (N, m) in the sensor's units, NaN where status is not 0
    status: NDArray[np.uint8]  # (N,), the same for all windows of a packet
    kinds: NDArray[np.uint8]  # (N,), index into KINDS
    atoms: NDArray[np.uint16]  # (N,), atoms of each sparse code
    usage: NDArray[np.uint32]  # (n,), windows that use each atom


def _counts(counts: ArrayLike) -> NDArray[np.uint8]:
    windows = np.asarray(counts)
    if windows.ndim != 1 or (windows.size and not 0 <= windows.min() <= windows.max() <= 255):
        raise ValueError("a packet has 0 to 255 windows")
    return np.ascontiguousarray(windows, dtype=np.uint8)


def _atom_type(atoms: NDArray[np.generic]) -> int:
    for number, dtype in ATOM_TYPES.values():
        if atoms.dtype == dtype:
            return number
    raise ValueError(f"atoms must be float32, int16 or int8, not {atoms.dtype}")


def pad_atoms(atoms: NDArray[np.generic]) -> NDArray[np.generic]:
    """Atoms (n, m) as a board stores them: C order, each padded with zeros to a multiple of 4 bytes."""
    step = max(1, 4 // atoms.dtype.itemsize)
    missing = -atoms.shape[1] % step
    return np.ascontiguousarray(np.pad(atoms, ((0, 0), (0, missing))) if missing else atoms)


def omp_workspace_size(atom_type: str, m: int, n: int, s: int) -> int:
    """Exact bytes of workspace that ``et_omp`` needs."""
    size = _core.omp_workspace_size(ATOM_TYPES[atom_type][0], m, n, s)
    if size == 0:
        raise ValueError(f"no dictionary can have m={m}, n={n}")
    return size


def status_text(status: int) -> str:
    """The core's English text of a status; "unknown status" for a number outside its table."""
    return _core.status_text(status)


def node_buffers_size(max_payload: int) -> int:
    """Arena bytes that a node's frame buffers take; the rest of its arena is for the dictionary."""
    return _core.node_buffers_size(max_payload)


def omp(
    signals: ArrayLike,
    atoms: NDArray[np.generic],
    s: int,
    *,
    tolerance: float = 0.0,
    least: float = 0.0,
    scales: NDArray[np.float32] | None = None,
) -> Codes:
    """Sparse codes by orthogonal matching pursuit, exactly as a board computes them (``omp.h``).

    Parameters
    ----------
    signals : (N, m) array, converted to float32
    atoms : (n, m) float32, int16 or int8; atom j is ``scales[j] * atoms[j]`` for integers and has unit norm
    s : most atoms a code may use
    tolerance : stop when the residual's norm is at most this
    least : stop when no atom's correlation with the residual is above this
    scales : (n,) float32, for integer atoms

    A signal with NaN or infinity has status 3 and an empty code; the others are encoded all the same.
    """
    y = np.ascontiguousarray(signals, dtype=np.float32)
    if y.ndim != 2 or atoms.ndim != 2 or y.shape[1] != atoms.shape[1]:
        raise ValueError(f"signals {y.shape} and atoms {atoms.shape} must be 2-D with the same number of columns")
    if not 0 <= s <= 65535:
        raise ValueError(f"s must lie in 0 .. 65535, not {s}")
    if not (np.isfinite([tolerance, least]).all() and min(tolerance, least) >= 0):
        raise ValueError(f"tolerance and least must be finite and not negative, not {tolerance} and {least}")
    atom_type = _atom_type(atoms)
    if (scales is None) != (atom_type == ATOM_TYPES["float32"][0]):
        raise ValueError("integer atoms need scales, float32 atoms have none")
    n, m = atoms.shape
    k = min(s, m, n)
    rows = len(y)
    codes = Codes(
        np.zeros((rows, k), np.uint16),
        np.zeros((rows, k), np.float32),
        np.zeros(rows, np.uint16),
        np.zeros(rows, np.float32),
        np.zeros(rows, np.uint8),
    )
    scale_bytes = None if scales is None else np.ascontiguousarray(scales, dtype=np.float32)
    _core.omp(atom_type, m, n, s, tolerance, least, pad_atoms(atoms), scale_bytes, y, *codes)
    unused = np.arange(k) >= codes.counts[:, None]
    codes.support[unused] = 0
    codes.coefficients[unused] = 0
    return codes


class Dictionary:
    """A dictionary bundle, checked and used by the C core.

    Raises :class:`CoreError` where a board would refuse the bundle.
    """

    def __init__(self, bundle: bytes) -> None:
        status, opened = _core.open_dictionary(bundle)
        if opened is None:
            raise CoreError(status, "dictionary bundle refused")
        self._opened = opened
        self.m, self.n, self.s, number, self.channels, self.id = opened.shape()
        self.atom_type = next(name for name, (value, _) in ATOM_TYPES.items() if value == number)
        self.workspace_size, self.arena_size, self.packet_max_size = opened.sizes()

    @property
    def k(self) -> int:
        """Most atoms that a code ever uses: min(s, m, n)."""
        return min(self.s, self.m, self.n)

    def encode(self, signals: ArrayLike) -> tuple[list[bytes], NDArray[np.uint8]]:
        """A packet for each of the raw signals (N, m), as a board sends it, and a status each (0: encoded)."""
        y = self._signals(signals)
        packets, status = self.encode_packets(y, np.ones(len(y), np.uint8))
        return [packet if ok else b"" for packet, ok in zip(packets, status == 0, strict=True)], status

    def encode_packets(self, signals: ArrayLike, counts: ArrayLike) -> tuple[list[bytes], NDArray[np.uint8]]:
        """Packets of ``counts`` consecutive windows each, as a board writes them, and a status for each window.

        signals : (N, m) raw
        counts : (P,) windows of each packet, 0 to 255, N in all; one whose status is not 0 is left out of its packet
        """
        y = self._signals(signals)
        status = np.zeros(len(y), np.uint8)
        return self._opened.encode(y, _counts(counts), status), status

    def decode(self, packets: Sequence[bytes], counts: ArrayLike) -> Decoded:
        """The windows of packets, each packet with as many as ``counts`` (P,) says."""
        windows = _counts(counts)
        rows = int(windows.sum(dtype=np.int64))
        decoded = Decoded(
            np.empty((rows, self.m), np.float32),
            np.zeros(rows, np.uint8),
            np.zeros(rows, np.uint8),
            np.zeros(rows, np.uint16),
            np.zeros(self.n, np.uint32),
        )
        self._opened.decode(list(packets), windows, *decoded)
        bad = decoded.status != 0
        decoded.signals[bad] = np.nan
        decoded.atoms[bad] = 0
        return decoded

    def _signals(self, signals: ArrayLike) -> NDArray[np.float32]:
        y = np.ascontiguousarray(signals, dtype=np.float32)
        if y.ndim != 2 or y.shape[1] != self.m:
            raise ValueError(f"signals must have shape (N, {self.m}), not {y.shape}")
        return y

    def pack(self, support: ArrayLike, coefficients: ArrayLike) -> bytes:
        """Bytes of one code; support strictly ascending."""
        status, code = self._opened.pack(
            np.ascontiguousarray(support, dtype=np.uint16), np.ascontiguousarray(coefficients, dtype=np.float32)
        )
        if status:
            raise CoreError(status, "code not packed")
        return code

    def unpack(self, codes: list[bytes]) -> Codes:
        """Sparse codes from their bytes. A code that is not valid has its status and no atoms."""
        rows = len(codes)
        result = Codes(
            np.zeros((rows, self.k), np.uint16),
            np.zeros((rows, self.k), np.float32),
            np.zeros(rows, np.uint16),
            np.full(rows, np.nan, np.float32),  # not on the wire
            np.zeros(rows, np.uint8),
        )
        for i, code in enumerate(codes):
            result.status[i], count = self._opened.unpack(code, result.support[i], result.coefficients[i])
            result.counts[i] = 0 if result.status[i] else count
            result.support[i, result.counts[i] :] = 0
            result.coefficients[i, result.counts[i] :] = 0
        return result


class TensorInfo(NamedTuple):
    """An input or output of a model; a real value is scale * (q - zero_point)."""

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]  # int8 or float32
    scale: float  # 0 where dtype is float32
    zero_point: int
    size: int  # bytes
    place: int  # bytes from the workspace's start


#: Types of tensors by the number that a bundle carries.
_TENSOR_TYPES: dict[int, type[np.generic]] = {1: np.int8, 2: np.float32}


def _tensor_info(fields: _core.TensorFields) -> TensorInfo:
    place, size, number, rank, shape, scale, zero_point = fields
    return TensorInfo(shape[:rank], np.dtype(_TENSOR_TYPES[number]), scale, zero_point, size, place)


class Model:
    """A model bundle, checked and run by the C core, in a workspace that keeps the model's state between calls.

    Raises :class:`CoreError` where a board that has every kernel would refuse the bundle.
    """

    def __init__(self, bundle: bytes) -> None:
        status, opened = _core.open_model(bundle)
        if opened is None:
            raise CoreError(status, "model bundle refused")
        self._opened = opened
        self.id, self.target, self.layers, self.workspace_size, self.state_size, (inputs, outputs) = opened.shape()
        self.inputs = [_tensor_info(fields) for fields in inputs]
        self.outputs = [_tensor_info(fields) for fields in outputs]

    def reset(self) -> None:
        """Begins a new series: the state is as before the first invocation."""
        self._opened.reset()

    def invoke(self, inputs: Sequence[NDArray[np.generic]]) -> list[NDArray[np.generic]]:
        """Runs the model N times, in order.

        inputs : one array (N, *shape) for each input, of exactly its dtype

        Returns one array (N, *shape) for each output. Raises ValueError for another shape or type.
        """
        given, rows = self._rows(inputs)
        outputs: list[NDArray[np.generic]] = [np.empty((rows, *info.shape), info.dtype) for info in self.outputs]
        self._opened.invoke(rows, given, outputs)
        return outputs

    def run(
        self, inputs: Sequence[NDArray[np.generic]], snapshots: Sequence[tuple[int, int, int]]
    ) -> list[NDArray[np.int8]]:
        """Runs the model once, layer by layer, and looks at the workspace on the way.

        inputs : one array (1, *shape) for each input
        snapshots : (layer, place, bytes), layers ascending: what lies there after that layer

        Returns the bytes of each snapshot.
        """
        given, rows = self._rows(inputs)
        if rows != 1:
            raise ValueError(f"one invocation takes one row, not {rows}")
        return [np.frombuffer(bytes_, np.int8) for bytes_ in self._opened.trace(given, list(snapshots))]

    def _rows(self, inputs: Sequence[NDArray[np.generic]]) -> tuple[list[NDArray[np.generic]], int]:
        if len(inputs) != len(self.inputs):
            raise ValueError(f"the model takes {len(self.inputs)} inputs, not {len(inputs)}")
        rows = len(inputs[0])
        for position, (array, info) in enumerate(zip(inputs, self.inputs, strict=True)):
            if array.shape != (rows, *info.shape) or array.dtype != info.dtype:
                raise ValueError(
                    f"input {position} takes {info.dtype} {(rows, *info.shape)}, not {array.dtype} {array.shape}"
                )
        return [np.ascontiguousarray(array) for array in inputs], rows
