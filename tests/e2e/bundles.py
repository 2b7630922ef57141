"""Bundles for tests, written from FORMATS.md without the help of the package."""

from __future__ import annotations

import hashlib
import struct
import zlib

import numpy as np


def _pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % 16)


def _bundle(kind: int, payload: bytes) -> bytes:
    payload = _pad(payload)
    before = struct.pack("<4sHBBI", b"ETBN", 1, kind, 0, len(payload))
    after = hashlib.sha256(payload).digest()[:8] + bytes(8)
    return before + struct.pack("<I", zlib.crc32(before + after + payload)) + after + payload


def dictionary(m: int = 16, n: int = 32, s: int = 3, seed: int = 0, bits: int = 12) -> bytes:
    """A dictionary of random float32 atoms for one channel."""
    atoms = np.random.default_rng(seed).standard_normal((n, m))
    atoms = (atoms / np.linalg.norm(atoms, axis=1, keepdims=True)).astype("<f4")
    fields = struct.pack("<HHHBBBBHf", m, n, s, 1, 1, bits, 0, 1, 0.0)
    offsets, gains = struct.pack("<f", 0.5), struct.pack("<f", 2.0)
    return _bundle(1, b"".join(map(_pad, (fields, offsets, gains, atoms.tobytes()))))


def unit_dictionary(size: int, s: int) -> bytes:
    """The unit vectors as int8 atoms: a large workspace in a small bundle."""
    fields = struct.pack("<HHHBBBBHf", size, size, s, 3, 1, 12, 0, 1, 0.0)
    scales = np.full(size, 1 / 127, "<f4").tobytes()
    atoms = (127 * np.eye(size, size + -size % 4)).astype(np.int8).tobytes()
    return _bundle(1, b"".join(map(_pad, (fields, struct.pack("<f", 0.0), struct.pack("<f", 1.0), scales, atoms))))


def recording(samples: np.ndarray) -> bytes:
    """A recording of (rows, channels) samples."""
    rows, channels = samples.shape
    return _bundle(3, struct.pack("<IHH8x", rows, channels, 0) + samples.astype("<f4").tobytes())
