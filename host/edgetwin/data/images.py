"""Folders of images, one a class."""

from __future__ import annotations

import importlib
import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.data.classes import PIXELS
from edgetwin.data.labelled import LabelledSignals
from edgetwin.data.samples import DataError

__all__ = ["load_image_folder"]

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"})
# Grey and colour; images of any other mode are converted where one of these is asked for.
MODES = ("L", "RGB")
# Begins the modes of pixels of 16 bits, 32 bits or floats, which Pillow would not scale to 8 bits but clip.
WIDE = ("I", "F")
# Of a folder that is not split: each class's every so many images, by name, are for testing.
TEST_EVERY = 5
# Most files that an error names.
LISTED = 5
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Image:
    """pixels : None where the file cannot be read; size : (height, width)"""

    file: Path
    label: int
    mode: str = ""
    size: tuple[int, int] = (0, 0)
    pixels: npt.NDArray[np.uint8] | None = None
    fault: str = ""


def load_image_folder(
    folder: Path, *, size: tuple[int, int] | None = None, mode: str | None = None, skip_bad: bool = False
) -> LabelledSignals:
    """Images in FOLDER/train/CLASS and FOLDER/test/CLASS, or in FOLDER/CLASS, of which every fifth is for testing.

    Parameters
    ----------
    folder : its class folders, sorted by name, are classes 0, 1, ...
    size : (height, width) to which all are resized; None: they must have one size
    mode : "L" (grey) or "RGB", to which all are converted; None: they must have one of these modes
    skip_bad : leaves out images that cannot be read, or have not the mode or size that most have, and logs a warning
        that names them; else an error

    Raises
    ------
    DataError : the folder is missing, has fewer than two classes, a class without an image, or bad images, which are
        named; and where Pillow is not installed.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of images")
    try:
        pillow: Any = importlib.import_module("PIL.Image")
    except ImportError as error:
        raise DataError("images need Pillow: pip install 'edgetwin[train]'") from error
    split = [folder / part for part in ("train", "test")]
    is_split = all(part.is_dir() for part in split)
    names = _classes(split[0] if is_split else folder)
    if is_split and (others := set(_classes(split[1])) ^ set(names)):
        raise DataError(f"{folder}: train and test do not have the same classes: {', '.join(sorted(others))}")
    parts = [_read(pillow, part, names, size, mode) for part in (split if is_split else [folder])]
    images = [image for part in parts for image in part]
    good, bad = _sorted_out(images)
    if bad:
        named = ", ".join(f"{image.file.relative_to(folder)} ({image.fault})" for image in bad[:LISTED])
        more = f" and {len(bad) - LISTED} more" if len(bad) > LISTED else ""
        found = f"{folder}: {len(bad)} of {len(images)} images do not go with the rest: {named}{more}"
        if not skip_bad:
            raise DataError(
                f"{found}; mend them or take them away (a recipe's data.images can convert them with size and mode, or "
                "leave them out with skip_bad)"
            )
        # Without a handler of the user's, a line on stderr.
        _LOG.warning("%s; they are left out", found)
    if is_split:
        tests = {id(image) for image in parts[1]}
    else:
        tests = {id(image) for label in range(len(names)) for image in _of(good, label)[TEST_EVERY - 1 :: TEST_EVERY]}
    train, test = [i for i in good if id(i) not in tests], [i for i in good if id(i) in tests]
    for part in (train, test):
        if empty := [name for label, name in enumerate(names) if not _of(part, label)]:
            which = "to learn from" if part is train else "to test on"
            raise DataError(f"{folder}: class {empty[0]!r} has no image {which}: add some, or take its folder away")
    return LabelledSignals(
        folder.name, *_stacked(train), *_stacked(test), _shape(good[0]), names=tuple(names), raw=PIXELS
    )


def _classes(folder: Path) -> list[str]:
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if len(names) < 2:
        found = f"one class, {names[0]!r}" if names else "no class"
        raise DataError(f"{folder}: has {found}: give a folder of images for each of two classes or more")
    return names


def _read(pillow: Any, folder: Path, names: list[str], size: tuple[int, int] | None, mode: str | None) -> list[_Image]:
    images = []
    for label, name in enumerate(names):
        for file in sorted((folder / name).rglob("*")):
            if file.suffix.lower() not in ENDINGS:
                continue
            try:
                with pillow.open(file) as opened:
                    if opened.mode.startswith(WIDE):
                        images.append(_Image(file, label, fault=f"mode {opened.mode}: make it 8 bits a pixel"))
                        continue
                    image = opened.convert(mode) if mode else opened
                    if size and image.size[::-1] != size:
                        image = image.resize(size[::-1], pillow.Resampling.LANCZOS)
                    pixels = np.asarray(image, np.uint8) if image.mode in MODES else None
                    images.append(_Image(file, label, image.mode, image.size[::-1], pixels))
            except Exception as error:  # Pillow raises nearly anything for damaged bytes
                images.append(_Image(file, label, fault=f"cannot be read: {type(error).__name__}"))
    return images


def _sorted_out(images: list[_Image]) -> tuple[list[_Image], list[_Image]]:
    """Those of the mode and size that most have, and the others with what is wrong with them."""
    usable = [image for image in images if image.pixels is not None]
    modes = Counter(image.mode for image in usable)
    mode = max(modes, key=modes.__getitem__, default="")
    sizes = Counter(image.size for image in usable if image.mode == mode)
    size = max(sizes, key=sizes.__getitem__, default=(0, 0))
    good, bad = [], []
    for image in images:
        fault = image.fault
        if not fault and image.mode != mode:
            fault = f"mode {image.mode}, not {mode or ' or '.join(MODES)}"
        elif not fault and image.size != size:
            fault = f"{image.size[0]}x{image.size[1]} pixels, not {size[0]}x{size[1]}"
        if fault:
            bad.append(_Image(image.file, image.label, fault=fault))
        else:
            good.append(image)
    return good, bad


def _of(images: list[_Image], label: int) -> list[_Image]:
    return [image for image in images if image.label == label]


def _shape(image: _Image) -> tuple[int, ...]:
    assert image.pixels is not None
    return image.pixels.shape


def _stacked(images: list[_Image]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    pixels = np.stack([image.pixels for image in images if image.pixels is not None])
    labels = np.array([image.label for image in images], np.int64)
    return pixels.reshape(len(pixels), -1).astype(np.float32) / np.float32(PIXELS.divisor), labels
