"""Public data sets of signals with classes, each split into parts by its authors."""

from __future__ import annotations

import contextlib
import gzip
import importlib
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgetwin.data.classes import AS_THEY_ARE, PIXELS, RawValues, class_names
from edgetwin.data.samples import DataError
from edgetwin.data.stored import Arrays, absent, data_folder, read_arrays

__all__ = ["LABELLED", "LabelledSignals", "load_labelled"]

Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

# The parts of an .npz file as Keras keeps it.
PARTS = ("x_train", "y_train", "x_test", "y_test")
# Kinds of NumPy's types.
_NUMBERS = "biuf"
_FASHION_FOLDER = Path("fashion_mnist")
# Where Debian's package dataset-fashion-mnist has it.
_DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")


@dataclass(frozen=True, eq=False)
class LabelledSignals:
    """Signals of classes 0, 1, ..., split by the data set's authors.

    train, test : (N, m) float32; images row by row, scaled to 0..1
    train_labels, test_labels : (N,) int64
    shape : of one signal, e.g. (28, 28) or (32, 32, 3)
    validation, validation_labels : as the others, where the authors have such a part
    names : of the classes, where they have any
    raw : what the values were
    """

    name: str
    train: Float32Array
    train_labels: IntArray
    test: Float32Array
    test_labels: IntArray
    shape: tuple[int, ...]
    validation: Float32Array | None = None
    validation_labels: IntArray | None = None
    names: tuple[str, ...] = ()
    raw: RawValues = AS_THEY_ARE

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.train_labels.max()) + 1


def load_labelled(name: str, folder: Path | None = None) -> LabelledSignals:
    """A data set of :data:`LABELLED`. Raises DataError, that says where to put it, if it cannot be had."""
    if name not in LABELLED:
        raise DataError(f"no data set {name!r}; there are {', '.join(LABELLED)}")
    return LABELLED[name](name, data_folder(folder))


def _labelled(name: str, origin: Path | str, arrays: Arrays, raw: RawValues) -> LabelledSignals:
    """Checks shapes and values of x_PART, y_PART; the parts are train, test and perhaps val."""
    parts: dict[str, tuple[Float32Array, IntArray]] = {}
    for part in ("train", "test", *(["val"] if "x_val" in arrays else [])):
        x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
        for key, array in (("x", x), ("y", y)):
            if array.dtype.kind not in _NUMBERS or array.ndim == 0:
                raise DataError(
                    f"{origin}: {key}_{part} is {array.dtype} of shape {array.shape}: give an array of numbers"
                )
        with np.errstate(over="ignore", invalid="ignore"):
            signals = x.reshape(len(x), -1).astype(np.float32) / np.float32(raw.divisor)
            labels = y.astype(np.int64)
        if not x.size or y.shape != (len(x),) or not np.isfinite(signals).all() or (labels != y).any() or y.min() < 0:
            raise DataError(f"{origin}: the {part} part is empty, not finite, or lacks a class for each signal")
        parts[part] = signals, labels
        if x.shape[1:] != arrays["x_train"].shape[1:]:
            raise DataError(f"{origin}: training and {part} signals differ in shape")
        if (unknown := np.setdiff1d(labels, parts["train"][1])).size:
            raise DataError(
                f"{origin}: y_{part} has class {unknown[0]}, which y_train lacks: give training signals of it"
            )
    shape = arrays["x_train"].shape[1:]
    names = class_names(name, int(parts["train"][1].max()) + 1)
    validation, validation_labels = parts.get("val", (None, None))
    return LabelledSignals(name, *parts["train"], *parts["test"], shape, validation, validation_labels, names, raw)


def _load_images(name: str, root: Path | None) -> LabelledSignals:
    """From NAME/NAME.npz, whose pixels are bytes; else by Keras, where it has the data set."""
    file = Path(name, f"{name}.npz")
    if root is not None and (root / file).exists():
        validation = ("x_val", "y_val") if name == "pneumoniamnist" else ()
        return _labelled(name, root / file, read_arrays(root / file, *PARTS, *validation), PIXELS)
    missing = absent(_IMAGE_TITLES[name], root, str(file))
    if name in _DOWNLOADED:
        return _download(name, missing)
    raise missing


