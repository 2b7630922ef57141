"""The proof: a board's codes against the host core's, bit by bit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgetwin.core import Dictionary
from edgetwin.twin.collect import Received


@dataclass(frozen=True)
class Comparison:
    """Board against host.

    signals : windows compared, the missing ones counted with them
    differing_bits : bits that differ; a longer packet counts with all bits that have no partner
    missing : windows that never arrived
    first : first window of the first packet that differs, None if none does
    """

    signals: int
    differing_bits: int
    missing: int
    first: int | None

    @property
    def exact(self) -> bool:
        """Every window arrived and no bit differs."""
        return self.differing_bits == 0 and self.missing == 0


def compare(received: Received, core: Dictionary, signals: NDArray[np.float32]) -> Comparison:
    """Codes the raw signals (N, m), N windows received, in the board's packets, and compares packet by packet."""
    counts, came = np.array(received.counts, np.intp), ~np.array(received.lost, bool)
    if counts.sum() != len(signals):
        raise ValueError(f"{counts.sum()} windows from the board, {len(signals)} signals")
    starts = np.cumsum(counts) - counts
    host = _host_packets(core, signals[np.repeat(came, counts)], counts[came])
    board = [packet for packet, gone in zip(received.packets, received.lost, strict=True) if not gone]
    bits = [differing_bits(a, b) for a, b in zip(board, host, strict=True)]
    first = next((int(start) for start, differ in zip(starts[came], bits, strict=True) if differ), None)
    return Comparison(len(signals), sum(bits), received.missing, first)


def _host_packets(core: Dictionary, signals: NDArray[np.float32], counts: NDArray[np.intp]) -> list[bytes | None]:
    """Packets of the host core, None where it refuses one of their windows: a board sends that one alone."""
    packets, status = core.encode_packets(signals, counts)
    ends = np.cumsum(counts)
    return [
        None if status[end - count : end].any() else packet
        for packet, count, end in zip(packets, counts, ends, strict=True)
    ]


def differing_bits(board: bytes | None, host: bytes | None) -> int:
    """Bits that differ between two packets, the shorter filled up with bits that differ.

    None, a refused window, equals None, and differs from any packet by its bits, from an empty one by 1.
    """
    a, b = board or b"", host or b""
    common = min(len(a), len(b))
    xor = int.from_bytes(a[:common], "little") ^ int.from_bytes(b[:common], "little")
    bits = xor.bit_count() + 8 * (max(len(a), len(b)) - common)
    return bits or int((board is None) != (host is None))
