"""Bundles that a board can hold: dictionaries (.etd) and recordings (.etr), as device/FORMATS.md lays them out.

Everything read is checked as the board checks it, before it is used; a bad bundle raises a `BundleError` that names
what is wrong, with the board's own status number.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from edgetwin.codec.tables import CodecTables
from edgetwin.core import ATOM_TYPES, CoreError, Dictionary, pad_atoms
from edgetwin.deploy.atoms import check_norms, dequantise, quantise
from edgetwin.deploy.container import (
    BundleError,
    ImpossibleField,
    Kind,
    Truncated,
    UnknownCodec,
    content_id,
    load,
    pad16,
    unwrap,
    wrap,
)
from edgetwin.deploy.metadata import Metadata, pack_metadata, unpack_metadata
from edgetwin.files import write_atomically
from edgetwin.signals import ChannelScaling

__all__ = ["BundleError", "DictionaryBundle", "RecordingBundle"]

Float32Array = npt.NDArray[np.float32]

MAX_SAMPLES = 4096
MAX_ATOMS = 16384
PACKED, ENTROPY = 1, 2  # the codecs
COEFFICIENT_BITS = (*range(4, 17), 32)
DEFAULT_BITS = 8

# m, n, s, atom type, codec, coefficient bits, zero, channels, tolerance
_DICTIONARY_FIELDS = struct.Struct("<HHHBBBBHf")
# rows, channels, zero, zero
_RECORDING_FIELDS = struct.Struct("<IHHQ")


@dataclass(frozen=True, eq=False)
class DictionaryBundle:
    """A dictionary as a board holds it.

    atoms : (n, m) float32, int16 or int8
    scales : (n,) float32, atom j is scales[j] * atoms[j]; None for float32 atoms
    scaling : offset and gain of each channel; sample i of a signal belongs to channel i mod channels
    s : most atoms a code may use, 0 to 65535
    tolerance : OMP stops at this residual norm of the scaled signal; 0: never
    coefficient_bits : of the packed code, 4 to 16, or 32
    metadata : a map of plain values, for hosts
    tables : of the entropy codec; None: codes are packed

    Raises a BundleError where a board would refuse it.
    """

    atoms: npt.NDArray[Any]
    scales: Float32Array | None
    scaling: ChannelScaling
    s: int
    tolerance: float = 0.0
    coefficient_bits: int = DEFAULT_BITS
    metadata: Metadata = field(default_factory=dict)
    tables: CodecTables | None = None

    def __post_init__(self) -> None:
        if self.atoms.ndim != 2 or self.atoms.dtype not in [dtype for _, dtype in ATOM_TYPES.values()]:
            raise ImpossibleField(f"atoms must be (n, m) float32, int16 or int8, not {self.atoms.dtype}")
        _check_shape(self.m, self.n, self.s, self.channels, self.tolerance)
        if self.coefficient_bits not in COEFFICIENT_BITS:
            raise UnknownCodec(f"no packed code with {self.coefficient_bits} bits a coefficient: give 4 to 16, or 32")
        if (self.scales is None) != (self.atom_type == "float32"):
            raise ImpossibleField("integer atoms need a scale each, float32 atoms have none")
        if self.scales is not None:
            _check_scales(self.scales, self.n)
        check_norms(self.dequantised())

    @property
    def m(self) -> int:
        """Samples a signal."""
        return int(self.atoms.shape[1])

    @property
    def n(self) -> int:
        """Atoms."""
        return len(self.atoms)

    @property
    def channels(self) -> int:
        """Channels; m is a multiple of it."""
        return self.scaling.channels

    @property
    def offsets(self) -> Float32Array:
        """(channels,) float32: what is taken off a raw sample."""
        return self.scaling.offsets

    @property
    def gains(self) -> Float32Array:
        """(channels,) float32: what it is multiplied by then."""
        return self.scaling.gains

    @property
    def atom_type(self) -> str:
        """How the atoms are stored: float32, int16 or int8."""
        return self.atoms.dtype.name

    @cached_property
    def id(self) -> int:
        """Content id: the same for the same bytes, in every bundle, frame and board."""
        return content_id(self._payload)

    @classmethod
    def from_components(
        cls,
        components: npt.NDArray[np.floating],
        *,
        s: int,
        atom_type: str = "int8",
        scaling: ChannelScaling | None = None,
        tolerance: float = 0.0,
        coefficient_bits: int = DEFAULT_BITS,
        metadata: Mapping[str, Any] | None = None,
        tables: CodecTables | None = None,
    ) -> Self:
        """A bundle of learned unit-norm atoms (n, m), quantised to `atom_type`; without `scaling`, one channel as is.

        Raises NotNormalised for atoms that are not finite or not of unit norm, ImpossibleField for the rest.
        """
        if atom_type not in ATOM_TYPES:
            raise ImpossibleField(f"no atom type {atom_type!r}: give {', '.join(ATOM_TYPES)}")
        if components.ndim != 2 or components.size == 0:
            raise ImpossibleField(f"components must have shape (n, m), not {components.shape}")
        with np.errstate(over="ignore"):
            exact = np.ascontiguousarray(components, dtype=np.float32)
            tolerance = float(np.float32(tolerance))
        check_norms(exact)
        stored, scales = (exact.copy(), None) if atom_type == "float32" else quantise(exact, ATOM_TYPES[atom_type][1])
        return cls(
            atoms=stored,
            scales=scales,
            scaling=scaling if scaling is not None else ChannelScaling.identity(1),
            s=s,
            tolerance=tolerance,
            coefficient_bits=coefficient_bits,
            metadata=dict(metadata or {}),
            tables=tables,
        )

    def dequantised(self) -> Float32Array:
        """The atoms (n, m) that OMP and the reconstruction use, float32."""
        return dequantise(self.atoms, self.scales)

    def to_bytes(self) -> bytes:
        """The bundle's bytes; the same bundle gives the same ones."""
        return wrap(Kind.DICTIONARY, self._payload)

    @classmethod
    def from_bytes(cls, bundle: bytes) -> Self:
        """Reads a bundle; bytes after it are ignored. Raises the BundleError that names what is wrong."""
        payload = unwrap(Kind.DICTIONARY, bundle)
        sections = _Sections(payload)
        fields = _DICTIONARY_FIELDS.unpack(sections.take(_DICTIONARY_FIELDS.size))
        m, n, s, number, codec, coefficient_bits, zero, channels, tolerance = fields
        dtype = next((np.dtype(dtype) for value, dtype in ATOM_TYPES.values() if value == number), None)
        if dtype is None or zero:
            raise ImpossibleField("the bundle has an unknown atom type: it is corrupted, make it again")
        _check_shape(m, n, s, channels, tolerance)
        if coefficient_bits not in {PACKED: COEFFICIENT_BITS, ENTROPY: (0,)}.get(codec, ()):
            raise UnknownCodec(f"the bundle asks for codec {codec} with {coefficient_bits} bits: upgrade edgetwin")
        offsets, gains = sections.floats(channels), sections.floats(channels)
        scales = None if dtype == np.float32 else _check_scales(sections.floats(n), n)
        width = pad_atoms(np.empty((1, m), dtype)).shape[1]
        padded = np.frombuffer(sections.take(n * width * dtype.itemsize), dtype.newbyteorder("<")).reshape(n, width)
        if not (np.isfinite(offsets).all() and np.isfinite(gains).all() and (gains > 0).all()):
            raise ImpossibleField("the bundle has an impossible offset or gain: make it again")
        tables = None
        if codec == ENTROPY:
            try:
                tables = CodecTables.read(sections.take, n, min(s, m, n), m // channels)
            except ValueError as error:
                raise ImpossibleField(f"{error}: make the bundle again") from error
            _check_tables(bundle)
        return cls(
            atoms=padded[:, :m].astype(dtype),
            scales=scales,
            scaling=ChannelScaling(offsets, gains),
            s=s,
            tolerance=tolerance,
            coefficient_bits=coefficient_bits or DEFAULT_BITS,
            metadata=unpack_metadata(sections.rest()),
            tables=tables,
        )

    def save(self, path: str | Path) -> None:
        """Writes the bundle beside `path`, then renames it: the file is whole or the old one. Raises UserError."""
        write_atomically(Path(path), self.to_bytes())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Reads a bundle from a file. Raises UserError, with the path in it."""
        return load(path, cls.from_bytes)

    @cached_property
    def _payload(self) -> bytes:
        fields = _DICTIONARY_FIELDS.pack(
            self.m,
            self.n,
            self.s,
            ATOM_TYPES[self.atom_type][0],
            PACKED if self.tables is None else ENTROPY,
            self.coefficient_bits if self.tables is None else 0,
            0,
            self.channels,
            self.tolerance,
        )
        tables = [self.offsets, self.gains] + ([] if self.scales is None else [self.scales])
        sections = [fields, *(_little(table) for table in tables), _little(pad_atoms(self.atoms))]
        if self.tables is not None:
            sections += self.tables.sections()
        return b"".join(pad16(section) for section in [*sections, pack_metadata(self.metadata)])


@dataclass(frozen=True, eq=False)
class RecordingBundle:
    """Samples that a board plays from its own memory.

    samples : (rows, channels) float32, finite or not: a NaN makes the window that holds it an error of its own
    """

    samples: Float32Array

    def __post_init__(self) -> None:
        if self.samples.ndim != 2 or self.samples.dtype != np.float32 or self.samples.size == 0:
            raise ImpossibleField(f"samples must be (rows, channels) float32, not empty, not {self.samples.shape}")
        if self.samples.shape[1] > 0xFFFF or self.samples.nbytes > 0xFFFF_FFE0 - _RECORDING_FIELDS.size:
            raise ImpossibleField(f"a recording of shape {self.samples.shape} is too large for a bundle")

    @cached_property
    def id(self) -> int:
        """Content id."""
        return content_id(self._payload)

    def to_bytes(self) -> bytes:
        """The bundle's bytes."""
        return wrap(Kind.RECORDING, self._payload)

    @classmethod
    def from_bytes(cls, bundle: bytes) -> Self:
        """Reads a bundle; bytes after it are ignored. Raises the BundleError that names what is wrong."""
        sections = _Sections(unwrap(Kind.RECORDING, bundle))
        rows, channels, zero, reserved = _RECORDING_FIELDS.unpack(sections.take(_RECORDING_FIELDS.size))
        if not rows or not channels or zero or reserved:
            raise ImpossibleField("the recording has an impossible shape: make it again")
        return cls(sections.floats(rows * channels).reshape(rows, channels))

    def save(self, path: str | Path) -> None:
        """Writes the bundle beside `path`, then renames it: the file is whole or the old one. Raises UserError."""
        write_atomically(Path(path), self.to_bytes())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Reads a bundle from a file. Raises UserError, with the path in it."""
        return load(path, cls.from_bytes)

    @cached_property
    def _payload(self) -> bytes:
        rows, channels = self.samples.shape
        return _RECORDING_FIELDS.pack(rows, channels, 0, 0) + pad16(_little(self.samples))


class _Sections:
    """A payload's sections, one after the other, each padded to 16 bytes."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._offset = 0

    def take(self, size: int) -> bytes:
        section = self._payload[self._offset : self._offset + size]
        if len(section) < size:
            raise Truncated("the bundle's payload ends before its last section: make the bundle again")
        self._offset += size + -size % 16
        return section

    def floats(self, count: int) -> Float32Array:
        return np.frombuffer(self.take(4 * count), "<f4").astype(np.float32)

    def rest(self) -> bytes:
        return self._payload[self._offset :]


def _check_shape(m: int, n: int, s: int, channels: int, tolerance: float) -> None:
    """The fixed fields' ranges. Raises ImpossibleField."""
    if not 1 <= m <= MAX_SAMPLES:
        raise ImpossibleField(f"{m} samples a signal: a board takes 1 to {MAX_SAMPLES}")
    if not 1 <= n <= MAX_ATOMS:
        raise ImpossibleField(f"{n} atoms: a board takes 1 to {MAX_ATOMS}")
    if not 0 <= s <= 0xFFFF:
        raise ImpossibleField(f"{s} atoms a code: give 0 to 65535")
    if channels < 1 or m % channels:
        raise ImpossibleField(f"{m} samples a signal are not windows of {channels} channels")
    if not (np.isfinite(tolerance) and tolerance >= 0):
        raise ImpossibleField(f"tolerance {tolerance} must be finite and not negative")


def _check_tables(bundle: bytes) -> None:
    """Raises ImpossibleField for tables that the board's core refuses."""
    try:
        Dictionary(bundle)
    except CoreError as error:
        if error.status == ImpossibleField.status:
            raise ImpossibleField(f"{error}: make the bundle again") from error


def _check_scales(scales: Float32Array, n: int) -> Float32Array:
    """The scales, or ImpossibleField."""
    if scales.shape != (n,) or not np.isfinite(scales).all() or not (scales > 0).all():
        raise ImpossibleField("each atom needs one scale, finite and above 0")
    return scales


def _little(values: npt.NDArray[Any]) -> bytes:
    return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes()
