"""Learning from sufficient statistics: MOD and online, in memory and from mapped files."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import MiniBatchDictionaryLearning

from edgetwin.data import load_asd
from edgetwin.dictionary import DictionaryLearner
from edgetwin.dictionary.iteration import Iteration
from edgetwin.dictionary.outofcore import learn_in_passes, learn_online_step
from edgetwin.dictionary.sources import ArraySource, draw_atoms, is_mapped, source_of
from edgetwin.dictionary.sparse import sparse_encode
from edgetwin.dictionary.statistics import Statistics, gather
from edgetwin.dictionary.updates import coordinate_descent, least_squares, replace_atoms
from edgetwin.signals import ChannelScaling, to_windows


@pytest.fixture(scope="module")
def telemetry() -> np.ndarray:
    train = load_asd("omi-1").train
    return to_windows(ChannelScaling.fit(train).transform(train), 2).astype(np.float64)


def unit_rows(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def learn(signals: object, n: int, s: int, **options: object) -> Iteration:
    source = source_of(signals)
    start = Iteration(draw_atoms(source, n, 0), np.empty(0))
    *_, last = learn_in_passes(source, start, s, **{"random_state": 0, **options})
    return last


def rms_of_recoding(signals: np.ndarray, atoms: np.ndarray, s: int) -> float:
    return float(np.sqrt(np.mean((signals - sparse_encode(signals, atoms, s).synthesise(atoms)) ** 2)))


@pytest.mark.parametrize("count", [1, 300, 4320])
def test_statistics_are_the_dense_products(telemetry: np.ndarray, count: int) -> None:
    signals, atoms = telemetry[:count], draw_atoms(ArraySource(telemetry), 48, 3)
    statistics = gather(signals, atoms, 5, numbers=range(100, 100 + count))
    codes = sparse_encode(signals, atoms, 5).to_csr().toarray()
    residual = signals - codes @ atoms
    np.testing.assert_allclose(statistics.gram, codes.T @ codes, atol=1e-9)
    np.testing.assert_allclose(statistics.gradient, codes.T @ residual, atol=1e-9)
    assert statistics.squared_error == pytest.approx(np.sum(residual**2))
    assert statistics.count == count
    np.testing.assert_array_equal(statistics.usage, np.count_nonzero(codes, axis=0))
    errors = np.sum(residual**2, axis=1)
    order = np.argsort(-errors, kind="stable")[:48]
    represented = errors[order] <= 1e-10 * np.sum(signals[order] ** 2, axis=1)
    order = order[~represented]
    np.testing.assert_array_equal(statistics.worst.rows, order + 100)
    np.testing.assert_array_equal(statistics.worst.signals, signals[order])


def test_the_sum_over_parts_is_the_whole(telemetry: np.ndarray) -> None:
    atoms = draw_atoms(ArraySource(telemetry), 40, 0)
    whole, total = gather(telemetry, atoms, 4), Statistics.empty(*atoms.shape)
    for start in range(0, len(telemetry), 777):
        part = telemetry[start : start + 777]
        total.add(gather(part, atoms, 4, numbers=range(start, start + len(part))))
    np.testing.assert_allclose(total.gram, whole.gram, rtol=1e-12)
    np.testing.assert_allclose(total.gradient, whole.gradient, atol=1e-10)
    np.testing.assert_array_equal(total.usage, whole.usage)
    # Signals are coded to the same bits wherever they are.
    np.testing.assert_array_equal(total.worst.rows, whole.worst.rows)
    np.testing.assert_array_equal(total.worst.errors, whole.worst.errors)


def test_threads_change_no_bit(telemetry: np.ndarray) -> None:
    one, two = (learn(telemetry, 32, 4, max_iter=2, n_jobs=jobs) for jobs in (1, 2))
    np.testing.assert_array_equal(one.atoms, two.atoms)


def test_the_error_of_other_atoms_follows_from_the_statistics(telemetry: np.ndarray) -> None:
    atoms = draw_atoms(ArraySource(telemetry), 40, 0)
    codes = sparse_encode(telemetry, atoms, 4).to_csr().toarray()
    statistics = gather(telemetry, atoms, 4)
    other = unit_rows(atoms + 0.1 * np.random.default_rng(0).standard_normal(atoms.shape))
    statistics.move(other - atoms)
    residual = telemetry - codes @ other
    assert statistics.squared_error == pytest.approx(np.sum(residual**2))
    np.testing.assert_allclose(statistics.gradient, codes.T @ residual, atol=1e-8)


def test_mod_is_the_least_squares_solution(telemetry: np.ndarray) -> None:
    atoms = draw_atoms(ArraySource(telemetry), 24, 0)
    codes = sparse_encode(telemetry, atoms, 4).to_csr().toarray()
    expected, squared_error, rank, _ = np.linalg.lstsq(codes, telemetry)
    assert rank == 24
    statistics = gather(telemetry, atoms, 4)
    np.testing.assert_allclose(least_squares(atoms, statistics), unit_rows(expected), atol=1e-6)
    assert statistics.squared_error == pytest.approx(squared_error.sum(), rel=1e-9)
    norms = np.linalg.norm(expected, axis=1)
    np.testing.assert_allclose(statistics.gram, (codes * norms).T @ (codes * norms), rtol=1e-5, atol=1e-5)


def test_mod_leaves_what_the_codes_do_not_determine() -> None:
    rng = np.random.default_rng(0)
    atoms = unit_rows(rng.standard_normal((6, 8)))
    signals = rng.standard_normal((50, 2)) @ atoms[:2] + 0.1 * rng.standard_normal((50, 8))
    codes = np.zeros((50, 6))
    codes[:, :2] = signals @ np.linalg.pinv(atoms[:2])
    codes[:, 2] = 2 * codes[:, 1]  # no code tells atoms 1 and 2 apart; 3, 4 and 5 are not used
    residual = signals - codes @ atoms
    statistics = Statistics.empty(6, 8)
    statistics.gram += codes.T @ codes
    statistics.gradient += codes.T @ residual
    statistics.squared_error = float(np.sum(residual**2))
    updated = least_squares(atoms, statistics)
    np.testing.assert_allclose(updated[3:], atoms[3:], atol=1e-15)
    best = np.sum((signals - codes @ np.linalg.lstsq(codes, signals, rcond=None)[0]) ** 2)
    assert statistics.squared_error == pytest.approx(best, rel=1e-6)
    np.testing.assert_allclose(np.linalg.norm(updated, axis=1), 1)


def test_a_sweep_puts_each_atom_to_its_best_place_in_turn(telemetry: np.ndarray) -> None:
    atoms = draw_atoms(ArraySource(telemetry), 150, 0)  # more than two panels
    codes = sparse_encode(telemetry, atoms, 6).to_csr().toarray()
    expected, residual = atoms.copy(), telemetry - codes @ atoms
    for atom in np.flatnonzero(codes.any(axis=0)):
        # argmin ‖E − x dᵀ‖ over unit vectors d is Eᵀx, normalised; E is what the other atoms leave.
        rest = residual + np.outer(codes[:, atom], expected[atom])
        expected[atom] = unit_rows(codes[:, atom][None] @ rest)[0]
        residual = rest - np.outer(codes[:, atom], expected[atom])
    statistics = gather(telemetry, atoms, 6)
    before = statistics.squared_error
    np.testing.assert_allclose(coordinate_descent(atoms, statistics), expected, atol=1e-8)
    assert statistics.squared_error == pytest.approx(np.sum(residual**2), rel=1e-9)
    assert statistics.squared_error < before
    np.testing.assert_allclose(statistics.gradient, codes.T @ residual, atol=1e-7)


def test_unused_atoms_go_to_the_worst_signals() -> None:
    signals = np.concatenate([np.tile(np.eye(6)[:1], (20, 1)), 3 * np.eye(6)[[1, 1, 2, 3]]])
    atoms = np.eye(6)[[0, 4, 5, 4]]
    statistics = gather(signals, atoms, 2)
    assert replace_atoms(atoms, statistics) == 3
    np.testing.assert_array_equal(atoms, np.eye(6)[[0, 1, 2, 3]])


@pytest.mark.parametrize("turn", [1.0, -1.0])
def test_a_twin_is_given_up_where_that_gains(turn: float) -> None:
    rng = np.random.default_rng(0)
    axes = np.eye(5)
    twin = unit_rows((axes[0] + 0.05 * axes[1])[None])[0] * turn
    signals = np.outer(rng.uniform(1, 2, 40), axes[0]) + np.outer(rng.uniform(0, 0.2, 40), axes[1])
    outlier = 4 * axes[3]
    atoms = np.stack([axes[0], twin])
    codes = sparse_encode(signals, atoms, 2).to_csr().toarray()
    statistics = gather(np.vstack([signals, outlier]), atoms, 2)
    statistics.usage[:] = [40, 39]
    merged = np.stack([codes[:, 0] + turn * codes[:, 1], np.zeros(40)], axis=1)
    updated = atoms.copy()
    assert replace_atoms(updated, statistics) == 1
    np.testing.assert_array_equal(updated, axes[[0, 3]])
    np.testing.assert_allclose(statistics.gram, merged.T @ merged, atol=1e-9)
    residual = signals - merged @ updated
    assert statistics.squared_error == pytest.approx(np.sum(residual**2) + 16)
    np.testing.assert_allclose(statistics.gradient, merged.T @ residual, atol=1e-9)
    assert replace_atoms(atoms.copy(), gather(np.vstack([signals, 1e-3 * outlier]), atoms, 2)) == 0


@pytest.mark.parametrize("algorithm", ["mod", "online"])
def test_the_error_is_near_that_of_ksvd(telemetry: np.ndarray, algorithm: str) -> None:
    last = learn(telemetry, 48, 4, algorithm=algorithm, max_iter=15)
    assert len(last.errors) == 15
    ksvd = DictionaryLearner(48, 4, max_iter=15, random_state=0).fit(telemetry)
    assert last.errors[-1] < 1.1 * ksvd.error_[-1]
    assert last.errors[-1] == pytest.approx(rms_of_recoding(telemetry, last.atoms, 4), rel=0.05)
    np.testing.assert_allclose(np.linalg.norm(last.atoms, axis=1), 1)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_online_learning_does_as_well_as_scikit_learn(telemetry: np.ndarray) -> None:
    start = draw_atoms(ArraySource(telemetry), 32, 0)
    peer = MiniBatchDictionaryLearning(
        32, alpha=0.1, max_iter=5, batch_size=256, dict_init=start, fit_algorithm="cd", random_state=0
    ).fit(telemetry)
    ours = learn(telemetry, 32, 4, algorithm="online", max_iter=5)
    assert rms_of_recoding(telemetry, ours.atoms, 4) < rms_of_recoding(telemetry, unit_rows(peer.components_), 4)


def test_a_known_dictionary_is_recovered() -> None:
    # The experiment of Aharon et al. 2006, section V.A: recovered means |cosine| above 0.99.
    rng = np.random.default_rng(1)
    truth = unit_rows(rng.standard_normal((30, 20)))
    support = rng.permuted(np.tile(np.arange(30), (3000, 1)), axis=1)[:, :3]
    signals = np.einsum("ns,nsm->nm", rng.standard_normal((3000, 3)), truth[support])
    for algorithm in ("mod", "online"):
        learned = learn(signals, 30, 3, algorithm=algorithm, max_iter=60).atoms
        assert np.mean(np.abs(truth @ learned.T).max(axis=1) > 0.99) >= 0.9


@pytest.mark.parametrize("algorithm", ["mod", "online"])
def test_learning_goes_on_as_if_never_interrupted(telemetry: np.ndarray, algorithm: str) -> None:
    source = source_of(telemetry)
    start = Iteration(draw_atoms(source, 24, 0), np.empty(0))
    whole = list(learn_in_passes(source, start, 3, algorithm=algorithm, max_iter=4, random_state=5))
    resumed = list(learn_in_passes(source, whole[1], 3, algorithm=algorithm, max_iter=4, random_state=5))
    assert [iteration.number for iteration in resumed] == [3, 4]
    np.testing.assert_array_equal(resumed[-1].atoms, whole[-1].atoms)
    np.testing.assert_array_equal(resumed[-1].errors, whole[-1].errors)
    assert resumed[-1].n_replaced == whole[-1].n_replaced


def test_a_stream_is_learned_batch_by_batch(telemetry: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    state = Iteration(draw_atoms(ArraySource(telemetry[:200]), 32, 0), np.empty(0))
    for _ in range(3):
        for rows in np.array_split(rng.permutation(len(telemetry)), 20):
            state = learn_online_step(ArraySource(telemetry[rows]), state, 4)
    assert state.number == 60
    assert state.n_replaced > 0
    in_passes = learn(telemetry, 32, 4, algorithm="online", max_iter=3)
    assert rms_of_recoding(telemetry, state.atoms, 4) < 1.15 * rms_of_recoding(telemetry, in_passes.atoms, 4)


def test_a_mapped_file_is_learned_as_the_array(telemetry: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "signals.npy", telemetry)
    mapped = np.load(tmp_path / "signals.npy", mmap_mode="r")
    assert is_mapped(mapped) and is_mapped(np.asarray(mapped)[5:]) and not is_mapped(np.array(mapped))
    in_memory, from_file = (learn(signals, 32, 4, algorithm="mod", max_iter=3) for signals in (telemetry, mapped))
    np.testing.assert_array_equal(from_file.atoms, in_memory.atoms)
    in_memory, from_file = (learn(signals, 32, 4, algorithm="online", max_iter=6) for signals in (telemetry, mapped))
    assert from_file.errors[-1] < 1.1 * in_memory.errors[-1]


@pytest.mark.parametrize("algorithm", ["mod", "online"])
def test_what_a_mapped_file_takes_does_not_grow_with_it(tmp_path: Path, algorithm: str) -> None:
    peaks = []
    row = np.random.default_rng(0).standard_normal((1000, 256)).astype(np.float32)
    for count in (20_000, 80_000):
        file = np.lib.format.open_memmap(tmp_path / f"{count}.npy", "w+", np.float32, (count, 256))
        for start in range(0, count, 1000):
            file[start : start + 1000] = row
        file.flush()
        mapped = np.load(tmp_path / f"{count}.npy", mmap_mode="r")
        tracemalloc.start()
        learn(mapped, 16, 2, algorithm=algorithm, max_iter=1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.02 * peaks[0] + 100_000


def test_integers_are_converted(telemetry: np.ndarray) -> None:
    counts = np.round(telemetry * 1000).astype(np.int16)
    learned = (learn(signals, 8, 2, max_iter=2) for signals in (counts, counts.astype(np.float64)))
    np.testing.assert_array_equal(*(iteration.atoms for iteration in learned))


@pytest.mark.parametrize("algorithm", ["mod", "online"])
@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "signal 777 contains NaN"), (-np.inf, "signal 777"), (1e200, "777 is too large")]
)
def test_a_signal_that_cannot_be_coded_is_named(
    telemetry: np.ndarray, algorithm: str, value: float, message: str
) -> None:
    bad = telemetry.copy()
    bad[777, 3] = value
    start = Iteration(draw_atoms(ArraySource(telemetry), 8, 0), np.empty(0))
    with pytest.raises(ValueError, match=message):
        list(learn_in_passes(source_of(bad), start, 2, algorithm=algorithm, random_state=0))


@pytest.mark.parametrize(
    ("signals", "message"),
    [
        (np.ones(5), "two-dimensional"),
        (np.ones((5, 2), complex), "Complex"),
        (np.full((5, 2), "a"), "real numbers"),
    ],
)
def test_other_arrays_are_refused(signals: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        source_of(signals)


def test_first_atoms_are_different_signals() -> None:
    rng = np.random.default_rng(0)
    signals = np.repeat(rng.standard_normal((30, 5)), 4, axis=0)
    signals[::7] = 0.0
    atoms = draw_atoms(ArraySource(signals), 20, random_state=1)
    directions = unit_rows(signals[signals.any(axis=1)])
    assert (np.abs(atoms @ directions.T).max(axis=1) > 1 - 1e-12).all()
    assert len(np.unique(atoms.round(12), axis=0)) == 20
    np.testing.assert_array_equal(atoms, draw_atoms(ArraySource(signals), 20, random_state=1))
    filled_up = draw_atoms(ArraySource(np.zeros((9, 5))), 4, random_state=1)
    np.testing.assert_allclose(np.linalg.norm(filled_up, axis=1), 1)
