"""Frames against the shared vectors, and a reader that nothing on the line can confuse."""

from __future__ import annotations

import json
import random
import re
import runpy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetwin.link.frame import FLAG_MAC, Frame, FrameError, FrameReader, SessionKey, decode, encode, widen
from edgetwin.link.messages import CodeFrame, NodeInfo, PayloadError, StatusReply, unpack_map
from edgetwin.link.status import Status, status_text

REPOSITORY = Path(__file__).resolve().parents[2]
VECTORS = json.loads((REPOSITORY / "device" / "vectors.json").read_text())
STATUS_HEADER = REPOSITORY / "device" / "include" / "edgetwin" / "status.h"

frames = st.builds(
    Frame,
    type=st.integers(0, 255),
    payload=st.binary(max_size=700),
    sequence=st.integers(0, 0xFFFF),
    credit=st.integers(0, 255),
    id=st.integers(0, 2**32 - 1),
)
keys = st.none() | st.builds(SessionKey, st.binary(min_size=32, max_size=32), st.sampled_from([b"h", b"n"]))


def test_status_table_is_that_of_the_core() -> None:
    table = re.findall(r'X\(ET_(?:ERR_)?(\w+), (\d+), +"([^"]*)"\)', STATUS_HEADER.read_text())
    assert [(status.name, status.value, status_text(status)) for status in Status] == [
        (name, int(number), text) for name, number, text in table
    ]
    assert status_text(250) == "unknown status"


@pytest.mark.parametrize("vector", VECTORS["frames"], ids=lambda vector: f"{vector['type']:02x}-{vector['sequence']}")
def test_frames_are_those_of_the_vectors(vector: dict) -> None:
    frame = Frame(
        vector["type"], bytes.fromhex(vector["payload"]), vector["sequence"], vector["credit"], id=vector["id"]
    )
    key = vector["key"] and SessionKey(bytes.fromhex(vector["key"]), vector["direction"].encode())
    wire = bytes.fromhex(vector["wire"])
    assert encode(frame, key) == wire
    decoded = decode(wire[:-1])
    assert (decoded.type, decoded.payload, decoded.credit, decoded.id) == (
        frame.type,
        frame.payload,
        frame.credit,
        frame.id,
    )
    assert decoded.sequence == frame.sequence & 0xFFFF
    assert decoded.wire_bytes == len(wire)
    if key:
        assert key.verifies(decoded, frame.sequence)
        assert not key.verifies(decoded, frame.sequence ^ 0x10000)


@given(frames, keys)
def test_what_is_encoded_is_decoded(frame: Frame, key: SessionKey | None) -> None:
    wire = encode(frame, key)
    assert wire.find(0) == len(wire) - 1
    decoded = decode(wire[:-1])
    assert (decoded.type, decoded.payload, decoded.sequence) == (frame.type, frame.payload, frame.sequence)
    assert bool(decoded.flags & FLAG_MAC) == (key is not None)
    assert key is None or key.verifies(decoded, frame.sequence)


@given(frames, keys, st.data())
def test_a_flipped_bit_is_never_accepted(frame: Frame, key: SessionKey | None, data: st.DataObject) -> None:
    wire = bytearray(encode(frame, key))
    bit = data.draw(st.integers(0, 8 * len(wire) - 1))
    wire[bit // 8] ^= 1 << bit % 8
    assert FrameReader().feed(bytes(wire) + b"\0") == []


@given(st.lists(frames, max_size=6), st.lists(st.binary(max_size=40), max_size=6), st.integers(0, 2**32))
def test_frames_are_found_between_garbage_in_any_portions(sent: list[Frame], garbage: list[bytes], seed: int) -> None:
    generator = random.Random(seed)
    stream = b""
    for frame in sent:
        stream += (generator.choice(garbage) if garbage else b"") + b"\0" + encode(frame)
    reader = FrameReader()
    received = []
    while stream:
        portion = generator.randint(1, 50)
        received += reader.feed(stream[:portion])
        stream = stream[portion:]
    assert [(frame.type, frame.payload) for frame in received] == [(frame.type, frame.payload) for frame in sent]


@given(st.binary(max_size=300))
def test_random_bytes_are_refused_by_name(data: bytes) -> None:
    with pytest.raises(FrameError):
        decode(data)


def test_a_reader_counts_bad_frames_and_skips_empty_ones() -> None:
    reader = FrameReader()
    good = encode(Frame(1, b"x"))
    assert [frame.payload for frame in reader.feed(b"\0\0" + b"garbage\0" + good[:-2] + b"\0" + good)] == [b"x"]
    assert reader.bad == 2


def test_a_reader_holds_no_more_than_one_frame() -> None:
    reader = FrameReader(max_payload=100)
    for _ in range(1000):
        assert reader.feed(b"\x01" * 1000) == []
    assert len(reader._buffer) <= 200
    assert reader.feed(b"\0") == [] and reader.bad == 1
    assert len(reader.feed(encode(Frame(1, bytes(100))))) == 1


def test_fields_out_of_range_are_refused() -> None:
    for frame in (Frame(256), Frame(1, bytes(65536)), Frame(1, credit=-1), Frame(1, id=2**32)):
        with pytest.raises(ValueError):
            encode(frame)


@given(st.integers(0, 2**32 - 1), st.integers(-0x7FFF, 0x8000))
def test_widening_finds_the_nearest_sequence_number(last: int, step: int) -> None:
    true = last + step
    if true >= 0:
        assert widen(last, true & 0xFFFF) == true


@given(st.binary(max_size=60))
def test_hostile_payloads_are_refused_by_name(payload: bytes) -> None:
    for parse in (NodeInfo.parse, StatusReply.parse, CodeFrame.parse, lambda frame: unpack_map(frame.payload)):
        try:
            parse(Frame(0x83, payload))
        except PayloadError:
            continue


def test_a_code_frame_says_which_windows_it_holds() -> None:
    code = CodeFrame.parse(Frame(0x87, bytes([7, 1, 0, 0, 0, 4, 3]) + b"packet", id=9, wire_bytes=31))
    assert code == CodeFrame(263, 0, b"packet", 3, 9, 4, 31)
    assert (code.end, code.missing) == (266, False)
    assert CodeFrame.parse(Frame(0x87, bytes([7, 0, 0, 0, 0, 0, 255]))).packet == b"", "a packet may have 0 bytes"
    assert CodeFrame.parse(Frame(0x87, bytes([7, 0, 0, 0, 3, 0, 1]))).status == Status.NOT_FINITE
    for payload in ([7, 0, 0, 0, 0, 0], [7, 0, 0, 0, 0, 0, 0], [7, 0, 0, 0, 3, 0, 2], [7, 0, 0, 0, 3, 0, 1, 0]):
        with pytest.raises(PayloadError):
            CodeFrame.parse(Frame(0x87, bytes(payload)))


def test_the_vectors_are_those_that_the_tool_makes() -> None:
    tool = runpy.run_path(str(REPOSITORY / "tools" / "vectors" / "make_vectors.py"))
    assert json.loads(tool["make_vectors"]()) == VECTORS
