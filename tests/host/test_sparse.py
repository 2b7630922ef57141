"""Sparse coding for learning: textbook OMP in every method, type and instruction set."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from sklearn.linear_model import orthogonal_mp, orthogonal_mp_gram
from threadpoolctl import threadpool_info

from edgetwin import core
from edgetwin.dictionary import _engine, sparse_encode
from edgetwin.dictionary.sparse import METHODS, one_blas_thread


def problem(m: int, n: int, count: int, dtype: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    atoms = rng.standard_normal((n, m))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    return rng.standard_normal((count, m)).astype(dtype), atoms.astype(dtype)


@pytest.fixture(params=_engine.instruction_sets())
def instruction_set(request: pytest.FixtureRequest) -> Iterator[str]:
    _engine.use(request.param)
    yield request.param
    _engine.use(_engine.instruction_sets()[0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("m", "n", "s"), [(20, 50, 3), (64, 128, 8), (33, 65, 17), (16, 300, 9), (7, 5, 4)])
def test_codes_are_scikit_learns(m: int, n: int, s: int, method: str, dtype: str, instruction_set: str) -> None:
    signals, atoms = problem(m, n, 400, dtype)
    codes = sparse_encode(signals, atoms, s, method=method)
    expected = orthogonal_mp_gram(
        atoms.astype(float) @ atoms.T.astype(float), atoms.astype(float) @ signals.T, n_nonzero_coefs=s
    ).T
    dense = codes.to_csr().toarray()
    assert codes.coefficients.dtype == ("float32" if method == "qr" else dtype)
    # A near tie may fall the other way in float32.
    same = ((dense != 0) == (expected != 0)).all(axis=1)
    assert same.mean() >= (1.0 if codes.coefficients.dtype == "float64" else 0.98)
    np.testing.assert_allclose(
        dense[same], expected[same], atol=1e-9 if codes.coefficients.dtype == "float64" else 1e-3
    )


@pytest.mark.parametrize("method", METHODS)
def test_the_tolerance_ends_a_code(method: str, instruction_set: str) -> None:
    signals, atoms = problem(32, 64, 200, "float64")
    codes = sparse_encode(signals, atoms, 32, tolerance=2.5, method=method)
    expected = orthogonal_mp(atoms.T, signals.T, tol=2.5**2).T
    np.testing.assert_array_equal(codes.counts, (expected != 0).sum(axis=1))
    left = np.linalg.norm(signals - codes.synthesise(atoms), axis=1)
    assert (left <= 2.5 * (1 + 1e-5)).all()
    assert (codes.counts > 0).all()


def test_a_tolerance_near_the_resolution_is_measured_not_guessed(instruction_set: str) -> None:
    # In float32 the recursion of batch OMP for the residual has no digits left at 1e-4 of the signal.
    signals, atoms = problem(24, 48, 300, "float32", seed=4)
    codes = sparse_encode(signals, atoms, 24, tolerance=1e-4)
    left = np.linalg.norm(signals - codes.synthesise(atoms), axis=1)
    assert (left[codes.counts < 24] <= 1.1e-4).all()
    fewer = sparse_encode(signals, atoms, 24, tolerance=1e-2)
    assert (np.linalg.norm(signals - fewer.synthesise(atoms), axis=1)[fewer.counts < 24] <= 1.01e-2).all()
    assert (fewer.counts < codes.counts).mean() > 0.2


@pytest.mark.parametrize("method", METHODS)
def test_the_board_chooses_the_same_atoms(method: str) -> None:
    signals, atoms = problem(64, 128, 500, "float32", seed=1)
    codes, on_board = sparse_encode(signals, atoms, 6, method=method), core.omp(signals, atoms, 6)
    assert (codes.support == on_board.support).all(axis=1).mean() >= 0.99
    same = (codes.support == on_board.support).all(axis=1)
    np.testing.assert_allclose(codes.coefficients[same], on_board.coefficients[same], atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_zero_signals_have_no_atom_and_an_atom_has_itself(method: str, dtype: str, instruction_set: str) -> None:
    _, atoms = problem(12, 30, 1, dtype)
    signals = np.concatenate([np.zeros((40, 12), dtype), 3 * atoms])
    codes = sparse_encode(signals, atoms, 5, method=method)
    assert not codes.counts[:40].any()
    np.testing.assert_array_equal(codes.counts[40:], 1)
    np.testing.assert_array_equal(codes.support[40:, 0], np.arange(30))
    np.testing.assert_allclose(codes.coefficients[40:, 0], 3, rtol=1e-6)
    assert not codes.coefficients[:, 1:].any()


@pytest.mark.parametrize("method", METHODS)
def test_of_repeated_atoms_the_first_is_taken_once(method: str) -> None:
    signals, atoms = problem(8, 10, 300, "float64")
    codes = sparse_encode(signals, np.concatenate([atoms, atoms]), 8, method=method)
    used = np.arange(8) < codes.counts[:, None]
    assert (codes.support[used] < 10).all()
    assert np.isfinite(codes.coefficients).all()


def test_codes_do_not_depend_on_threads_or_company() -> None:
    signals, atoms = problem(48, 200, 6000, "float32")
    one = sparse_encode(signals, atoms, 6)
    two = sparse_encode(signals, atoms, 6, n_jobs=2)
    np.testing.assert_array_equal(one.support, two.support)
    np.testing.assert_array_equal(one.coefficients, two.coefficients)


def test_few_signals_are_coded_without_a_gram_matrix() -> None:
    signals, atoms = problem(64, 2000, 3, "float64")
    few = sparse_encode(signals, atoms, 5)
    many = sparse_encode(np.tile(signals, (200, 1)), atoms, 5)
    np.testing.assert_array_equal(few.support, many.support[:3])
    np.testing.assert_allclose(few.coefficients, many.coefficients[:3], rtol=1e-10)


def test_no_signals_have_no_codes() -> None:
    codes = sparse_encode(np.zeros((0, 4)), np.eye(4), 2)
    assert len(codes) == 0
    assert codes.to_csr().shape == (0, 4)


@pytest.mark.parametrize(
    ("signals", "dictionary", "options", "message"),
    [
        (np.ones((2, 3)), np.eye(4), {}, "same number of columns"),
        (np.ones(3), np.eye(3), {}, "two dimensions"),
        (np.ones((2, 3)) * 1j, np.eye(3), {}, "real"),
        (np.full((2, 3), np.nan), np.eye(3), {}, "NaN"),
        (np.ones((2, 3)), np.full((3, 3), np.inf), {}, "infinity"),
        (np.ones((2, 3)), np.eye(3), {"n_nonzero_coefs": 0}, "n_nonzero_coefs"),
        (np.ones((2, 3)), np.eye(3), {"tolerance": -1.0}, "tolerance"),
        (np.ones((2, 3)), np.eye(3), {"method": "lars"}, "batch"),
    ],
)
def test_bad_input_is_named(signals: np.ndarray, dictionary: np.ndarray, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sparse_encode(signals, dictionary, **{"n_nonzero_coefs": 2, **options})


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1e-30, 1e-15, 1e20, 1e37])
def test_any_magnitude_is_coded_beside_any_other(method: str, scale: float) -> None:
    signals, atoms = problem(12, 30, 60, "float32")
    mixed = signals.copy()
    mixed[::2] = signals[::2] * np.float32(scale) / 4
    codes, alone = sparse_encode(mixed, atoms, 3, method=method), sparse_encode(signals, atoms, 3, method=method)
    np.testing.assert_array_equal(codes.support, alone.support)
    np.testing.assert_allclose(codes.coefficients[::2], alone.coefficients[::2] * (scale / 4), rtol=1e-3)
    np.testing.assert_allclose(codes.coefficients[1::2], alone.coefficients[1::2], rtol=1e-6)


def test_what_does_not_fit_the_type_is_refused() -> None:
    with pytest.raises(ValueError, match="scale the data"):
        sparse_encode(np.full((4, 4), 3e38, np.float32), np.full((1, 4), 0.5, np.float32), 1)
    with pytest.raises(ValueError, match="scale the data"):
        sparse_encode(np.full((4, 4), 1e20, np.float32), np.full((1, 4), 0.5, np.float32), 1, tolerance=1.0)


def test_blas_has_its_threads_again_after_concurrent_use() -> None:
    def threads() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = threads()
    first, second = one_blas_thread(), one_blas_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert set(threads()) == {1}
    second.__exit__(None, None, None)
    assert threads() == before


def test_a_blas_that_was_loaded_later_gets_one_thread_too() -> None:
    """In a process of its own: SPAMS brings the library, and may be loaded here already."""
    program = """
