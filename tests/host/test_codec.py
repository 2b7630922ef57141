"""Packets: what the core writes, a second reader finds (packet_oracle.py), and nothing but the asked error is lost."""

from __future__ import annotations

import ctypes
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.fft
from hypothesis import given, settings
from hypothesis import strategies as st

from edgetwin.boards.registry import sources
from edgetwin.codec import CodecTables, DctTables, SparseTables
from edgetwin.codec.tables import BUCKETS, SYMBOLS, cosines, parts_of
from edgetwin.core import KINDS, CoreError, Dictionary
from edgetwin.deploy import DictionaryBundle
from edgetwin.deploy.container import Kind, wrap
from edgetwin.signals import ChannelScaling

sys.path.insert(0, str(Path(__file__).resolve().parent))
from packet_oracle import Bits, PacketOracle  # it lies beside this file, in no package

SPARSE, DCT, DPCM, RAW = range(4)
CODED = ("sparse", "dct", "dpcm")
STEP = 1 / 16


def some_parts(rng: np.random.Generator, *shape: int, skew: tuple[int, ...] = (1, 4, 40)) -> np.ndarray:
    """Tables of any skew: from flat to nearly certain."""
    return parts_of(rng.random(shape) ** rng.choice(skew))


def some_tables(
    rng: np.random.Generator, n: int, k: int, length: int, kinds=CODED, order=None, step=STEP, **fields
) -> CodecTables:
    """Tables that a bundle may hold, drawn at random."""
    order = int(rng.integers(9)) if order is None else order
    weights = np.full((5, 4), -1.0)
    weights[:, [KINDS.index(kind) for kind in kinds]] = rng.random((5, len(kinds))) + 0.01
    weights[:, RAW] = 0.001
    survival = np.minimum(np.cumsum(rng.integers(0, 3000, n + 1)), 65535)
    chosen = {
        "least": 0.0,
        "energy_per_bit": float(step**2 * rng.choice([0, 0.1, 1])),
        "rounding": int(rng.integers(256)),
        "centred": bool(rng.integers(2)),
        "chained": bool(rng.integers(2)),
        **fields,
    }
    first, later, dpcm_first, dpcm_later = (int(value) for value in rng.integers(0, 500, 4))
    return CodecTables(
        steps=(step, step, step),
        predictor=rng.integers(-3000, 5000, order).astype(np.int16),
        mean_first=first,
        mean_next=later,
        dpcm_first=dpcm_first,
        dpcm_next=dpcm_later,
        sparse_mean=int(rng.integers(0, 0x4000)),
        kind_parts=parts_of(weights),
        mean=some_parts(rng, BUCKETS, SYMBOLS) if "dct" in kinds or chosen["centred"] else None,
        sparse=SparseTables(
            some_parts(rng, BUCKETS, SYMBOLS),
            some_parts(rng, k + 1),
            (survival - survival[0]).astype(np.uint16),
            rng.integers(0, 65536, n).astype(np.uint16),
            rng.integers(1, 256, n).astype(np.uint8),
        )
        if "sparse" in kinds
        else None,
        dct=DctTables(
            some_parts(rng, BUCKETS, SYMBOLS),
            some_parts(rng, length),
            rng.integers(0, 65536, length).astype(np.uint16),
            cosines(length),
        )
        if "dct" in kinds
        else None,
        dpcm=some_parts(rng, BUCKETS, SYMBOLS) if "dpcm" in kinds else None,
        **chosen,
    )


