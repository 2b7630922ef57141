"""The C core as the host binds it: textbook OMP, exact sizes, defined edge cases."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import orthogonal_mp

from edgetwin import core
from edgetwin.deploy import DictionaryBundle

TYPES = ("float32", "int16", "int8")


def random_dictionary(rng, n, m, atom_type):
    """Unit-norm atoms (n, m) in a storage type, their scales, and the same as float64."""
    d = rng.standard_normal((n, m))
    d /= np.linalg.norm(d, axis=1, keepdims=True)
    if atom_type == "float32":
        d = d.astype(np.float32)
        return d, None, d.astype(np.float64)
    dtype = core.ATOM_TYPES[atom_type][1]
    q = np.rint(d * np.iinfo(dtype).max / np.abs(d).max(axis=1, keepdims=True)).astype(dtype)
    scales = (1 / np.linalg.norm(q.astype(np.float64), axis=1)).astype(np.float32)
    return q, scales, q * scales[:, None].astype(np.float64)


def dense(codes, n):
    x = np.zeros((len(codes.counts), n))
    rows = np.arange(len(x))[:, None]
    used = np.arange(codes.support.shape[1]) < codes.counts[:, None]
    x[np.broadcast_to(rows, used.shape)[used], codes.support[used]] = codes.coefficients[used]
    return x


@pytest.mark.parametrize("atom_type", TYPES)
@pytest.mark.parametrize(("m", "n", "s"), [(64, 128, 8), (30, 50, 5), (121, 200, 10), (20, 20, 3)])
def test_supports_are_textbook_omp(atom_type, m, n, s):
    rng = np.random.default_rng(m * n + s)
    atoms, scales, exact = random_dictionary(rng, n, m, atom_type)
    x = np.zeros((400, n))
    for row in x:
        row[rng.choice(n, s, replace=False)] = rng.uniform(0.5, 2, s) * rng.choice([-1, 1], s)
    signals = (x @ exact + 0.01 * rng.standard_normal((400, m))).astype(np.float32)
    ours = dense(core.omp(signals, atoms, s, scales=scales), n)
    textbook = orthogonal_mp(exact.T, signals.T.astype(np.float64), n_nonzero_coefs=s).T
    np.testing.assert_array_equal(ours != 0, textbook != 0)
    np.testing.assert_allclose(ours, textbook, atol=2e-5)


@pytest.mark.parametrize("atom_type", TYPES)
def test_residual_norm_is_that_of_the_reconstruction(atom_type):
    rng = np.random.default_rng(3)
    atoms, scales, exact = random_dictionary(rng, 96, 48, atom_type)
    signals = rng.standard_normal((100, 48)).astype(np.float32)
    codes = core.omp(signals, atoms, 10, scales=scales)
    residual = np.linalg.norm(signals - dense(codes, 96) @ exact, axis=1)
    np.testing.assert_allclose(codes.residual_norm, residual, rtol=1e-4)


def test_tolerance_stops_as_soon_as_the_residual_is_small_enough():
    rng = np.random.default_rng(4)
    atoms, _, _ = random_dictionary(rng, 96, 48, "float32")
    signals = rng.standard_normal((50, 48)).astype(np.float32)
    tolerance = 3.0
    codes = core.omp(signals, atoms, 40, tolerance=tolerance)
    assert (codes.residual_norm <= tolerance).all()
    for signal, count in zip(signals, codes.counts, strict=True):
        one_less = core.omp(signal[None], atoms, max(int(count) - 1, 0))
        assert one_less.residual_norm[0] > tolerance


@pytest.mark.parametrize("atom_type", TYPES)
def test_integer_and_float_scalings_of_a_signal_give_the_same_support(atom_type):
    rng = np.random.default_rng(5)
    atoms, scales, _ = random_dictionary(rng, 40, 24, atom_type)
    signals = rng.standard_normal((20, 24)).astype(np.float32)
    reference = core.omp(signals, atoms, 5, scales=scales)
    for power in (-100, -60, 60, 100):
        factor = np.float32(2.0) ** power
        scaled = core.omp(signals * factor, atoms, 5, scales=scales)
        np.testing.assert_array_equal(scaled.support, reference.support)
        np.testing.assert_array_equal(scaled.coefficients, reference.coefficients * factor)


@pytest.mark.parametrize("atom_type", TYPES)
def test_a_signal_with_nan_or_infinity_is_named_and_the_others_go_on(atom_type):
    rng = np.random.default_rng(6)
    atoms, scales, _ = random_dictionary(rng, 40, 24, atom_type)
    signals = rng.standard_normal((4, 24)).astype(np.float32)
    clean = core.omp(signals, atoms, 5, scales=scales)
    signals[1, 3], signals[2, 0] = np.nan, -np.inf
    codes = core.omp(signals, atoms, 5, scales=scales)
    assert codes.status.tolist() == [0, 3, 3, 0]
    assert codes.counts[1] == codes.counts[2] == 0
    np.testing.assert_array_equal(codes.coefficients[[0, 3]], clean.coefficients[[0, 3]])


@pytest.mark.parametrize("atom_type", TYPES)
def test_repeated_atoms_are_never_chosen_twice_and_nothing_is_nan(atom_type):
    rng = np.random.default_rng(7)
    atoms, scales, _ = random_dictionary(rng, 6, 16, atom_type)
    atoms = np.repeat(atoms, 3, axis=0)
    scales = None if scales is None else np.repeat(scales, 3)
    codes = core.omp(rng.standard_normal((50, 16)).astype(np.float32), atoms, 16, scales=scales)
    for row, count in zip(codes.support, codes.counts, strict=True):
        assert count <= 6
        assert len(set((row[:count] // 3).tolist())) == count, "two copies of one atom"
    assert np.isfinite(codes.coefficients).all()


def test_shapes_that_cannot_be_are_refused():
    atoms = np.eye(4, dtype=np.float32)
    with pytest.raises(ValueError, match="same number of columns"):
        core.omp(np.zeros((2, 3)), atoms, 1)
    with pytest.raises(ValueError, match="scales"):
        core.omp(np.zeros((2, 4)), atoms.astype(np.int8), 1)
    with pytest.raises(ValueError, match="tolerance"):
        core.omp(np.zeros((2, 4)), atoms, 1, tolerance=float("nan"))


@pytest.mark.parametrize("atom_type", TYPES)
def test_workspace_keeps_the_promised_bound(atom_type):
    for m in (1, 2, 3, 19, 64, 165, 4096):
        for n in (1, 2, 31, 32, 33, 349, 16384):
            for s in (1, 2, 3, 15, min(m, n)):
                if s <= min(m, n):
                    bound = 4 * (m * s + s * s + 2 * n + 2 * m)
                    assert core.omp_workspace_size(atom_type, m, n, s) <= bound


def packed_dictionary(m=8):
    """A bundle of packed 16-bit coefficients with the unit vectors as atoms."""
    bundle = DictionaryBundle.from_components(np.eye(m), s=3, atom_type="float32", coefficient_bits=16)
    return core.Dictionary(bundle.to_bytes())


def test_packets_hold_as_many_windows_as_asked_and_leave_bad_ones_out():
    dictionary = packed_dictionary()
    signals = np.zeros((6, 8), np.float32)
    signals[np.arange(6), np.arange(6)] = [1, 2, 3, 4, 5, 6]
    signals[2, 0] = np.nan
    packets, status = dictionary.encode_packets(signals, [1, 0, 3, 2])
    assert status.tolist() == [0, 0, 3, 0, 0, 0]
    assert [len(packet) > 0 for packet in packets] == [True, False, True, True]
    decoded = dictionary.decode(packets, [1, 0, 2, 2])
    assert not decoded.status.any()
    np.testing.assert_array_equal(decoded.signals, np.delete(signals, 2, axis=0))
    assert decoded.atoms.tolist() == [1, 1, 1, 1, 1]
    assert decoded.usage.tolist() == [1, 1, 0, 1, 1, 1, 0, 0]


def test_each_window_alone_is_a_packet_of_one():
    dictionary = packed_dictionary()
    signals = np.random.default_rng(8).standard_normal((5, 8)).astype(np.float32)
    assert dictionary.encode(signals)[0] == dictionary.encode_packets(signals, [1] * 5)[0]
    assert max(map(len, dictionary.encode(signals)[0])) <= dictionary.packet_max_size


def test_a_bad_packet_is_named_and_the_others_go_on():
    dictionary = packed_dictionary()
    signals = np.eye(8, dtype=np.float32)[:4]
    packets, _ = dictionary.encode_packets(signals, [2, 2])
    decoded = dictionary.decode([packets[0][:-1], packets[1]], [2, 2])
    assert decoded.status.tolist() == [6, 6, 0, 0]
    assert np.isnan(decoded.signals[:2]).all()
    np.testing.assert_array_equal(decoded.signals[2:], signals[2:])


def test_counts_that_cannot_be_are_refused():
    dictionary = packed_dictionary()
    signals = np.zeros((3, 8), np.float32)
    for counts in ([2], [4], [1, 1, 256], [-1, 4]):
        with pytest.raises(ValueError, match="windows"):
            dictionary.encode_packets(signals, counts)
    with pytest.raises(ValueError, match="agree"):
        dictionary.decode([b"", b""], [1])
    with pytest.raises(ValueError, match="shape"):
        dictionary.encode(np.zeros((3, 7)))


def test_no_atom_is_taken_that_correlates_with_the_residual_less_than_asked():
    rng = np.random.default_rng(9)
    atoms, _, exact = random_dictionary(rng, 96, 48, "float32")
    signals = rng.standard_normal((50, 48)).astype(np.float32)
    every = core.omp(signals, atoms, 20)
    some = core.omp(signals, atoms, 20, least=1.0)
    assert some.counts.min() < 20
    for signal, code, count in zip(signals, dense(some, 96), some.counts, strict=True):
        residual = signal - code @ exact
        assert count == 20 or np.abs(exact @ residual).max() <= 1.0 + 1e-4
    same = some.counts == 20
    np.testing.assert_array_equal(some.coefficients[same], every.coefficients[same])
