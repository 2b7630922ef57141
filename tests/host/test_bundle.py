"""Dictionary and recording bundles: the bytes of FORMATS.md, and what a bad one is refused with."""

from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgetwin import core
from edgetwin.codec import CodecPlan
from edgetwin.core import KINDS
from edgetwin.deploy import BundleError, DictionaryBundle, RecordingBundle
from edgetwin.deploy.coding import with_codec
from edgetwin.deploy.container import (
    Corrupted,
    ImpossibleField,
    Kind,
    NotABundle,
    NotNormalised,
    Truncated,
    UnknownCodec,
    UnknownVersion,
    WrongId,
    WrongKind,
    wrap,
)
from edgetwin.errors import UserError
from edgetwin.signals import ChannelScaling

ATOM_TYPES = ["float32", "int16", "int8"]


def unit_atoms(n: int, m: int, seed: int = 0) -> np.ndarray:
    atoms = np.random.default_rng(seed).standard_normal((n, m))
    return (atoms / np.linalg.norm(atoms, axis=1, keepdims=True)).astype(np.float32)


SCALING = ChannelScaling(np.array([0.5, -2, 7], np.float32), np.array([1, 0.25, 3], np.float32))


def small_bundle(atom_type: str = "int8", n: int = 5) -> DictionaryBundle:
    return DictionaryBundle.from_components(
        unit_atoms(n, 6),
        s=2,
        atom_type=atom_type,
        scaling=SCALING,
        tolerance=0.125,
        coefficient_bits=10,
        metadata={"names": ["load", "heat", "fan"], "signals": 100},
    )


def seal(payload: bytes, kind: int = 1, version: int = 1, flags: int = 0, identity: int | None = None) -> bytes:
    """A bundle written from FORMATS.md alone."""
    before = b"ETBN" + struct.pack("<HBBI", version, kind, flags, len(payload))
    digest = hashlib.sha256(payload).digest()[:8] if identity is None else struct.pack("<Q", identity)
    after = digest + bytes(8)
    crc = zlib.crc32(before + after + payload)
    return before + struct.pack("<I", crc) + after + payload


def core_status(bundle: bytes) -> int:
    """What the board's own code says: 0 or its status."""
    try:
        core.Dictionary(bundle)
    except core.CoreError as error:
        return error.status
    return 0


def python_status(bundle: bytes) -> int:
    try:
        DictionaryBundle.from_bytes(bundle)
    except BundleError as error:
        assert "\n" not in str(error)
        return error.status
    return 0


@pytest.mark.parametrize("atom_type", ATOM_TYPES)
def test_a_bundle_comes_back_from_its_bytes(atom_type: str) -> None:
    bundle = small_bundle(atom_type)
    again = DictionaryBundle.from_bytes(bundle.to_bytes())
    assert (again.m, again.n, again.s, again.channels, again.tables) == (6, 5, 2, 3, None)
    assert (again.tolerance, again.coefficient_bits, again.atom_type) == (0.125, 10, atom_type)
    assert again.metadata == {"names": ["load", "heat", "fan"], "signals": 100}
    assert again.id == bundle.id
    assert again.to_bytes() == bundle.to_bytes()
    np.testing.assert_array_equal(again.atoms, bundle.atoms)
    np.testing.assert_array_equal(again.offsets, SCALING.offsets)
    np.testing.assert_array_equal(again.gains, SCALING.gains)
    np.testing.assert_array_equal(again.dequantised(), bundle.dequantised())


@pytest.mark.parametrize("atom_type", ATOM_TYPES)
@pytest.mark.parametrize(("m", "n"), [(1, 1), (1, 9), (7, 1), (6, 5), (19, 40)])
def test_the_core_takes_every_bundle(atom_type: str, m: int, n: int) -> None:
    bundle = DictionaryBundle.from_components(unit_atoms(n, m), s=3, atom_type=atom_type)
    opened = core.Dictionary(bundle.to_bytes())
    assert (opened.m, opened.n, opened.s, opened.atom_type, opened.id) == (m, n, 3, atom_type, bundle.id)