def some_bundle(
    rng: np.random.Generator, m: int, n: int, s: int, channels: int = 1, kinds=CODED, components=None, **fields
) -> DictionaryBundle:
    """A bundle with random tables; atoms are random, or `components` as float32."""
    atom_type = "int8"
    if components is None:
        components = rng.standard_normal((n, m))
        components /= np.linalg.norm(components, axis=1, keepdims=True)
    else:
        atom_type = "float32"
    bundle = DictionaryBundle.from_components(
        components, s=s, atom_type=atom_type, scaling=ChannelScaling.identity(channels)
    )
    return replace(bundle, tables=some_tables(rng, n, min(s, m, n), m // channels, kinds, **fields))


def orthonormal(m: int) -> np.ndarray:
    """Atoms in which OMP finds any code exactly: the unit vectors."""
    return np.eye(m)


def coded(bundle: DictionaryBundle, signals: np.ndarray, counts=None):
    """The packets of raw windows (N, m), all in one or `counts` each, and what comes back."""
    core = Dictionary(bundle.to_bytes())
    counts = [len(signals)] if counts is None else counts
    packets, status = core.encode_packets(signals, counts)
    assert not status.any()
    decoded = core.decode(packets, counts)
    assert not decoded.status.any()
    return packets, decoded


def dequantised(window, bundle: DictionaryBundle) -> np.ndarray:
    """The samples that a window's integers stand for, in float64."""
    if window.kind == "raw":
        return np.array(window.samples)
    steps, length = bundle.tables.steps, bundle.m // bundle.channels
    if window.kind == "dpcm":
        return steps[DPCM] * np.array(window.channels, float).T.ravel()
    if window.kind == "dct":
        return scipy.fft.idct(steps[DCT] * np.array(window.channels, float), axis=1, norm="ortho").T.ravel()
    means = np.array(window.means or [0] * bundle.channels, float) * steps[DCT] / math.sqrt(length)
    signal = np.tile(means, length)
    for atom, q in window.atoms:
        signal += q * steps[SPARSE] * bundle.dequantised()[atom].astype(float)
    return signal


def check_against_the_oracle(bundle: DictionaryBundle, signals: np.ndarray, counts) -> None:
    """Kinds, samples, atoms and size of every packet."""
    packets, decoded = coded(bundle, signals, counts)
    oracle, row = PacketOracle(bundle), 0
    for packet, count in zip(packets, counts, strict=True):
        windows, information = oracle.read(packet, decoded.signals[row : row + count])
        # Parts of a range of 2^24 or more lose less than 2^-8 of it; zeros at the end are not written.
        assert 8 * len(packet) <= information * 1.001 + 0.02 + 8
        for window in windows:
            assert window.kind == KINDS[decoded.kinds[row]]
            assert len(window.atoms) == decoded.atoms[row]
            exact = dequantised(window, bundle)
            tolerance = 0 if window.kind == "raw" else 3e-6 * np.linalg.norm(exact) + 1e-30
            np.testing.assert_allclose(decoded.signals[row], exact, rtol=0, atol=tolerance)
            row += 1
    assert decoded.usage.sum() == decoded.atoms.sum()


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    length=st.integers(1, 24),
    channels=st.integers(1, 3),
    n=st.integers(1, 30),
    s=st.integers(0, 30),
    kinds=st.sets(st.sampled_from(CODED), min_size=1),
    counts=st.lists(st.integers(0, 5), min_size=1, max_size=4),
    scale=st.sampled_from([0.0, 1e-42, 0.01, 1.0, 300.0, 1e9, 1e30]),
)
def test_packets_hold_what_the_second_reader_finds(seed, length, channels, n, s, kinds, counts, scale) -> None:
    rng = np.random.default_rng(seed)
    bundle = some_bundle(rng, length * channels, n, s, channels, sorted(kinds))
    signals = np.float32(scale) * rng.standard_normal((sum(counts), bundle.m)).astype(np.float32)
    check_against_the_oracle(bundle, signals, counts)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), m=st.integers(1, 40), s=st.integers(0, 41), equal=st.booleans())
