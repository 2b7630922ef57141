"""Compressed files: what goes in comes out, and nothing that is damaged passes for whole."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from edgetwin.core import Dictionary
from edgetwin.data import load_asd
from edgetwin.deploy.archive import ArchiveError
from edgetwin.deploy.archive_reader import ArchiveReader
from edgetwin.deploy.compress import compress, is_lossless, learn_for
from edgetwin.deploy.decompress import decompress, lost_rows
from edgetwin.deploy.learning import LearningPlan
from edgetwin.deploy.sample_files import check_distinct, in_type, open_samples, writing_rows
from edgetwin.errors import UserError
from edgetwin.files import writing
from edgetwin.twin.reconstruct import nrmse


@pytest.fixture(scope="module")
def telemetry():
    return load_asd().train


@pytest.fixture(scope="module")
def dictionary(telemetry, tmp_path_factory):
    """Of two channels in windows of 16 rows, coded by DCT."""
    path = tmp_path_factory.mktemp("dictionary") / "learn.npy"
    np.save(path, telemetry[:, :2])
    plan = LearningPlan(window=16, target_nrmse=0.05, codec="dct", batch=8)
    return learn_for(open_samples(path), plan)


def packed(path, array, bundle, **options):
    """The bytes of an array's compressed file, and what is said of it."""
    np.save(path / "in.npy", array)
    figures = compress(open_samples(path / "in.npy"), bundle, path / "out.etc", **options)
    return (path / "out.etc").read_bytes(), figures


def unpacked(path, content, bundle=None, **options):
    """The array of a compressed file, and what is said of it."""
    (path / "back.etc").write_bytes(content)
    with ArchiveReader(path / "back.etc") as archive:
        rows = []
        found = archive.dictionary() if bundle is None else bundle
        figures = decompress(archive, found, rows.append, **options)
        return np.concatenate(rows, dtype=rows[0].dtype).reshape(archive.header.shape), figures


@pytest.fixture(scope="module")
def small(telemetry, dictionary, tmp_path_factory):
    """A file of 62 windows in blocks of 8, one window with NaN, a tail of 11 rows: its bytes and what it gives back."""
    path = tmp_path_factory.mktemp("small")
    array = telemetry[:1003, :2].copy()
    array[300] = np.nan
    content, _ = packed(path, array, dictionary, batch=8)
    return array, content, unpacked(path, content)[0]


@pytest.fixture(scope="module", params=["dct", "dpcm", "sparse", "auto"])
def learned(request, telemetry, tmp_path_factory):
    path = tmp_path_factory.mktemp("learned") / "in.npy"
    np.save(path, telemetry)
    plan = LearningPlan(n_components=128, max_iter=3, target_nrmse=0.2, codec=request.param)
    return learn_for(open_samples(path), plan)


def test_every_codec_reaches_its_error_on_telemetry(learned, telemetry, tmp_path):
    content, figures = packed(tmp_path, telemetry, learned)
    back, _ = unpacked(tmp_path, content)
    gains = learned.gains.astype(np.float64)
    assert back.dtype == telemetry.dtype
    assert figures.nrmse == pytest.approx(nrmse(telemetry * gains, back * gains, telemetry.shape[1]), rel=1e-4)
    assert figures.nrmse < 0.21
    assert figures.bytes_out == len(content)
    assert figures.ratio > 10
    assert sum(figures.kinds.values()) == pytest.approx(1)


@pytest.mark.parametrize("codec", ["dct", "dpcm", "sparse", "auto"])
def test_one_channel_comes_back_by_every_codec(codec, telemetry, tmp_path):
    """In windows of 64 samples, whose means are coded apart."""
    array = telemetry[:, 3]
    np.save(tmp_path / "in.npy", array)
    plan = LearningPlan(n_components=64, max_iter=3, target_nrmse=0.3, codec=codec)
    content, figures = packed(tmp_path, array, learn_for(open_samples(tmp_path / "in.npy"), plan))
    assert nrmse(array[:, None], unpacked(tmp_path, content)[0][:, None], 1) == pytest.approx(figures.nrmse, rel=0.02)
    assert figures.nrmse <= 0.3


