"""The two ways in which CMI makes images smaller: normalisation (section 4.3) and a wavelet transform (section 4.4)."""

from __future__ import annotations

import importlib
import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.errors import UserError

__all__ = [
    "BEST",
    "ORIGINAL",
    "WAVELET",
    "Form",
    "approximation",
    "compression_ratio",
    "quality_for",
    "render",
    "require_images",
    "space_gain",
]

Pixels = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]

#: JPEG's quality of images that are not compressed: above it Pillow asks not to go, as the paper says.
BEST = 95
WHITE = 255.0

ORIGINAL, WAVELET = "original", "wavelet"


@dataclass(frozen=True)
class Form:
    """What is done to images of `original` x `original` pixels before a network sees them.

    side : pixels of the images that are saved
    quality : they are saved with, of JPEG, 1 to :data:`BEST`
    wavelet : the network sees their level-1 approximation, half as wide
    """

    name: str
    original: int
    side: int
    quality: int = BEST
    wavelet: bool = False

    @property
    def seen(self) -> int:
        """Pixels of a side of what the network sees."""
        return -(-self.side // 2) if self.wavelet else self.side


def require_images() -> None:
    """Raises UserError where Pillow or PyWavelets is not installed: better before long work than after."""
    _pillow(), _pywt()


def render(images: Pixels, form: Form) -> tuple[Float32Array, int]:
    """What a network sees of images (N, height, width[, channels]): (N, seen, seen, channels), 0 to 1; and the bytes
    of their files."""
    files = _saved(_resized(_resized(images, form.original), form.side), form.quality)
    pixels = _opened(files)
    return approximation(pixels) if form.wavelet else pixels, sum(map(len, files))


def approximation(pixels: Float32Array) -> Float32Array:
    """The low band of a level-1 Haar transform of images (N, height, width, channels), half as high and wide.

    Halved, since two filters of gain √2 would make white 2.
    """
    low: npt.NDArray[Any] = _pywt().dwt2(pixels, "haar", axes=(1, 2))[0]
    return (low / 2).astype(np.float32)


def compression_ratio(original: int, compressed: int) -> float:
    """Formula 4, of bytes."""
    return original / compressed


def space_gain(original: int, compressed: int) -> float:
    """Formula 5, of bytes."""
    return 1 - compressed / original


def quality_for(ratio: float, images: Pixels, form: Form) -> int:
    """JPEG's quality at which `form`'s files of these images have the compression ratio that is nearest to `ratio`."""
    original = sum(map(len, _saved(_resized(images, form.original), BEST)))
    small = _resized(_resized(images, form.original), form.side)

    def found(quality: int) -> float:
        return compression_ratio(original, sum(map(len, _saved(small, quality))))

    # The ratio falls as the quality rises.
    low, high = 1, BEST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if found(middle) > ratio else (low, middle)
    return min((low, high), key=lambda quality: abs(math.log(found(quality) / ratio)))


def _resized(images: Pixels, side: int) -> Pixels:
    if images.shape[1:3] == (side, side):
        return images
    pillow = _pillow()
    resized = [pillow.fromarray(image).resize((side, side), pillow.Resampling.LANCZOS) for image in images]
    return np.stack([np.asarray(image) for image in resized])


def _saved(images: Pixels, quality: int) -> list[bytes]:
    """Files as Pillow saves them, smallest for their quality."""
    pillow, files = _pillow(), []
    for image in images:
        content = io.BytesIO()
        pillow.fromarray(image).save(content, "JPEG", quality=quality, optimize=True)
        files.append(content.getvalue())
    return files


def _opened(files: list[bytes]) -> Float32Array:
    """(N, height, width, channels), 0 to 1."""
    pillow = _pillow()
    pixels = np.stack([np.asarray(pillow.open(io.BytesIO(file))) for file in files])
    return pixels.reshape(*pixels.shape[:3], -1).astype(np.float32) / np.float32(WHITE)


def _pillow() -> Any:
    return _needed("PIL.Image", "Pillow")


def _pywt() -> Any:
    return _needed("pywt", "PyWavelets")


def _needed(module: str, title: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(f"the CMI study needs {title}: pip install 'edgetwin[bench]' ({error})") from error
