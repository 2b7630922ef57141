"""DCT-64 with entropy coding: what a transform codec without a dictionary needs, by its ideal code length.

Blocks of 64 samples, orthonormal DCT-II, a uniform quantiser, and for each place in the block a static distribution
of its level or the block's end, counted on the training part at the same step. A level costs −log2 of its
probability, which an arithmetic coder reaches to a fraction of a percent.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt
from scipy import fft

from edgetwin.bench.rate.point import Decoded, Point, reach
from edgetwin.bench.rate.signals import RateData

__all__ = ["dct_64", "level_bits", "token_probabilities", "tokens_of"]

Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

BLOCK = 64
#: Share of a step that is added before a magnitude is cut to a level: 1/2 rounds, less widens the zero.
OFFSETS = (0.5, 0.4, 0.33)
#: Magnitudes with a token of their own; larger ones share four an octave and say by raw bits which it is.
SINGLE = 32
_SHARED_AN_OCTAVE = 4
_OCTAVES = 26
#: Token of the block's end: only zeros follow. Tokens of magnitudes are from 1 on.
END = 0
TOKENS = 1 + SINGLE + _SHARED_AN_OCTAVE * _OCTAVES
#: Not coded: after the end.
_SILENT = -1
#: Blocks that the distribution over all places is worth in that of one place, and a token in that over all.
_PRIOR_BLOCKS, _PRIOR_TOKEN = 2.0, 0.02


def dct_64(data: RateData, target: float) -> Point:
    """The test part at an NRMSE of `target`, by the best of the rounding offsets."""
    train, test = (
        [fft.dct(part, norm="ortho") for part in _blocks(data.series(windows))] for windows in (data.train, data.test)
    )

    def code(offset: float, step: float) -> Decoded:
        decoded, bits = [], 0.0
        for learned, coded in zip(train, test, strict=True):
            levels = _quantise(coded, step, offset)
            bits += level_bits(levels, _quantise(learned, step, offset))
            decoded.append(fft.idct(levels * step, norm="ortho"))
        return data.windows(_joined(decoded, data.series(data.test).shape[1])), bits

    points = [reach(data, target, partial(code, offset), 3 * target) for offset in OFFSETS]
    return min(points, key=lambda point: point.bits_per_sample)


def _blocks(series: Float32Array) -> list[Float32Array]:
    """Blocks (N, 64) of series (S, T), and what is left of each series as blocks (S, T mod 64)."""
    whole = series.shape[1] // BLOCK * BLOCK
    parts = [series[:, :whole].reshape(-1, BLOCK), series[:, whole:]]
    return [part for part in parts if part.size]


def _joined(blocks: list[Float32Array], length: int) -> Float32Array:
    """Series (S, `length`) from their blocks."""
    count = sum(part.size for part in blocks) // length
    return np.concatenate([part.reshape(count, -1) for part in blocks], axis=1)


def _quantise(coefficients: Float32Array, step: float, offset: float) -> IntArray:
    return (np.sign(coefficients) * np.floor(np.abs(coefficients) / step + offset)).astype(np.int64)


def level_bits(levels: IntArray, learned: IntArray) -> float:
    """Bits of blocks of levels (N, B) by the distributions of other blocks (_, B)."""
    tokens, raw_bits = tokens_of(levels)
    probabilities = token_probabilities(tokens_of(learned)[0])
    rows, places = np.nonzero(tokens != _SILENT)
    return float(raw_bits.sum() - np.log2(probabilities[places, tokens[rows, places]]).sum())


def tokens_of(levels: IntArray) -> tuple[IntArray, IntArray]:
    """Tokens (N, B) of blocks of levels, −1 after a block's end; raw bits (N, B) that follow each: sign and magnitude.

    A magnitude q from 32 on, in [2^e, 2^(e + 1)), shares a token with 2^(e − 2) of them.
    """
    magnitudes = np.abs(levels)
    exponents = np.frexp(np.maximum(magnitudes, 1).astype(np.float64))[1].astype(np.int64) - 1
    first = int(np.log2(SINGLE))
    quarter = (magnitudes >> np.maximum(exponents - 2, 0)) - _SHARED_AN_OCTAVE
    shared = SINGLE + _SHARED_AN_OCTAVE * (exponents - first) + quarter
    tokens = 1 + np.where(magnitudes < SINGLE, magnitudes, shared)
    raw_bits = (magnitudes > 0).astype(np.int64) + np.where(magnitudes < SINGLE, 0, exponents - 2)
    length = levels.shape[1]
    ends = length - np.argmax(magnitudes[:, ::-1] > 0, axis=1)
    ends[~magnitudes.any(axis=1)] = 0
    places = np.arange(length)
    tokens[places == ends[:, None]] = END
    tokens[places > ends[:, None]] = _SILENT
    return tokens, raw_bits


def token_probabilities(tokens: IntArray) -> npt.NDArray[np.float64]:
    """(B, tokens): of each token at each place of a block; where few were seen, more like that over all places."""
    length = tokens.shape[1]
    rows, places = np.nonzero(tokens != _SILENT)
    flat = np.bincount(places * TOKENS + tokens[rows, places], minlength=length * TOKENS)
    counts = flat.reshape(length, TOKENS).astype(np.float64)
    overall = counts.sum(axis=0) + _PRIOR_TOKEN
    counts += _PRIOR_BLOCKS * overall / overall.sum()
    probabilities: npt.NDArray[np.float64] = counts / counts.sum(axis=1, keepdims=True)
    return probabilities