def test_blocks_hold_what_the_core_packs(telemetry, dictionary, tmp_path):
    """Packets are those of a board that sends `batch` windows in each, and their bytes all that grows."""
    array = telemetry[: 16 * 100, :2]
    content, figures = packed(tmp_path, array, dictionary, batch=64, inside=False)
    packets, _ = Dictionary(dictionary.to_bytes()).encode_packets(array.reshape(100, 32), [64, 36])
    blocks = [bytes([1, count]) + _varint(packet) + packet for count, packet in zip((64, 36), packets, strict=True)]
    text_bytes, dictionary_bytes, identity = struct.unpack_from("<IIQ", content, 8)
    assert (dictionary_bytes, identity) == (0, dictionary.id)
    head = content[: 28 + text_bytes]
    assert struct.unpack("<I", head[24:28])[0] == zlib.crc32(head[:24] + head[28:])
    expected = head
    for window, block in zip((0, 64, 100), [*blocks, b"\0\0\0"], strict=True):
        expected += block + struct.pack("<I", zlib.crc32(head + block) ^ window)
    assert content == expected
    assert figures.dictionary_bytes == 0


def _varint(payload):
    low, high = len(payload) & 0x7F, len(payload) >> 7
    return bytes([low | 0x80, high]) if high else bytes([low])


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2", "<i2", ">i2", "<i4", "<i8", "<u8", "|u1", "|i1", "|b1"])
@pytest.mark.parametrize("shape", [(640,), (320, 2), (20, 4, 8)])
def test_type_and_shape_come_back(dtype, shape, telemetry, tmp_path):
    """The error is that of the codec and of the type's own rounding."""
    scale = 100 if np.dtype(dtype).kind in "iu" else 1
    array = (telemetry[:640, 0].reshape(shape) * scale).astype(dtype)
    np.save(tmp_path / "in.npy", array)
    source = open_samples(tmp_path / "in.npy")
    bundle = learn_for(source, LearningPlan(target_nrmse=0.02, codec="dct"))
    content, _ = packed(tmp_path, array, bundle)
    back, _ = unpacked(tmp_path, content)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    if array.dtype.kind != "b":
        exact = array.astype(np.float64)
        assert np.sqrt(np.mean((back - exact) ** 2)) < 0.05 * exact.std() + 0.5 * (scale > 1)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "i8", "f4", "f8"])
def test_integers_without_loss(dtype, telemetry, tmp_path):
    array = np.rint(telemetry[:1000, :3] * 120).astype(dtype)
    if array.dtype.itemsize >= 4:
        array[17, 1], array[18, 2] = 2**23, -(2**23)
    np.save(tmp_path / "in.npy", array)
    bundle = learn_for(open_samples(tmp_path / "in.npy"), LearningPlan(codec="lossless"))
    assert is_lossless(bundle)
    content, figures = packed(tmp_path, array, bundle, lossless=True)
    back, _ = unpacked(tmp_path, content)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)
    assert figures.nrmse == 0


@pytest.mark.parametrize(("value", "shown"), [(2**23 + 1, "8388609"), (0.5, "0.5")])
def test_what_cannot_come_back_without_loss_is_refused_by_name(value, shown, telemetry, tmp_path):
    array = np.rint(telemetry[:1000, :3] * 120).astype(np.float64)
    np.save(tmp_path / "in.npy", array)
    bundle = learn_for(open_samples(tmp_path / "in.npy"), LearningPlan(codec="lossless"))
    array[700, 1] = value
    with pytest.raises(UserError, match=rf"row 701, column 2 \(channel_2\) is {shown}.*--target-nrmse"):
        packed(tmp_path, array, bundle, lossless=True)
    assert not (tmp_path / "out.etc").exists()