def test_the_bytes_are_those_of_the_format() -> None:
    atoms = np.array([[127, 0, 0], [0, -127, 127]], dtype=np.int8)
    scales = (1 / np.linalg.norm(atoms.astype(float), axis=1)).astype(np.float32)
    bundle = DictionaryBundle.from_components(
        atoms * scales[:, None].astype(np.float64),
        s=1,
        scaling=ChannelScaling(np.array([2], np.float32), np.array([0.5], np.float32)),
        tolerance=0.75,
        coefficient_bits=12,
        metadata={"b": 1, "a": "x"},
    )
    sections = [
        struct.pack("<HHHBBBBHf", 3, 2, 1, 3, 1, 12, 0, 1, 0.75),
        struct.pack("<f", 2),
        struct.pack("<f", 0.5),
        scales.tobytes(),
        bytes([127, 0, 0, 0, 0, 129, 127, 0]),
        cbor2.dumps({"a": "x", "b": 1}),
    ]
    payload = b"".join(section + bytes(-len(section) % 16) for section in sections)
    assert bundle.to_bytes() == seal(payload)
    assert bundle.id == int.from_bytes(hashlib.sha256(payload).digest()[:8], "little")


@pytest.mark.parametrize(("atom_type", "largest"), [("int16", 32767), ("int8", 127)])
def test_quantised_atoms_use_the_whole_range_and_keep_their_norm(atom_type: str, largest: int) -> None:
    exact = unit_atoms(50, 64)
    bundle = DictionaryBundle.from_components(exact, s=4, atom_type=atom_type)
    assert (np.abs(bundle.atoms.astype(int)).max(axis=1) == largest).all()
    np.testing.assert_allclose(np.linalg.norm(bundle.dequantised().astype(np.float64), axis=1), 1, atol=1e-6)
    # Half a step of quantisation, and the norm's correction.
    step = np.abs(exact).max(axis=1, keepdims=True) / largest
    assert (np.abs(bundle.dequantised() - exact) <= 0.5 * step + 0.01 * np.abs(exact)).all()


@pytest.mark.parametrize("atom_type", ATOM_TYPES)
@pytest.mark.parametrize(
    "spoil",
    [
        lambda atoms: atoms * np.float32(1.001),
        lambda atoms: np.vstack([atoms, np.zeros_like(atoms[:1])]),
        lambda atoms: np.where(np.eye(*atoms.shape) > 0, np.nan, atoms),
        lambda atoms: np.where(np.eye(*atoms.shape) > 0, np.inf, atoms),
        lambda atoms: atoms.astype(np.float64) * 1e300,
    ],
    ids=["long", "zero", "nan", "infinite", "huge"],
)
def test_atoms_that_are_not_normalised_are_refused_when_the_bundle_is_made(atom_type, spoil) -> None:
    with pytest.raises(NotNormalised, match="divide each atom by its norm"):
        DictionaryBundle.from_components(spoil(unit_atoms(4, 6)), s=2, atom_type=atom_type)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"s": -1}, ImpossibleField, "0 to 65535"),
        ({"s": 65536}, ImpossibleField, "0 to 65535"),
        ({"atom_type": "int4"}, ImpossibleField, "float32, int16, int8"),
        ({"tolerance": -1.0}, ImpossibleField, "tolerance"),
        ({"tolerance": np.inf}, ImpossibleField, "tolerance"),
        ({"tolerance": 1e300}, ImpossibleField, "tolerance"),
        ({"coefficient_bits": 3}, UnknownCodec, "4 to 16"),
        ({"coefficient_bits": 17}, UnknownCodec, "4 to 16"),
        ({"scaling": ChannelScaling.identity(4)}, ImpossibleField, "4 channels"),
        ({"metadata": {"when": object()}}, ImpossibleField, "metadata.when"),
        ({"metadata": {"rows": np.int64(3)}}, ImpossibleField, "int64"),
        ({"metadata": {1: 2}}, ImpossibleField, "text"),
    ],
)
def test_fields_that_cannot_be_are_refused_when_the_bundle_is_made(options, error, message) -> None:
    with pytest.raises(error, match=message):
        DictionaryBundle.from_components(unit_atoms(4, 6), **{"s": 2, **options}).to_bytes()


