"""The twin: reconstruction, error and proof against formulas written out here."""

from __future__ import annotations

import numpy as np
import pytest

from edgetwin.deploy import DictionaryBundle
from edgetwin.link import CodeFrame, Status
from edgetwin.link.frame import Frame, FrameType, encode
from edgetwin.signals import ChannelScaling
from edgetwin.twin import Twin, compare
from edgetwin.twin.collect import Received, collect
from edgetwin.twin.reconstruct import nrmse
from edgetwin.twin.report import write_report
from edgetwin.twin.validate import differing_bits
from edgetwin.twin.wire import measure


@pytest.fixture(scope="module")
def bundle():
    rng = np.random.default_rng(0)
    atoms = rng.standard_normal((40, 24)).astype(np.float32)
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    scaling = ChannelScaling(np.float32([20, 1013, -5]), np.float32([0.5, 0.01, 2]))
    return DictionaryBundle.from_components(
        atoms, s=5, atom_type="float32", scaling=scaling, coefficient_bits=32, metadata={}
    )


def test_a_signal_made_of_few_atoms_comes_back_in_the_sensors_units(bundle):
    rng = np.random.default_rng(1)
    codes = np.zeros((50, 40), np.float32)
    for row in codes:
        row[rng.choice(40, 3, replace=False)] = rng.uniform(1, 3, 3)
    offsets, gains = np.tile(bundle.offsets, 8), np.tile(bundle.gains, 8)
    raw = (codes @ bundle.dequantised()) / gains + offsets
    twin = Twin(bundle)
    made = twin.reconstruct(twin.encode(raw.astype(np.float32)))
    np.testing.assert_allclose(made.signals, raw, atol=2e-3)  # float32 around 1013
    assert made.triplet_bytes == 12 * 5 * 50


def test_codes_that_are_missing_or_broken_are_rows_of_nan(bundle):
    twin = Twin(bundle)
    signals = np.random.default_rng(2).standard_normal((4, 24)).astype(np.float32) + 20
    codes = twin.encode(signals)
    codes[1], codes[2] = None, codes[2][:-1]
    made = twin.reconstruct(codes).signals
    assert np.isnan(made[[1, 2]]).all()
    assert np.isfinite(made[[0, 3]]).all()


def test_a_signal_with_nan_has_no_code(bundle):
    signals = np.full((2, 24), 20, np.float32)
    signals[0, 5] = np.nan
    codes = Twin(bundle).encode(signals)
    assert codes[0] is None
    assert codes[1]


def test_nrmse_is_the_textbook_formula():
    y = np.float32([[1, 10], [3, 30]])
    z = np.float32([[1, 10], [2, 30]])
    assert nrmse(y, y, 2) == 0
    assert nrmse(y, np.float32([[2, 20], [2, 20]]), 2) == pytest.approx(1)
    assert nrmse(y, z, 2) == pytest.approx(1 / np.sqrt(1 + 1 + 100 + 100))
    assert nrmse(np.ones((2, 2), np.float32), np.ones((2, 2), np.float32), 2) == 0
    assert nrmse(np.ones((2, 2), np.float32), np.zeros((2, 2), np.float32), 2) == np.inf
    z[0, 0] = np.nan
    assert nrmse(y, z, 2) == np.inf, "one row is left: it has no spread, and is not reproduced"


def frames_of(twin, signals, counts):
    """What a board would yield: packets of `counts` windows, or one missing range (a negative count)."""
    frames, first = [], 0
    for count in counts:
        windows = signals[first : first + abs(count)]
        packets, status = twin.core.encode_packets(windows, [len(windows)])
        if count < 0:
            frames.append(CodeFrame(first, None, windows=-count))
        elif status.any():
            frames.append(CodeFrame(first, int(status[0])))
        else:
            frames.append(CodeFrame(first, 0, packets[0], count, wire_bytes=100))
        first += abs(count)
    return frames


@pytest.fixture(scope="module")
def twin(bundle):
    return Twin(bundle)


@pytest.fixture(scope="module")
def signals():
    made = np.random.default_rng(2).standard_normal((20, 24)).astype(np.float32) + 20
    made[9, 3] = np.nan
    return made


COUNTS = [5, 1, 3, 1, -6, 4]  # the window with NaN alone, and six that are missing


def test_packets_are_gathered_with_what_they_hold(twin, signals):
    seen = []
    received = collect(frames_of(twin, signals, COUNTS), seen.append)
    assert seen == received.counts == [5, 1, 3, 1, 6, 4]
    assert [packet is None for packet in received.packets] == [False, False, False, True, True, False]
    assert received.lost == [False, False, False, False, True, False]
    assert (received.missing, received.refused, received.wire_bytes) == (6, 1, 400)
    assert received.refusal == "window 9: the signal holds NaN or infinity"