from threadpoolctl import threadpool_info
from edgetwin.dictionary.sparse import one_blas_thread

def threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

with one_blas_thread():
    before = threads()
import spams
with one_blas_thread():
    print(len(threads()) > len(before), set(threads()))
"""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "True {1}\n"


def call(name: str, **changes: object) -> None:
    """Calls the engine with arrays of 4 signals, 4 atoms and 1 atom a code, and other sizes than they have."""
    eye, codes = np.eye(4, dtype="f4"), sparse_encode(np.eye(4, dtype="f4"), np.eye(4, dtype="f4"), 1)
    sizes = {"real_size": 4, "m": 4, "n": 4, "ld": 64, "s": 1} | changes
    real_size, m, n, ld, s = sizes.values()
    out = (codes.support, codes.coefficients, codes.counts)
    padded = np.zeros((4, 64), "f4")
    if name == "batch_omp":
        _engine.batch_omp(real_size, m, n, ld, s, 0.0, eye, eye, padded, padded, *out)
    elif name == "baseline_omp":
        _engine.baseline_omp("naive", real_size, m, n, s, 0.0, eye, eye, *out)
    elif name == "residuals":
        _engine.residuals(real_size, m, n, s, eye, eye, *out, eye.copy(), np.zeros(4))
    else:
        _engine.update_atoms(real_size, 1, 0.0, m, n, s, eye.copy(), *out, eye.copy())


@pytest.mark.parametrize("name", ["batch_omp", "baseline_omp", "residuals", "update_atoms"])
@pytest.mark.parametrize(
    "changes",
    [
        *({"real_size": size} for size in (0, 2, 16)),
        *({size: value} for size in "mns" for value in (-1, 0, 5, 1 << 31, 1 << 62)),
    ],
)
def test_the_engine_refuses_sizes_that_its_buffers_do_not_have(name: str, changes: dict[str, int]) -> None:
    call(name)
    with pytest.raises(ValueError):
        call(name, **changes)


def test_an_atom_that_a_code_names_twice_is_no_overflow() -> None:
    eye = np.eye(4, dtype="f4")
    support, counts = np.zeros((4, 3), np.int32), np.full(4, 3, np.int32)
    atoms, residual = eye.copy(), eye.copy()
    _engine.update_atoms(4, 2, 0.0, 4, 4, 3, atoms, support, np.ones((4, 3), "f4"), counts, residual)
    assert np.isfinite(atoms).all()


def test_the_engine_refuses_buffers_that_are_too_small() -> None:
    codes = sparse_encode(np.eye(4, dtype="f4"), np.eye(4, dtype="f4"), 1)
    arrays = (codes.support, codes.coefficients, codes.counts)
    with pytest.raises(ValueError, match="signals"):
        _engine.residuals(4, 8, 4, 1, np.eye(4, dtype="f4"), np.zeros((4, 8), "f4"), *arrays, np.eye(4), np.zeros(4))
    codes.support[0] = 9
    with pytest.raises(ValueError, match="does not have"):
        _engine.residuals(4, 4, 4, 1, np.eye(4, dtype="f4"), np.eye(4, dtype="f4"), *arrays, np.eye(4), np.zeros(4))