def test_a_shape_beyond_the_board_is_refused() -> None:
    with pytest.raises(ImpossibleField, match="4096"):
        DictionaryBundle.from_components(unit_atoms(1, 4097), s=1)
    with pytest.raises(ImpossibleField, match="16384"):
        DictionaryBundle.from_components(np.ones((16385, 1), np.float32), s=1)
    with pytest.raises(ImpossibleField, match="shape"):
        DictionaryBundle.from_components(np.ones(3, np.float32), s=1)


@pytest.mark.parametrize("atom_type", ATOM_TYPES)
def test_a_bundle_cut_at_any_byte_is_refused_as_the_board_refuses_it(atom_type: str) -> None:
    whole = small_bundle(atom_type).to_bytes()
    for length in range(len(whole)):
        with pytest.raises(Truncated, match="cut"):
            DictionaryBundle.from_bytes(whole[:length])
        assert core_status(whole[:length]) == Truncated.status


def test_every_flipped_bit_is_refused_as_the_board_refuses_it() -> None:
    whole = small_bundle(n=3).to_bytes()
    for position in range(len(whole)):
        for bit in (0, 3, 7):
            flipped = bytearray(whole)
            flipped[position] ^= 1 << bit
            status = python_status(bytes(flipped))
            assert status != 0
            assert status == core_status(bytes(flipped)), (position, bit)


def test_bytes_after_the_bundle_are_ignored() -> None:
    bundle = small_bundle()
    assert DictionaryBundle.from_bytes(bundle.to_bytes() + b"\xff" * 37).id == bundle.id


PAYLOAD = small_bundle().to_bytes()[32:]


@pytest.mark.parametrize(
    ("bundle", "error", "message"),
    [
        (b"no bundle, but long enough to be one", NotABundle, "not an edgetwin bundle"),
        (seal(PAYLOAD, version=2), UnknownVersion, "upgrade edgetwin"),
        (seal(PAYLOAD, version=0), UnknownVersion, "no bundle format 0"),
        (seal(PAYLOAD, flags=1), ImpossibleField, "header"),
        (seal(PAYLOAD[:-1]), ImpossibleField, "header"),
        (seal(PAYLOAD, identity=1), WrongId, "content id"),
        (seal(PAYLOAD, kind=2), WrongKind, "a model"),
        (seal(PAYLOAD, kind=77), WrongKind, "kind 77"),
        (seal(PAYLOAD, kind=3), WrongKind, "a recording"),
        (seal(PAYLOAD[:48]), Truncated, "last section"),
        (seal(b""), Truncated, "last section"),
        (seal(PAYLOAD)[:-1] + b"\xff", Corrupted, "CRC-32"),
    ],
)
def test_each_fault_has_its_name(bundle: bytes, error: type[BundleError], message: str) -> None:
    with pytest.raises(error, match=message):
        DictionaryBundle.from_bytes(bundle)
    assert core_status(bundle) == error.status


