"""The signals that codecs are compared on: real data sets, and files of the user's, cut into windows."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgetwin.data.catalogue import ASD, SMD, load_labelled, load_telemetry
from edgetwin.data.readers import read_samples
from edgetwin.data.samples import DataError
from edgetwin.deploy.training import TrainingSet
from edgetwin.errors import UserError
from edgetwin.signals import ChannelScaling

__all__ = ["BUDGETS", "EXTRA_SETS", "MAIN_SETS", "Budget", "RateData", "load_file", "load_set"]

Float32Array = npt.NDArray[np.float32]

#: A channel whose range is so many times that of its training part is left out, as one is that is constant there.
#: Scaled by training it would be a data set's NRMSE nearly alone: a metric of SMD's machine-1-7, 0.08 wide in training
#: and 1 wide in an anomaly, has 81 % of the energy of all 34.
_RUNAWAY = 2
#: Of a server's metric, a window.
_TELEMETRY_WINDOW = 64


@dataclass(frozen=True)
class Budget:
    """How much of a data set is taken, in samples, in whole runs that are spread evenly over it.

    run : most samples of a run; longer ones are cut
    """

    train: int
    test: int
    run: int


BUDGETS = {"smoke": Budget(train=2**17, test=2**15, run=2**11), "full": Budget(train=2**22, test=2**18, run=2**13)}


@dataclass(frozen=True, eq=False)
class RateData:
    """Signals of a data set, each channel scaled to mean 0 and deviation 1 of its training part.

    train, test : (N, m) float32; sample i of a window belongs to channel i mod `channels`
    run : windows that follow each other in time before there is a gap; N is a multiple of it
    """

    name: str
    train: Float32Array
    test: Float32Array
    channels: int = 1
    run: int = 1

    @property
    def m(self) -> int:
        """Samples a window, of all channels together."""
        return int(self.test.shape[1])

    @property
    def digest(self) -> str:
        """Of the signals and how they lie in time, by which a resumed run knows them again."""
        hashed = hashlib.sha256(f"{self.train.shape} {self.test.shape} {self.channels} {self.run}".encode())
        hashed.update(self.train.tobytes())
        hashed.update(self.test.tobytes())
        return hashed.hexdigest()[:16]

    def series(self, windows: Float32Array, run: int | None = None) -> Float32Array:
        """Windows (N, m) as series in time (N / run · channels, run · m / channels), those of one run together.

        run : of `self`, if not given; 1 makes each channel of each window a series
        """
        run = run or self.run
        by_run = windows.reshape(-1, run * self.m // self.channels, self.channels)
        return np.ascontiguousarray(by_run.transpose(0, 2, 1)).reshape(-1, by_run.shape[1])

    def windows(self, series: npt.NDArray[np.floating]) -> Float32Array:
        """The windows (N, m) of series in time, whatever their run is: inverse of :meth:`series`."""
        by_run = series.reshape(-1, self.channels, series.shape[1])
        return np.ascontiguousarray(by_run.transpose(0, 2, 1), dtype=np.float32).reshape(-1, self.m)


def load_set(name: str, budget: Budget, folder: Path | None = None) -> RateData:
    """A data set of `MAIN_SETS` or `EXTRA_SETS` from `folder` (docs/rate.md), or $EDGETWIN_DATA.

    Raises DataError, that says where to put it, if it cannot be had.
    """
    load, window = _LOADERS[name]
    train, test = load(folder)
    return _cut(name, train, test, window, budget)


def load_file(path: Path, budget: Budget, window: int | None = None, rows_are_signals: bool = False) -> RateData:
    """A file of the user's in the windows that `edgetwin learn` cuts: its first half to learn from, its second to code.

    Raises DataError for a file that cannot be used, UserError for one that is too short or constant.
    """
    samples = read_samples(path)
    signals = TrainingSet.of(samples, window, rows_are_signals)
    width = signals.channels
    one_each = rows_are_signals or signals.image is not None
    if one_each:
        run = 1
    elif samples.series_rows is not None:
        run = samples.series_rows * width // signals.m
    else:
        run = len(signals) // 2
    half = len(signals) // (2 * max(run, 1)) * run
    if half == 0:
        raise UserError(f"{path}: {len(signals)} windows are too few to learn from one half of them: lower --window")
    raw = signals.signals
    scaling = ChannelScaling.fit(raw[:half].reshape(-1, width))
    train, test = scaling.transform(raw[:half]), scaling.transform(raw[half:])
    if not test.reshape(-1, width).std(axis=0).any():
        raise UserError(f"{path}: its second half is constant: there is nothing to code")
    run = min(run, max(1, budget.run // signals.m)) if samples.series_rows is None else run
    return RateData(
        path.name,
        _spread(train, run, budget.train),
        _spread(test, run, budget.test),
        channels=width,
        run=run,
    )


def _cut(name: str, train: Float32Array, test: Float32Array, window: int, budget: Budget) -> RateData:
    """Windows of clips (channels, clips, samples): each channel scaled by its training part, and windows of its own."""
    deviation = train.std(axis=(1, 2), dtype=np.float64)
    kept = (deviation > 0) & (np.ptp(test, axis=(1, 2)) < _RUNAWAY * np.ptp(train, axis=(1, 2)))
    if not kept.any():
        raise DataError(f"{name}: every channel is constant in training, or leaves its range there: get the data again")
    mean = train.mean(axis=(1, 2), dtype=np.float64)[kept, None, None]
    deviation = deviation[kept, None, None]
    windows = min(train.shape[2], test.shape[2]) // window
    run = min(windows, max(1, budget.run // window))

    def rows(clips: Float32Array) -> Float32Array:
        scaled = ((clips[kept] - mean) / deviation).astype(np.float32)
        whole = scaled.shape[2] // (run * window) * run * window
        return np.ascontiguousarray(scaled[:, :, :whole]).reshape(-1, window)

    return RateData(name, _spread(rows(train), run, budget.train), _spread(rows(test), run, budget.test), run=run)


def _spread(windows: Float32Array, run: int, samples: int) -> Float32Array:
    """At most about `samples` samples of windows (N, m), in whole runs that lie evenly over all."""
    whole = len(windows) // run
    runs = windows[: whole * run].reshape(whole, -1)
    count = min(whole, max(1, samples // runs.shape[1]))
    chosen = np.unique(np.linspace(0, whole - 1, count).round().astype(np.intp))
    return np.ascontiguousarray(runs[chosen]).reshape(-1, windows.shape[1])


Parts = tuple[Float32Array, Float32Array]
Loader = Callable[[Path | None], Parts]


def _labelled(name: str) -> Loader:
    def load(folder: Path | None) -> Parts:
        data = load_labelled(name, folder)
        return data.train[None], data.test[None]

    return load


def _server(collection: str, server: str) -> Loader:
    def load(folder: Path | None) -> Parts:
        data = load_telemetry(collection, server, folder)
        return data.train.T[:, None], data.test.T[:, None]

    return load


def _archive(directory: str, file: str) -> Loader:
    """x_train and x_test (N, ...) of FOLDER/DIRECTORY/FILE.npz, or the UCR archive's tables: the class goes first."""

    def load(folder: Path | None) -> Parts:
        place = _place(folder, directory, f"{file.lower()}.npz")
        tables = [place.with_name(f"{file}_{part}.tsv") for part in ("TRAIN", "TEST")]
        if not place.exists() and all(table.exists() for table in tables):
            train, test = (read_samples(table).values[:, 1:] for table in tables)
        else:
            train, test = (read_samples(f"{place}:x_{part}").values for part in ("train", "test"))
        if train.shape[1] != test.shape[1]:
            raise DataError(f"{place}: training and test signals differ in length")
        return train[None], test[None]

    return load