def test_any_support_and_any_coefficients_come_back(seed, m, s, equal) -> None:
    """From no atom to all of them, equal or not: as a dictionary in which OMP is exact finds them."""
    rng = np.random.default_rng(seed)
    bundle = some_bundle(
        rng, m, m, s, kinds=["sparse"], components=orthonormal(m), centred=False, least=0.0, rounding=128
    )
    count = min(s, m)
    codes = np.zeros((5, m))
    for row in codes:
        support = rng.choice(m, rng.integers(0, count + 1), replace=False)
        row[support] = 7 if equal else rng.integers(1, 2 ** rng.integers(1, 23), len(support)) * rng.choice([-1, 1])
    packets, decoded = coded(bundle, (STEP * codes).astype(np.float32))
    np.testing.assert_array_equal(decoded.signals, STEP * codes)
    windows, _ = PacketOracle(bundle).read(packets[0], decoded.signals)
    for window, row in zip(windows, codes, strict=True):
        if window.kind == "sparse":  # a code that takes more than 32 bits a sample is sent as it is
            assert window.atoms == [(int(atom), int(row[atom])) for atom in np.flatnonzero(row)]
    np.testing.assert_array_equal(decoded.usage[:m], sum(np.abs(codes[decoded.kinds == SPARSE]) > 0))


@pytest.mark.parametrize(
    "length", [1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 31, 32, 37, 64, 96, 100, 127, 140, 256, 509, 1024]
)
def test_the_dct_is_that_of_scipy_at_any_length(length) -> None:
    """Both ways, orthonormal: within 2e-6 of a window's norm and half a step."""
    rng = np.random.default_rng(length)
    step = 2.0**-8
    bundle = some_bundle(rng, length, 1, 0, kinds=["dct"], step=step, chained=False, centred=False, rounding=128)
    parts = (some_parts(rng, *shape, skew=(1,)) for shape in ((BUCKETS, SYMBOLS), (length,), (length,)))
    flat = DctTables(*parts, cosines(length))
    bundle = replace(bundle, tables=replace(bundle.tables, dct=flat, mean=flat.magnitudes))
    signals = rng.standard_normal((4, length)).astype(np.float32)
    packets, decoded = coded(bundle, signals, [1] * 4)
    for signal, packet, samples in zip(signals, packets, decoded.signals, strict=True):
        (window,), _ = PacketOracle(bundle).read(packet, samples[None])
        expected = scipy.fft.dct(signal.astype(float), norm="ortho")
        tolerance = 2e-6 * np.linalg.norm(signal)
        np.testing.assert_allclose(step * np.array(window.channels[0]), expected, rtol=0, atol=tolerance + step / 2)
        back = scipy.fft.idct(step * np.array(window.channels[0], float), norm="ortho")
        np.testing.assert_allclose(samples, back, rtol=0, atol=tolerance)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    length=st.integers(1, 20),
    channels=st.integers(1, 4),
    order=st.integers(0, 8),
    bits=st.integers(1, 24),
    counts=st.lists(st.integers(1, 9), min_size=1, max_size=4),
)
def test_integers_are_lossless_up_to_2_23(seed, length, channels, order, bits, counts) -> None:
    rng = np.random.default_rng(seed)
    bundle = some_bundle(rng, length * channels, 1, 0, channels, kinds=["dpcm"], order=order, step=1.0, centred=False)
    bound = 2 ** (bits - 1)
    signals = rng.integers(-bound, bound + 1, (sum(counts), bundle.m)).astype(np.float32)
    _, decoded = coded(bundle, signals, counts)
    np.testing.assert_array_equal(decoded.signals, signals)


@pytest.mark.parametrize("kinds", [["sparse"], ["dct"], ["dpcm"], list(CODED)])
@pytest.mark.parametrize("count", [1, 2, 254, 255])
def test_a_packet_has_up_to_255_windows(kinds, count) -> None:
    rng = np.random.default_rng(count)
    bundle = some_bundle(rng, 6, 8, 3, 2, kinds, chained=True)
    signals = np.cumsum(rng.standard_normal((count, 6)), axis=0).astype(np.float32)
    check_against_the_oracle(bundle, signals, [count])