def test_negative_zero_comes_back_without_loss(telemetry, tmp_path):
    array = np.rint(telemetry[:640, 0] * 120)
    array[100] = -0.0
    np.save(tmp_path / "in.npy", array)
    bundle = learn_for(open_samples(tmp_path / "in.npy"), LearningPlan(codec="lossless"))
    back, _ = unpacked(tmp_path, packed(tmp_path, array, bundle, lossless=True)[0])
    assert back.tobytes() == array.tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_windows_that_are_not_finite_and_the_tail_come_back_bit_for_bit(dtype, telemetry, dictionary, tmp_path):
    array = telemetry[:1003, :2].astype(dtype)
    array[300, 1], array[320:400, 0], array[500, 0] = np.nan, -np.inf, np.inf
    if dtype is np.float64:
        array[800, 0] = 1e300  # no float32
    raw = {300 // 16, *range(320 // 16, 400 // 16), 500 // 16} | ({800 // 16} if dtype is np.float64 else set())
    content, figures = packed(tmp_path, array, dictionary, batch=8)
    back, _ = unpacked(tmp_path, content)
    for window in raw:
        assert back[16 * window : 16 * window + 16].tobytes() == array[16 * window : 16 * window + 16].tobytes()
    assert back[992:].tobytes() == array[992:].tobytes()
    others = np.setdiff1d(np.arange(62), sorted(raw))
    assert np.isfinite(back[:992].reshape(62, -1)[others]).all()
    assert figures.kinds["raw"] == pytest.approx(len(raw) / 62)


@pytest.mark.parametrize("array", [np.arange(5.0), np.full((500, 2), np.nan), np.ones((1, 19), np.int16)])
def test_a_file_without_a_window_to_learn_from_is_kept_as_it_is(array, tmp_path):
    np.save(tmp_path / "in.npy", array)
    assert learn_for(open_samples(tmp_path / "in.npy"), LearningPlan(target_nrmse=0.05)) is None
    content, _ = packed(tmp_path, array, None)
    back, _ = unpacked(tmp_path, content)
    assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())


def test_a_constant_file_takes_next_to_nothing(tmp_path):
    array = np.full((6400, 2), 7.5, np.float32)
    np.save(tmp_path / "in.npy", array)
    bundle = learn_for(open_samples(tmp_path / "in.npy"), LearningPlan(target_nrmse=0.05, codec="dct"))
    content, figures = packed(tmp_path, array, bundle)
    np.testing.assert_allclose(unpacked(tmp_path, content)[0], array, rtol=1e-6)
    assert figures.bytes_out - figures.dictionary_bytes < 200


def test_packets_do_not_depend_on_the_chunks_they_are_coded_in(telemetry, dictionary, tmp_path, monkeypatch):
    array = telemetry[:, :2].copy()
    array[3000:3010] = np.nan
    at_once, _ = packed(tmp_path, array, dictionary)
    monkeypatch.setattr("edgetwin.deploy.compress._CHUNK_SAMPLES", 1)
    monkeypatch.setattr("edgetwin.deploy.decompress._CHUNK_SAMPLES", 1)
    bit_by_bit, _ = packed(tmp_path, array, dictionary)
    assert bit_by_bit == at_once


def test_every_cut_is_noticed(small, tmp_path):
    _, content, _ = small
    for size in range(len(content)):
        with pytest.raises(ArchiveError, match=r"cut|empty|corrupted in its header"):
            unpacked(tmp_path, content[:size])


def test_every_flipped_bit_is_noticed_and_costs_its_own_block_alone(small, tmp_path):
    """Of the blocks: nothing that comes back is wrong, and at most two blocks of 8 windows are missing."""
    _, content, back = small
    text_bytes, dictionary_bytes = struct.unpack_from("<II", content, 8)
    blocks, harmless = 28 + text_bytes + dictionary_bytes, 0
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        if blocks - dictionary_bytes <= place < blocks:
            # A few bits of a deflated stream mean nothing; what it inflates to has its own CRC.
            try:
                assert unpacked(tmp_path, damaged)[0].tobytes() == back.tobytes()
                harmless += 1
            except ArchiveError:
                pass
            continue
        with pytest.raises(ArchiveError):
            unpacked(tmp_path, damaged)
        if place < blocks:
            continue
        recovered, figures = unpacked(tmp_path, damaged, recover=True)
        lost = np.isnan(recovered).all(axis=1) & ~np.isnan(back).all(axis=1)
        assert recovered[~lost].tobytes() == back[~lost].tobytes()
        assert lost.sum() <= figures.lost <= 16 * 8
    assert harmless <= 4


