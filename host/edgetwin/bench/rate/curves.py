"""Rate-distortion curves: what was measured so far, kept in a file from which a killed run goes on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from edgetwin.bench.rate.ours import OURS
from edgetwin.bench.rate.peers import PEERS, Codec
from edgetwin.bench.rate.signals import RateData
from edgetwin.errors import UserError
from edgetwin.files import write_atomically

__all__ = ["CODECS", "TARGETS", "Curves", "Row", "SetShape", "codecs", "measure"]

#: NRMSE at which codecs are compared.
TARGETS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)
_FLOAT32_BITS = 32
CODECS = {codec.name: codec for codec in (*OURS, *PEERS)}

#: Begins a stretch of so many steps under a title; what it returns is called after each step.
Tracker = Callable[[str, int], Callable[[], None]]


@dataclass(frozen=True)
class Row:
    """A codec at a target error.

    nrmse, bits_per_sample, dictionary_bytes : as of :class:`~edgetwin.bench.rate.point.Point`
    ratio_to_float32 : 32 / bits_per_sample
    """

    set: str
    codec: str
    target: float
    nrmse: float
    bits_per_sample: float
    ratio_to_float32: float
    dictionary_bytes: int


@dataclass(frozen=True)
class SetShape:
    """What was coded: windows of m samples, `run` of them before a gap in time."""

    digest: str
    m: int
    channels: int
    run: int
    train_windows: int
    test_windows: int

    @classmethod
    def of(cls, data: RateData) -> Self:
        """The shape of a data set."""
        return cls(data.digest, data.m, data.channels, data.run, len(data.train), len(data.test))


@dataclass
class Curves:
    """All that was measured, and why the sets are missing that could not be had."""

    sets: dict[str, SetShape] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    not_run: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Self:
        """What was measured by :meth:`save`, if there is such a file; why sets are missing has to be seen anew.

        Raises UserError for another file.
        """
        if not path.exists():
            return cls()
        try:
            found = TypeAdapter(cls).validate_json(path.read_bytes())
            return cls(found.sets, found.rows)
        except (OSError, ValidationError) as error:
            raise UserError(f"{path}: not of `edgetwin bench rate`: give another --output, or no --resume") from error

    def save(self, path: Path) -> None:
        """Writes everything as one JSON object. Raises UserError."""
        write_atomically(path, (json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n").encode())

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return dataclasses.asdict(self)

    def of(self, name: str) -> dict[tuple[str, float], Row]:
        """Rows of a set by codec and target."""
        return {(row.codec, row.target): row for row in self.rows if row.set == name}

    def begin(self, data: RateData) -> None:
        """Takes up a data set. Raises UserError if rows of its name are there that are of other data."""
        shape = SetShape.of(data)
        if self.sets.setdefault(data.name, shape) != shape:
            raise UserError(
                f"{data.name}: the results to go on with are of other data or another --budget: "
                "give another --output, or no --resume"
            )


def codecs() -> tuple[Codec, ...]:
    """The codecs that can be measured here."""
    return (*OURS, *PEERS)


def measure(
    curves: Curves,
    data: RateData,
    among: Iterable[Codec],
    targets: Iterable[float] = TARGETS,
    *,
    track: Tracker,
    keep: Callable[[], None],
) -> None:
    """Adds the rows of a data set that are not there yet.

    keep : called after each row; there is none where a codec does not reach the target
    """
    curves.begin(data)
    targets = tuple(targets)
    for codec in among:
        known = curves.of(data.name)
        missing = [target for target in targets if (codec.name, target) not in known]
        advance = track(f"{data.name}: {codec.title}", len(missing))
        point = None
        for target in missing:
            if point is None or not codec.fixed:
                try:
                    point = codec.measure(data, target)
                except UserError:  # out of the codec's reach: the curve has no point there
                    advance()
                    continue
            ratio = _FLOAT32_BITS / point.bits_per_sample
            curves.rows.append(
                Row(data.name, codec.name, target, point.nrmse, point.bits_per_sample, ratio, point.dictionary_bytes)
            )
            keep()
            advance()
