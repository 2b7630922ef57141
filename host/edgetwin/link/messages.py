"""Payloads: what the node says about itself, about a request, and about a window (`device/PROTOCOL.md`)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import cbor2

from edgetwin.link.frame import Frame

Value = int | bool | bytes | str

_CODE = struct.Struct("<IBBB")
_U32 = struct.Struct("<I")

NONCE_SIZE = 16
MOST_BATCH = 255  # windows in a frame
SOURCE_REPLAY = 1
SOURCE_ON_BOARD = 2


class PayloadError(ValueError):
    """A payload that PROTOCOL.md does not allow."""


def pack_map(fields: dict[int, Value]) -> bytes:
    """A control payload: a CBOR map with unsigned keys."""
    return cbor2.dumps(fields)


def unpack_map(payload: bytes) -> dict[int, Value]:
    """The fields of a control payload. Raises PayloadError."""
    try:
        fields = cbor2.loads(payload)
    except Exception as reason:  # whatever hostile bytes do inside the decoder, they are just no map
        raise PayloadError(f"not CBOR: {reason}") from reason
    if not isinstance(fields, dict):
        raise PayloadError("not a CBOR map")
    for key, value in fields.items():
        if type(key) is not int or not isinstance(value, int | bytes | str):
            raise PayloadError("a CBOR map with other keys or values than the protocol's")
    return fields


def _get_int(fields: dict[int, Value], key: int, default: int | None = None) -> int:
    value = fields.get(key, default)
    if type(value) is not int or not 0 <= value < 2**64:
        raise PayloadError(f"field {key} is not an unsigned integer")
    return value


def _get_bytes(fields: dict[int, Value], key: int, sizes: tuple[int, ...]) -> bytes:
    value = fields.get(key)
    if not isinstance(value, bytes) or len(value) not in sizes:
        raise PayloadError(f"field {key} is not {sizes[-1]} bytes")
    return value


def _get_text(fields: dict[int, Value], key: int) -> str:
    value = fields.get(key)
    if not isinstance(value, str):
        raise PayloadError(f"field {key} is not text")
    return value


def _get_uint(fields: dict[int, Value], key: int) -> int:
    """A field that nodes without models do not send: 0."""
    return _get_int(fields, key, 0)


def content_id(eight_bytes: bytes) -> int:
    """A content id as a number; the header of a frame holds its low 32 bits. No bytes: 0."""
    return int.from_bytes(eight_bytes, "little")


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """What a node says in hello; sizes in bytes.

    `dictionary_id` is 0 and `m`, `n`, `s` are 0 while the node has no dictionary; so are `model_id`, `input_bytes`,
    `output_bytes` and `workspace_bytes` without a model. `model_room` is what a model's workspace may take beside the
    dictionary. Bit k of `kernels`: the firmware links kernel k. `credit` is the number of frames that the node is ready
    to hold.
    """

    board: str
    core_version: str
    max_payload: int
    arena_bytes: int
    slot_bytes: int
    slot_memory: str
    dictionary_id: int
    needs_key: bool
    sources: int
    m: int
    n: int
    s: int
    credit: int
    nonce: bytes
    host_nonce: bytes
    model_id: int = 0
    input_bytes: int = 0
    output_bytes: int = 0
    workspace_bytes: int = 0
    model_room: int = 0
    kernels: int = 0

    @property
    def can_replay(self) -> bool:
        """Whether the host may play the sensor."""
        return bool(self.sources & SOURCE_REPLAY)

    @property
    def can_stream(self) -> bool:
        """Whether the board has a source of its own."""
        return bool(self.sources & SOURCE_ON_BOARD)

    @classmethod
    def parse(cls, frame: Frame) -> NodeInfo:
        """Reads the answer to HELLO. Raises PayloadError."""
        fields = unpack_map(frame.payload)
        max_payload = _get_int(fields, 3)
        if max_payload < 8:
            raise PayloadError("the largest payload is too small for any data")
        return cls(
            nonce=_get_bytes(fields, 0, (NONCE_SIZE,)),
            board=_get_text(fields, 1),
            core_version=_get_text(fields, 2),
            max_payload=max_payload,
            arena_bytes=_get_int(fields, 4),
            slot_bytes=_get_int(fields, 5),
            slot_memory=_get_text(fields, 6),
            dictionary_id=content_id(_get_bytes(fields, 7, (0, 8))),
            needs_key=bool(fields.get(8, False)),
            sources=_get_int(fields, 9),
            m=_get_int(fields, 10),
            n=_get_int(fields, 11),
            s=_get_int(fields, 12),
            credit=frame.credit,
            host_nonce=_get_bytes(fields, 13, (NONCE_SIZE,)),
            model_id=content_id(_get_bytes(fields, 14, (0, 8))) if 14 in fields else 0,
            input_bytes=_get_uint(fields, 15),
            output_bytes=_get_uint(fields, 16),
            workspace_bytes=_get_uint(fields, 17),
            model_room=_get_uint(fields, 18),
            kernels=int.from_bytes(_get_bytes(fields, 19, (0, 8)), "little") if 19 in fields else 0,
        )


@dataclass(frozen=True, slots=True)
class StatusReply:
    """A STATUS frame: the low 16 bits of the request's sequence, its type, and what came of it.

    `id` is the low half of the node's current dictionary id when it answered.
    """

    sequence: int
    status: int
    request: int
    offset: int
    needed: int
    at_hand: int
    id: int

    @classmethod
    def parse(cls, frame: Frame) -> StatusReply:
        """Reads a STATUS frame. Raises PayloadError."""
        fields = unpack_map(frame.payload)
        return cls(
            sequence=_get_int(fields, 0),
            status=_get_int(fields, 1),
            request=_get_int(fields, 2),
            offset=_get_int(fields, 3, 0),
            needed=_get_int(fields, 4, 0),
            at_hand=_get_int(fields, 5, 0),
            id=frame.id,
        )


@dataclass(frozen=True, slots=True)
class NodeStats:
    """What a node counted since it started; ticks are in the board's own unit of work, 0 where it does not count.

    `inferences` are windows of its own source that the current model took, `inference_ticks` of the last one.
    """

    signals: int
    ticks_last: int
    ticks_least: int
    ticks_most: int
    ticks_mean: int
    bad_frames: int
    workspace_bytes: int
    dictionary_arena_bytes: int
    inferences: int = 0
    inference_ticks: int = 0

    @classmethod
    def parse(cls, payload: bytes) -> NodeStats:
        """Reads the answer to STATS. Raises PayloadError."""
        fields = unpack_map(payload)
        return cls(*(_get_int(fields, key) for key in range(8)), *(_get_uint(fields, key) for key in (8, 9)))


@dataclass(frozen=True, slots=True)
class CodeFrame:
    """What came of consecutive windows: codes of a dictionary, or results of a model.

    Parameters
    ----------
    window : number of the first one.
    status : 0, and `packet` holds their codes; another `Status`, and it is one window that has no code; None: they are
        missing.
    packet : the codes (FORMATS.md); may be empty. Of a model: each window's outputs, one after the other.
    windows : how many they are: 1 to 255 in a packet, any number of missing ones.
    id : low half of the content id of the dictionary or model that made them.
    backlog : windows that the board still held before these when it sent them (255: or more).
    wire_bytes : what the frame took on the wire, the end mark included.
    """

    window: int
    status: int | None
    packet: bytes = b""
    windows: int = 1
    id: int = 0
    backlog: int = 0
    wire_bytes: int = 0

    @property
    def missing(self) -> bool:
        """Whether the windows never arrived."""
        return self.status is None

    @property
    def end(self) -> int:
        """Number of the window behind the last one."""
        return self.window + self.windows

    @classmethod
    def parse(cls, frame: Frame) -> CodeFrame:
        """Reads a CODE or RESULT frame. Raises PayloadError."""
        if len(frame.payload) < _CODE.size:
            raise PayloadError("a CODE frame too short for its header")
        window, status, backlog, windows = _CODE.unpack_from(frame.payload)
        packet = frame.payload[_CODE.size :]
        if not windows or (status and (packet or windows > 1)):
            raise PayloadError("a CODE frame of no windows, or a failed window with a packet")
        return cls(window, status, packet, windows, frame.id, backlog, frame.wire_bytes)


def pack_window(window: int, rest: bytes = b"") -> bytes:
    """The payload of SIGNAL, DATA, INPUT and ACK: a number, then bytes."""
    return _U32.pack(window) + rest


@dataclass(frozen=True, slots=True)
class InvokeReply:
    """How far the node is with an invocation: layers that have run, and ticks of those that the request ran."""

    number: int
    layer: int
    ticks: int

    @classmethod
    def parse(cls, frame: Frame) -> InvokeReply:
        """Reads the answer to INVOKE. Raises PayloadError."""
        fields = unpack_map(frame.payload)
        return cls(*(_get_int(fields, key) for key in range(3)))


def pack_read(place: int, size: int) -> bytes:
    """The payload of READ."""
    return _U32.pack(place) + _U32.pack(size)


def unpack_read(payload: bytes) -> tuple[int, bytes]:
    """Place and bytes of the answer to READ. Raises PayloadError."""
    if len(payload) < _U32.size:
        raise PayloadError("an answer to READ too short for its place")
    return _U32.unpack_from(payload)[0], payload[_U32.size :]
