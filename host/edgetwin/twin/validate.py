"""The proof: a board's codes against the host core's, bit by bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """Board against host.

    signals : windows compared
    differing_bits : bits that differ; a missing or longer code counts with all bits that have no partner
    missing : windows that never arrived
    first : index of the first window that differs, None if none does
    """

    signals: int
    differing_bits: int
    missing: int
    first: int | None

    @property
    def exact(self) -> bool:
        """Every window arrived and no bit differs."""
        return self.differing_bits == 0 and self.missing == 0


def differing_bits(a: bytes, b: bytes) -> int:
    """Bits that differ between two codes, the shorter filled up with bits that differ."""
    common = min(len(a), len(b))
    xor = int.from_bytes(a[:common], "little") ^ int.from_bytes(b[:common], "little")
    return xor.bit_count() + 8 * (max(len(a), len(b)) - common)


def compare_codes(
    board: Sequence[bytes | None], host: Sequence[bytes | None], missing: Sequence[bool] | None = None
) -> Comparison:
    """Compares code by code. None on both sides (a signal that both refused) is equal.

    missing : windows that did not arrive at all; they count as missing, not as differing
    """
    if len(board) != len(host):
        raise ValueError(f"{len(board)} codes from the board, {len(host)} from the host")
    lost = list(missing) if missing is not None else [False] * len(board)
    differences = [
        0 if gone else differing_bits(a or b"", b or b"") for a, b, gone in zip(board, host, lost, strict=True)
    ]
    first = next((i for i, bits in enumerate(differences) if bits), None)
    return Comparison(len(board), sum(differences), sum(lost), first)
