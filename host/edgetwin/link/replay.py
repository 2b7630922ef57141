"""Replay: the host plays the sensor, and the node encodes each window that it sends."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgetwin.link.errors import ForeignCode, LinkError, Refused
from edgetwin.link.frame import Frame, FrameType
from edgetwin.link.messages import CodeFrame, PayloadError, StatusReply, pack_window
from edgetwin.link.status import Status

if TYPE_CHECKING:
    from edgetwin.link.session import Session

_MOST_AHEAD = 256  # windows that may be received before an older one that is still asked for


@dataclass(slots=True)
class _Asked:
    """A window under way since `since`. Any of the sequence numbers from `first` to `last` may still be answered."""

    first: int
    last: int
    since: float
    sent: float
    due: float
    resends: int


class Replay:
    """Sends signals and yields what became of each, once each and in order.

    Parameters
    ----------
    signals : (N, m) float32, raw samples.
    first : number of the first window.
    most_asked : most windows under way at once; None: as many as the node grants.
    retries : times that a window is sent again before it counts as missing, while the node answers others.
    """

    def __init__(
        self,
        session: Session,
        signals: npt.NDArray[np.float32],
        first: int,
        most_asked: int | None,
        retries: int,
    ) -> None:
        self._session = session
        self._signals = signals
        self._first = first
        self._end = first + len(signals)
        self._most_asked = most_asked
        self._retries = retries
        self._expected_id = session.dictionary_id & 0xFFFFFFFF
        self._yielded = first  # the next window to yield
        self._unsent = first  # the next window never sent
        self._again: deque[int] = deque()  # windows to send again, after a new session
        self._asked: dict[int, _Asked] = {}
        self._done: dict[int, CodeFrame] = {}

    def run(self) -> Iterator[CodeFrame]:
        """Yields one CodeFrame a window."""
        while self._yielded < self._end:
            try:
                self._step()
            except self._session.recoverable as reason:
                self._session.recover(reason)
                self._asked.clear()
                self._again = deque(w for w in range(self._yielded, self._unsent) if w not in self._done)
            while self._yielded in self._done:
                self._session.progressed()
                self._yielded += 1
                yield self._done.pop(self._yielded - 1)

    def _step(self) -> None:
        """Sends what may be sent, and takes what came in; waits for at most one answer."""
        self._fill()
        if not self._asked:
            return
        wake = min(self._quiet_until(), *(asked.due for asked in self._asked.values()))
        frame = self._session.connection.receive(wake - time.monotonic())
        while frame is not None:
            self._take(frame)
            self._fill()
            frame = self._session.connection.receive(0.0)
        self._expire()

    def _fill(self) -> None:
        limit = self._session.connection.credit
        if self._most_asked is not None:
            limit = min(limit, self._most_asked)
        while len(self._asked) < limit:
            if self._again:
                window = self._again.popleft()
            elif self._unsent < min(self._end, self._yielded + _MOST_AHEAD):
                window = self._unsent
                self._unsent += 1
            else:
                return
            self._ask(window, None)

    def _ask(self, window: int, before: _Asked | None) -> None:
        """Sends a window; `before` is its earlier sending, if that may still be answered."""
        resends = before.resends + 1 if before else 0
        connection = self._session.connection
        payload = pack_window(window, self._signals[window - self._first].tobytes())
        sequence = connection.send(FrameType.SIGNAL, payload)
        now = time.monotonic()
        due = now + connection.round_trip.wait(resends)
        first, since = (before.first, before.since) if before else (sequence, now)
        self._asked[window] = _Asked(first, sequence, since, now, due, resends)

    def _take(self, frame: Frame) -> None:
        if frame.type == FrameType.CODE:
            try:
                code = CodeFrame.parse(frame)
            except PayloadError:
                return
            if code.windows > 1:
                return
        elif frame.type == FrameType.STATUS:
            reply = StatusReply.parse(frame)
            window = self._window_of(reply)
            if window is None:
                return
            code = CodeFrame(window, reply.status, id=frame.id, wire_bytes=frame.wire_bytes)
        else:
            return
        asked = self._asked.get(code.window)
        if asked is None:
            return
        if code.status == Status.NO_DICTIONARY:
            raise Refused("to encode", Status.NO_DICTIONARY)
        if code.id != self._expected_id:
            raise ForeignCode(self._expected_id, code.id)
        del self._asked[code.window]
        now = time.monotonic()
        if asked.resends == 0:
            self._session.connection.round_trip.sample(now - asked.sent)
        self._done[code.window] = code
        self._resend_lost(asked.first)
        self._postpone(now)

    def _postpone(self, now: float) -> None:
        """Restarts all clocks at an answer (RFC 6298, 5.3): the node is at work on what waits behind it."""
        for asked in self._asked.values():
            asked.due = max(asked.due, now + self._session.connection.round_trip.wait(asked.resends))

    def _window_of(self, reply: StatusReply) -> int | None:
        if reply.request != FrameType.SIGNAL or reply.status == Status.OK:
            return None
        matches = self._session.connection.matches
        return next((window for window, asked in self._asked.items() if matches(reply, asked.last)), None)

    def _resend_lost(self, answered: int) -> None:
        """The node takes and answers in order: what was sent before an answered frame and has no answer is lost."""
        lost = [window for window, asked in self._asked.items() if asked.last < answered]
        for window in lost:
            asked = self._asked[window]
            if asked.resends >= self._retries:
                self._give_up(window)
            else:
                self._ask(window, asked)
                self._asked[window].first = self._asked[window].last

    def _expire(self) -> None:
        """Sends again what has had no answer in time; makes sure that the node is there if all is quiet."""
        now = time.monotonic()
        connection = self._session.connection
        late = [window for window, asked in self._asked.items() if asked.due <= now]
        if late:
            connection.round_trip.timed_out()
        for window in late:
            asked = self._asked[window]
            if asked.resends < self._retries:
                self._ask(window, asked)
            elif connection.last_heard > asked.sent:
                self._give_up(window)
            else:
                asked.due = now + connection.round_trip.wait()
        if self._asked and now >= self._quiet_until():
            connection.query(FrameType.STATS, FrameType.STATS_ANSWER)  # raises if the node is silent

    def _quiet_until(self) -> float:
        """When a node that says nothing is asked whether it is there."""
        connection = self._session.connection
        waiting_since = min(asked.since for asked in self._asked.values())
        return max(connection.last_heard, waiting_since) + connection.timeout

    def _give_up(self, window: int) -> None:
        del self._asked[window]
        self._done[window] = CodeFrame(window, None)


def check_signals(signals: npt.ArrayLike, m: int, first: int) -> npt.NDArray[np.float32]:
    """Signals as a (N, m) float32 array in little endian. Raises LinkError if they have another shape."""
    array = np.ascontiguousarray(signals, dtype="<f4")
    if array.ndim != 2 or array.shape[1] != m:
        raise LinkError(f"the board's dictionary takes signals of {m} samples, these have shape {array.shape}")
    if first < 0 or first + len(array) > 2**32:
        raise LinkError("the numbers of windows must lie from 0 to 2**32 - 1")
    return array