@pytest.mark.parametrize("kinds", [["sparse"], ["dct"], ["dpcm"], list(CODED)])
def test_constant_zero_and_denormal_windows_come_back_within_a_step(kinds) -> None:
    rng = np.random.default_rng(1)
    bundle = some_bundle(rng, 16, 16, 16, kinds=kinds, components=orthonormal(16))
    signals = np.zeros((6, 16), np.float32)
    signals[1], signals[2], signals[3], signals[4, 3] = 5.0, -1e5, np.float32(1e-45), 2.0
    signals[5] = np.float32(1e-39) * rng.standard_normal(16)
    _, decoded = coded(bundle, signals)
    assert np.linalg.norm(decoded.signals - signals, axis=1).max() <= 4 * STEP * 1.1


@pytest.mark.parametrize("kinds", [["sparse"], ["dct"], ["dpcm"], list(CODED)])
def test_what_no_kind_can_take_is_sent_as_it_is(kinds) -> None:
    """Every bit, where no means are taken off."""
    rng = np.random.default_rng(2)
    bundle = some_bundle(rng, 6, 6, 6, kinds=kinds, components=orthonormal(6), centred=False)
    signals = rng.standard_normal((4, 6)).astype(np.float32)
    signals[1] *= np.float32(1e30)
    signals[2, :] = np.finfo(np.float32).max
    _, decoded = coded(bundle, signals)
    assert [KINDS[kind] == "raw" for kind in decoded.kinds] == [False, True, True, False]
    np.testing.assert_array_equal(decoded.signals[1:3].view(np.uint32), signals[1:3].view(np.uint32))
    check_against_the_oracle(bundle, signals, [4])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_window_that_is_not_finite_is_left_out_and_named(value) -> None:
    rng = np.random.default_rng(3)
    bundle = some_bundle(rng, 6, 6, 3)
    signals = rng.standard_normal((5, 6)).astype(np.float32)
    without = np.delete(signals, [1, 4], axis=0)
    signals[1, 2] = signals[4, 0] = value
    core = Dictionary(bundle.to_bytes())
    packets, status = core.encode_packets(signals, [5])
    assert status.tolist() == [0, 3, 0, 0, 3]
    assert packets == core.encode_packets(without, [3])[0]


def test_the_kind_is_the_one_with_the_least_error_and_price_of_bits() -> None:
    """Against a coding of the same window by each kind alone, in packets of one; raw windows aside."""
    rng = np.random.default_rng(4)
    bundle = some_bundle(rng, 24, 40, 6, energy_per_bit=STEP**2 / 8, chained=False, centred=False)
    every = bundle.tables
    signals = np.concatenate([rng.standard_normal((40, 24)), np.cumsum(rng.standard_normal((40, 24)), axis=1)])
    signals[::3] = 2 * bundle.dequantised()[rng.integers(0, 40, 27)] + 0.05 * signals[::3]
    prices = []
    for kind in CODED:
        alone = {name: getattr(every, name) if name == kind else None for name in CODED}
        alone["mean"] = every.mean if kind == "dct" else None
        only = replace(bundle, tables=replace(every, **alone, kind_parts=parts_of(_weights(kind))))
        _, decoded = coded(only, signals.astype(np.float32), [1] * 80)
        oracle = PacketOracle(only)
        packets = Dictionary(only.to_bytes()).encode(signals)[0]
        bits = [oracle.read(packet, window[None])[1] for packet, window in zip(packets, decoded.signals, strict=True)]
        errors = np.square(decoded.signals - signals).sum(axis=1)
        prices.append(errors + STEP**2 / 8 * np.array(bits))
    chosen = replace(bundle, tables=replace(every, kind_parts=parts_of(np.where(np.arange(4) < 3, [[1.0]] * 5, 1e-9))))
    _, decoded = coded(chosen, signals.astype(np.float32), [1] * 80)
    assert len(set(decoded.kinds)) > 1
    best = np.min(prices, axis=0)
    taken = np.array(prices)[decoded.kinds, np.arange(80)]
    # The estimate of bits is within 0.1 bit, at each end of it.
    assert (taken <= best + 0.25 * STEP**2 / 8).all()


