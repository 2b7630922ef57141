"""Compressed files from samples: a dictionary learned for them, their windows in packets (archive.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgetwin.core import KINDS, Dictionary
from edgetwin.data import Samples
from edgetwin.deploy.archive import DTYPES, ArchiveWriter, BlockKind, Header, fold
from edgetwin.deploy.bundle import DictionaryBundle
from edgetwin.deploy.learning import Learned, LearningPlan, learn_bundle
from edgetwin.deploy.sample_files import SampleFile, in_type
from edgetwin.deploy.training import TrainingSet
from edgetwin.dictionary.iteration import Iteration
from edgetwin.errors import UserError
from edgetwin.files import writing

__all__ = ["Compressed", "compress", "is_lossless", "learn_for"]

#: Samples that a dictionary is learned from, at most, spread over the file in runs that follow each other.
_LEARNED_SAMPLES = 2**20
#: Samples coded at once.
_CHUNK_SAMPLES = 2**18
#: Atoms of a dictionary in a file: as many as take this share of what the file takes without them. Measured on FordA
#: and ASD at 5 %, 128 to 256 atoms save 1 to 10 % of the rest.
_ATOMS_SHARE = 1 / 16
_LEAST_ATOMS, _MOST_ATOMS = 32, 256
#: Errors that are aimed at, at most, until the one that was asked for is reached, and how much lower each is.
_MOST_AIMS, _LOWER = 3, 0.995
#: Integers that float32 and DPCM hold exactly.
_LARGEST_INTEGER = 2**23


@dataclass(frozen=True)
class Compressed:
    """What a file became.

    windows : of `window` rows; tail_rows : that fill none
    bytes_in : of the samples; bytes_out : of the file; dictionary_bytes : of these, those of the dictionary
    nrmse : ‖Y − Ŷ‖ / ‖Y − Ȳ‖ of the windows as they come back, each channel weighted as the codec sees it
    kinds : of window, as shares of all
    """

    windows: int
    window: int
    tail_rows: int
    samples: int
    bytes_in: int
    bytes_out: int
    dictionary_bytes: int
    nrmse: float
    kinds: dict[str, float]

    @property
    def ratio(self) -> float:
        """Bytes in for a byte out."""
        return self.bytes_in / self.bytes_out

    @property
    def ratio_without_dictionary(self) -> float:
        """The same without the dictionary's bytes, as in a file that has it beside."""
        return self.bytes_in / (self.bytes_out - self.dictionary_bytes)

    @property
    def bits_per_sample(self) -> float:
        """All bits of the file over its samples."""
        return 8 * self.bytes_out / self.samples


def learn_for(
    source: SampleFile, plan: LearningPlan, progress: Callable[[Iteration], Any] | None = None
) -> DictionaryBundle | None:
    """A dictionary and codec for a file; None for a file without a window of finite samples.

    With plan.codec "auto" and an error to reach, a dictionary is learned only if it can save its own bytes.

    progress : called after each iteration where a dictionary is learned

    Raises UserError for a plan that the samples cannot have.
    """
    training = _training_set(source, plan)
    if training is None:
        return None
    if plan.target_nrmse is None:
        return _smallest(training, source, plan, progress)
    # The codec's steps are chosen by a part of the windows: the error of all comes out a little otherwise.
    aim = plan.target_nrmse
    for _ in range(_MOST_AIMS):
        bundle = _smallest(training, source, replace(plan, target_nrmse=aim), progress)
        reached = _Sums(bundle)
        reached.take(_Coder(bundle, plan.batch, lossless=False).code(training.signals))
        if not reached.nrmse() > plan.target_nrmse:
            break
        aim *= _LOWER * plan.target_nrmse / reached.nrmse()
    return bundle


def _smallest(
    training: TrainingSet, source: SampleFile, plan: LearningPlan, progress: Callable[[Iteration], Any] | None
) -> DictionaryBundle:
    """The dictionary, or none but a codec, that makes the smallest file for a plan."""
    tried: list[Learned] = []
    if plan.codec_name == "auto" and plan.target_bits is None:
        tried = [learn_bundle(training, replace(plan, codec=codec)) for codec in ("dct", "dpcm")]
        least = min(_file_bytes(learned, source) for learned in tried)
        plan = replace(plan, n_components=min(_MOST_ATOMS, int(_ATOMS_SHARE * least / training.m)))
    if plan.n_components is None or plan.n_components >= _LEAST_ATOMS:
        tried.append(learn_bundle(training, plan, progress))
    return min(tried, key=lambda learned: _file_bytes(learned, source)).bundle