def _load_fashion(name: str, root: Path | None) -> LabelledSignals:
    for folder in (*([root / _FASHION_FOLDER] if root else []), _DEBIAN_FASHION):
        if folder.is_dir():
            files = {"train": "train", "test": "t10k"}
            images = {f"x_{part}": _idx(folder / f"{file}-images-idx3-ubyte.gz", 3) for part, file in files.items()}
            labels = {f"y_{part}": _idx(folder / f"{file}-labels-idx1-ubyte.gz", 1) for part, file in files.items()}
            return _labelled(name, folder, images | labels, PIXELS)
    missing = absent("Fashion-MNIST", root, f"{_FASHION_FOLDER}/train-images-idx3-ubyte.gz and the other three")
    return _download(name, DataError(f"{missing}, or apt-get install dataset-fashion-mnist"))


def _idx(file: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    """An array of bytes in the MNIST authors' format: 0, 0, 8, the number of dimensions; each as uint32; the bytes."""
    try:
        content = gzip.decompress(file.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file}: not a readable .gz file: get it again") from error
    start = 4 + 4 * dimensions
    shape = tuple(int(size) for size in np.frombuffer(content[4:start], ">u4"))
    if content[:4] != bytes((0, 0, 8, dimensions)) or len(content) != start + int(np.prod(shape)):
        raise DataError(f"{file}: not an idx file of {dimensions} dimensions: get it again")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _download(name: str, missing: DataError) -> LabelledSignals:
    """From Keras' data sets; raises `missing` where there is no Keras, and says why where there is no network."""
    try:
        with contextlib.redirect_stdout(sys.stderr):  # Keras says there that it downloads
            train, test = importlib.import_module(f"keras.datasets.{name}").load_data()
    except ImportError:
        raise missing from None
    except Exception as error:  # Keras raises a bare Exception where a download fails
        raise DataError(f"{missing}, or mend the network (the download failed: {error})") from error
    arrays = {"x_train": train[0], "y_train": train[1].ravel(), "x_test": test[0], "y_test": test[1].ravel()}
    return _labelled(name, f"keras.datasets.{name}", arrays, PIXELS)


def _load_ucr(name: str, root: Path | None) -> LabelledSignals:
    """As the UCR archive has it, or an .npz file of the same."""
    title = _UCR_TITLES[name]
    relative = Path(f"ucr_{name}")
    if root is not None:
        folder = root / relative
        if (file := folder / f"{name}.npz").exists():
            return _labelled(name, file, read_arrays(file, *PARTS), _SERIES)
        tables = [folder / f"{title}_{part}.tsv" for part in ("TRAIN", "TEST")]
        if all(table.exists() for table in tables):
            train, test = map(_ucr_table, tables)
            # The archive's classes are any numbers: -1 and 1 in FordA, from 1 in others.
            numbers = np.unique(train[:, 0])
            if not np.isin(test[:, 0], numbers).all():
                raise DataError(f"{tables[1]}: has classes that {tables[0].name} lacks: get them again")
            classes = {"y_train": np.searchsorted(numbers, train[:, 0]), "y_test": np.searchsorted(numbers, test[:, 0])}
            return _labelled(name, folder, {"x_train": train[:, 1:], "x_test": test[:, 1:]} | classes, _SERIES)
    raise absent(title, root, f"{relative}/{title}_TRAIN.tsv and {title}_TEST.tsv of the UCR archive")


def _ucr_table(file: Path) -> npt.NDArray[np.float64]:
    try:
        return np.loadtxt(file, delimiter="\t", ndmin=2)
    except (ValueError, OSError) as error:
        raise DataError(f"{file}: not a table of the UCR archive ({error})") from error


_IMAGE_TITLES = {
    "mnist": "MNIST",
    "cifar10": "CIFAR-10",
    "cifar10_subset": "the subset of CIFAR-10 (12,000 images to train on, 3,000 to test)",
    "pneumoniamnist": "PneumoniaMNIST",
}
_DOWNLOADED = ("mnist", "cifar10")
_SERIES = RawValues("a series that was scaled to mean 0 and standard deviation 1")
_UCR_TITLES = {"forda": "FordA", "ecg5000": "ECG5000"}

#: Loaders by the names of their data sets.
LABELLED: dict[str, Callable[[str, Path | None], LabelledSignals]] = {
    **dict.fromkeys(_IMAGE_TITLES, _load_images),
    "fashion_mnist": _load_fashion,
    **dict.fromkeys(_UCR_TITLES, _load_ucr),
}
