"""One connection to a node: hello, authentication, and requests with their answers."""

from __future__ import annotations

import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable

from edgetwin.link.errors import NoAnswer, NotAuthenticated, Refused, SessionLost, WrongKey
from edgetwin.link.frame import DELIMITER, Frame, FrameReader, FrameType, SessionKey, encode, widen
from edgetwin.link.messages import NONCE_SIZE, NodeInfo, PayloadError, StatusReply, Value, pack_map, unpack_map
from edgetwin.link.roundtrip import RoundTrip
from edgetwin.link.status import Status
from edgetwin.link.transport import Transport

HOST_CREDIT = 32
_MOST_SET_ASIDE = 256
_EMPTY = pack_map({})
_LONGEST_WAIT = 0.5  # seconds from one request to its repetition; to ask once too often costs little


class Connection:
    """The host's side of one session over one open transport.

    Every method raises `Unplugged`, `NoAnswer` or `SessionLost` when the session cannot go on; a new `handshake` starts
    the next one, over the same transport if that still stands.

    Parameters
    ----------
    transport : an open byte stream; stays the caller's.
    key : pre-shared key, or None.
    mac : ask for a MAC on every frame.
    insecure : talk to a node without a key even if a MAC was asked for.
    timeout : seconds after which a node that is silent counts as not answering.

    Attributes
    ----------
    info : what the node said in hello.
    credit : frames that the node is ready to hold, as its last frame said.
    last_heard : `time.monotonic()` when the last frame was taken.
    """

    def __init__(self, transport: Transport, key: bytes | None, mac: bool, insecure: bool, timeout: float) -> None:
        self.info: NodeInfo
        self.credit = 1
        self.last_heard = 0.0
        self.round_trip = RoundTrip()
        self.timeout = timeout
        self.transport = transport
        self._key = key
        self._mac = mac
        self._insecure = insecure
        self._reader = FrameReader()
        self._nonce = b""
        self._expects_hello = False
        self._sent = 0
        self._taken = 0
        self._begin()

    @property
    def url(self) -> str:
        """Where the node is."""
        return self.transport.url

    @property
    def bad_frames(self) -> int:
        """Frames that came in damaged and were dropped."""
        return self._reader.bad

    def handshake(self, timeout: float | None = None) -> NodeInfo:
        """Hello and, if the node has a key, mutual authentication.

        Raises
        ------
        NotAuthenticated : the node has a key and the host none, or the host asked for a MAC and the node has no key.
        WrongKey : the keys differ.
        """
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        wait, refusals = min(self.round_trip.wait(), _LONGEST_WAIT), 0
        while True:
            self.info = self._hello(wait, deadline)
            if not self.info.needs_key:
                if self._mac and not self._insecure:
                    raise NotAuthenticated(
                        f"the board at {self.url} has no key, so anyone could pose as it: "
                        "build its firmware with a key, or say --insecure"
                    )
                return self.info
            try:
                proven = self._authenticate(wait, deadline)
            except SessionLost:
                proven = None
            if proven:
                return self.info
            # A refusal may be a late answer to an earlier try: only the second one counts.
            refusals += proven is not None
            if refusals == 2:
                raise WrongKey(self.url)
            wait = min(2 * wait, _LONGEST_WAIT)

    def send(self, kind: FrameType, payload: bytes) -> int:
        """Sends a frame; returns its sequence number."""
        sequence = 0 if kind == FrameType.HELLO else self._sent + 1
        frame = Frame(kind, payload, sequence, HOST_CREDIT)
        self._sent = sequence
        # The leading end mark keeps whatever is left of a cut frame, or noise, from spoiling this one.
        self.transport.write(DELIMITER + encode(frame, self._send_key))
        return sequence

    def receive(self, timeout: float) -> Frame | None:
        """The next frame that is new, whole and (in an authenticated session) proven; None if none comes in time."""
        if self._set_aside:
            return self._set_aside.popleft()
        deadline = time.monotonic() + timeout
        while True:
            while self._read:
                frame = self._read.popleft()
                if self._takes(frame):
                    return frame
            remaining = deadline - time.monotonic()
            data = self.transport.read(max(0.0, remaining))
            self._read.extend(self._reader.feed(data))
            if not data and remaining <= 0:
                return None

    def request(
        self, kind: FrameType, fields: dict[int, Value], first_wait: float = 0.0, limit: float = 0.0
    ) -> StatusReply:
        """Asks until the node answers with a STATUS, whatever it says.

        Parameters
        ----------
        first_wait : seconds before asking again, at least; for requests that take a board long.
        limit : seconds after which the node counts as not answering, if longer than the connection's timeout.
        """
        return StatusReply.parse(self._exchange(kind, pack_map(fields), FrameType.STATUS, first_wait, limit))

    def query(
        self,
        kind: FrameType,
        answer: FrameType,
        payload: bytes = _EMPTY,
        accepts: Callable[[Frame], bool] = lambda frame: True,
        first_wait: float = 0.0,
        limit: float = 0.0,
    ) -> Frame:
        """Asks until the node answers with a frame of its own type. Raises Refused if it says why it does not.

        Parameters
        ----------
        accepts : whether a frame answers this request; others may answer an earlier one that was sent twice.
        first_wait, limit : as in `request`.
        """
        frame = self._exchange(kind, payload, answer, first_wait, limit, accepts)
        if frame.type != answer:
            raise Refused(kind.name, StatusReply.parse(frame).status)
        return frame

    def forget_codes(self) -> None:
        """Drops the CODE and RESULT frames that came before the last answer: for the end of a stream."""
        self._set_aside.clear()

    def matches(self, reply: StatusReply, sequence: int) -> bool:
        """Whether a STATUS answers the request sent with this sequence number."""
        return reply.sequence == sequence & 0xFFFF

    def _begin(self) -> None:
        """A new session: both counters start, nothing is proven yet."""
        self._sent = 0
        self._taken = 0
        self._send_key: SessionKey | None = None
        self._receive_key: SessionKey | None = None
        self._read: deque[Frame] = deque()
        self._set_aside: deque[Frame] = deque()

    def _hello(self, wait: float, deadline: float) -> NodeInfo:
        """Says hello until the node answers."""
        self._begin()
        self._nonce = secrets.token_bytes(NONCE_SIZE)
        self._expects_hello = True
        try:
            while True:
                self.send(FrameType.HELLO, pack_map({0: self._nonce}))
                until = min(time.monotonic() + wait, deadline)
                while (frame := self.receive(until - time.monotonic())) is not None:
                    info = self._fresh_hello(frame)
                    if info is not None:
                        return info
                if time.monotonic() >= deadline:
                    raise NoAnswer(self.url, self.timeout)
                wait = min(2 * wait, _LONGEST_WAIT)
        finally:
            self._expects_hello = False

    def _fresh_hello(self, frame: Frame) -> NodeInfo | None:
        """Reads an answer to HELLO; None if it answers another one, whose host may be gone for long."""
        if frame.type != FrameType.HELLO_ANSWER:
            return None
        try:
            info = NodeInfo.parse(frame)
        except PayloadError:
            return None
        if info.host_nonce != self._nonce:
            return None
        self.credit = max(1, info.credit)
        self.last_heard = time.monotonic()
        return info

    def _authenticate(self, wait: float, deadline: float) -> bool | None:
        """Proves the key to the node and has it prove the key; None if it does not answer in time."""
        if self._key is None:
            raise NotAuthenticated(f"the board at {self.url} asks for a key: give its key file")
        key = hmac.digest(self._key, b"edgetwin 1" + self._nonce + self.info.nonce, "sha256")
        mac = bytes([self._mac])
        proof = hmac.digest(key, b"host" + mac, "sha256")
        self.send(FrameType.AUTH, pack_map({0: proof, 1: self._mac}))
        until = min(time.monotonic() + wait, deadline)
        while (frame := self.receive(until - time.monotonic())) is not None:
            if frame.type == FrameType.AUTH_ANSWER:
                proven = _proof(frame)
                if not hmac.compare_digest(proven, hmac.digest(key, b"node" + mac, "sha256")):
                    return False
                if self._mac:
                    self._send_key, self._receive_key = SessionKey(key, b"h"), SessionKey(key, b"n")
                return True
            if frame.type == FrameType.STATUS and StatusReply.parse(frame).request == FrameType.AUTH:
                return False
        if time.monotonic() >= deadline:
            raise NoAnswer(self.url, self.timeout)
        return None

    def _exchange(
        self,
        kind: FrameType,
        payload: bytes,
        answer: FrameType,
        first_wait: float,
        limit: float,
        accepts: Callable[[Frame], bool] = lambda frame: True,
    ) -> Frame:
        longest_wait = max(first_wait, _LONGEST_WAIT)
        wait = min(max(first_wait, self.round_trip.wait()), longest_wait)
        started = time.monotonic()
        deadline = started + max(self.timeout, limit)
        sent: list[int] = []
        set_aside: deque[Frame] = deque(maxlen=_MOST_SET_ASIDE)
        try:
            while True:
                sent.append(self.send(kind, payload))
                until = min(time.monotonic() + wait, deadline)
                while (frame := self.receive(until - time.monotonic())) is not None:
                    if frame.type in (FrameType.CODE, FrameType.RESULT):
                        set_aside.append(frame)
                    elif frame.type == FrameType.STATUS:
                        reply = StatusReply.parse(frame)
                        if reply.request == kind and any(self.matches(reply, sequence) for sequence in sent):
                            return frame
                    elif frame.type == answer and accepts(frame):
                        return frame
                if time.monotonic() >= deadline:
                    raise NoAnswer(self.url, deadline - started)
                wait = min(2 * wait, longest_wait)
        finally:
            self._set_aside = set_aside

    def _takes(self, frame: Frame) -> bool:
        """Whether a whole frame is new and proven; keeps count of what was taken."""
        if frame.type == FrameType.HELLO_ANSWER:
            return self._expects_hello
        if self._expects_hello or not self._is_readable(frame):
            return False
        sequence = widen(self._taken, frame.sequence)
        if sequence <= self._taken:
            return False
        if self._receive_key is not None and not self._receive_key.verifies(frame, sequence):
            return False
        self._taken = sequence
        self.credit = max(1, frame.credit)
        self.last_heard = time.monotonic()
        return True

    def _is_readable(self, frame: Frame) -> bool:
        """Whether a STATUS can be parsed; raises SessionLost if it says that the node knows no session.

        A node without a session has neither the MAC's key nor the counter, so this is believed without them: the worst
        that a forger reaches is a new handshake.
        """
        if frame.type != FrameType.STATUS:
            return True
        try:
            reply = StatusReply.parse(frame)
        except PayloadError:
            return False
        lost = reply.status == Status.STATE or (reply.status == Status.AUTH and reply.request != FrameType.AUTH)
        if not lost:
            return True
        if 0 < widen(self._sent, reply.sequence) <= self._sent:
            raise SessionLost(self.url)
        return False


def _proof(frame: Frame) -> bytes:
    try:
        proof = unpack_map(frame.payload).get(0)
    except PayloadError:
        return b""
    return proof if isinstance(proof, bytes) else b""
