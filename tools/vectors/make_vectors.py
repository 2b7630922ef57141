"""Makes device/vectors.json, the test vectors of PROTOCOL.md and FORMATS.md that C and Python both run.

    python tools/vectors/make_vectors.py            # writes the file
    python tools/vectors/make_vectors.py --check    # exit 1 if it would change

Frames, COBS, CRC-32 and HMAC come from Python's libraries and from `struct`, not from edgetwin. Bundles come from the
Python writer, the statuses of damaged ones from FORMATS.md. Codes come from the core: they hold it to its own bits on
every target. Bytes are hexadecimal throughout; sequence numbers are in 32 bits.
"""

from __future__ import annotations

import argparse
import hmac
import json
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from cobs import cobs

from edgetwin.core import Dictionary
from edgetwin.deploy import DictionaryBundle
from edgetwin.signals import ChannelScaling

VECTORS = Path(__file__).resolve().parents[2] / "device" / "vectors.json"
KEY = bytes(range(32))

Vector = dict[str, Any]


def cobs_vectors() -> list[Vector]:
    """Edge cases of the run length, which is 254 at most."""
    ramp = bytes(range(1, 256))
    data = [b"", b"\0", b"\0\0", b"\x11\x22\0\x33", ramp[:253], ramp[:254], ramp, b"\0" + ramp, ramp + b"\0", ramp * 3]
    return [{"decoded": plain.hex(), "encoded": cobs.encode(plain).hex()} for plain in data]


def crc32_vectors() -> list[Vector]:
    """The check value of CRC-32 (IEEE 802.3), and sizes around a word."""
    data = [b"123456789", b"", b"\0", b"\xff" * 4, bytes(range(256))]
    return [{"data": plain.hex(), "crc32": f"{zlib.crc32(plain):08x}"} for plain in data]


def hmac_vectors() -> list[Vector]:
    """HMAC-SHA-256 with keys below, at and beyond SHA-256's block of 64 bytes."""
    keys = [b"", b"key", KEY, bytes(64), b"\xaa" * 65, b"\xaa" * 131]
    data = [b"", b"edgetwin 1", b"host\1", bytes(range(200))]
    return [
        {"key": key.hex(), "data": plain.hex(), "hmac": hmac.digest(key, plain, "sha256").hex()}
        for key in keys
        for plain in data
    ]


def frame_vector(
    kind: int, payload: bytes, sequence: int, credit: int, content_id: int, direction: str | None = None
) -> Vector:
    """One frame on the wire, with its end mark; with a MAC if there is a direction."""
    flags = 0 if direction is None else 1
    raw = struct.pack("<BBBBHHI", 1, kind, flags, credit, sequence & 0xFFFF, len(payload), content_id) + payload
    if direction is not None:
        raw += hmac.digest(KEY, direction.encode() + struct.pack("<I", sequence) + raw, "sha256")[:8]
    raw += struct.pack("<I", zlib.crc32(raw))
    return {
        "type": kind,
        "payload": payload.hex(),
        "sequence": sequence,
        "credit": credit,
        "id": content_id,
        "key": None if direction is None else KEY.hex(),
        "direction": direction,
        "wire": (cobs.encode(raw) + b"\0").hex(),
    }


def frame_vectors() -> list[Vector]:
    """Frames of every kind of content: empty, zeros, long runs, wrapped sequence numbers, with and without a MAC."""
    contents = [
        (0x01, bytes.fromhex("a10050") + bytes(range(16)), 0, 32, 0),
        (0x09, bytes.fromhex("a0"), 1, 32, 0),
        (0x08, struct.pack("<I", 0), 2, 255, 0),
        (0x07, struct.pack("<I4f", 7, 0.0, 1.0, -2.5, 1e-30), 0xFFFF, 1, 0xFFFFFFFF),
        (0x87, struct.pack("<IBB", 7, 0, 0) + bytes.fromhex("3120a9"), 0x10000, 7, 0x31C3_10D5),
        (0x87, struct.pack("<IBB", 8, 3, 255), 0x0001_0001, 7, 0x31C3_10D5),
        (0x04, struct.pack("<I", 1024) + bytes(range(1, 256)) * 4, 0xFFFF_FFFF, 4, 1),
        (0x04, struct.pack("<I", 0) + bytes(1020), 70_000, 4, 1),
    ]
    plain = [frame_vector(*content) for content in contents]
    proven = [frame_vector(*content, direction="n" if content[0] & 0x80 else "h") for content in contents[1:]]
    return plain + proven


def example_dictionaries() -> dict[str, DictionaryBundle]:
    """A small dictionary of each atom type; odd sizes, so that padding matters."""
    generator = np.random.default_rng(20240229)
    made = {}
    for atom_type, bits in (("float32", 32), ("int16", 16), ("int8", 8)):
        atoms = generator.standard_normal((13, 6))
        atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
        made[atom_type] = DictionaryBundle.from_components(
            atoms,
            s=3,
            atom_type=atom_type,
            scaling=ChannelScaling(np.array([0.5, -1.0], np.float32), np.array([2.0, 0.25], np.float32)),
            coefficient_bits=bits,
            metadata={"name": atom_type},
        )
    return made


def bundle_vectors(dictionaries: dict[str, DictionaryBundle]) -> list[Vector]:
    """Whole bundles, and damaged ones with the status that each must give."""
    vectors = [
        {"name": name, "bundle": made.to_bytes().hex(), "status": 0, "id": f"{made.id:016x}", "m": made.m, "n": made.n}
        for name, made in dictionaries.items()
    ]
    whole = dictionaries["int8"].to_bytes()
    damaged = [
        ("cut header", whole[:31], 6),
        ("cut payload", whole[:-1], 6),
        ("other magic", b"ETBM" + whole[4:], 7),
        ("newer version", whole[:4] + b"\2\0" + whole[6:], 8),
        ("flipped bit", whole[:-1] + bytes([whole[-1] ^ 1]), 9),
    ]
    return vectors + [{"name": name, "bundle": data.hex(), "status": status} for name, data, status in damaged]


def code_vectors(dictionaries: dict[str, DictionaryBundle]) -> list[Vector]:
    """Codes of random, zero, 1-sparse and not finite signals; `bundle` names the dictionary."""
    vectors = []
    for name, made in dictionaries.items():
        signals = np.random.default_rng(5).standard_normal((6, made.m)).astype(np.float32)
        signals[1] = np.resize(made.offsets, made.m)
        signals[2] = made.dequantised()[4] / np.resize(made.gains, made.m) + np.resize(made.offsets, made.m)
        signals[3, 2] = np.nan
        signals[4, 0] = -np.inf
        codes, statuses = Dictionary(made.to_bytes()).encode(signals)
        vectors += [
            {"bundle": name, "signal": signal.astype("<f4").tobytes().hex(), "status": int(status), "code": code.hex()}
            for signal, status, code in zip(signals, statuses, codes, strict=True)
        ]
    return vectors


def make_vectors() -> str:
    """The text of device/vectors.json: the same at every run."""
    dictionaries = example_dictionaries()
    sections = {
        "cobs": cobs_vectors(),
        "crc32": crc32_vectors(),
        "hmac": hmac_vectors(),
        "frames": frame_vectors(),
        "bundles": bundle_vectors(dictionaries),
        "codes": code_vectors(dictionaries),
    }
    return json.dumps(sections, indent=1) + "\n"


def main() -> int:
    """Writes or checks the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="exit 1 if the file is not what would be made")
    check = parser.parse_args().check
    text = make_vectors()
    if check:
        return int(not VECTORS.exists() or VECTORS.read_text() != text)
    VECTORS.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
