"""Seeds of the fuzz targets: small valid inputs, made anew at each run."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Vectors = dict[str, list[dict[str, Any]]]

# fuzz_node.c: what the node starts from, and what happens to a frame
FRAMES, KEYED, LINKED, SENSOR, GREETED = 1, 2, 4, 8, 16
TWICE, FLIPPED, POLL_FOUR_TIMES, FLASH_FAILS, POWER_FAILS = 1, 2, 4 << 2, 32, 64

# fuzz_packet.c: what the input is, beside the dictionary in the lower six bits
SAMPLES, EDITED = 64, 128

HELLO, AUTH, UPLOAD, DATA, COMMIT, START, SIGNAL, ACK, STOP, STATS, BYE = range(1, 12)


def bundle_seeds(vectors: Vectors) -> Iterator[bytes]:
    """Whole and damaged bundles, as they are and sealed."""
    for vector in vectors["bundles"]:
        for sealed in (b"\0", b"\1"):
            yield sealed + bytes.fromhex(vector["bundle"])
    recording = struct.pack("<IHHQ", 4, 1, 0, 0) + struct.pack("<4f", 1, 2, 3, 4)
    yield b"\1ETBN\1\0\3\0" + struct.pack("<I", len(recording)) + bytes(20) + recording


def frame_seeds(vectors: Vectors) -> Iterator[bytes]:
    """Frames on the wire, payloads, CBOR maps and codes, each behind the byte that chooses its parser."""
    for vector in vectors["frames"]:
        yield b"\0" + bytes.fromhex(vector["wire"])[:-1]
        yield b"\1" + bytes.fromhex(vector["payload"])
    yield b"\2" + bytes.fromhex("a3000101f502420102")
    yield b"\2" + bytes.fromhex("a2001a0001000001190100")
    for vector in vectors["codes"]:
        if vector["code"]:
            yield b"\3\x05\x02\x31" + bytes.fromhex(vector["code"])


def _frame(kind: int, flags: int, payload: bytes = b"\xa0") -> bytes:
    return bytes([kind, flags, len(payload)]) + payload


def _upload(bundle: bytes, portion: int, flags: int) -> bytes:
    content_id = bundle[16:24]
    frames = _frame(UPLOAD, 0, b"\xa3\0\1\1\x19" + struct.pack(">H", len(bundle)) + b"\2\x48" + content_id)
    for offset in range(0, len(bundle), portion):
        frames += _frame(DATA, flags, struct.pack("<I", offset) + bundle[offset : offset + portion])
    return frames + _frame(COMMIT, 0, b"\xa1\0\x48" + content_id)


def node_seeds(vectors: Vectors) -> Iterator[bytes]:
    """Sessions: uploads that work and that fail, replayed signals, streams; and the same bytes as they come."""
    bundles = [bytes.fromhex(vector["bundle"]) for vector in vectors["bundles"]]
    small = [bundle for bundle in bundles if len(bundle) <= 496]
    signal = _frame(SIGNAL, 0, struct.pack("<I6f", 1, 1, 2, 3, 4, 5, 6))
    short_signal = _frame(SIGNAL, 0, struct.pack("<I4f", 1, 1, 2, 3, 4))
    start = _frame(START, POLL_FOUR_TIMES, b"\xa4\0\2\1\0\2\0\3\1")
    start_batches = _frame(START, POLL_FOUR_TIMES, b"\xa4\0\2\1\0\2\x18\x32\3\3")
    acknowledge = _frame(ACK, POLL_FOUR_TIMES, struct.pack("<I", 3))
    for key in (0, KEYED):
        for bundle in small:
            for flags in (0, TWICE, FLIPPED, FLASH_FAILS, POWER_FAILS):
                session = _upload(bundle, 120, flags) + signal + _frame(STATS, 0)
                yield bytes([FRAMES | GREETED | SENSOR | key]) + session
        stream = start + acknowledge * 3 + _frame(STOP, 0) + short_signal + start
        stream += start_batches + acknowledge * 3 + short_signal + acknowledge * 3
        yield bytes([FRAMES | GREETED | SENSOR | LINKED | key]) + stream
        yield bytes([FRAMES | GREETED | LINKED | key]) + short_signal + _frame(0x55, 0)
        yield bytes([FRAMES | SENSOR | LINKED | key]) + _frame(HELLO, TWICE, b"\xa1\0\x50" + bytes(16)) + start
        yield (
            bytes([FRAMES | key])
            + _frame(HELLO, 0, b"\xa1\0\x50" + bytes(16))
            + _frame(AUTH, 0, b"\xa2\0\x58\x20" + bytes(32) + b"\1\xf5")
        )
    for vector in vectors["frames"]:
        yield bytes([LINKED]) + bytes.fromhex(vector["wire"])


def packet_seeds(vectors: Vectors) -> Iterator[bytes]:
    """Windows, packets and edited tables under each dictionary of the target."""
    ramp = struct.pack("<18f", *range(-9, 9))
    large = struct.pack("<6f", 1e30, -1e30, 3e38, 0, 1e-40, -1)
    for mode in range(64):
        for samples in (ramp, ramp + large + ramp):
            yield bytes([mode | SAMPLES, 0]) + samples
            yield bytes([mode | SAMPLES | EDITED, 0, 1, 0x20, 0, 1]) + samples
        for packet in (b"", b"\xff" * 40, ramp):
            yield bytes([mode, 2]) + packet
            yield bytes([mode | EDITED, 2, 1, 0x80, 0, 1]) + packet
    for vector in vectors["codes"]:
        yield b"\0\0" + bytes.fromhex(vector["code"])


SEEDS = {"fuzz_bundle": bundle_seeds, "fuzz_frame": frame_seeds, "fuzz_packet": packet_seeds, "fuzz_node": node_seeds}


def write_corpus(target: str, vectors: Path, folder: Path) -> None:
    """Writes the seeds of a target as files into a new folder."""
    folder.mkdir(parents=True)
    for index, seed in enumerate(SEEDS[target](json.loads(vectors.read_text(encoding="utf-8")))):
        (folder / f"seed-{index:03}").write_bytes(seed)
