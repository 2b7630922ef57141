"""The K-SVD learner."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.estimator_checks import check_estimator

from edgetwin.data import load_asd
from edgetwin.dictionary import DictionaryLearner, Iteration
from edgetwin.dictionary.factorisation import Factorisation
from edgetwin.dictionary.ksvd import EXACT
from edgetwin.dictionary.replacement import relocate_atoms, replace_atoms
from edgetwin.signals import ChannelScaling, to_windows


def unit_rows(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def sparse_signals(rng: np.random.Generator, atoms: np.ndarray, count: int, s: int) -> np.ndarray:
    """Signals of exactly s random atoms with normal coefficients."""
    support = rng.permuted(np.tile(np.arange(len(atoms)), (count, 1)), axis=1)[:, :s]
    return np.einsum("ns,nsm->nm", rng.standard_normal((count, s)), atoms[support])


@pytest.fixture(scope="module")
def telemetry() -> np.ndarray:
    train = load_asd("omi-1").train
    return to_windows(ChannelScaling.fit(train).transform(train), 2)[:1500]


def test_scikit_learn_takes_it_for_an_estimator() -> None:
    for algorithm in ("ksvd", "aksvd", "mod", "online"):
        check_estimator(DictionaryLearner(n_components=4, algorithm=algorithm), on_skip=None)
    check_estimator(DictionaryLearner(), on_skip=None)


@pytest.mark.parametrize("algorithm", ["ksvd", "aksvd"])
def test_a_known_dictionary_is_recovered(algorithm: str) -> None:
    # The experiment of Aharon et al. 2006, section V.A, at the size of DL4DT; recovered means |cosine| above 0.99.
    recovered = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        truth = unit_rows(rng.standard_normal((50, 20)))
        signals = sparse_signals(rng, truth, 1500, 3)
        learner = DictionaryLearner(50, 3, max_iter=100, algorithm=algorithm, random_state=seed).fit(signals)
        recovered.append(np.mean(np.abs(truth @ learner.components_.T).max(axis=1) > 0.99))
    assert np.mean(recovered) >= 0.96  # 0.98 over 50 seeds: tools/bench/learning.py


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("algorithm", ["ksvd", "aksvd"])
def test_the_error_never_rises_and_is_that_of_the_atoms(telemetry: np.ndarray, algorithm: str, seed: int) -> None:
    learner = DictionaryLearner(48, 4, max_iter=12, algorithm=algorithm, random_state=seed).fit(telemetry)
    assert len(learner.error_) == learner.n_iter_
    assert (np.diff(learner.error_) <= 0).all()
    assert learner.error_[-1] < 0.8 * learner.error_[0]
    # Coded afresh, the signals have nearly that error: the codes of learning are those that OMP finds.
    assert -learner.score(telemetry) < 1.15 * learner.error_[-1]


STEPS = {
    "atoms": lambda state: state.update_atoms(EXACT),
    "replacement": replace_atoms,
    "relocation": lambda state: relocate_atoms(state, state.encoder(), 0),
}


@pytest.mark.parametrize("step", STEPS)
def test_no_step_raises_the_error_and_the_residual_stays_true(telemetry: np.ndarray, step: str) -> None:
    twins = unit_rows(telemetry[:24] + 1e-3)
    atoms = np.concatenate([twins, unit_rows(telemetry[:24]), unit_rows(telemetry[-8:])])
    state = Factorisation(telemetry, atoms, 3)
    state.code_signals(state.encoder())
    state.update_atoms(EXACT)
    before = state.error()
    STEPS[step](state)
    assert state.error() <= before * (1 + 1e-6)
    np.testing.assert_allclose(state.residual, telemetry - state.codes.to_csr() @ state.atoms, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(state.atoms, axis=1), 1, atol=1e-5)


def test_relocation_finds_what_no_atom_stands_for() -> None:
    # Two atoms share one direction; a third direction has none.
    rng = np.random.default_rng(0)
    signals = np.zeros((300, 3), np.float32)
    signals[:200, 0] = rng.uniform(1, 2, 200)
    signals[:200, 1] = rng.normal(0, 0.05, 200)
    signals[200:, 2] = rng.uniform(0.5, 1, 100)
    state = Factorisation(signals, unit_rows(np.array([[1, 0.04, 0], [1, -0.04, 0]])), 1)
    state.code_signals(state.encoder())
    moved, _ = relocate_atoms(state, state.encoder(), 0)
    assert moved == 1
    assert np.abs(state.atoms[:, 2]).max() > 0.99


def test_an_atom_update_is_the_rank_1_fit_of_the_svd() -> None:
    rng = np.random.default_rng(3)
    signals = (np.outer(rng.standard_normal(40), rng.standard_normal(8)) * 5 + rng.standard_normal((40, 8))).astype(
        "f4"
    )
    learner = DictionaryLearner(1, 1, max_iter=50, random_state=0).fit(signals)
    principal = np.linalg.svd(signals, full_matrices=False)[2][0]
    assert abs(float(learner.components_[0] @ principal)) > 1 - 1e-5


def test_twins_and_unused_atoms_are_replaced(telemetry: np.ndarray) -> None:
    init = np.repeat(telemetry[:8], 4, axis=0)
    learner = DictionaryLearner(32, 4, max_iter=10, init=init).fit(telemetry)
    assert learner.n_replaced_ > 0
    fresh = DictionaryLearner(32, 4, max_iter=10, random_state=0).fit(telemetry)
    assert learner.error_[-1] < 1.3 * fresh.error_[-1]
    cosines = np.abs(learner.components_ @ learner.components_.T) - np.eye(32)
    assert np.sum(cosines > 0.99) <= 2


@pytest.mark.parametrize("algorithm", ["ksvd", "aksvd", "mod", "online"])
def test_the_same_seed_gives_the_same_dictionary_with_any_number_of_threads(
    telemetry: np.ndarray, algorithm: str
) -> None:
    learner = DictionaryLearner(16, 2, max_iter=3, algorithm=algorithm, random_state=7)
    threaded = clone(learner).set_params(n_jobs=2)
    np.testing.assert_array_equal(learner.fit(telemetry).components_, threaded.fit(telemetry).components_)


@pytest.mark.parametrize("algorithm", ["ksvd", "aksvd", "mod", "online"])
def test_a_resumed_run_is_the_uninterrupted_one(telemetry: np.ndarray, algorithm: str) -> None:
    iterations: list[Iteration] = []
    whole = DictionaryLearner(
        32, 3, max_iter=6, algorithm=algorithm, random_state=1, callback=lambda i: iterations.append(i)
    ).fit(telemetry)
    resumed = clone(whole).set_params(callback=None, n_jobs=2).fit(telemetry, resume_from=iterations[2])
    np.testing.assert_array_equal(resumed.components_, whole.components_)
    np.testing.assert_array_equal(resumed.error_, whole.error_)
    assert resumed.n_replaced_ == whole.n_replaced_
    finished = clone(whole).fit(telemetry, resume_from=iterations[-1])
    np.testing.assert_array_equal(finished.components_, whole.components_)


def test_a_callback_that_returns_true_ends_learning(telemetry: np.ndarray) -> None:
    learner = DictionaryLearner(16, 2, random_state=0, callback=lambda iteration: iteration.number == 3)
    assert learner.fit(telemetry).n_iter_ == 3


def test_local_atoms_are_parts_of_signals_and_better_for_images() -> None:
    # Bars of 3 pixels at random places of an image of 12 x 12, 6 in each.
    rng = np.random.default_rng(0)
    images = np.zeros((1500, 12, 12), np.float32)
    for image in images:
        for row, column in rng.integers(0, 10, (6, 2)):
            image[row, column : column + 3] += rng.uniform(0.5, 1)
    signals = images.reshape(1500, 144)
    errors = {
        init: DictionaryLearner(160, 6, max_iter=4, algorithm="aksvd", init=init, random_state=0).fit(signals).error_
        for init in ("data", "local")
    }
    assert errors["local"][-1] < 0.95 * errors["data"][-1]


def test_compression_chooses_the_atoms(telemetry: np.ndarray) -> None:
    learner = DictionaryLearner(compression=0.8, n_nonzero_coefs=4, max_iter=1, random_state=0).fit(telemetry)
    (count, m), n = telemetry.shape, len(learner.components_)
    assert 1 - (m * n + 4 * count) / (m * count) >= 0.8 > 1 - (m * (n + 1) + 4 * count) / (m * count)


def test_target_nrmse_is_met_on_other_signals(telemetry: np.ndarray) -> None:
    learner = DictionaryLearner(target_nrmse=0.35, random_state=0).fit(telemetry[::2])
    assert (learner.n_components_, learner.n_nonzero_coefs_) == (learner.search_.chosen.n, learner.search_.chosen.s)
    other = telemetry[1::2]
    difference = other - learner.inverse_transform(learner.transform(other))
    assert np.linalg.norm(difference) / np.linalg.norm(other - other.mean()) < 0.4


def test_batches_are_learned_one_after_the_other(telemetry: np.ndarray) -> None:
    learner = DictionaryLearner(32, 3, algorithm="online", random_state=0)
    for batch in np.array_split(telemetry, 10):
        learner.partial_fit(batch)
    assert learner.n_iter_ == 10
    batch_learner = DictionaryLearner(32, 3, algorithm="aksvd", max_iter=5, random_state=0).fit(telemetry)
    assert learner.score(telemetry) > 1.5 * batch_learner.score(telemetry)
    assert not hasattr(DictionaryLearner(4), "partial_fit")


def test_components_are_unit_norm_float32(telemetry: np.ndarray) -> None:
    atoms = DictionaryLearner(40, 3, max_iter=4, random_state=0).fit(telemetry).components_
    assert atoms.dtype == np.float32
    assert atoms.flags.c_contiguous
    np.testing.assert_allclose(np.linalg.norm(atoms.astype(np.float64), axis=1), 1, atol=1e-6)


def test_codes_are_sparse_and_score_is_their_error(telemetry: np.ndarray) -> None:
    learner = DictionaryLearner(40, 3, max_iter=4, random_state=0).fit(telemetry)
    dense = learner.transform(telemetry)
    assert (np.count_nonzero(dense, axis=1) <= 3).all()
    difference = telemetry - learner.inverse_transform(dense)
    assert learner.score(telemetry) == pytest.approx(-np.sqrt(np.mean(difference**2)), rel=1e-5)
    codes = learner.encode(telemetry)
    assert codes.support.shape == (len(telemetry), 3)
    np.testing.assert_array_equal(codes.to_csr().toarray(), dense)


def test_zero_signals_have_empty_codes() -> None:
    learner = DictionaryLearner(4, 2, random_state=0).fit(np.zeros((10, 3)))
    assert not learner.error_.any()
    np.testing.assert_array_equal(learner.transform(np.zeros((10, 3))), 0)
    np.testing.assert_allclose(np.linalg.norm(learner.components_, axis=1), 1, atol=1e-6)


def test_constant_signals_are_one_atom() -> None:
    signals = np.tile([3.0, -4.0, 0.0], (20, 1))
    learner = DictionaryLearner(4, 2, random_state=0).fit(signals)
    assert learner.error_[-1] < 1e-6
    np.testing.assert_allclose(learner.inverse_transform(learner.transform(signals)), signals, rtol=1e-6)
    assert np.isfinite(learner.components_).all()


@pytest.mark.parametrize("scale", [1e-40, 1e-20, 1e20, 1e37])
def test_any_magnitude_is_learned_alike(scale: float) -> None:
    signals = np.random.default_rng(0).uniform(-1, 1, (100, 6))
    one = DictionaryLearner(8, 2, max_iter=3, random_state=0).fit(signals)
    scaled = DictionaryLearner(8, 2, max_iter=3, random_state=0).fit(signals * scale)
    assert scaled.error_[-1] / scale == pytest.approx(one.error_[-1], rel=1e-2)


@pytest.mark.parametrize("algorithm", ["ksvd", "aksvd"])
@pytest.mark.parametrize("seed", range(4))
def test_signals_that_nearly_vanish_beside_others_do_no_harm(algorithm: str, seed: int) -> None:
    signals = np.tile(np.eye(16), (20, 1))
    signals[::50] *= 1e-25
    learner = DictionaryLearner(24, 3, algorithm=algorithm, max_iter=5, random_state=seed).fit(signals)
    assert np.isfinite(learner.components_).all()
    np.testing.assert_allclose(np.linalg.norm(learner.components_, axis=1), 1, atol=1e-5)


def test_online_learning_goes_on_from_k_svd(telemetry: np.ndarray) -> None:
    learner = DictionaryLearner(16, 2, max_iter=2, random_state=0).fit(telemetry)
    before = learner.components_.copy()
    learner.set_params(algorithm="online").partial_fit(telemetry[:100])
    assert learner.n_iter_ == 3
    assert (learner.components_ != before).any()


def test_an_iteration_of_another_shape_is_refused(telemetry: np.ndarray) -> None:
    other = Iteration(np.eye(3), np.ones(50))
    with pytest.raises(ValueError, match=r"shape \(3, 3\)"):
        DictionaryLearner(16, 2, random_state=0).fit(telemetry, resume_from=other)


def test_what_an_earlier_fit_found_is_forgotten(telemetry: np.ndarray) -> None:
    learner = DictionaryLearner(target_nrmse=0.5, max_iter=1, random_state=0).fit(telemetry)
    learner.set_params(target_nrmse=None, n_components=8, n_nonzero_coefs=2).fit(telemetry)
    assert not hasattr(learner, "search_")


def test_mapped_integers_are_searched_as_their_values(tmp_path: Path, telemetry: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", np.round(telemetry * 1000).astype(np.int16))
    learner = DictionaryLearner(target_nrmse=0.5, algorithm="mod", max_iter=1, random_state=0)
    with pytest.warns(DataConversionWarning, match="int16"):
        learner.fit(np.load(tmp_path / "a.npy", mmap_mode="r"))
    assert learner.search_.chosen.nrmse <= 0.5


def test_m_or_n_of_1_is_learned() -> None:
    rng = np.random.default_rng(0)
    assert DictionaryLearner(1, 1).fit(rng.standard_normal((10, 4))).components_.shape == (1, 4)
    column = rng.standard_normal((10, 1))
    learner = DictionaryLearner(3, 2, random_state=0).fit(column)
    assert learner.score(column) == pytest.approx(0, abs=1e-6)


def test_learning_ends_at_the_tolerance(telemetry: np.ndarray) -> None:
    learner = DictionaryLearner(32, 3, tol=0.05, max_iter=50, random_state=0).fit(telemetry)
    assert learner.n_iter_ < 50
    falls = 1 - learner.error_[1:] / learner.error_[:-1]
    assert falls[-1] <= 0.05
    assert (falls[:-1] > 0.05).all()


def test_an_initial_dictionary_is_normalised(telemetry: np.ndarray) -> None:
    init = telemetry[:20].astype(np.float64) * 7
    learner = DictionaryLearner(20, 2, max_iter=1, init=init).fit(telemetry)
    unscaled = DictionaryLearner(20, 2, max_iter=1, init=telemetry[:20].astype(np.float64)).fit(telemetry)
    np.testing.assert_allclose(learner.components_, unscaled.components_, atol=1e-4)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 0}, "n_components"),
        ({"algorithm": "pca"}, "algorithm"),
        ({"compression": 1.0}, "compression"),
        ({"compression": 0.5}, "give one of"),
        ({"n_components": None, "target_nrmse": 0.1, "n_nonzero_coefs": 2}, "chooses"),
        ({"n_components": None, "compression": 0.99}, "out of reach"),
        ({"n_nonzero_coefs": 6}, "n_nonzero_coefs=6 is more than n_components=4"),
        ({"n_nonzero_coefs": 0}, "n_nonzero_coefs"),
        ({"tol": -1.0}, "tol"),
        ({"max_iter": 0}, "max_iter"),
        ({"init": "svd"}, "init"),
        ({"init": np.ones((3, 3))}, "shape"),
        ({"init": np.full((4, 5), np.nan)}, "finite"),
        ({"init": np.zeros((4, 5))}, "zeros"),
        ({"init": np.full((4, 5), "a")}, "real"),
        ({"init": np.ones((4, 5)) * 1j}, "real"),
        ({"n_components": 11}, "n_samples=10 is less than n_components=11"),
    ],
)
def test_parameters_that_cannot_be_are_refused(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DictionaryLearner(**{"n_components": 4, **parameters}).fit(np.ones((10, 5)))


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_data_that_are_not_finite_are_refused(value: float) -> None:
    signals = np.ones((10, 3))
    signals[4, 1] = value
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        DictionaryLearner(2).fit(signals)


@pytest.mark.parametrize("signals", [np.ones((10, 3)) * 1j, csr_array(np.eye(10)), [["a"] * 3] * 10])
def test_data_that_are_not_real_arrays_are_refused(signals: object) -> None:
    with pytest.raises((ValueError, TypeError), match=r"[Cc]omplex|[Ss]parse|could not convert"):
        DictionaryLearner(2).fit(signals)


def test_integers_are_converted_and_it_is_said() -> None:
    images = np.random.default_rng(0).integers(0, 255, (40, 9), dtype=np.uint8)
    with pytest.warns(DataConversionWarning, match="uint8"):
        learner = DictionaryLearner(6, 2, random_state=0).fit(images)
    np.testing.assert_array_equal(
        learner.components_, DictionaryLearner(6, 2, random_state=0).fit(images.astype(float)).components_
    )


def test_codes_of_another_width_are_refused() -> None:
    learner = DictionaryLearner(2, 1).fit(np.eye(3))
    with pytest.raises(ValueError, match="n_components=2"):
        learner.inverse_transform(np.ones((1, 3)))