@settings(max_examples=300, deadline=None)
@given(
    atom_type=st.sampled_from(ATOM_TYPES),
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=3),
    cut=st.integers(0, 6),
)
def test_any_sealed_payload_has_the_board_s_verdict(atom_type: str, edits: list[tuple[float, int]], cut: int) -> None:
    payload = bytearray(small_bundle(atom_type).to_bytes()[32:])
    metadata = payload.index(b"\xa2enames")
    for place, value in edits:
        # Half of the edits in the fields, the rest in the tables and atoms; boards do not look at the metadata.
        payload[int(place * 32) if place < 0.5 else int((2 * place - 1) * metadata)] = value
    if cut > 3:
        del payload[16 * (cut - 3) :]
    sealed = seal(bytes(payload))
    try:
        DictionaryBundle.from_bytes(sealed)
        verdict = 0
    except BundleError as error:
        verdict = error.status
        if "metadata" in str(error):
            # An edit moved the sections; the board does not look at the last one, and the atoms come after it.
            assert core_status(sealed) in (0, NotNormalised.status)
            return
    assert verdict == core_status(sealed)


def coded_bundle(kinds: tuple[str, ...] = KINDS[:3], atom_type: str = "int8") -> DictionaryBundle:
    """The small bundle with the entropy codec, as training makes its tables."""
    runs = np.cumsum(np.random.default_rng(1).standard_normal((40, 4, 6)), axis=1).astype(np.float32)
    plan = CodecPlan(kinds=kinds, windows=4)
    return with_codec(small_bundle(atom_type), runs, plan, np.arange(40) % 5 == 4)[0]


@pytest.mark.parametrize("kinds", [KINDS[:1], KINDS[1:2], KINDS[2:3], KINDS[:3]])
def test_a_bundle_with_a_codec_comes_back_from_its_bytes(kinds: tuple[str, ...]) -> None:
    bundle = coded_bundle(kinds)
    again = DictionaryBundle.from_bytes(bundle.to_bytes())
    assert again.to_bytes() == bundle.to_bytes()
    assert again.id == bundle.id == core.Dictionary(bundle.to_bytes()).id
    assert again.tables is not None and again.tables.kinds == sum(1 << KINDS.index(kind) for kind in kinds)
    assert again.metadata == bundle.metadata


def test_a_codec_cut_between_or_inside_its_tables_is_refused_as_the_board_refuses_it() -> None:
    payload = coded_bundle().to_bytes()[32:]
    metadata = payload.index(b"\xa2enames")
    for length in range(0, metadata, 16):
        sealed = seal(payload[:length])
        assert python_status(sealed) == core_status(sealed) == Truncated.status, length


@settings(max_examples=200, deadline=None)
@given(edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=3))
def test_a_codec_that_the_board_takes_is_read_and_written(edits: list[tuple[float, int]]) -> None:
    """And what the host's reader refuses, the board refuses for the same reason."""
    payload = bytearray(CODED)
    for place, value in edits:
        payload[CODEC_AT + int(place**2 * (CODED.index(b"\xa2enames") - CODEC_AT))] = value
    sealed = seal(bytes(payload))
    verdict = core_status(sealed)
    if verdict != 0:
        assert python_status(sealed) in (0, verdict)  # tables of parts are the core's to check
    else:
        assert core_status(DictionaryBundle.from_bytes(sealed).to_bytes()) == 0


CODED = coded_bundle().to_bytes()[32:]
#: Behind fields, offsets and gains, scales, and atoms.
CODEC_AT = 16 + 16 + 16 + 32 + 48


@pytest.mark.parametrize("deviation", [9.8e-5, -9.8e-5, 1.02e-4, -1.02e-4])
def test_the_norm_s_tolerance_is_the_board_s(deviation: float) -> None:
    atoms = unit_atoms(3, 6) * np.float32(np.sqrt(1 + deviation))
    payload = bytearray(small_bundle("float32", n=3).to_bytes()[32:])
    payload[48 : 48 + atoms.nbytes] = atoms.tobytes()
    sealed = seal(bytes(payload))
    assert python_status(sealed) == core_status(sealed) == (0 if abs(deviation) < 1e-4 else NotNormalised.status)


