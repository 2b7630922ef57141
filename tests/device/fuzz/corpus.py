"""Seeds of the fuzz targets: small valid inputs, made anew at each run."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgetwin.deploy.compiler.compile import compile_model
from edgetwin.deploy.container import Kind, wrap

Vectors = dict[str, list[dict[str, Any]]]

# fuzz_node.c: what the node starts from, and what happens to a frame
FRAMES, KEYED, LINKED, SENSOR, GREETED, MODEL = 1, 2, 4, 8, 16, 32
TWICE, FLIPPED, POLL_FOUR_TIMES, FLASH_FAILS, POWER_FAILS = 1, 2, 4 << 2, 32, 64

# fuzz_packet.c: what the input is, beside the dictionary in the lower six bits
SAMPLES, EDITED = 64, 128

HELLO, AUTH, UPLOAD, DATA, COMMIT, START, SIGNAL, ACK, STOP, STATS, BYE, INPUT, INVOKE, READ = range(1, 15)


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
    frames = _frame(
        UPLOAD, 0, b"\xa3\0" + bundle[6:7] + b"\1\x19" + struct.pack(">H", len(bundle)) + b"\2\x48" + content_id
    )
    for offset in range(0, len(bundle), portion):
        frames += _frame(DATA, flags, struct.pack("<I", offset) + bundle[offset : offset + portion])
    return frames + _frame(COMMIT, 0, b"\xa1\0\x48" + content_id)


def _toy_model(size: int) -> bytes:
    """A bundle as toy_model.h makes them: `size` bytes in and out."""
    step = size + -size % 16
    places = (16, 16 + step, 16 + 2 * step)
    payload = struct.pack("<HBBIIHHHHIII", 1, 0, 0, 16 + 3 * step, 16, 1, 1, 2, 0, 32, 0, 0)
    for place in (places[0], places[2]):
        payload += struct.pack("<IIBBH5ifiII", place, size, 1, 1, 0, size, 1, 1, 1, 1, 0.5, 3, 0, 0)
    for kernel, source, target in ((40, *places[:2]), (41, *places[1:])):
        payload += struct.pack("<HHIII", kernel, 4, source, target, size)
    return wrap(Kind.MODEL, payload + bytes(16))


def _model_frames() -> Iterator[bytes]:
    """Invocations, whole and by layers, and results of the sensor, of a model linked in or uploaded."""
    inputs = _frame(INPUT, 0, struct.pack("<I", 0) + bytes(range(12))) + _frame(
        INPUT, 0, struct.pack("<I", 12) + bytes(8)
    )
    invoke = _frame(INVOKE, TWICE, b"\xa3\0\1\1\2\2\xf4")
    steps = b"".join(_frame(INVOKE, 0, bytes([0xA3, 0, 2, 1, layer, 2, 0xF5])) for layer in (0, 1, 2))
    read = _frame(READ, 0, struct.pack("<II", 80, 20))
    start = _frame(START, POLL_FOUR_TIMES, b"\xa5\0\0\1\x18\x20\2\0\3\3\4\2")
    acknowledge = _frame(ACK, POLL_FOUR_TIMES, struct.pack("<I", 3))
    session = inputs + invoke + read + inputs + steps + read + start + acknowledge * 3 + read
    yield session
    yield session + _upload(_toy_model(24), 100, 0) + inputs + invoke + start + acknowledge
    yield _upload(_toy_model(24), 60, FLASH_FAILS) + session + _frame(STOP, 0) + session


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
        for session in _model_frames():
            for linked in (0, LINKED):
                yield bytes([FRAMES | GREETED | SENSOR | MODEL | linked | key]) + session
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


def model_seeds(vectors: Vectors | None = None, each: int = 4) -> Iterator[bytes]:
    """The smallest models of each operator, so many of each, without what only hosts read."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "host"))
    from operator_cases import CASES

    for make in CASES.values():
        found = []
        for seed in range(40):
            target = "helium" if seed % 2 else "portable"
            bundle = compile_model(make(np.random.default_rng(seed)).model, target)
            (state,) = struct.unpack_from("<I", bundle, 40)
            inputs, outputs = struct.unpack_from("<HH", bundle, 44)
            records, constants = struct.unpack_from("<II", bundle, 52)
            sections = (32, 32, 48 * (inputs + outputs), records, state, constants)  # after the bundle's header
            found.append(bundle[: sum(size + -size % 16 for size in sections)])
        # Some of the smallest cases are compiled to nothing.
        yield from sorted((bundle for bundle in found if len(bundle) > 200), key=len)[:each]


SEEDS = {
    "fuzz_bundle": bundle_seeds,
    "fuzz_frame": frame_seeds,
    "fuzz_model": model_seeds,
    "fuzz_packet": packet_seeds,
    "fuzz_node": node_seeds,
}


def write_corpus(target: str, vectors: Path, folder: Path) -> None:
    """Writes the seeds of a target as files into a new folder."""
    folder.mkdir(parents=True)
    for index, seed in enumerate(SEEDS[target](json.loads(vectors.read_text(encoding="utf-8")))):
        (folder / f"seed-{index:03}").write_bytes(seed)
