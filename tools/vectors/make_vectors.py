"""Makes device/vectors.json, the test vectors of PROTOCOL.md and FORMATS.md that C and Python both run.

    python tools/vectors/make_vectors.py            # writes the file
    python tools/vectors/make_vectors.py --check    # exit 1 if it would change

Frames, COBS, CRC-32 and HMAC come from Python's libraries and from `struct`, not from edgetwin. Bundles come from the
Python writer, the statuses of damaged ones from FORMATS.md. Codes and packets come from the core: they hold it to its
own bits on every target. Bytes are hexadecimal throughout; sequence numbers are in 32 bits.
"""

from __future__ import annotations

import argparse
import hmac
import json
import struct
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from cobs import cobs

from edgetwin.codec import CodecTables, DctTables, SparseTables
from edgetwin.codec.tables import BUCKETS, SYMBOLS, cosines, parts_of
from edgetwin.core import Dictionary
from edgetwin.deploy import DictionaryBundle
from edgetwin.deploy.container import Kind, wrap
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
    raw = struct.pack("<BBBBHHI", 2, kind, flags, credit, sequence & 0xFFFF, len(payload), content_id) + payload
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
        (0x87, struct.pack("<IBBB", 7, 0, 0, 3) + bytes.fromhex("3120a9"), 0x10000, 7, 0x31C3_10D5),
        (0x87, struct.pack("<IBBB", 10, 3, 255, 1), 0x0001_0001, 7, 0x31C3_10D5),
        (0x87, struct.pack("<IBBB", 11, 0, 2, 255), 0x0001_0002, 7, 0x31C3_10D5),
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


def entropy_dictionary(dictionaries: dict[str, DictionaryBundle]) -> DictionaryBundle:
    """The int8 dictionary with every kind of window; three samples a channel, so that the DCT has an odd rest."""
    made = dictionaries["int8"]
    bucket, symbol = np.mgrid[:BUCKETS, :SYMBOLS]
    magnitudes = parts_of(((bucket + 1) / (bucket + 4)) ** symbol)
    length = made.m // made.channels
    tables = CodecTables(
        steps=(0.125, 0.125, 0.125),
        least=0.0,
        energy_per_bit=0.002,
        rounding=112,
        centred=True,
        chained=True,
        predictor=np.array([5120, -1024], np.int16),
        mean_first=64,
        mean_next=32,
        dpcm_first=64,
        dpcm_next=48,
        sparse_mean=80,
        kind_parts=parts_of(np.tile([40.0, 30.0, 30.0, 1.0], (5, 1))),
        mean=magnitudes,
        sparse=SparseTables(
            magnitudes,
            parts_of(np.arange(4) + 1.0),
            (150 * np.arange(made.n + 1)).astype(np.uint16),
            (60 + 5 * np.arange(made.n)).astype(np.uint16),
            (120 + np.arange(made.n)).astype(np.uint8),
        ),
        dct=DctTables(magnitudes, parts_of(np.ones(length)), np.array([0, 40, 20], np.uint16), cosines(length)),
        dpcm=magnitudes,
    )
    return replace(made, tables=tables, metadata={"name": "entropy"})


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
    whole = dictionaries["entropy"].to_bytes()
    tables = 32 + 3 * 16 + 64 + 112  # header; fields, offsets, gains; scales; atoms
    payload = bytearray(whole[32:])
    payload[tables - 32 + 20] = 0  # no kind of window
    damaged.append(("no kind of window", wrap(Kind.DICTIONARY, bytes(payload)), 12))
    damaged.append(("cut tables", wrap(Kind.DICTIONARY, whole[32 : tables + 160]), 6))
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


def packet_vectors(name: str, made: DictionaryBundle) -> list[Vector]:
    """Packets of one and of several windows, with one that only a raw window can take, and one that is constant."""
    signals = np.cumsum(np.random.default_rng(6).standard_normal((12, made.m)), axis=0).astype(np.float32)
    signals[3] = np.resize(made.offsets, made.m)
    signals[4] *= np.float32(1e20)
    signals[5] = made.dequantised()[4] / np.resize(made.gains, made.m) + np.resize(made.offsets, made.m)
    counts = [1, 1, 10]
    packets, _ = Dictionary(made.to_bytes()).encode_packets(signals, counts)
    starts = np.cumsum([0, *counts])
    return [
        {
            "bundle": name,
            "windows": count,
            "signals": signals[start : start + count].astype("<f4").tobytes().hex(),
            "packet": packet.hex(),
        }
        for start, count, packet in zip(starts, counts, packets, strict=False)
    ]


def make_vectors() -> str:
    """The text of device/vectors.json: the same at every run."""
    packed = example_dictionaries()
    dictionaries = packed | {"entropy": entropy_dictionary(packed)}
    sections = {
        "cobs": cobs_vectors(),
        "crc32": crc32_vectors(),
        "hmac": hmac_vectors(),
        "frames": frame_vectors(),
        "bundles": bundle_vectors(dictionaries),
        "codes": code_vectors(packed),
        "packets": packet_vectors("entropy", dictionaries["entropy"]),
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
