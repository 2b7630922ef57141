"""Named public data sets, read from a folder of the user's: where each lies in it, and what it holds.

FOLDER is given, or $EDGETWIN_DATA:

    mnist/mnist.npz                         x_train (60000, 28, 28) uint8, y_train, x_test, y_test; as Keras keeps it
    ucr_forda/forda.npz                     the same four arrays, x (N, 500), y in {0, 1}
    ucr_forda/FordA_TRAIN.tsv, _TEST.tsv    instead of it: as the UCR archive has it, label -1 or 1 first
    asd_application_server/asd.npz          x_train_NN, x_test_NN (rows, 19), y_test_NN; omi-1 is NN = 01
    smd_server_machine/machine-*.npz        x_train, x_test (rows, 38), y_test, one file a machine

Three ASD servers are in the package. MNIST is downloaded by Keras where it is in no folder.
"""

from __future__ import annotations

import importlib
import os
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.data.bundled import ASD_SERVERS, load_asd
from edgetwin.data.samples import DataError

__all__ = ["LabelledSignals", "LabelledTelemetry", "load_labelled", "load_telemetry", "telemetry_servers"]

Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
Arrays = dict[str, npt.NDArray[Any]]

ASD, SMD = "asd", "smd"
_ASD_FILE = Path("asd_application_server", "asd.npz")
_SMD_FOLDER = Path("smd_server_machine")
_MNIST_FILE = Path("mnist", "mnist.npz")
_FORDA_FOLDER = Path("ucr_forda")

# Rows [first, last] of the bundled servers' test part that the authors of ASD label as anomalous (InterFusion's
# interpretation_label files).
_ASD_ANOMALIES = {
    "omi-1": ((760, 765), (1064, 1298), (2758, 2772), (2874, 2885), (3012, 3025), (3160, 3305), (3626, 3638)),
    "omi-6": (
        *((357, 392), (750, 788), (1278, 1293), (1590, 1615), (2592, 2604), (2734, 2765)),
        *((3066, 3072), (3596, 3605), (3610, 3622), (4159, 4164)),
    ),
    "omi-7": ((738, 778), (1625, 1660), (3311, 3320)),
}


@dataclass(frozen=True, eq=False)
class LabelledSignals:
    """Signals of classes 0, 1, ..., split by the data set's authors.

    train, test : (N, m) float32; images row by row, scaled to 0..1
    train_labels, test_labels : (N,) int64
    shape : of one signal, e.g. (28, 28)
    """

    name: str
    train: Float32Array
    train_labels: IntArray
    test: Float32Array
    test_labels: IntArray
    shape: tuple[int, ...]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.train_labels.max()) + 1


@dataclass(frozen=True, eq=False)
class LabelledTelemetry:
    """A server's metrics over time, scaled to 0..1 by the authors; the training part is taken for normal.

    train, test : (rows, channels) float32
    anomalous : (test rows,) bool
    """

    name: str
    train: Float32Array
    test: Float32Array
    anomalous: npt.NDArray[np.bool_]


def load_labelled(name: str, folder: Path | None = None) -> LabelledSignals:
    """The data set "mnist" or "forda". Raises DataError, that says where to put it, if it cannot be had."""
    if name == "mnist":
        return _load_mnist(_folder(folder))
    if name == "forda":
        return _load_forda(_folder(folder))
    raise DataError(f"no data set {name!r}; there are mnist and forda")


def telemetry_servers(collection: str, folder: Path | None = None) -> tuple[str, ...]:
    """Names of the servers of "asd" (the bundled ones at least) or "smd" that can be loaded.

    Raises DataError where there is none.
    """
    root = _folder(folder)
    if collection == ASD:
        if root is None or not (root / _ASD_FILE).exists():
            return ASD_SERVERS
        numbers = sorted(int(key[-2:]) for key in _arrays(root / _ASD_FILE) if re.fullmatch(r"y_test_\d\d", key))
        return tuple(f"omi-{number}" for number in numbers)
    if collection == SMD:
        machines = [] if root is None else sorted(file.stem for file in (root / _SMD_FOLDER).glob("machine-*.npz"))
        if not machines:
            raise _absent("the Server Machine Dataset (SMD)", root, f"{_SMD_FOLDER}/machine-1-7.npz and others")
        return tuple(machines)
    raise DataError(f"no collection {collection!r} of servers; there are {ASD} and {SMD}")


def load_telemetry(collection: str, server: str, folder: Path | None = None) -> LabelledTelemetry:
    """A server of :func:`telemetry_servers`. Raises DataError for another one."""
    known = telemetry_servers(collection, folder)
    if server not in known:
        raise DataError(f"no server {server!r} in {collection}; there are {', '.join(known)}")
    root = _folder(folder)
    if collection == SMD:
        assert root is not None  # else no server is known
        return _telemetry(server, root / _SMD_FOLDER / f"{server}.npz", "")
    if root is not None and (root / _ASD_FILE).exists():
        return _telemetry(server, root / _ASD_FILE, f"_{int(server.removeprefix('omi-')):02d}")
    bundled = load_asd(server)
    anomalous = np.zeros(len(bundled.test), dtype=np.bool_)
    for first, last in _ASD_ANOMALIES[server]:
        anomalous[first : last + 1] = True
    return LabelledTelemetry(server, bundled.train, bundled.test, anomalous)