@pytest.mark.parametrize(
    "metadata",
    [
        b"\x01",  # not a map
        b"\xa1\x01\x02",  # a key that is not text
        b"\xa1\x61a\xc1\x00",  # a tag
        b"\xa1\x6eaaaaaaaaaaaaaa",  # cut
        b"\x81" * 200,  # nested
        b"\xa1\x61a\xd8\x1d\x00",  # a shared reference
        b"\xa0\x01",  # bytes after it
        b"\xa0" + bytes(31),  # padding longer than it needs
        b"\xbf" + b"\x61a" * 4,  # no end
        b"\xa1\x61a\x5b\xff\xff\xff\xff\xff\xff\xff\xff",  # 2^64 bytes
        b"\xa1\x61a\x9b\xff\xff\xff\xff\xff\xff\xff\xff",  # 2^64 items
        b"\xa1\x61a\x61\xff",  # text that is not UTF-8
        b"\xa1\x61a\xf7",  # undefined
    ],
)
def test_metadata_that_are_not_a_plain_map_are_refused(metadata: bytes) -> None:
    payload = PAYLOAD[: PAYLOAD.index(b"\xa2enames")] + metadata
    with pytest.raises(ImpossibleField):
        DictionaryBundle.from_bytes(seal(payload + bytes(-len(payload) % 16)))


def test_a_bundle_without_metadata_has_none() -> None:
    assert DictionaryBundle.from_bytes(seal(PAYLOAD[: PAYLOAD.index(b"\xa2enames")])).metadata == {}


def test_files_are_whole_and_named_in_errors(tmp_path: Path) -> None:
    bundle, path = small_bundle(), tmp_path / "new" / "D.etd"
    bundle.save(path)
    assert path.read_bytes() == bundle.to_bytes()
    assert [entry.name for entry in path.parent.iterdir()] == ["D.etd"]
    assert DictionaryBundle.load(path).id == bundle.id
    path.write_bytes(bundle.to_bytes()[:100])
    with pytest.raises(Truncated, match=r"D\.etd"):
        DictionaryBundle.load(path)
    with pytest.raises(UserError, match="cannot read"):
        DictionaryBundle.load(tmp_path / "none.etd")
    with pytest.raises(UserError, match="cannot read"):
        DictionaryBundle.load(tmp_path)
    with pytest.raises(UserError, match="cannot write"):
        bundle.save(path / "below-a-file.etd")


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (4, 4)])
def test_a_recording_comes_back_with_its_nan(tmp_path: Path, shape: tuple[int, int]) -> None:
    samples = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    samples[0, 0] = np.nan
    recording = RecordingBundle(samples)
    payload = struct.pack("<IHHQ", *shape, 0, 0) + samples.tobytes()
    assert recording.to_bytes() == seal(payload + bytes(-len(payload) % 16), kind=3)
    recording.save(tmp_path / "a.etr")
    again = RecordingBundle.load(tmp_path / "a.etr")
    np.testing.assert_array_equal(again.samples, samples)
    assert again.id == recording.id


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (struct.pack("<IHHQ", 0, 3, 0, 0), ImpossibleField),
        (struct.pack("<IHHQ", 3, 0, 0, 0), ImpossibleField),
        (struct.pack("<IHHQ", 1, 1, 1, 0) + bytes(16), ImpossibleField),
        (struct.pack("<IHHQ", 1, 1, 0, 1) + bytes(16), ImpossibleField),
        (struct.pack("<IHHQ", 0xFFFFFFFF, 0xFFFF, 0, 0) + bytes(16), Truncated),
        (struct.pack("<IHHQ", 2, 3, 0, 0) + bytes(16), Truncated),
        (b"", Truncated),
    ],
)
def test_a_recording_that_cannot_be_is_refused(payload: bytes, error: type[BundleError]) -> None:
    with pytest.raises(error):
        RecordingBundle.from_bytes(wrap(Kind.RECORDING, payload))


def test_samples_that_are_no_recording_are_refused() -> None:
    for samples in (np.zeros((0, 3), np.float32), np.zeros(3, np.float32), np.zeros((3, 3))):
        with pytest.raises(ImpossibleField, match="float32"):
            RecordingBundle(samples)
