"""Frames of the link: header, payload, optional MAC, CRC-32; in COBS, ended by a zero byte (`device/PROTOCOL.md`)."""

from __future__ import annotations

import hmac
import struct
import zlib
from dataclasses import dataclass, field, replace
from enum import IntEnum

from cobs import cobs

VERSION = 2
MAC_SIZE = 8
CRC_SIZE = 4
FLAG_MAC = 1
MAX_PAYLOAD = 0xFFFF
DELIMITER = b"\0"

_HEADER = struct.Struct("<BBBBHHI")
_CRC = struct.Struct("<I")


class FrameType(IntEnum):
    """Types of frames; those from 0x80 on come from the node."""

    HELLO = 0x01
    AUTH = 0x02
    UPLOAD = 0x03
    DATA = 0x04
    COMMIT = 0x05
    START = 0x06
    SIGNAL = 0x07
    ACK = 0x08
    STOP = 0x09
    STATS = 0x0A
    BYE = 0x0B
    INPUT = 0x0C
    INVOKE = 0x0D
    READ = 0x0E
    HELLO_ANSWER = 0x81
    AUTH_ANSWER = 0x82
    STATUS = 0x83
    CODE = 0x87
    STATS_ANSWER = 0x8A
    RESULT = 0x8C
    INVOKE_ANSWER = 0x8D
    READ_ANSWER = 0x8E


class FrameError(ValueError):
    """Bytes that are not a frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. `sequence` counts to 32 bits where it is sent; a decoded frame knows its low 16 bits only.

    `wire_bytes` is what a decoded frame took on the wire, the end mark included.
    """

    type: int
    payload: bytes = b""
    sequence: int = 0
    credit: int = 0
    flags: int = 0
    id: int = 0
    mac: bytes = b""
    wire_bytes: int = field(default=0, compare=False)

    def header(self) -> bytes:
        """The 12 bytes before the payload."""
        return _HEADER.pack(
            VERSION, self.type, self.flags, self.credit, self.sequence & 0xFFFF, len(self.payload), self.id
        )


@dataclass(frozen=True, slots=True)
class SessionKey:
    """The secret half of an authenticated session, for one direction: b"h" from the host, b"n" from the node."""

    key: bytes
    direction: bytes

    def mac(self, frame: Frame, sequence: int) -> bytes:
        """MAC of a frame whose sequence number is `sequence` in 32 bits."""
        message = self.direction + struct.pack("<I", sequence) + frame.header() + frame.payload
        return hmac.digest(self.key, message, "sha256")[:MAC_SIZE]

    def verifies(self, frame: Frame, sequence: int) -> bool:
        """Whether the frame carries its right MAC."""
        return bool(frame.flags & FLAG_MAC) and hmac.compare_digest(frame.mac, self.mac(frame, sequence))


def encode(frame: Frame, key: SessionKey | None = None) -> bytes:
    """The bytes of a frame on the wire, end mark included; with a MAC if there is a key.

    Raises ValueError if a field is out of its range.
    """
    if len(frame.payload) > MAX_PAYLOAD:
        raise ValueError(f"a payload has at most {MAX_PAYLOAD} bytes, not {len(frame.payload)}")
    frame = replace(frame, flags=frame.flags | FLAG_MAC if key else frame.flags & ~FLAG_MAC)
    try:
        raw = frame.header() + frame.payload
    except struct.error as reason:
        raise ValueError(f"a field of the frame is out of its range: {reason}") from reason
    if key is not None:
        raw += key.mac(frame, frame.sequence)
    raw += _CRC.pack(zlib.crc32(raw))
    return bytes(cobs.encode(raw)) + DELIMITER


def decode(wire: bytes) -> Frame:
    """The frame of the bytes between two end marks; its MAC is not checked here. Raises FrameError."""
    try:
        raw = cobs.decode(wire)
    except cobs.DecodeError as reason:
        raise FrameError(f"not COBS: {reason}") from reason
    if len(raw) < _HEADER.size + CRC_SIZE:
        raise FrameError("shorter than header and CRC")
    if zlib.crc32(raw[:-CRC_SIZE]) != _CRC.unpack_from(raw, len(raw) - CRC_SIZE)[0]:
        raise FrameError("the CRC-32 does not match")
    version, kind, flags, credit, sequence, length, content_id = _HEADER.unpack_from(raw)
    if version != VERSION:
        raise FrameError(f"version {version} instead of {VERSION}")
    mac_size = MAC_SIZE if flags & FLAG_MAC else 0
    if flags & ~FLAG_MAC or len(raw) != _HEADER.size + length + mac_size + CRC_SIZE:
        raise FrameError("flags or length are impossible")
    end = _HEADER.size + length
    payload, mac = raw[_HEADER.size : end], raw[end : end + mac_size]
    return Frame(kind, payload, sequence, credit, flags, content_id, mac, len(wire) + 1)


def widen(last: int, low: int) -> int:
    """The 32-bit sequence number nearest to `last` whose low 16 bits are `low`."""
    candidate = (last & ~0xFFFF) | low
    if candidate - last > 0x8000:
        return candidate - 0x10000
    if last - candidate >= 0x8000:
        return candidate + 0x10000
    return candidate


class FrameReader:
    """Finds frames in a stream of bytes that may hold anything; keeps at most one frame's worth of them.

    Parameters
    ----------
    max_payload : largest payload that is taken; longer frames are dropped.

    Attributes
    ----------
    bad : number of frames dropped so far because they were too long, not COBS, or failed their CRC.
    """

    def __init__(self, max_payload: int = MAX_PAYLOAD) -> None:
        raw_size = _HEADER.size + max_payload + MAC_SIZE + CRC_SIZE
        self._capacity = raw_size + raw_size // 254 + 1
        self._buffer = bytearray()
        self._overflowed = False
        self.bad = 0

    def feed(self, data: bytes) -> list[Frame]:
        """Takes the next bytes of the stream; returns the frames that they complete."""
        *complete, rest = bytes(data).split(DELIMITER)
        frames = []
        for part in complete:
            self._collect(part)
            frame = self._finish()
            if frame is not None:
                frames.append(frame)
        self._collect(rest)
        return frames

    def _collect(self, part: bytes) -> None:
        if self._overflowed or len(self._buffer) + len(part) > self._capacity:
            self._overflowed = True
            self._buffer.clear()
        else:
            self._buffer += part

    def _finish(self) -> Frame | None:
        wire, overflowed = bytes(self._buffer), self._overflowed
        self._buffer.clear()
        self._overflowed = False
        if not wire and not overflowed:
            return None
        try:
            if overflowed:
                raise FrameError("too long")
            return decode(wire)
        except FrameError:
            self.bad += 1
            return None