def compress(
    source: SampleFile,
    bundle: DictionaryBundle | None,
    output: Path,
    *,
    batch: int = 64,
    lossless: bool = False,
    inside: bool = True,
    progress: Callable[[int], Any] | None = None,
) -> Compressed:
    """Writes samples as a compressed file.

    bundle : None: samples are kept as they are
    batch : windows of a packet, 1 to 255; a damaged byte costs those of one
    lossless : windows that would not come back as they were are kept as they are
    inside : the dictionary goes into the file
    progress : called with the number of windows after some are written

    Raises UserError for samples that the dictionary does not fit, and where the file cannot be written.
    """
    dtype = source.array.dtype
    if dtype.newbyteorder("<").str[1:] not in DTYPES:
        raise UserError(f"samples of type {dtype} cannot be compressed: convert them to float64 or float32")
    window = 0 if bundle is None else _window(source, bundle)
    header = Header(source.array.shape, dtype, source.names, window, 0 if bundle is None else bundle.id)
    sums = _Sums(bundle)
    with writing(output) as file:
        writer = ArchiveWriter(file, header, bundle if inside else None)
        if bundle is not None:
            coder = _Coder(bundle, batch, lossless)
            step = batch * max(1, _CHUNK_SAMPLES // (bundle.m * batch))
            for first in range(0, header.windows, step):
                last = min(first + step, header.windows)
                rows = source.rows(first * window, last * window)
                if lossless:
                    _check_integers(rows, first * window, source)
                chunk = coder.code(rows)
                for block in chunk.blocks:
                    writer.add(*block)
                sums.take(chunk)
                if progress is not None:
                    progress(last - first)
        if header.tail_rows:
            tail = source.rows(header.windows * window, header.rows)
            if lossless:
                _check_integers(tail, header.windows * window, source)
            writer.add(BlockKind.TAIL, 0, _little(tail))
        writer.end()
    return Compressed(
        windows=header.windows,
        window=window,
        tail_rows=header.tail_rows,
        samples=source.array.size,
        bytes_in=source.array.nbytes,
        bytes_out=writer.bytes,
        dictionary_bytes=writer.dictionary_bytes,
        nrmse=sums.nrmse(),
        kinds={kind: float(count) / max(1, header.windows) for kind, count in zip(KINDS, sums.kinds, strict=True)},
    )


def is_lossless(bundle: DictionaryBundle) -> bool:
    """Whether a dictionary's codec gives integers back as they were."""
    tables = bundle.tables
    only_dpcm = tables is not None and tables.dpcm is not None and tables.sparse is None and tables.dct is None
    as_they_are = not bundle.offsets.any() and bool((bundle.gains == 1).all())
    return only_dpcm and as_they_are and tables is not None and tables.steps[KINDS.index("dpcm")] == 1


@dataclass(frozen=True, eq=False)
class _Chunk:
    """Blocks, and the windows in packets before and after: (N, m) float64; packets' windows by kind, and raw ones."""

    blocks: list[tuple[BlockKind, int, bytes]]
    signals: NDArray[np.float64]
    restored: NDArray[np.float64]
    kinds: NDArray[np.intp]


class _Coder:
    """Windows to blocks, as whole packets that do not depend on how the file is cut into chunks."""

    def __init__(self, bundle: DictionaryBundle, batch: int, lossless: bool) -> None:
        self._core = Dictionary(bundle.to_bytes())
        self._batch = batch
        self._lossless = lossless

    def code(self, rows: NDArray[Any]) -> _Chunk:
        """Rows of whole windows; a chunk begins where a packet does."""
        raw = rows.reshape(-1, self._core.m)
        with np.errstate(over="ignore"):
            signals = raw.astype(np.float32)
        coded: NDArray[np.bool_] = np.asarray(np.isfinite(signals).all(axis=1))
        while True:
            starts, counts = _groups(coded, self._batch)
            in_packets = coded[starts]
            packets, status = self._core.encode_packets(signals[coded], counts[in_packets])
            refused = status != 0
            if not refused.any():
                decoded = self._core.decode(packets, counts[in_packets])
                if decoded.status.any():
                    raise UserError("the dictionary does not decode what it coded: make it again")
                restored = in_type(decoded.signals, raw.dtype)
                if self._lossless:
                    refused = _differ(restored, raw[coded])
            if not refused.any():
                break
            coded[np.flatnonzero(coded)[refused]] = False
        blocks, packet = [], iter(packets)
        for start, count, whole in zip(starts.tolist(), counts.tolist(), in_packets.tolist(), strict=True):
            if whole:
                blocks.append((BlockKind.PACKET, count, next(packet)))
            else:
                blocks.append((BlockKind.RAW, count, _little(raw[start : start + count])))
        kinds = np.bincount(decoded.kinds, minlength=len(KINDS))
        kinds[KINDS.index("raw")] += np.count_nonzero(~coded)
        return _Chunk(blocks, raw[coded].astype(np.float64), restored.astype(np.float64), kinds)


def _groups(coded: NDArray[np.bool_], batch: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where blocks begin, and their windows: `batch` each, fewer where coded and other windows change."""
    changes = np.flatnonzero(coded[1:] != coded[:-1]) + 1
    starts = np.union1d(np.arange(0, len(coded), batch), changes)
    return starts, np.diff(starts, append=len(coded))


def _differ(restored: NDArray[Any], raw: NDArray[Any]) -> NDArray[np.bool_]:
    """Which windows are not the same bit for bit: 0 and -0 are not."""
    same = np.ascontiguousarray(restored).view(np.uint8) == np.ascontiguousarray(raw).view(np.uint8)
    return ~np.asarray(same.all(axis=1))


class _Sums:
    """Sums over windows that the error is computed from; samples are scaled as the codec sees them."""

    def __init__(self, bundle: DictionaryBundle | None) -> None:
        self._bundle = bundle
        channels = bundle.channels if bundle is not None else 1
        self._count, self._error = 0, 0.0
        self._sum, self._squares = np.zeros(channels), np.zeros(channels)
        self.kinds = np.zeros(len(KINDS), np.intp)

    def take(self, chunk: _Chunk) -> None:
        assert self._bundle is not None
        gains, offsets = self._bundle.gains.astype(np.float64), self._bundle.offsets.astype(np.float64)
        scaled = (chunk.signals.reshape(-1, len(gains)) - offsets) * gains
        self._count += len(scaled)
        self._sum += scaled.sum(axis=0)
        self._squares += np.square(scaled).sum(axis=0)
        errors = (chunk.restored - chunk.signals).reshape(-1, len(gains)) * gains
        self._error += float(np.square(errors).sum())
        self.kinds += chunk.kinds

    def nrmse(self) -> float:
        """0 for windows that came back as they were, infinity for constant ones that did not."""
        if self._error == 0.0:
            return 0.0
        spread = float((self._squares - np.square(self._sum) / self._count).sum())
        return float(np.sqrt(self._error / spread)) if spread > 0 else float("inf")


def _little(values: NDArray[Any]) -> bytes:
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()


def _window(source: SampleFile, bundle: DictionaryBundle) -> int:
    """Rows of a window. Raises UserError if the file's columns are not the dictionary's channels."""
    if source.columns == bundle.m:
        return 1
    if source.columns != bundle.channels:
        raise UserError(
            f"the file has {source.columns} columns; the dictionary takes {bundle.channels} channels or {bundle.m} "
            "samples a row: give the one that was learned from such a file, or none"
        )
    learned = list(bundle.metadata.get("names", []))
    if list(source.titles) != learned and sorted(source.titles) == sorted(learned):
        raise UserError(f"the file's columns are in another order than the dictionary's: {', '.join(learned)}")
    return bundle.m // bundle.channels


def _check_integers(rows: NDArray[Any], first: int, source: SampleFile) -> None:
    """Raises UserError for a sample that --lossless cannot give back; NaN and infinity it can."""
    values = rows.astype(np.float64)
    finite = np.isfinite(values)
    bad = finite & ((np.rint(values) != values) | (np.abs(values) > _LARGEST_INTEGER))
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise UserError(
            f"row {first + row + 1}, column {column + 1} ({source.titles[column]}) is {rows[row, column]}: --lossless "
            f"takes integers from -{_LARGEST_INTEGER} to {_LARGEST_INTEGER}: scale them, or give --target-nrmse instead"
        )


def _training_set(source: SampleFile, plan: LearningPlan) -> TrainingSet | None:
    """Signals to learn from, without NaN and infinity."""
    image = (source.array.shape[1], source.array.shape[2]) if source.array.ndim == 3 else None

    def windows_of(ranges: list[tuple[int, int]]) -> TrainingSet:
        with np.errstate(over="ignore"):
            values = np.concatenate([source.rows(*one).astype(np.float32) for one in ranges])
        samples = Samples(values, source.titles, source.series_rows, image)
        return TrainingSet.of(samples, plan.window, plan.rows_are_signals)

    rows, columns = len(source.array), source.columns
    try:
        first = windows_of([(0, min(rows, max(1, _LEARNED_SAMPLES // columns)))])
    except UserError:
        if plan.window is not None or source.series_rows is not None:
            raise
        return None
    length = 1 if first.channels != columns else first.m // columns
    run = length * plan.batch
    runs = max(1, _LEARNED_SAMPLES // (run * columns))
    if runs < rows // run:
        starts = np.linspace(0, rows // run - 1, runs).round().astype(np.intp) * run
        first = windows_of([(start, start + run) for start in starts.tolist()])
    finite = np.isfinite(first.signals).all(axis=1)
    return replace(first, signals=first.signals[finite]) if finite.any() else None


def _file_bytes(learned: Learned, source: SampleFile) -> float:
    """What the file will take with a dictionary, about."""
    size = float(len(fold(learned.bundle)))
    if learned.codec is not None:
        size += learned.codec.bits_per_window / 8 * source.array.size / learned.bundle.m
    return size