def _weights(kind: str) -> np.ndarray:
    weights = np.full((5, 4), -1.0)
    weights[:, KINDS.index(kind)], weights[:, RAW] = 1.0, 1e-9
    return weights


@pytest.fixture(scope="module")
def range_coder(tmp_path_factory):
    """The core's range coder as a shared library."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler: apt-get install gcc libc6-dev")
    device, library = sources() / "device", tmp_path_factory.mktemp("lib") / "range_coder.so"
    flags = ["-std=c99", "-O2", "-shared", "-fPIC", f"-I{device / 'include'}"]
    subprocess.run([compiler, *flags, device / "src" / "range_coder.c", "-o", library], check=True)
    loaded = ctypes.CDLL(str(library))
    loaded.et_range_end.restype = ctypes.c_size_t
    loaded.et_range_cost.restype = ctypes.c_uint32
    return loaded


class RangeWriter(ctypes.Structure):
    _fields_ = (
        ("bytes", ctypes.c_void_p),
        ("capacity", ctypes.c_size_t),
        ("size", ctypes.c_size_t),
        ("low", ctypes.c_uint32),
        ("range", ctypes.c_uint32),
    )


@settings(max_examples=200, deadline=None)
@given(
    symbols=st.lists(
        st.integers(1, 16).flatmap(
            lambda bits: st.tuples(st.just(bits), st.integers(0, 2**bits - 1), st.integers(1, 2**bits))
        ),
        max_size=60,
    )
)
def test_the_cost_is_the_exact_interval_s_and_the_bytes_are_its_shortest(range_coder, symbols) -> None:
    """Exact integers: the interval after all symbols, its size, and the shortest number in it."""
    writer, room = RangeWriter(), ctypes.create_string_buffer(200)
    range_coder.et_range_begin(ctypes.byref(writer), room, ctypes.c_size_t(len(room)))
    low, width, scale, ideal = 0, 2**32 - 1, 32, 0.0  # low and width over 2^scale
    for bits, start, wish in symbols:
        end = min(start + wish, 2**bits)
        range_coder.et_range_put(ctypes.byref(writer), start, end, bits)
        part = width >> bits
        low, width = low + part * start, part * (end - start)
        ideal += bits - math.log2(end - start)
        while width < 2**24:
            low, width, scale = low * 256, width * 256, scale + 8
    spent = scale - math.log2(width)
    cost = range_coder.et_range_cost(ctypes.byref(writer)) / 256
    assert spent - 0.01 <= cost <= spent + 0.1
    assert ideal <= spent + 1e-6 <= ideal + len(symbols) * math.log2(1 / (1 - 2**-8)) + 1e-5
    size = range_coder.et_range_end(ctypes.byref(writer))
    packet = room.raw[:size]
    value = int.from_bytes(packet, "big") << (scale - 8 * size) if scale >= 8 * size else None
    assert value is not None and low <= value < low + width
    for fewer in range(size):  # no shorter bytes lie in the interval
        unit = 1 << (scale - 8 * fewer)
        assert -(-low // unit) * unit >= low + width
    assert 8 * size <= cost + 8 + 0.1
    oracle = Bits(packet)
    for bits, start, wish in symbols:
        end = min(start + wish, 2**bits)
        found = oracle.symbol([*([start] if start else []), end, *([2**bits] if end < 2**bits else [])], bits)
        assert found == (1 if start else 0)


def damage_of(bundle: DictionaryBundle, signals: np.ndarray, counts) -> dict[str, float]:
    """Shares of damaged packets that are refused: cut at any byte, with any bit flipped, of another bundle."""
    core = Dictionary(bundle.to_bytes())
    packets, _ = core.encode_packets(signals, counts)
    whole = core.decode(packets, counts).signals

    def refused(damaged, count) -> np.ndarray:
        decoded = core.decode(damaged, [count] * len(damaged))
        assert set(decoded.status.tolist()) <= {0, 6, 12, 18}
        good = decoded.status == 0
        assert np.isfinite(decoded.signals[good]).all() and np.isnan(decoded.signals[~good]).all()
        return decoded.status.reshape(len(damaged), -1)[:, 0] != 0

    cuts, flips = [], []
    for packet, count in zip(packets, counts, strict=True):
        cuts.append(refused([packet[:length] for length in range(len(packet))], count))
        number = int.from_bytes(packet, "big")
        flips.append(
            refused([(number ^ 1 << bit).to_bytes(len(packet), "big") for bit in range(8 * len(packet))], count)
        )
    assert whole.shape == signals.shape
    return {"cut": float(np.concatenate(cuts).mean()), "flipped": float(np.concatenate(flips).mean())}


@pytest.mark.parametrize("kinds", [["sparse"], ["dct"], ["dpcm"], list(CODED)])
def test_damaged_packets_are_refused_by_name_or_are_other_packets(kinds) -> None:
    """A packet spends no bits on telling damage from data: the CRC around it does."""
    rng = np.random.default_rng(5)
    bundle = some_bundle(rng, 12, 20, 4, 2, kinds, chained=True)
    signals = np.cumsum(rng.standard_normal((60, 12)), axis=0).astype(np.float32)
    assert all(0 <= share <= 1 for share in damage_of(bundle, signals, [6] * 10).values())
    other = some_bundle(np.random.default_rng(6), 12, 20, 4, 2, kinds, chained=True)
    packets, _ = Dictionary(bundle.to_bytes()).encode_packets(signals, [6] * 10)
    assert set(Dictionary(other.to_bytes()).decode(packets, [6] * 10).status.tolist()) <= {0, 12}


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 50), packets=st.lists(st.binary(max_size=60), min_size=1), windows=st.integers(0, 255))
def test_any_bytes_are_windows_or_an_error(seed, packets, windows) -> None:
    rng = np.random.default_rng(seed)
    core = Dictionary(some_bundle(rng, 6, 9, 4, int(rng.integers(1, 4))).to_bytes())
    decoded = core.decode(packets, [windows] * len(packets))
    assert set(decoded.status.tolist()) <= {0, 12}
    assert np.isnan(decoded.signals[decoded.status != 0]).all()


def test_zeros_too_many_are_refused() -> None:
    """They would not change the number: there is one packet of the same windows."""
    rng = np.random.default_rng(7)
    bundle = some_bundle(rng, 12, 20, 4)
    packets, _ = coded(bundle, rng.standard_normal((20, 12)).astype(np.float32), [4] * 5)
    longer = [packet + bytes(extra) for packet in packets for extra in range(1, 9)]
    assert (Dictionary(bundle.to_bytes()).decode(longer, [4] * len(longer)).status == 12).all()


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 100),
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4),
    packet=st.binary(max_size=50),
)
def test_any_tables_that_a_board_takes_code_and_decode(seed, edits, packet) -> None:
    """Bundles with bytes of the codec's part changed: refused by name, or they work."""
    rng = np.random.default_rng(seed)
    bundle = some_bundle(rng, 6, 9, 4, int(rng.integers(1, 4)))
    payload = bytearray(bundle.to_bytes()[32:])
    first = 16 + 16 + 16 + 48 + 80  # fields, offsets, gains, scales, atoms
    for place, value in edits:
        payload[first + int(place**3 * (len(payload) - first))] = value
    try:
        core = Dictionary(wrap(Kind.DICTIONARY, bytes(payload)))
    except CoreError as error:
        assert error.status in (6, 12, 13, 18)
        return
    core.decode([packet], [3])
    signals = rng.standard_normal((3, 6)).astype(np.float32)
    packets, status = core.encode_packets(signals, [3])
    assert not status.any()
    assert not core.decode(packets, [3]).status.any()
