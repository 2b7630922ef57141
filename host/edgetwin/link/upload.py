"""Upload of a bundle: resumes where the node stands, keeps as many pieces under way as the node grants."""

from __future__ import annotations

import struct
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from edgetwin.deploy.container import HEADER_SIZE, MAGIC, Kind
from edgetwin.link.connection import Connection
from edgetwin.link.errors import DoesNotFit, LinkError, NoAnswer, Refused
from edgetwin.link.frame import FrameType
from edgetwin.link.messages import StatusReply, Value, content_id, pack_window
from edgetwin.link.status import Status

Progress = Callable[[int, int], None]

_KIND = 6
_ID = slice(16, 24)
_SHAPE = struct.Struct("<HHH")
# To erase a sector, or to check a whole dictionary, takes a small board seconds.
_SLOW_FIRST_WAIT = 1.0
_SLOW_LIMIT = 10.0
_MOST_RESTARTS = 3
_REMEDIES: dict[int, str] = {
    Status.KERNEL: "build its firmware with --kernels all, or with --kernels and this model",
    Status.TARGET: "compile the model with --target portable",
    Status.UNSUPPORTED: "build its firmware with --kernels all, so that it can run models",
}


@dataclass(frozen=True, slots=True)
class Bundle:
    """The bytes of a bundle and what the link must know of them."""

    data: bytes

    def __post_init__(self) -> None:
        if len(self.data) < HEADER_SIZE + _SHAPE.size or self.data[:4] != MAGIC:
            raise LinkError("not an edgetwin bundle: make one with `edgetwin learn` or `edgetwin compile`")
        if self.data[_KIND] not in (Kind.DICTIONARY, Kind.MODEL):
            raise LinkError("a board takes dictionaries (.etd) and models (.etm), not this bundle")

    @property
    def kind(self) -> Kind:
        """Dictionary or model."""
        return Kind(self.data[_KIND])

    @property
    def id_bytes(self) -> bytes:
        """The content id as it stands in the header."""
        return self.data[_ID]

    @property
    def id(self) -> int:
        """The content id as a number."""
        return content_id(self.id_bytes)

    @property
    def shape(self) -> tuple[int, int, int]:
        """m, n and s of a dictionary."""
        m, n, s = _SHAPE.unpack_from(self.data, HEADER_SIZE)
        return m, n, s


def upload(connection: Connection, bundle: Bundle, progress: Progress | None = None) -> None:
    """Brings a bundle to the node and makes it current; until the end the node keeps working with the old one.

    Parameters
    ----------
    progress : called with the bytes that the node holds and the bytes in all.

    Raises
    ------
    DoesNotFit : the slot or the arena of the node is too small.
    Refused : the node found the bundle at fault, or could not write it.
    """
    total = len(bundle.data)
    info = connection.info
    slot = f"a free bundle slot ({info.slot_memory})"
    linked_in = bundle.id in (info.dictionary_id, info.model_id)  # then it takes no slot
    if total > info.slot_bytes and not linked_in:
        raise DoesNotFit(slot, total, info.slot_bytes)
    for _ in range(_MOST_RESTARTS):
        reply = _request_slow(connection, FrameType.UPLOAD, {0: int(bundle.kind), 1: total, 2: bundle.id_bytes})
        _check(reply, "the upload of the bundle", slot)
        if reply.offset > total:
            break
        if progress:
            progress(reply.offset, total)
        if reply.offset == total and _is_current(bundle, reply):
            return
        if Pieces(connection, bundle.data, reply.offset, progress).send():
            reply = _request_slow(connection, FrameType.COMMIT, {0: bundle.id_bytes})
            if _is_current(bundle, reply):
                return
            # An earlier COMMIT may have been refused, its answer lost and the upload dropped: ask for the reason again.
            if reply.status != Status.OFFSET:
                _check(reply, "the bundle", "working memory")
                return
    raise LinkError(f"the board at {connection.url} forgets the upload again and again: restart it")


