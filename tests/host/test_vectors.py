"""device/vectors.json, run by Python: the libraries, the bundle reader, and a decoder written here from FORMATS.md."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from cobs import cobs

from edgetwin.core import Dictionary
from edgetwin.deploy import BundleError, DictionaryBundle

sys.path.insert(0, str(Path(__file__).resolve().parent))
from packet_oracle import PacketOracle  # it lies beside this file, in no package

VECTORS = json.loads((Path(__file__).resolve().parents[2] / "device" / "vectors.json").read_text())


def raw(vector, field):
    return bytes.fromhex(vector[field])


@pytest.mark.parametrize("vector", VECTORS["cobs"])
def test_cobs(vector):
    assert cobs.encode(raw(vector, "decoded")) == raw(vector, "encoded")


@pytest.mark.parametrize("vector", VECTORS["crc32"])
def test_crc32(vector):
    assert f"{zlib.crc32(raw(vector, 'data')):08x}" == vector["crc32"]


@pytest.mark.parametrize("vector", VECTORS["hmac"])
def test_hmac(vector):
    assert hmac.new(raw(vector, "key"), raw(vector, "data"), hashlib.sha256).digest() == raw(vector, "hmac")


@pytest.mark.parametrize("vector", VECTORS["bundles"], ids=lambda vector: vector["name"])
def test_bundles(vector):
    if vector["status"] == 0:
        assert DictionaryBundle.from_bytes(raw(vector, "bundle")).to_bytes() == raw(vector, "bundle")
    else:
        with pytest.raises(BundleError) as refused:
            DictionaryBundle.from_bytes(raw(vector, "bundle"))
        assert refused.value.status == vector["status"]


def decode(code, bundle):
    """FORMATS.md, Code: support and coefficients, from the text alone."""
    bits = int.from_bytes(code, "little")

    def take(count):
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    most = min(bundle.s, bundle.m, bundle.n)
    assert take(4) == 1
    atoms = take(math.ceil(math.log2(most + 1)))
    width = bundle.coefficient_bits
    exponent = take(8) if atoms and width < 32 else 0
    support, coefficients = [], []
    for _ in range(atoms):
        support.append(take(math.ceil(math.log2(bundle.n))))
        value = take(width)
        if width == 32:
            coefficients.append(struct.unpack("<f", struct.pack("<I", value))[0])
        else:
            value -= (value >> (width - 1)) << width
            coefficients.append(value * 2.0 ** (exponent - 126 - (width - 1)))
    assert bits == 0, "padding"
    return support, coefficients


@pytest.mark.parametrize("number", range(len(VECTORS["codes"])))
def test_codes(number):
    vector = VECTORS["codes"][number]
    content = next(raw(bundle, "bundle") for bundle in VECTORS["bundles"] if bundle["name"] == vector["bundle"])
    bundle, core = DictionaryBundle.from_bytes(content), Dictionary(content)
    signal = np.frombuffer(raw(vector, "signal"), np.float32)
    codes, status = core.encode(signal[None])
    assert status[0] == vector["status"]
    assert codes[0] == raw(vector, "code")
    if status[0]:
        return
    support, coefficients = decode(codes[0], bundle)
    unpacked = core.unpack(codes)
    count = int(unpacked.counts[0])
    assert unpacked.support[0, :count].tolist() == support
    assert unpacked.coefficients[0, :count].tolist() == coefficients


@pytest.mark.parametrize("number", range(len(VECTORS["packets"])))
def test_packets(number):
    vector = VECTORS["packets"][number]
    content = next(raw(bundle, "bundle") for bundle in VECTORS["bundles"] if bundle["name"] == vector["bundle"])
    bundle, core = DictionaryBundle.from_bytes(content), Dictionary(content)
    count = vector["windows"]
    signals = np.frombuffer(raw(vector, "signals"), np.float32).reshape(count, -1)
    packets, status = core.encode_packets(signals, [count])
    assert not status.any()
    assert packets[0] == raw(vector, "packet")
    decoded = core.decode(packets, [count])
    assert not decoded.status.any()
    scaled = bundle.scaling.transform(decoded.signals)
    windows, _ = PacketOracle(bundle).read(packets[0], scaled)
    assert [("sparse", "dct", "dpcm", "raw")[kind] for kind in decoded.kinds] == [window.kind for window in windows]
    assert [len(window.atoms) for window in windows] == decoded.atoms.tolist()