def test_what_is_whole_of_a_cut_file_is_recovered(small, tmp_path):
    _, content, back = small
    recovered, figures = unpacked(tmp_path, content[: len(content) - 300], recover=True)
    kept = len(back) - figures.lost
    assert 600 < kept < 1003
    assert recovered[:kept].tobytes() == back[:kept].tobytes()
    assert np.isnan(recovered[kept:]).all()


def _blocks(content, tmp_path):
    (tmp_path / "whole.etc").write_bytes(content)
    with ArchiveReader(tmp_path / "whole.etc") as archive:
        return [(block.offset, block.end) for block in archive.blocks()]


def test_a_block_that_is_lost_or_out_of_place_is_noticed_and_the_others_recovered(small, tmp_path):
    _, content, back = small
    (start, middle), (_, end), *_ = _blocks(content, tmp_path)
    dropped = content[:start] + content[middle:]
    swapped = content[:start] + content[middle:end] + content[start:middle] + content[end:]
    for damaged in (dropped, swapped):
        with pytest.raises(ArchiveError, match=f"block 1 at byte {start} is corrupted"):
            unpacked(tmp_path, damaged)
    recovered, figures = unpacked(tmp_path, dropped, recover=True)
    assert figures.lost == 8 * 16
    assert np.isnan(recovered[:128]).all()
    assert recovered[128:].tobytes() == back[128:].tobytes()


def test_blocks_of_another_file_do_not_fit(small, telemetry, dictionary, tmp_path):
    """Of the same dictionary, at the same place."""
    _, content, _ = small
    other, _ = packed(tmp_path, telemetry[2000:3200, :2], dictionary, batch=8)
    (start, end), *_ = _blocks(content, tmp_path)
    (other_start, other_end), *_ = _blocks(other, tmp_path)
    with pytest.raises(ArchiveError, match="block 1 at byte"):
        unpacked(tmp_path, content[:start] + other[other_start:other_end] + content[end:])


def test_bytes_after_the_end_are_noticed(small, tmp_path):
    with pytest.raises(ArchiveError, match="1 bytes after its end"):
        unpacked(tmp_path, small[1] + b"\0")


def test_a_newer_format_and_other_files_are_refused(small, tmp_path):
    newer = bytearray(small[1])
    newer[4] = 2
    with pytest.raises(ArchiveError, match="format 2, this edgetwin reads 1: upgrade"):
        unpacked(tmp_path, newer)
    with pytest.raises(ArchiveError, match="not a compressed file"):
        unpacked(tmp_path, b"\x93NUMPY" + bytes(200))
    with pytest.raises(UserError, match="No such file"):
        ArchiveReader(tmp_path / "missing.etc")
    with pytest.raises(ArchiveError, match="a folder"):
        ArchiveReader(tmp_path)


@pytest.mark.parametrize(
    "metadata",
    [
        {"shape": [0], "dtype": "<f4"},
        {"shape": [2**60, 2**60], "dtype": "<f4"},
        {"shape": [10, 2**47], "dtype": "<f4", "window": 1},
        {"shape": 5, "dtype": "<f4"},
        {"shape": [5], "dtype": "O"},
        {"shape": [5], "dtype": "<f4", "window": -1},
        {"shape": [5], "dtype": "<f4", "names": [1]},
        {"shape": [2**40], "dtype": "<f4"},
        {},
    ],
)
def test_hostile_headers_are_refused(metadata, tmp_path):
    """Their CRC-32 is good: whoever made them meant it."""
    import cbor2

    text = cbor2.dumps(metadata)
    fixed = struct.pack("<4sHHIIQ", b"ETCF", 1, 0, len(text), 0, 0)
    (tmp_path / "hostile.etc").write_bytes(fixed + struct.pack("<I", zlib.crc32(fixed + text)) + text + bytes(50))
    with pytest.raises(ArchiveError, match=r"header|cut"):
        ArchiveReader(tmp_path / "hostile.etc")