def _request_slow(connection: Connection, kind: FrameType, fields: dict[int, Value]) -> StatusReply:
    return connection.request(kind, fields, _SLOW_FIRST_WAIT, _SLOW_LIMIT)


def _check(reply: StatusReply, what: str, memory: str) -> None:
    """Raises what the reply says; `memory` is what lacks if the bundle does not fit."""
    if reply.status == Status.FIT and reply.needed > reply.at_hand:
        raise DoesNotFit(memory, reply.needed, reply.at_hand)
    if reply.status != Status.OK:
        raise Refused(what, reply.status, _REMEDIES.get(reply.status))


def _is_current(bundle: Bundle, reply: StatusReply) -> bool:
    """Whether the node already works with this dictionary: the answer to an earlier COMMIT may have been lost."""
    return bundle.kind == Kind.DICTIONARY and reply.id == bundle.id & 0xFFFFFFFF


class Pieces:
    """Bytes that go to the node in DATA or INPUT frames: go-back-N with the node's credit as the window.

    Parameters
    ----------
    held : bytes that the node has.
    progress : called with the bytes that the node holds and the bytes in all.
    kind : of the frames.
    """

    def __init__(
        self,
        connection: Connection,
        data: bytes,
        held: int = 0,
        progress: Progress | None = None,
        kind: FrameType = FrameType.DATA,
    ) -> None:
        self._kind = kind
        self._connection = connection
        self._data = data
        self._held = held
        self._next = held  # where the next piece starts
        self._size = min((connection.info.max_payload - 4) & ~3, 1024)
        self._progress = progress
        self._under_way: OrderedDict[int, float] = OrderedDict()  # sequence number: when it was sent
        self._rewound_at = 0  # answers to what was sent before say nothing about where to go on

    def send(self) -> bool:
        """Sends until the node holds all bytes; False if it has forgotten those before. Raises Refused."""
        while self._held < len(self._data):
            self._fill()
            frame = self._connection.receive(self._due() - time.monotonic())
            if frame is None:
                self._expire()
            elif frame.type == FrameType.STATUS:
                reply = StatusReply.parse(frame)
                if reply.request == self._kind and not self._answered(reply):
                    return False
        return True

    def _fill(self) -> None:
        while self._next < len(self._data) and len(self._under_way) < self._connection.credit:
            end = min(self._next + self._size, len(self._data))
            payload = pack_window(self._next, self._data[self._next : end])
            sequence = self._connection.send(self._kind, payload)
            self._under_way[sequence] = time.monotonic()
            self._next = end

    def _due(self) -> float:
        oldest = next(iter(self._under_way.values()))
        return oldest + min(self._connection.round_trip.wait(), self._connection.timeout)

    def _answered(self, reply: StatusReply) -> bool:
        """Takes an answer; False if the node holds less than before."""
        sequence = next((sent for sent in self._under_way if self._connection.matches(reply, sent)), None)
        if sequence is None:
            return True
        if reply.status not in (Status.OK, Status.OFFSET):
            what = "a piece of the upload" if self._kind == FrameType.DATA else "the input"
            raise Refused(what, reply.status)
        if reply.offset < self._held or reply.offset > len(self._data):
            return False
        self._connection.round_trip.sample(time.monotonic() - self._under_way[sequence])
        for sent in [sent for sent in self._under_way if sent <= sequence]:
            del self._under_way[sent]  # answers come in order: what was sent before this one and has none is lost
        if reply.offset > self._held:
            self._held = reply.offset
            if self._progress:
                self._progress(self._held, len(self._data))
        if reply.status == Status.OFFSET and sequence > self._rewound_at:
            self._rewind()
        elif not self._under_way:
            self._next = self._held
        return True

    def _rewind(self) -> None:
        self._next = self._held
        self._rewound_at = max(self._under_way, default=0)

    def _expire(self) -> None:
        if time.monotonic() - self._connection.last_heard > self._connection.timeout:
            raise NoAnswer(self._connection.url, self._connection.timeout)
        self._connection.round_trip.timed_out()
        self._under_way.clear()
        self._rewind()