def _white_stork(folder: Path | None) -> Parts:
    """Bouts (N, 3, 40): every other one to learn from. They lie sorted by behaviour, so halves would differ in it."""
    place = _place(folder, "whitestork_acc", "whitestork_acc.npz")
    samples = read_samples(f"{place}:x")
    if samples.image is None or samples.image[0] != 3:
        raise DataError(f"{place}: x is not of bouts (N, 3, samples): not the data set that is looked for")
    axes = samples.values.reshape(len(samples.values), *samples.image).transpose(1, 0, 2)
    return axes[:, ::2], axes[:, 1::2]


def _place(folder: Path | None, directory: str, file: str) -> Path:
    root = folder or (Path(os.environ["EDGETWIN_DATA"]) if os.environ.get("EDGETWIN_DATA") else None)
    if root is None:
        raise DataError(f"not here: name a folder by --data or EDGETWIN_DATA that has {directory}/{file}")
    if not root.is_dir():
        raise DataError(f"{root}: not a folder; give the one with the data sets as --data or in EDGETWIN_DATA")
    return root / directory / file


#: How each set is loaded, as clips (channels, clips, samples), and its window.
_LOADERS: dict[str, tuple[Loader, int]] = {
    "forda": (_labelled("forda"), 100),
    "ecg5000": (_archive("ucr_ecg5000", "ECG5000"), 140),
    "asd": (_server(ASD, "omi-1"), _TELEMETRY_WINDOW),
    "smd": (_server(SMD, "machine-1-7"), _TELEMETRY_WINDOW),
    "stork": (_white_stork, 40),
    "electricdevices": (_archive("ucr_electricdevices", "ElectricDevices"), 96),
    "ethanollevel": (_archive("ucr_ethanollevel", "EthanolLevel"), 1751),
    "mnist": (_labelled("mnist"), 784),
    "usps": (_archive("usps", "usps"), 256),
}
MAIN_SETS = ("forda", "ecg5000", "asd", "smd", "stork")
EXTRA_SETS = tuple(name for name in _LOADERS if name not in MAIN_SETS)
