"""What a session yielded, packet by packet, gathered for the twin."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from edgetwin.core import status_text
from edgetwin.link import CodeFrame


@dataclass(frozen=True)
class Received:
    """All windows of one stream, in order.

    packets : the codes of one or more windows each; None where they are missing, or one that was refused
    counts : windows of each
    lost : whether each never arrived
    statuses : of each; 0 for those that have codes, and for the lost ones
    refused : windows that the board refused by a named error
    refusal : the first of them and its error, None if there is none
    wire_bytes : bytes of the code frames as they came over the link
    """

    packets: list[bytes | None]
    counts: list[int]
    lost: list[bool]
    refused: int
    refusal: str | None
    wire_bytes: int
    seconds: float
    statuses: list[int] = field(default_factory=list)

    @property
    def missing(self) -> int:
        """Windows that never arrived."""
        return sum(count for count, gone in zip(self.counts, self.lost, strict=True) if gone)


def collect(frames: Iterable[CodeFrame], progress: Callable[[int], Any] = lambda windows: None) -> Received:
    """Takes every frame; ``progress`` is called after each with its number of windows."""
    started = time.monotonic()
    packets: list[bytes | None] = []
    counts: list[int] = []
    lost: list[bool] = []
    statuses: list[int] = []
    refused = wire_bytes = 0
    refusal: str | None = None
    for frame in frames:
        packets.append(frame.packet if frame.status == 0 else None)
        counts.append(frame.windows)
        lost.append(frame.missing)
        statuses.append(frame.status or 0)
        if frame.status:
            refused += 1
            refusal = refusal or f"window {frame.window}: {status_text(frame.status)}"
        wire_bytes += frame.wire_bytes
        progress(frame.windows)
    return Received(packets, counts, lost, refused, refusal, wire_bytes, time.monotonic() - started, statuses)
