"""Compression as the paper counts it: numbers in dictionary and codes over numbers in the signals."""

from __future__ import annotations

import math

__all__ = ["atoms_for", "compression_of"]


def compression_of(m: int, n: int, n_signals: int, s: int) -> float:
    """1 − (m n + s N) / (m N) for N signals of m samples, n atoms and s atoms a code (DL4DT, section 4)."""
    return 1 - (m * n + s * n_signals) / (m * n_signals)


def atoms_for(compression: float, m: int, n_signals: int, s: int) -> int:
    """The most atoms n whose :func:`compression_of` is at least `compression`.

    Raises ValueError where even one atom is too many: the codes alone take s/m of the signals.
    """
    # A hair more, so that a compression that was computed from n gives n back.
    n = math.floor(n_signals * (1 - compression) - s * n_signals / m + 1e-9 * n_signals)
    if n < 1:
        most = compression_of(m, 1, n_signals, s)
        raise ValueError(
            f"compression={compression:g} is out of reach with {s} atoms a code: one atom in all gives "
            f"{max(most, 0):.3g}; ask for less, or for fewer atoms a code"
        )
    return n
