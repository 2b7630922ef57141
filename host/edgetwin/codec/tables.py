"""The codec's part of a dictionary bundle, as device/FORMATS.md lays it out (`device/include/edgetwin/codec.h`)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgetwin.core import KINDS

__all__ = ["BUCKETS", "PART_BITS", "SYMBOLS", "CodecTables", "DctTables", "SparseTables", "cosines", "parts_of"]

Parts = NDArray[np.uint16]

#: Kinds of window that have a step, and raw ones: bits of `kinds`, and columns of `kind_parts`.
SPARSE, DCT, DPCM, RAW = range(len(KINDS))
BUCKETS, SYMBOLS = 13, 16
PART_BITS = 15
MOST_ORDER = 8

_CENTRED, _CHAINED = 1, 2
# steps, least, energy per bit; kinds, order, flags, rounding; predictor; expected magnitudes; zeros
_FIELDS = struct.Struct("<5f4B8h5H14x")


@dataclass(frozen=True, eq=False)
class SparseTables:
    """magnitudes (13, 16), counts (k + 1,), survival (n + 1,), expected (n,), negative (n,) uint8, as in codec.h."""

    magnitudes: Parts
    counts: Parts
    survival: Parts
    expected: Parts
    negative: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class DctTables:
    """magnitudes (13, 16), last (T,), expected (T,), with T samples a channel, and :func:`cosines` of T.

    The cosines are kept as a bundle has them: another computer's may differ in a last bit, and the bundle's id with it.
    """

    magnitudes: Parts
    last: Parts
    expected: Parts
    cosines: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class CodecTables:
    """What the range coder of packets works by; lengths and errors are in units of the scaled signal.

    steps : of the quantisers of sparse codes, DCT and DPCM
    least : OMP stops when no atom correlates more with the residual
    energy_per_bit : squared error that a bit is worth when a board chooses the kind of a window
    rounding : of 256; coefficients are floor(|x| / step + rounding / 256)
    centred : each channel's mean is coded apart, atoms see what is left
    chained : means and DPCM are predicted from the window before in the packet
    predictor : (order,) int16, in 1/4096, the latest sample first
    mean_first, mean_next, dpcm_first, dpcm_next, sparse_mean : expected magnitudes, 1/16 step
    kind_parts : (5, 4), by the kind before (none first)
    mean, dpcm : (13, 16) magnitudes
    """

    steps: tuple[float, float, float]
    least: float
    energy_per_bit: float
    rounding: int
    centred: bool
    chained: bool
    predictor: NDArray[np.int16]
    mean_first: int
    mean_next: int
    dpcm_first: int
    dpcm_next: int
    sparse_mean: int
    kind_parts: Parts
    mean: Parts | None = None
    sparse: SparseTables | None = None
    dct: DctTables | None = None
    dpcm: Parts | None = None

    @property
    def kinds(self) -> int:
        """Bit k: kind k may be used."""
        return sum(
            1 << kind
            for kind, tables in ((SPARSE, self.sparse), (DCT, self.dct), (DPCM, self.dpcm))
            if tables is not None
        )

    def sections(self) -> list[bytes]:
        """The bytes of each section."""
        predictor = [*map(int, self.predictor), *([0] * (MOST_ORDER - len(self.predictor)))]
        flags = _CENTRED * self.centred + _CHAINED * self.chained
        expected = (self.mean_first, self.mean_next, self.dpcm_first, self.dpcm_next, self.sparse_mean)
        head = (*self.steps, self.least, self.energy_per_bit, self.kinds, len(self.predictor), flags, self.rounding)
        sections = [_FIELDS.pack(*head, *predictor, *expected), _little(self.kind_parts)]
        if self.mean is not None:
            sections.append(_little(self.mean))
        if self.sparse is not None:
            sparse = self.sparse
            sections += [
                *map(_little, (sparse.magnitudes, sparse.counts, sparse.survival, sparse.expected)),
                _little(sparse.negative),
            ]
        if self.dct is not None:
            sections += [*map(_little, (self.dct.magnitudes, self.dct.last, self.dct.expected))]
            sections.append(_little(self.dct.cosines))
        if self.dpcm is not None:
            sections.append(_little(self.dpcm))
        return sections

    @classmethod
    def read(cls, take: Callable[[int], bytes], n: int, k: int, length: int) -> Self:
        """Reads the sections.

        take : gives the next section of so many bytes
        k : min(s, m, n)
        length : samples a channel

        Raises ValueError for impossible fields; what the board refuses beyond that, the core's check finds.
        """
        fields = _FIELDS.unpack(take(_FIELDS.size))
        kinds, order, flags, rounding = fields[5:9]
        if not 0 < kinds < 8 or order > MOST_ORDER or flags > _CENTRED + _CHAINED:
            raise ValueError("the codec's fields are impossible")

        def parts(*shape: int) -> Parts:
            return np.frombuffer(take(2 * int(np.prod(shape))), "<u2").astype(np.uint16).reshape(shape)

        kind_parts = parts(len(KINDS) + 1, len(KINDS))
        mean = parts(BUCKETS, SYMBOLS) if flags & _CENTRED or kinds >> DCT & 1 else None
        sparse = dct = dpcm = None
        if kinds >> SPARSE & 1:
            magnitudes, counts, survival, expected = parts(BUCKETS, SYMBOLS), parts(k + 1), parts(n + 1), parts(n)
            sparse = SparseTables(magnitudes, counts, survival, expected, np.frombuffer(take(n), np.uint8))
        if kinds >> DCT & 1:
            dct = DctTables(
                parts(BUCKETS, SYMBOLS),
                parts(length),
                parts(length),
                np.frombuffer(take(cosines(length).nbytes), "<f4").astype(np.float32),
            )
        if kinds >> DPCM & 1:
            dpcm = parts(BUCKETS, SYMBOLS)
        return cls(
            steps=fields[0:3],
            least=fields[3],
            energy_per_bit=fields[4],
            rounding=rounding,
            centred=bool(flags & _CENTRED),
            chained=bool(flags & _CHAINED),
            predictor=np.array(fields[9 : 9 + order], np.int16),
            mean_first=fields[17],
            mean_next=fields[18],
            dpcm_first=fields[19],
            dpcm_next=fields[20],
            sparse_mean=fields[21],
            kind_parts=kind_parts,
            mean=mean,
            sparse=sparse,
            dct=dct,
            dpcm=dpcm,
        )


def parts_of(counts: ArrayLike) -> Parts:
    """Where the symbols' parts of 2^15 begin, (..., symbols) by their counts or weights; each symbol gets 1 or more.

    A symbol of weight 0 still gets 1; one of negative weight gets none, as it is never coded.
    """
    weights = np.asarray(counts, np.float64)
    used = weights >= 0
    weights = np.where(used, weights, 0.0)
    total = weights.sum(axis=-1, keepdims=True)
    spare = (1 << PART_BITS) - used.sum(axis=-1, keepdims=True)
    share = np.where(total > 0, weights / np.where(total > 0, total, 1.0), used / used.sum(axis=-1, keepdims=True))
    ends = np.floor(np.cumsum(share, axis=-1) * spare + 1e-6).astype(np.int64) + np.cumsum(used, axis=-1)
    return np.concatenate([np.zeros_like(ends[..., :1]), ends[..., :-1]], axis=-1).astype(np.uint16)


def cosines(length: int) -> NDArray[np.float32]:
    """The DCT's table (`device/src/dct.h`): the halvings' weights, then the cosines of the odd rest."""
    tables: list[NDArray[Any]] = []
    while length > 1 and length % 2 == 0:
        tables.append(0.5 / np.cos(np.pi * (2 * np.arange(length // 2) + 1) / (2 * length)))
        length //= 2
    if length > 1:
        tables.append(np.cos(np.pi * np.arange(4 * length) / (2 * length)))
    return np.concatenate([*tables, np.empty(0)]).astype(np.float32)


def _little(values: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes()
