"""Codecs that ours are compared with, each at a target error that is measured on what it decodes."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.bench.rate.dct import dct_64
from edgetwin.bench.rate.dpcm import dpcm_rice
from edgetwin.bench.rate.point import Decoded, Point, reach
from edgetwin.bench.rate.signals import RateData
from edgetwin.errors import UserError

__all__ = ["PEERS", "Codec", "require_peers"]

Float32Array = npt.NDArray[np.float32]

_ZSTD_LEVEL = 19


@dataclass(frozen=True)
class Codec:
    """A codec of the comparison.

    measure : of data and a target NRMSE
    small : whether an encoder can run in 2 KB of RAM
    fixed : whether the target does not matter: it has one rate
    """

    name: str
    title: str
    measure: Callable[[RateData, float], Point]
    small: bool
    fixed: bool = False


def require_peers() -> None:
    """Raises UserError where a peer's package is not installed: better before long work than after."""
    for name in ("pysz", "zfpy", "zstandard"):
        _package(name)


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(f"the peer {name} is not installed: pip install 'edgetwin[bench]'") from error


def _sz3(data: RateData, target: float, run: int | None) -> Point:
    """SZ3 with an absolute bound; one stream for the whole test part, or one for each window (`run` 1).

    The best of its predictors at each point: which it would choose itself is not the same at every bound.
    """
    series = data.series(data.test, run)
    streams = series.reshape(1 if run is None else len(data.test), -1)

    def code(predictor: int, bound: float) -> Decoded:
        coded = [_sz3_stream(stream, bound, predictor) for stream in streams]
        decoded = np.stack([stream for stream, _ in coded]).reshape(series.shape)
        return data.windows(decoded), 8 * sum(size for _, size in coded)

    known = _package("pysz").szAlgorithm
    predictors = (known.INTERP_LORENZO, known.LORENZO_REG, known.INTERP)
    points = [reach(data, target, partial(code, predictor), 1.8 * target) for predictor in predictors]
    return min(points, key=lambda point: point.bits_per_sample)


def _sz3_stream(samples: Float32Array, bound: float, predictor: int) -> tuple[Float32Array, int]:
    """Samples as they come back, and bytes."""
    pysz = _package("pysz")
    configuration = pysz.szConfig(samples.shape)
    configuration.errorBoundMode = pysz.szErrorBoundMode.ABS
    configuration.absErrorBound = bound
    configuration.cmprAlgo = predictor
    compressed, _ = pysz.sz.compress(samples, configuration)
    decoded, _ = pysz.sz.decompress(compressed, np.float32, samples.shape)
    return decoded, compressed.size


def _zfp(data: RateData, target: float, run: int | None) -> Point:
    """zfp at a fixed accuracy; one stream for the whole test part, or one for each window (`run` 1).

    zfp rounds its tolerance down to a power of two: scaling the samples instead reaches what lies between.
    """
    series = data.series(data.test, run)
    streams = series.reshape(1 if run is None else len(data.test), -1)

    def code(step: float) -> Decoded:
        coded = [_zfp_stream(stream / np.float32(step)) for stream in streams]
        decoded = np.stack([stream for stream, _ in coded]).reshape(series.shape)
        return data.windows(decoded * np.float32(step)), 8 * sum(size for _, size in coded)

    return reach(data, target, code, 4 * target)


def _zfp_stream(samples: Float32Array) -> tuple[Float32Array, int]:
    """Samples as they come back within 1, and bytes: of the stream alone, as the decoder knows shape and tolerance."""
    zfpy = _package("zfpy")
    compressed = zfpy.compress_numpy(samples, tolerance=1.0, write_header=False)
    decoded = zfpy._decompress(compressed, zfpy.type_float, samples.shape, tolerance=1.0)
    return decoded, len(compressed)


def _float16(data: RateData, target: float) -> Point:
    return Point.of(data, (data.test.astype(np.float16).astype(np.float32), 16.0 * data.test.size))


def _zstd(data: RateData, target: float) -> Point:
    zstandard = _package("zstandard")
    series = data.series(data.test)
    compressed = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(series.tobytes())
    decoded = np.frombuffer(zstandard.ZstdDecompressor().decompress(compressed), np.float32).reshape(series.shape)
    return Point.of(data, (data.windows(decoded), 8.0 * len(compressed)))


PEERS = (
    Codec("dct-64", "DCT-64 + entropy", dct_64, small=True),
    Codec("dpcm-rice", "DPCM + Rice", dpcm_rice, small=True),
    Codec("zfp-window", "zfp, per window", lambda data, target: _zfp(data, target, 1), small=True),
    Codec("float16", "float16", _float16, small=True, fixed=True),
    Codec("sz3", "SZ3, whole series", lambda data, target: _sz3(data, target, None), small=False),
    Codec("sz3-window", "SZ3, per window", lambda data, target: _sz3(data, target, 1), small=False),
    Codec("zfp", "zfp, whole series", lambda data, target: _zfp(data, target, None), small=False),
    Codec("zstd", "zstd 19, lossless", _zstd, small=False, fixed=True),
)
