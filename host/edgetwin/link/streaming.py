"""Streaming: the board takes its own source on its own clock, for codes or results, and the host keeps up."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgetwin.deploy.container import Kind
from edgetwin.link.errors import DoesNotFit, ForeignCode, LinkError, Refused, SessionLost
from edgetwin.link.frame import Frame, FrameType
from edgetwin.link.messages import CodeFrame, PayloadError, pack_window
from edgetwin.link.status import Status

if TYPE_CHECKING:
    from edgetwin.link.session import Session

_BACKLOG_UNKNOWN = 255  # the field's largest value means "at least"
_PACKET_SECONDS = 1.0  # a board keeps an open packet no longer than this


class Streaming:
    """Starts the board's own source and yields its windows, once each and in order, the missing ones reported.

    Parameters
    ----------
    first : number of the first window.
    count : windows; 0: without end.
    period_ms : milliseconds from one window to the next.
    batch : windows a frame at most.
    kind : whose output it is: the dictionary's codes, or the model's results.
    keeps_state : the model remembers what came before, so that a stream that breaks cannot go on.
    """

    def __init__(
        self,
        session: Session,
        first: int,
        count: int,
        period_ms: int,
        batch: int,
        kind: Kind = Kind.DICTIONARY,
        keeps_state: bool = False,
    ) -> None:
        self._kind = kind
        self._frames = FrameType.CODE if kind == Kind.DICTIONARY else FrameType.RESULT
        self._keeps_state = keeps_state
        self._session = session
        self._period_ms = period_ms
        self._batch = batch
        self._end = first + count if count else 2**32
        self._endless = not count
        self._expected_id = session.current_id(kind) & 0xFFFFFFFF
        self._next = first  # the first window not yet received
        self._held: dict[int, CodeFrame] = {}  # received before an older one, by its first window
        self._oldest = first  # the board holds no window below it
        self._started = False

    def run(self) -> Iterator[CodeFrame]:
        """Yields one CodeFrame a packet, and one a gap; stops the board when the caller stops."""
        try:
            while self._next < self._end:
                try:
                    self._step()
                except self._session.recoverable as reason:
                    self._session.recover(reason)
                    if self._keeps_state and self._started:
                        raise LinkError(
                            f"the stream broke before window {self._next}, and the model's memory with it: start again"
                        ) from reason
                    self._started = False
                while (code := self._pop()) is not None:
                    self._session.progressed()
                    yield code
        finally:
            # A last ACK may be lost, and the board would send again for ever: only STOP has an answer.
            with contextlib.suppress(LinkError):
                self._session.stop()

    def _step(self) -> None:
        """Takes what came in and acknowledges it; waits until something does."""
        if not self._started:
            self._start()
        connection = self._session.connection
        silence = connection.timeout + max(self._period_ms / 1000, _PACKET_SECONDS)
        frame = connection.receive(max(0.0, connection.last_heard + silence - time.monotonic()))
        if frame is None:
            connection.query(FrameType.STATS, FrameType.STATS_ANSWER)  # alive? if not, this raises
            return
        news = False
        while frame is not None:
            news |= self._take(frame)
            frame = connection.receive(0.0)
        if news:
            connection.send(FrameType.ACK, pack_window(self._first_missing()))

    def _start(self) -> None:
        self._held.clear()  # packets may be cut differently this time
        self._oldest = self._next
        count = 0 if self._endless else self._end - self._next
        reply = self._session.connection.request(
            FrameType.START, {0: self._next, 1: count, 2: self._period_ms, 3: self._batch, 4: int(self._kind)}
        )
        if reply.status == Status.FIT:
            raise DoesNotFit("memory for the stream", reply.needed, reply.at_hand)
        if reply.status != Status.OK:
            raise Refused("to stream", reply.status)
        self._started = True

    def _take(self, frame: Frame) -> bool:
        """Keeps a packet; whether the board waits for an ACK of it. SessionLost: it holds other windows than it may."""
        if frame.type != self._frames:
            return False
        try:
            code = CodeFrame.parse(frame)
        except PayloadError:
            return False
        if code.end > self._end:
            return False
        if code.id != self._expected_id:
            raise ForeignCode(self._expected_id, code.id, self._kind.name.lower())
        if code.end > self._next:
            if code.window < self._next or any(_overlap(code, held) for held in self._held.values()):
                raise SessionLost(self._session.url)
            self._held[code.window] = code
        if code.backlog < _BACKLOG_UNKNOWN:
            self._oldest = max(self._oldest, code.window - code.backlog)
        return True

    def _first_missing(self) -> int:
        window = max(self._next, self._oldest)
        while window in self._held:
            window = self._held[window].end
        return window

    def _pop(self) -> CodeFrame | None:
        """The next packet in order, if it has come; or the windows that are known to be lost before it."""
        window = self._next
        code = self._held.pop(window, None)
        if code is None:
            until = min([self._oldest, self._end, *self._held])
            if until <= window:
                return None
            code = CodeFrame(window, None, windows=until - window)
        self._next = code.end
        return code


def _overlap(code: CodeFrame, held: CodeFrame) -> bool:
    """Whether they share windows, but are not the same ones."""
    same = (code.window, code.windows) == (held.window, held.windows)
    return not same and code.window < held.end and held.window < code.end
