"""What a dictionary is learned from: raw signals, cut out of samples in memory or on disk."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edgetwin.data import Samples, read_samples
from edgetwin.data.samples import samples_from
from edgetwin.errors import UserError
from edgetwin.signals import ChannelScaling, to_windows
from edgetwin.signals.scaling import GAIN_RANGE, ROUNDING

__all__ = ["TrainingSet", "cut_windows", "open_training_set"]

#: Samples a signal that the default window aims at: shorter signals pay for a frame's header too often, longer ones
#: need more atoms than a small board holds (measured on server telemetry, docs/defaults.md).
_DEFAULT_SAMPLES = 64
#: A file whose samples, as float32, take more than this share of the memory is learned from the disk: K-SVD holds the
#: signals, scaled signals, residuals and codes at once.
_SHARE_OF_MEMORY = 1 / 8
#: Bytes of a mapped file that are worked on at once.
_CHUNK_BYTES = 2**24
#: Values whose moments are summed at once, as float64.
_SUMMED_VALUES = 2**20


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Raw signals and what is known of them.

    signals : (N, m) float32, or a Dask array (N, m) of signals that need not fit in memory
    channels : sample i of a signal belongs to channel i mod channels
    names : of the channels, () if they have none
    image : (height, width) if signals are images
    """

    signals: Any
    channels: int = 1
    names: tuple[str, ...] = ()
    image: tuple[int, int] | None = None

    @classmethod
    def of(
        cls,
        samples: Samples,
        window: int | None = None,
        rows_are_signals: bool = False,
        image: tuple[int, int] | None = None,
    ) -> Self:
        """Cuts samples into windows of `window` rows, or takes each row for a signal of one channel.

        window : None: the length of a series where the file has series of equal length, else the fewest rows that
            give 64 samples
        image : (height, width) of the image that each row is, with or without `rows_are_signals`; None: as the samples
            say

        Raises UserError if there are too few rows for one window, or if rows are no images of that size.
        """
        width = samples.values.shape[1]
        image = image or samples.image
        _check_image(image, width)
        if rows_are_signals or image is not None:
            return cls(samples.values, image=image)
        rows = window or samples.series_rows or -(-_DEFAULT_SAMPLES // width)
        return cls(cut_windows(samples, rows), width, samples.names)

    @classmethod
    def of_rows(
        cls, rows: Any, window: int | None = None, rows_are_signals: bool = False, image: tuple[int, int] | None = None
    ) -> Self:
        """The same for rows of samples (rows, channels) in a Dask array; they follow each other in time."""
        width = int(rows.shape[1])
        _check_image(image, width)
        if rows_are_signals or image is not None:
            return cls(rows, image=image)
        length = window or -(-_DEFAULT_SAMPLES // width)
        count = len(rows) // length
        if count == 0:
            raise UserError(f"{len(rows)} rows are less than one window of {length}: lower --window")
        chunk = max(1, max(rows.chunks[0]) // length)
        whole = rows[: count * length].rechunk((chunk * length, -1))
        sizes = tuple(size // length for size in whole.chunks[0])
        windows = whole.map_blocks(to_windows, length, dtype=rows.dtype, chunks=(sizes, (length * width,)))
        return cls(windows, width, tuple(f"channel_{i}" for i in range(1, width + 1)))

    def __len__(self) -> int:
        return int(self.signals.shape[0])

    @property
    def m(self) -> int:
        """Samples a signal."""
        return int(self.signals.shape[1])

    @property
    def in_memory(self) -> bool:
        """Whether the signals are an array in memory, not a Dask array."""
        return isinstance(self.signals, np.ndarray)

    def scaling(self) -> ChannelScaling:
        """Mean 0 and deviation 1 for each channel. Raises UserError for a value on disk that is not finite."""
        if self.in_memory:
            return ChannelScaling.fit(self.signals.reshape(-1, self.channels))
        dask = importlib.import_module("dask")
        moments = dask.delayed(_moments)
        parts = dask.compute(*(moments(block, self.channels) for block in self.signals.to_delayed().ravel()))
        return _scaling_of(np.concatenate(parts))

    def scaled(self, scaling: ChannelScaling) -> Any:
        """The signals (N, m) as OMP sees them, float32."""
        if self.in_memory:
            return scaling.transform(self.signals)
        return self.signals.map_blocks(scaling.transform, dtype=np.float32)

    def spread(self, count: int, run: int = 1) -> NDArray[np.float32]:
        """At most `count` of the raw signals, spread evenly over all, in runs of `run` that follow each other."""
        if count >= len(self) and self.in_memory:
            return np.asarray(self.signals)
        run = min(run, len(self))
        starts = np.linspace(0, len(self) // run - 1, max(1, min(count, len(self)) // run)).round().astype(np.intp)
        rows = (np.unique(starts)[:, None] * run + np.arange(run)).ravel()
        chosen = self.signals[rows]
        return np.ascontiguousarray(chosen if self.in_memory else chosen.compute(), dtype=np.float32)


def open_training_set(
    path: Path, window: int | None = None, rows_are_signals: bool = False, image: tuple[int, int] | None = None
) -> TrainingSet:
    """The signals of a file, or of a folder of files that follow each other in time.

    A folder, and an .npy file too large for memory, become a Dask array. A file of images (N, height, width) needs
    no `image`. Parameters as of :meth:`TrainingSet.of`.

    Raises DataError for files that cannot be used, UserError for signals that cannot be cut out of them.
    """
    if path.is_dir():
        from edgetwin.data.folder import open_folder

        return TrainingSet.of_rows(open_folder(path), window, rows_are_signals, image)
    mapped = _map(path)
    if mapped is None:
        return TrainingSet.of(read_samples(path), window, rows_are_signals, image)
    if 4 * mapped.size <= _SHARE_OF_MEMORY * _memory_bytes():
        samples = samples_from(mapped, str(path)).checked(str(path), allow_nan=False)
        return TrainingSet.of(samples, window, rows_are_signals, image)
    if mapped.ndim == 3:
        image = image or (mapped.shape[1], mapped.shape[2])
    return TrainingSet.of_rows(_as_dask(path, mapped), window, rows_are_signals, image)


def cut_windows(samples: Samples, window: int) -> NDArray[np.float32]:
    """Signals (N, window x channels). Raises UserError for a window that straddles series or is longer than all."""
    if samples.series_rows is not None and samples.series_rows % window:
        raise UserError(
            f"a window of {window} rows does not divide the file's series of {samples.series_rows}: "
            "windows would straddle two series"
        )
    signals = to_windows(samples.values, window)
    if len(signals) == 0:
        raise UserError(f"{len(samples.values)} rows are less than one window of {window}: lower --window")
    return signals


def _check_image(image: tuple[int, int] | None, width: int) -> None:
    if image is not None and image[0] * image[1] != width:
        raise UserError(f"an image of {image[0]} x {image[1]} has {image[0] * image[1]} pixels, a row has {width}")


def _map(path: Path) -> NDArray[Any] | None:
    """A whole .npy file of real numbers, mapped; None for anything else, which the reader has the words for."""
    if path.suffix.lower() != ".npy":
        return None
    try:
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError):
        return None
    real = isinstance(mapped, np.ndarray) and mapped.dtype.kind in "biuf" and mapped.size > 0
    return mapped if real and mapped.ndim in (1, 2, 3) else None


def _memory_bytes() -> float:
    """Memory of the machine, or of the container where that has less; infinite where nobody says (Windows)."""
    if not hasattr(os, "sysconf"):
        return float("inf")
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        container = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return machine
    return min(machine, int(container)) if container.isdecimal() else machine


class _Mapped:
    """The array of an .npy file, read where it is asked for. Dask would copy a mapped array into its graph."""

    def __init__(self, path: Path, mapped: NDArray[Any]) -> None:
        self._path = path
        self.shape, self.ndim, self.dtype = mapped.shape, mapped.ndim, mapped.dtype

    def __getitem__(self, index: Any) -> NDArray[Any]:
        return np.array(np.load(self._path, mmap_mode="r", allow_pickle=False)[index])


def _as_dask(path: Path, mapped: NDArray[Any]) -> Any:
    """The rows (N, m) of an .npy file of up to three dimensions."""
    try:
        dask_array = importlib.import_module("dask.array")
    except ImportError as error:
        raise UserError(
            f"{path}: {mapped.nbytes / 2**30:.1f} GiB are too much for this machine's memory; "
            "to learn from the disk: pip install 'edgetwin[cluster]'"
        ) from error
    chunks = (max(1, _CHUNK_BYTES * len(mapped) // mapped.nbytes), *mapped.shape[1:])
    # A reshaped map in Fortran order would be a copy of all; Dask reshapes what was read.
    return dask_array.from_array(_Mapped(path, mapped), chunks=chunks, name=False).reshape(len(mapped), -1)


def _moments(block: NDArray[Any], channels: int) -> NDArray[np.float64]:
    """Count, mean, sum of squared deviations and largest magnitude (parts, 4, channels) of parts of a block."""
    rows = np.asarray(block).reshape(-1, channels)
    moments = []
    for part in np.array_split(rows, -(-rows.size // _SUMMED_VALUES)):
        values = part.astype(np.float64)
        if not np.isfinite(values).all():
            raise UserError("the data hold NaN or infinity: fill them in or drop their rows")
        means = values.mean(axis=0)
        squares = np.square(values - means).sum(axis=0)
        moments.append([np.full(channels, len(values)), means, squares, np.abs(values).max(axis=0)])
    return np.array(moments)


def _scaling_of(moments: NDArray[np.float64]) -> ChannelScaling:
    """The scaling of all parts (parts, 4, channels) together, as `ChannelScaling.fit` has it."""
    counts, means, squares, largest = np.moveaxis(moments, 1, 0)
    total = counts.sum(axis=0)
    mean = (counts * means).sum(axis=0) / total
    deviation = np.sqrt((squares + counts * np.square(means - mean)).sum(axis=0) / total)
    varies = deviation > ROUNDING * largest.max(axis=0)
    gains = np.where(varies, 1.0 / np.where(varies, deviation, 1.0), 1.0)
    return ChannelScaling(mean.astype(np.float32), np.clip(gains, *GAIN_RANGE).astype(np.float32))