def test_windows_of_packets_come_back_in_their_places(twin, signals):
    received = collect(frames_of(twin, signals, COUNTS))
    made = twin.reconstruct(received.packets, received.counts).signals
    alone = twin.reconstruct(twin.encode(signals)).signals
    lost = np.r_[9:16]
    assert np.isnan(made[lost]).all()
    np.testing.assert_array_equal(np.delete(made, lost, axis=0), np.delete(alone, lost, axis=0))


def test_differing_bits_count_each_bit_and_every_bit_of_what_is_longer():
    assert differing_bits(b"\x0f\x01", b"\x0f\x01") == 0
    assert differing_bits(b"\x0f\x01", b"\x0e\x03") == 2
    assert differing_bits(b"\x0f", b"\x0f\x00") == 8
    assert differing_bits(None, None) == 0
    assert differing_bits(None, b"a") == differing_bits(b"a", None) == 8
    assert differing_bits(None, b"") == 1, "a refused window is not one whose code takes no bytes"


def test_a_comparison_names_the_first_difference_and_the_missing(twin, signals):
    received = collect(frames_of(twin, signals, COUNTS))
    comparison = compare(received, twin.core, signals)
    assert (comparison.signals, comparison.differing_bits, comparison.missing, comparison.first) == (20, 0, 6, None)
    assert not comparison.exact
    flipped = bytearray(received.packets[2])
    flipped[-1] ^= 0x81
    received.packets[2] = bytes(flipped)
    comparison = compare(received, twin.core, signals)
    assert (comparison.differing_bits, comparison.first) == (2, 6)
    assert compare(collect(frames_of(twin, signals, [9, 1, 10])), twin.core, signals).exact
    with pytest.raises(ValueError, match="20 windows"):
        compare(received, twin.core, signals[1:])


def test_a_window_that_only_one_side_refuses_differs(twin, signals):
    refused = Received([None], [1], [False], 1, "window 0", 0, 0.0)
    assert compare(refused, twin.core, signals[9:10]).exact
    assert compare(refused, twin.core, signals[:1]).differing_bits > 0
    coded = Received(twin.core.encode_packets(signals[8:9], [1])[0], [2], [False], 0, None, 0, 0.0)
    assert compare(coded, twin.core, signals[8:10]).first == 0, "the host refuses one of the two"
    nothing = Received([], [], [], 0, None, 0, 0.0)
    assert compare(nothing, twin.core, signals[:0]).exact


def test_figures_on_the_wire_are_those_of_the_frames(twin, signals):
    for batch in (1, 3, 20):
        packets, frames, first = [], [], 0
        while first < len(signals):
            windows = signals[first : first + batch]
            packet, status = twin.core.encode_packets(windows, [len(windows)])
            refused = [code_head(Status.NOT_FINITE, 1)] * int((status != 0).sum())
            good = int((status == 0).sum())
            frames += [*refused, *([code_head(0, good) + packet[0]] if good else [])]
            packets += packet
            first += batch
        found = measure(twin, signals, batch=batch)
        assert found.signals == 20
        assert found.code_bytes == pytest.approx(sum(map(len, packets)) / 20)
        sent = sum(len(encode(Frame(FrameType.CODE, payload, 1))) for payload in frames)
        assert found.sent_bytes == pytest.approx(sent / 20)
        finite = np.delete(signals, 9, axis=0)
        assert found.nrmse == pytest.approx(twin.nrmse(finite, twin.reconstruct(twin.encode(finite)).signals))
        decoded = twin.core.decode(twin.core.encode(finite)[0], np.ones(len(finite), int))
        assert found.usage.sum() * 20 == decoded.atoms.sum()
        assert sum(found.kinds.values()) * 20 == pytest.approx(len(finite))


def code_head(status, windows):
    """Window, status, backlog, windows (PROTOCOL.md)."""
    return bytes([7, 0, 0, 0, status, 0, windows])


def test_the_report_is_one_page_without_links_to_elsewhere(tmp_path):
    rng = np.random.default_rng(3)
    raw = rng.standard_normal((30, 8)).astype(np.float32)
    made = raw + np.float32(0.1)
    made[4] = np.nan
    write_report(tmp_path / "new" / "r.html", "A <title>", "text", {"bits": "0"}, raw, made, ["a", "b & c"])
    page = (tmp_path / "new" / "r.html").read_text()
    assert "A &lt;title&gt;" in page
    assert page.count("<svg") == 2
    assert "<script" not in page
    assert 'src="' not in page