def test_a_dictionary_beside_must_be_there_and_the_right_one(telemetry, dictionary, tmp_path):
    array = telemetry[:640, :2]
    content, _ = packed(tmp_path, array, dictionary, inside=False)
    (tmp_path / "beside.etc").write_bytes(content)
    np.save(tmp_path / "other.npy", telemetry[:640, 2:4])
    foreign = learn_for(open_samples(tmp_path / "other.npy"), LearningPlan(target_nrmse=0.1, codec="dct", window=16))
    foreign.save(tmp_path / "foreign.etd")
    dictionary.save(tmp_path / "right.etd")
    with ArchiveReader(tmp_path / "beside.etc") as archive:
        with pytest.raises(ArchiveError, match=f"{dictionary.id:016x}, is not in it: give it with --dictionary"):
            archive.dictionary()
        with pytest.raises(ArchiveError, match=f"made with dictionary {dictionary.id:016x}, .* is {foreign.id:016x}"):
            archive.dictionary(tmp_path / "foreign.etd")
        assert archive.dictionary(tmp_path / "right.etd").id == dictionary.id
        assert lost_rows(archive) == 0


def test_columns_that_are_not_the_dictionarys_are_refused(telemetry, dictionary, tmp_path):
    with pytest.raises(UserError, match="the file has 3 columns; the dictionary takes 2 channels"):
        packed(tmp_path, telemetry[:640, :3], dictionary)
    with pytest.raises(UserError, match="cannot be compressed: convert"):
        packed(tmp_path, telemetry[:640, :2].astype(np.longdouble), dictionary)


def test_csv_goes_in_and_out_with_its_names(telemetry, tmp_path):
    table = np.rint(telemetry[:320, :2] * 100)
    (tmp_path / "in.csv").write_text('load,"disk, free"\n' + "\n".join(f"{a:.0f},{b:.0f}" for a, b in table) + "\n")
    source = open_samples(tmp_path / "in.csv", integers=True)
    compress(source, learn_for(source, LearningPlan(codec="lossless")), tmp_path / "out.etc", lossless=True)
    with ArchiveReader(tmp_path / "out.etc") as archive:
        header = archive.header
        assert (header.names, header.dtype) == (("load", "disk, free"), np.int32)
        with writing_rows(tmp_path / "back.csv", header.shape, header.dtype, header.names) as write:
            decompress(archive, archive.dictionary(), write)
    assert (tmp_path / "back.csv").read_text() == (tmp_path / "in.csv").read_text()


def test_samples_are_held_within_their_type():
    values = np.array([-1e30, -129, -128.4, 1.5, 127.4, 128, 1e30], np.float32)
    np.testing.assert_array_equal(in_type(values, np.dtype("i1")), [-128, -128, -128, 2, 127, 127, 127])
    assert in_type(values, np.dtype("u8")).tolist() == [0, 0, 0, 2, 127, 128, 2**64 - 1]
    assert in_type(values, np.dtype("i8")).tolist()[0] == -(2**63)


def test_a_full_disk_leaves_the_old_file(tmp_path):
    (tmp_path / "out.etc").write_bytes(b"old")

    def fill():
        with writing(tmp_path / "out.etc") as file:
            file.write(b"new")
            raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match=r"cannot write .*out\.etc: No space left"):
        fill()
    assert [path.name for path in tmp_path.iterdir()] == ["out.etc"]
    assert (tmp_path / "out.etc").read_bytes() == b"old"


def test_no_file_is_written_over_its_input(tmp_path):
    (tmp_path / "in.npy").write_bytes(b"x")
    (tmp_path / "link.npy").symlink_to(tmp_path / "in.npy")
    for output in ("in.npy", "link.npy"):
        with pytest.raises(UserError, match="would be one file"):
            check_distinct(tmp_path / "in.npy", tmp_path / output)
