"""What a session yielded, window by window, gathered for the twin."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from edgetwin.core import status_text
from edgetwin.link import CodeFrame


@dataclass(frozen=True)
class Received:
    """All windows of one stream, in order.

    codes : a code each; None where the window is missing or was refused
    lost : whether each window never arrived
    refused : windows that the board refused by a named error
    refusal : the first of them and its error, None if there is none
    wire_bytes : bytes of the code frames as they came over the link
    """

    codes: list[bytes | None]
    lost: list[bool]
    refused: int
    refusal: str | None
    wire_bytes: int
    seconds: float

    @property
    def missing(self) -> int:
        """Windows that never arrived."""
        return sum(self.lost)


def collect(frames: Iterable[CodeFrame], progress: Callable[[], Any] = lambda: None) -> Received:
    """Takes every frame; ``progress`` is called after each."""
    started = time.monotonic()
    codes: list[bytes | None] = []
    lost: list[bool] = []
    refused = wire_bytes = 0
    refusal: str | None = None
    for frame in frames:
        codes.append(frame.code if frame.status == 0 else None)
        lost.append(frame.missing)
        if frame.status:
            refused += 1
            refusal = refusal or f"window {frame.window}: {status_text(frame.status)}"
        wire_bytes += frame.wire_bytes
        progress()
    return Received(codes, lost, refused, refusal, wire_bytes, time.monotonic() - started)
