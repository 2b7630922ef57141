"""A TCP proxy that makes the faults of a bad line: it drops, repeats, reorders, cuts and flips frames."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import urlsplit

_DELIMITER = b"\0"


@dataclass(frozen=True)
class Faults:
    """Shares of the frames, in each direction, that meet with each fault."""

    drop: float = 0.0
    repeat: float = 0.0
    reorder: float = 0.0
    cut: float = 0.0
    flip: float = 0.0

    @classmethod
    def each(cls, share: float) -> Faults:
        """Every fault with the same share."""
        return cls(share, share, share, share, share)


class FaultProxy:
    """Listens on a free port of 127.0.0.1 and passes frames on to a node, or does not.

    Parameters
    ----------
    target : URL of the node, socket://host:port.
    faults : what to do to frames; the same seed makes the same decisions.
    drops : whether a frame never gets through, by its direction ("up": from the host, "down": from the node) and its
        bytes on the wire without the end mark.
    greeting : bytes that the host receives before anything else.

    Attributes
    ----------
    made : how often each fault was made.
    muted : while true, nothing that the node sends gets through.
    """

    def __init__(
        self,
        target: str,
        faults: Faults | None = None,
        seed: int = 0,
        drops: Callable[[str, bytes], bool] = lambda direction, frame: False,
        greeting: bytes = b"",
    ) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname, parts.port)
        self._faults = faults or Faults()
        self._random = {"up": random.Random(seed), "down": random.Random(seed + 1)}
        self._drops = drops
        self._greeting = greeting
        self._port = 0
        self._bytes_left: int | None = None
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.made: Counter[str] = Counter()
        self.muted = False
        self.plug()

    @property
    def url(self) -> str:
        return f"socket://127.0.0.1:{self._port}"

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()
        for thread in self._threads:
            thread.join(5)

    def plug(self) -> None:
        """Takes connections (again), on the same port as before."""
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        self._start(self._accept, self._listener)

    def unplug(self) -> None:
        """Breaks all connections and takes no more."""
        if self._listener is not None:
            _shut(self._listener)
            self._listener = None
        self._break_connections()

    def unplug_after(self, size: int) -> None:
        """Breaks the connection when the host has sent this many bytes more; a new one can be made at once."""
        self._bytes_left = size

    def _start(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                host, _ = listener.accept()
            except OSError:
                return
            try:
                node = socket.create_connection(self._target)
            except OSError:
                host.close()
                continue
            for end in (host, node):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open += [host, node]
            if self._greeting:
                host.sendall(self._greeting)
            self._start(self._pump, host, node, "up")
            self._start(self._pump, node, host, "down")

    def _pump(self, source: socket.socket, sink: socket.socket, direction: str) -> None:
        rest, held = b"", b""
        with contextlib.suppress(OSError, ValueError):
            while True:
                select.select([source], [], [])
                data = source.recv(65536)
                if direction == "up":
                    data = self._within_limit(data)
                if not data:
                    break
                *frames, rest = (rest + data).split(_DELIMITER)
                out = b""
                for frame in frames:
                    passed, held = self._treat(frame, held, direction)
                    out += passed
                if direction == "up" and self._bytes_left is not None:
                    out, rest = out + rest, b""
                sink.sendall(out)
        _shut(source)
        _shut(sink)

    def _within_limit(self, data: bytes) -> bytes:
        if self._bytes_left is None:
            return data
        data = data[: self._bytes_left]
        self._bytes_left -= len(data)
        if not data:
            self._bytes_left = None
        return data

    def _treat(self, frame: bytes, held: bytes, direction: str) -> tuple[bytes, bytes]:
        """What to send for a frame, and what to hold back until after the next one."""
        whole = frame + _DELIMITER
        if not frame:
            return whole, held
        if self._drops(direction, frame) or (self.muted and direction == "down"):
            return held, b""
        fate = self._fate(self._random[direction])
        if fate:
            self.made[fate] += 1
        if fate == "drop":
            return held, b""
        if fate == "repeat":
            return whole + held + whole, b""
        if fate == "reorder":
            return held, whole
        if fate == "cut":
            return frame[: self._random[direction].randrange(len(frame))] + held, b""
        if fate == "flip":
            bit = self._random[direction].randrange(8 * len(frame))
            flipped = bytearray(frame)
            flipped[bit // 8] ^= 1 << bit % 8
            return bytes(flipped) + _DELIMITER + held, b""
        return whole + held, b""

    def _fate(self, generator: random.Random) -> str:
        point = generator.random()
        for fault in ("drop", "repeat", "reorder", "cut", "flip"):
            point -= getattr(self._faults, fault)
            if point < 0:
                return fault
        return ""

    def _break_connections(self) -> None:
        for end in self._open:
            _shut(end)
        self._open.clear()


def _shut(end: socket.socket) -> None:
    """Closes a socket that another thread may be waiting on."""
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
