"""A second reader of packets, slow and from the definitions alone: what the core writes must be what this reads.

It gives the integers that a packet holds and the information in them, -log2 of the product of the probabilities.
Nothing here is shared with the core but the bundle's tables.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

KINDS = ("sparse", "dct", "dpcm", "raw")
SPARSE, DCT, DPCM, RAW = range(4)
_HALVES = [round(65536 * 2 ** (-i / 32)) for i in range(33)]


@dataclass
class Window:
    """What a packet says of a window, in steps: means and values of each channel; atoms with theirs; or samples."""

    kind: str
    means: list[int] = field(default_factory=list)
    atoms: list[tuple[int, int]] = field(default_factory=list)
    channels: list[list[int]] = field(default_factory=list)
    samples: list[float] = field(default_factory=list)


class Bits:
    """A range decoder in unbounded integers: the packet is one number, and symbols are parts of what is left."""

    def __init__(self, packet: bytes) -> None:
        self._value = int.from_bytes(packet, "big")
        self._length = len(packet)
        self._taken = 4  # bytes of the packet that the range reaches down to
        self._low, self._range = 0, 2**32 - 1
        self.information = 0.0  # bits

    def _offset(self) -> int:
        shift = 8 * (self._length - self._taken)
        prefix = self._value >> shift if shift >= 0 else self._value << -shift
        return prefix - self._low

    def symbol(self, ends: list[int], bits: int) -> int:
        """The symbol of a table of ascending ends, the last 2^bits."""
        part = self._range >> bits
        at = self._offset() // part
        assert 0 <= at < 1 << bits
        symbol = next(i for i, end in enumerate(ends) if at < end)
        start = ends[symbol - 1] if symbol else 0
        self._low += part * start
        self._range = part * (ends[symbol] - start)
        self.information += bits - math.log2(ends[symbol] - start)
        while self._range < 2**24:
            self._low, self._range, self._taken = self._low * 256, self._range * 256, self._taken + 1
        return symbol

    def parts(self, starts: np.ndarray) -> int:
        """A symbol of a table of 2^15 parts."""
        return self.symbol([*map(int, starts[1:]), 1 << 15], 15)

    def plain(self, bits: int) -> int:
        """So many equally likely bits, 16 at a time, the lowest first."""
        value = 0
        for got in range(0, bits, 16):
            width = min(16, bits - got)
            part = self._range >> width
            at = self._offset() // part
            self._low, self._range = self._low + part * at, part
            self.information += width
            while self._range < 2**24:
                self._low, self._range, self._taken = self._low * 256, self._range * 256, self._taken + 1
            value |= at << got
        return value

    def magnitude(self, table: np.ndarray, expected: int) -> int:
        """By its expectation in 1/16: half-octave buckets up to 12; one octave more, one low bit more as it is."""
        low_bits, bucket = 0, expected
        if expected > 1:
            octave = expected.bit_length() - 1
            bucket = 2 * octave + (expected >> (octave - 1) & 1)
            while bucket > 12:
                bucket, low_bits = bucket - 2, low_bits + 1
        high = self.parts(table[bucket])
        if high == 15:
            length = self.plain(5)
            high = 14 + (1 << length | self.plain(length))
        return high << low_bits | self.plain(low_bits)

    def integer(self, table: np.ndarray, expected: int) -> int:
        """A magnitude and, if it is not 0, a sign."""
        magnitude = self.magnitude(table, expected)
        return -magnitude if magnitude and self.plain(1) else magnitude


class PacketOracle:
    """Reads packets of a bundle. What a window is predicted from are the decoded ones, which the caller gives."""

    def __init__(self, bundle) -> None:
        self.bundle, self.tables = bundle, bundle.tables
        self.length = bundle.m // bundle.channels
        self.unit = np.float32(self.tables.steps[DCT]) / np.sqrt(np.float32(self.length))

    def read(self, packet: bytes, decoded: np.ndarray) -> tuple[list[Window], float]:
        """The windows of a packet and the information in it; `decoded` (W, m), scaled: what the core made of them."""
        bits, windows, chain = Bits(packet), [], None
        previous = 0
        for signal in decoded:
            kind = bits.parts(self.tables.kind_parts[previous])
            reader = (self._sparse, self._dct, self._dpcm, self._raw)[kind]
            windows.append(reader(bits, chain))
            if self.tables.chained:
                chain = self._follow(chain, signal)
            previous = kind + 1
        return windows, bits.information

    def _mean(self, bits: Bits, chain, channel: int) -> int:
        expected, predicted = self.tables.mean_first, 0
        if chain is not None:
            expected, predicted = (self.tables.mean_next + chain["changes"][channel]) // 2, chain["means"][channel]
        return predicted + bits.integer(self.tables.mean, expected)

    def _sparse(self, bits: Bits, chain) -> Window:
        tables, n = self.tables.sparse, self.bundle.n
        means = [self._mean(bits, chain, c) for c in range(self.bundle.channels)] if self.tables.centred else []
        window, start, seen, foreseen = Window("sparse", means), 0, 0, 0
        for left in range(bits.parts(tables.counts), 0, -1):
            survival = [self._survival(start, left, j) for j in range(start, n + 1)]
            atom = start + bits.symbol([65536 - share for share in survival[1:]], 16)
            negative = bits.symbol([int(tables.negative[atom]), 256], 8) == 0
            prior = 2 * self.tables.sparse_mean + 1
            expected = int(tables.expected[atom]) * (seen + prior) // (foreseen + prior)
            less = bits.magnitude(tables.magnitudes, expected)
            seen = min(0x7FFF, seen + (16 * less if less < 0x7FF else 0x7FFF))
            foreseen = min(0x7FFF, foreseen + int(tables.expected[atom]))
            window.atoms.append((atom, -less - 1 if negative else less + 1))
            start = atom + 1
        return window

    def _survival(self, start: int, left: int, j: int) -> int:
        """Of 2^16: the share of the next atom being j or a later one."""
        n = self.bundle.n
        if j == n:
            return 0
        exponent = left * (int(self.tables.sparse.survival[j]) - int(self.tables.sparse.survival[start]))
        whole, rest = divmod(exponent, 2048)
        segment, rest = divmod(rest, 64)
        share = _HALVES[segment] - ((_HALVES[segment] - _HALVES[segment + 1]) * rest >> 6) >> whole
        return (share * (65536 - (n - start)) >> 16) + n - j

    def _dct(self, bits: Bits, chain) -> Window:
        tables, window = self.tables.dct, Window("dct")
        for channel in range(self.bundle.channels):
            values = [self._mean(bits, chain, channel)]
            before = second = 0
            for k in range(1, bits.parts(tables.last) + 1):
                expected = (int(tables.expected[k]) + 11 * min(before, 2**23) + 5 * min(second, 2**23)) // 2
                values.append(bits.integer(tables.magnitudes, expected))
                before, second = abs(values[-1]), before
            window.channels.append(values + [0] * (self.length - len(values)))
        return window

    def _dpcm(self, bits: Bits, chain) -> Window:
        window, predictor = Window("dpcm"), [int(weight) for weight in self.tables.predictor]
        for channel in range(self.bundle.channels):
            history, spread = None, self.tables.dpcm_first
            if chain is not None:
                history, spread = list(chain["history"][channel]), chain["spreads"][channel]
            values = []
            for _ in range(self.length):
                predicted = 0
                if history is not None:
                    predicted = 2048 + sum(w * x for w, x in zip(predictor, history, strict=True)) >> 12
                rest = bits.integer(self.tables.dpcm, spread)
                values.append(rest + max(-(2**24) + 1, min(2**24 - 1, predicted)))
                if history is None:  # the first sample stands for those before it
                    history, spread = [values[-1]] * len(predictor), self.tables.dpcm_next
                else:
                    history = ([values[-1], *history])[: len(predictor)]
                    spread = (3 * spread + 16 * abs(rest) + 2) // 4
            if chain is not None:
                chain["spreads"][channel] = spread
            window.channels.append(values)
        return window

    def _raw(self, bits: Bits, chain) -> Window:
        words = np.array([bits.plain(32) for _ in range(self.bundle.m)], np.uint32)
        return Window("raw", samples=words.view(np.float32).tolist())

    def _follow(self, chain, signal: np.ndarray):
        """What the next window is predicted from: means, their last change, DPCM's spread, and the last samples."""
        order = len(self.tables.predictor)
        new = {"means": [], "changes": [], "history": [], "spreads": []}
        per_mean = np.float32(1) / (self.unit * np.float32(self.length))
        per_sample = np.float32(1) / np.float32(self.tables.steps[DPCM])
        for channel in range(self.bundle.channels):
            samples = signal[channel :: self.bundle.channels].astype(np.float32)
            sums = np.zeros(4, np.float32)
            with np.errstate(over="ignore", invalid="ignore"):  # of raw windows, as the core lets it be
                for t, sample in enumerate(samples):
                    sums[t % 4] += sample
                mean = _nearest(((sums[0] + sums[1]) + (sums[2] + sums[3])) * per_mean)
                grid = [_nearest(sample * per_sample) for sample in samples]
            before = [grid[0]] * order if chain is None else chain["history"][channel]
            new["means"].append(mean)
            new["changes"].append(0 if chain is None else min(2**28, 16 * abs(mean - chain["means"][channel])))
            new["history"].append([*grid[::-1], *before][:order])
            new["spreads"].append(self.tables.dpcm_next if chain is None else chain["spreads"][channel])
        return new


def _nearest(value: np.float32) -> int:
    """Halves away from zero, held to +-2^24."""
    if not math.isfinite(value) or abs(value) >= 2**24:
        return 2**24 if value > 0 else -(2**24)
    return int(math.copysign(math.floor(abs(float(value)) + 0.5), value))