def _folder(folder: Path | None) -> Path | None:
    """The given folder, which must exist, or $EDGETWIN_DATA."""
    chosen = folder or (Path(os.environ["EDGETWIN_DATA"]) if os.environ.get("EDGETWIN_DATA") else None)
    if chosen is not None and not chosen.is_dir():
        raise DataError(f"{chosen}: not a folder; give the one with the data sets as --data or in EDGETWIN_DATA")
    return chosen


def _absent(title: str, root: Path | None, file: str) -> DataError:
    where = f"put it at {root}/{file}" if root else f"name a folder by --data or EDGETWIN_DATA that has {file}"
    return DataError(f"{title} is not here: {where}")


def _arrays(file: Path, *needed: str) -> Arrays:
    """The `needed` arrays of an .npz file; without any named, their names alone with nothing in them."""
    try:
        with np.load(file, allow_pickle=False) as archive:
            missing = [key for key in needed if key not in archive.files]
            if missing:
                raise DataError(f"{file}: has no array {missing[0]!r}: not the data set that is looked for")
            return {key: archive[key] for key in needed} or dict.fromkeys(archive.files, np.empty(0))
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{file}: not a readable .npz file: get it again") from error


def _labelled(name: str, origin: Path, arrays: Arrays, scale: float = 1.0) -> LabelledSignals:
    """Checks shapes and values of x_train, y_train, x_test, y_test."""
    parts: list[tuple[Float32Array, IntArray]] = []
    for part in ("train", "test"):
        x, y = arrays[f"x_{part}"], arrays[f"y_{part}"].astype(np.int64)
        signals = x.reshape(len(x), -1).astype(np.float32) / np.float32(scale)
        if len(x) == 0 or y.shape != (len(x),) or not np.isfinite(signals).all() or y.min() < 0:
            raise DataError(f"{origin}: the {part} part is empty, not finite, or lacks a class for each signal")
        parts.append((signals, y))
    shape = arrays["x_train"].shape[1:]
    if arrays["x_test"].shape[1:] != shape:
        raise DataError(f"{origin}: training and test signals differ in shape")
    return LabelledSignals(name, *parts[0], *parts[1], shape)


def _load_mnist(root: Path | None) -> LabelledSignals:
    names = ("x_train", "y_train", "x_test", "y_test")
    if root is not None and (file := root / _MNIST_FILE).exists():
        return _labelled("mnist", file, _arrays(file, *names), 255.0)
    try:
        (x_train, y_train), (x_test, y_test) = importlib.import_module("keras").datasets.mnist.load_data()
    except ImportError:
        raise _absent("MNIST", root, str(_MNIST_FILE)) from None
    except Exception as error:  # Keras raises a bare Exception where a download fails
        absent = _absent("MNIST", root, str(_MNIST_FILE))
        raise DataError(f"{absent}, or mend the network (the download failed: {error})") from error
    arrays = dict(zip(names, (x_train, y_train, x_test, y_test), strict=True))
    return _labelled("mnist", Path("keras.datasets.mnist"), arrays, 255.0)


def _load_forda(root: Path | None) -> LabelledSignals:
    if root is not None:
        folder = root / _FORDA_FOLDER
        if (file := folder / "forda.npz").exists():
            return _labelled("forda", file, _arrays(file, "x_train", "y_train", "x_test", "y_test"))
        if (folder / "FordA_TRAIN.tsv").exists() and (folder / "FordA_TEST.tsv").exists():
            train, test = (_ucr_table(folder / f"FordA_{part}.tsv") for part in ("TRAIN", "TEST"))
            arrays = {"x_train": train[:, 1:], "x_test": test[:, 1:]}
            # The archive's classes are -1 and 1.
            labels = {"y_train": train[:, 0] > 0, "y_test": test[:, 0] > 0}
            return _labelled("forda", folder, arrays | labels)
    raise _absent("FordA", root, f"{_FORDA_FOLDER}/FordA_TRAIN.tsv and FordA_TEST.tsv of the UCR archive")


def _ucr_table(file: Path) -> npt.NDArray[np.float64]:
    try:
        return np.loadtxt(file, delimiter="\t", ndmin=2)
    except (ValueError, OSError) as error:
        raise DataError(f"{file}: not a table of the UCR archive ({error})") from error


def _telemetry(server: str, file: Path, suffix: str) -> LabelledTelemetry:
    keys = [f"x_train{suffix}", f"x_test{suffix}", f"y_test{suffix}"]
    train, test, labels = _arrays(file, *keys).values()
    matching = train.ndim == test.ndim == 2 and train.shape[1:] == test.shape[1:] and labels.shape == test.shape[:1]
    if not matching or not (np.isfinite(train).all() and np.isfinite(test).all()):
        raise DataError(f"{file}: {', '.join(keys)} do not fit each other, or hold values that are not finite")
    return LabelledTelemetry(server, train.astype(np.float32), test.astype(np.float32), labels.astype(np.bool_))
