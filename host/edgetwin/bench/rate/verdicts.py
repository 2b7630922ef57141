"""What the curves say: whether ours are first among codecs that fit a board, where SZ3 wins, what a file should use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgetwin.bench.rate.curves import CODECS, Curves, Row
from edgetwin.bench.rate.ours import AUTO, OURS, SPARSE

__all__ = ["WITHIN", "Verdict", "best_dictionary_gain", "recommended", "verdicts"]

#: Ours may need this share more bits than the first and still count as level with it.
WITHIN = 0.05


@dataclass(frozen=True)
class Verdict:
    """One set at one target.

    first : of the codecs that run in 2 KB of RAM, the one of the fewest bits
    behind : share that `auto` needs more than `first`; None where `auto` was not measured
    sz3_saves : share of the bits of `auto` (of `first` where there is none) that SZ3 over the whole series saves;
        below 0 where it needs more
    """

    set: str
    target: float
    first: str
    bits_per_sample: float
    behind: float | None
    sz3_saves: float | None

    @property
    def level(self) -> bool:
        """Whether `auto` is first, or within `WITHIN` of it."""
        return self.behind is not None and self.behind <= WITHIN


def verdicts(curves: Curves) -> list[Verdict]:
    """Of every set and target, in the order of the curves."""
    return [verdict for name in curves.sets for verdict in _of_set(name, curves.of(name))]


def _of_set(name: str, rows: dict[tuple[str, float], Row]) -> Iterator[Verdict]:
    for target in dict.fromkeys(target for _, target in rows):
        bits = {codec: row.bits_per_sample for (codec, at), row in rows.items() if at == target}
        small = {codec: value for codec, value in bits.items() if CODECS[codec].small}
        if not small:
            continue
        first = min(small, key=small.__getitem__)
        auto = bits.get(AUTO)
        judged = small[first] if auto is None else auto
        yield Verdict(
            name,
            target,
            first,
            small[first],
            None if auto is None else auto / small[first] - 1,
            1 - bits["sz3"] / judged if "sz3" in bits else None,
        )


def best_dictionary_gain(rows: dict[tuple[str, float], Row]) -> tuple[float, float] | None:
    """How many times the bits of our dictionary codes DCT-64 needs, where that is most, and that target.

    None where one of them was not measured.
    """
    gains = [
        (rows["dct-64", target].bits_per_sample / row.bits_per_sample, target)
        for (codec, target), row in rows.items()
        if codec == SPARSE and ("dct-64", target) in rows
    ]
    return max(gains, default=None)


#: A codec of one kind, whose bundle is smaller, is recommended unless the choice among all saves more than this.
_WORTH_A_CHOICE = 0.03


def recommended(rows: dict[tuple[str, float], Row]) -> dict[float, Row]:
    """Of our codecs the one of the fewest bits, by target, but one of a single kind where that is nearly as good."""
    ours = {codec.name for codec in OURS}
    best: dict[float, Row] = {}

    def price(row: Row) -> float:
        return row.bits_per_sample * (1 + _WORTH_A_CHOICE * (row.codec == AUTO))

    for (codec, target), row in rows.items():
        if codec in ours and (target not in best or price(row) < price(best[target])):
            best[target] = row
    return best
