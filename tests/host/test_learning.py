"""From samples to a bundle: what the defaults choose, and what is refused."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from edgetwin.core import Dictionary
from edgetwin.data import Samples, load_asd
from edgetwin.deploy.atom_picture import AtomPicture
from edgetwin.deploy.learning import LearningPlan, learn_bundle, signals_for
from edgetwin.deploy.training import TrainingSet, open_training_set
from edgetwin.dictionary.sparse import SparseCodes
from edgetwin.dictionary.target import code_bits, search
from edgetwin.errors import UserError
from edgetwin.signals import ChannelScaling, to_windows
from edgetwin.twin import Twin


def samples(rows, channels=1, series_rows=None):
    values = np.random.default_rng(0).standard_normal((rows, channels)).astype(np.float32)
    return Samples(values, tuple(f"c{i}" for i in range(channels)), series_rows)


@pytest.mark.parametrize(("channels", "m"), [(1, 64), (3, 66), (19, 76), (100, 100)])
def test_the_default_window_gives_64_samples_or_the_next_whole_row(channels, m):
    learned = learn_bundle(samples(1300, channels), LearningPlan(n_components=8, n_nonzero_coefs=2, max_iter=1))
    assert learned.bundle.m == m
    assert learned.bundle.channels == channels


def test_a_file_of_equal_series_gives_one_signal_a_series():
    learned = learn_bundle(samples(600, 2, series_rows=30), LearningPlan(n_components=8, max_iter=1))
    assert learned.signals.shape == (20, 60)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (LearningPlan(window=1000), "less than one window"),
        (LearningPlan(n_components=11), "need 11 signals"),
        (LearningPlan(window=8, n_nonzero_coefs=9), "lower --nonzero"),
        (LearningPlan(coefficient_bits=3), "4 to 16"),
        (LearningPlan(atom_type="float64"), "int8"),
        (LearningPlan(tolerance=float("inf")), "finite"),
        (LearningPlan(algorithm="svd"), "ksvd, aksvd, mod, online"),
        (LearningPlan(compression=0.8, n_components=4), "without --atoms"),
        (LearningPlan(compression=0.8, target_nrmse=0.1), "without --target-nrmse"),
        (LearningPlan(compression=1.5), "between 0 and 1"),
        (LearningPlan(compression=0.99), "fewer atoms a code"),
        (LearningPlan(target_nrmse=0.0), "between 0 and 1"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_in_one_line(plan, said):
    iterations = []
    with pytest.raises(UserError, match=said):
        learn_bundle(samples(640), plan, iterations.append, starting=iterations.append)
    assert not iterations


def test_a_signal_longer_than_a_board_takes_is_refused():
    with pytest.raises(UserError, match="4096"):
        learn_bundle(samples(20000), LearningPlan(window=5000))


def test_windows_never_straddle_two_series():
    with pytest.raises(UserError, match="straddle"):
        learn_bundle(samples(600, 1, series_rows=50), LearningPlan(window=64))


def test_a_file_is_cut_as_the_dictionary_asks():
    bundle = learn_bundle(samples(1300, 3), LearningPlan(n_components=8, max_iter=1)).bundle
    assert signals_for(samples(100, 3), bundle).shape == (4, 66)
    assert signals_for(samples(5, 66), bundle).shape == (5, 66)
    with pytest.raises(UserError, match="5 columns"):
        signals_for(samples(100, 5), bundle)


@pytest.mark.parametrize("size", [(8, 8), (4, 16)])
def test_rows_that_are_images_are_signals_of_one_channel(size):
    training = TrainingSet.of(samples(100, 64), image=size)
    assert (training.signals.shape, training.channels, training.image) == ((100, 64), 1, size)


def test_rows_that_are_no_images_of_that_size_are_refused():
    with pytest.raises(UserError, match="a row has 64"):
        TrainingSet.of(samples(100, 64), image=(8, 9))


def telemetry(rows=1600):
    server = load_asd("omi-1")
    return Samples(server.train[:rows], server.names)


class Interrupt:
    """Ctrl-C at the start of the iteration after `number`."""

    def __init__(self, number):
        self.number = number
        self.numbers = []

    def __call__(self, iteration):
        self.numbers.append(iteration.number)
        if iteration.number == self.number:
            raise KeyboardInterrupt


@pytest.mark.parametrize("algorithm", ["ksvd", "aksvd"])
def test_a_resumed_run_is_bit_for_bit_an_uninterrupted_one(tmp_path, algorithm):
    plan = LearningPlan(n_components=64, n_nonzero_coefs=4, algorithm=algorithm, max_iter=6)
    whole = learn_bundle(telemetry(), plan)
    kept = tmp_path / "checkpoint"
    half = learn_bundle(telemetry(), plan, Interrupt(2), checkpoint=kept)
    assert (half.complete, half.iteration.number) == (False, 2)
    assert half.bundle.metadata["iterations"] == 2
    resumed = Interrupt(4)
    half = learn_bundle(telemetry(), plan, resumed, checkpoint=kept, resume=True)
    assert (half.complete, resumed.numbers) == (False, [2, 3, 4])
    end = learn_bundle(telemetry(), plan, checkpoint=kept, resume=True)
    assert end.complete
    np.testing.assert_array_equal(end.iteration.errors, whole.iteration.errors)
    assert end.bundle.to_bytes() == whole.bundle.to_bytes()
    again = learn_bundle(telemetry(), plan, checkpoint=kept, resume=True)
    assert again.bundle.id == whole.bundle.id


def test_without_a_checkpoint_or_an_iteration_an_interrupt_passes_through(tmp_path):
    plan = LearningPlan(n_components=16, n_nonzero_coefs=2, max_iter=3)
    with pytest.raises(KeyboardInterrupt):
        learn_bundle(telemetry(), plan, Interrupt(1))

    def search_interrupted(done, total):
        raise KeyboardInterrupt

    plan = LearningPlan(target_nrmse=0.3, n_components=16, n_nonzero_coefs=2, max_iter=3)
    with pytest.raises(KeyboardInterrupt):
        learn_bundle(telemetry(), plan, searching=search_interrupted, checkpoint=tmp_path / "checkpoint")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("rows", "change"),
    [(1500, {}), (1600, {"n_components": 17}), (1600, {"random_state": 1}), (1600, {"algorithm": "aksvd"})],
)
def test_a_checkpoint_of_other_data_or_another_plan_is_refused(tmp_path, rows, change):
    plan = {"n_components": 16, "n_nonzero_coefs": 2, "max_iter": 3}
    kept = tmp_path / "checkpoint"
    learn_bundle(telemetry(), LearningPlan(**plan), Interrupt(1), checkpoint=kept)
    with pytest.raises(UserError, match="other data or other options"):
        learn_bundle(telemetry(rows), LearningPlan(**(plan | change)), checkpoint=kept, resume=True)


def test_a_resumed_run_may_have_more_iterations_and_another_atom_type(tmp_path):
    plan = {"n_components": 16, "n_nonzero_coefs": 2}
    kept = tmp_path / "checkpoint"
    learn_bundle(telemetry(), LearningPlan(**plan, max_iter=2), checkpoint=kept)
    more = LearningPlan(**plan, max_iter=4, atom_type="int16")
    resumed = learn_bundle(telemetry(), more, checkpoint=kept, resume=True)
    assert resumed.bundle.to_bytes() == learn_bundle(telemetry(), more).bundle.to_bytes()


@pytest.mark.parametrize("algorithm", ["mod", "online"])
def test_every_algorithm_gives_a_bundle(tmp_path, algorithm):
    plan = LearningPlan(n_components=32, n_nonzero_coefs=4, algorithm=algorithm, max_iter=4)
    kept = tmp_path / "checkpoint"
    half = learn_bundle(telemetry(), plan, Interrupt(2), checkpoint=kept)
    end = learn_bundle(telemetry(), plan, checkpoint=kept, resume=True)
    assert half.iteration.number == 2
    assert end.iteration.errors[-1] < end.iteration.errors[0]
    np.testing.assert_array_equal(end.iteration.errors, learn_bundle(telemetry(), plan).iteration.errors)


def test_a_plan_with_a_compression_learns_as_many_atoms_as_it_leaves():
    plan = LearningPlan(n_nonzero_coefs=5, compression=0.7, max_iter=1)
    bundle = learn_bundle(telemetry(), plan).bundle
    assert bundle.n == int(400 * (0.3 - 5 / 76))


@pytest.mark.parametrize(("n", "bits"), [(1, 8), (20, 4), (64, 16), (65, 32)])
def test_bits_of_a_code_are_those_that_the_core_packs(n, bits):
    learned = learn_bundle(
        telemetry(), LearningPlan(n_components=n, n_nonzero_coefs=min(5, n), max_iter=1, coefficient_bits=bits)
    )
    core = Dictionary(learned.bundle.to_bytes())
    packed, _ = core.encode(np.concatenate([learned.signals, learned.bundle.offsets[None].repeat(4, 0).reshape(1, -1)]))
    counts = core.unpack(packed).counts.astype(np.int32)
    for code, count in zip(packed, counts, strict=True):
        one = SparseCodes(np.zeros((1, 5), np.int32), np.zeros((1, 5)), np.array([count]), n)
        assert -(-code_bits(one, core.k, bits) // 8) == len(code)
    assert 0 in counts


@pytest.fixture(scope="module")
def scaled():
    server = load_asd("omi-1")
    return to_windows(ChannelScaling.fit(server.train).transform(server.train), 4)


def learn_from_data(signals, n, s):
    """Signals as atoms: a dictionary that any search can be checked with."""
    chosen = signals[:: len(signals) // n][:n]
    return chosen / np.linalg.norm(chosen, axis=1, keepdims=True)


def test_the_search_chooses_the_fewest_bits_that_reach_the_target(scaled):
    seen = []
    result = search(
        scaled,
        0.4,
        learn_from_data,
        channels=19,
        n_candidates=[64, 16, 128],
        s_candidates=[4, 2, 8],
        random_state=0,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert [(trial.n, trial.s) for trial in result.trials] == [(n, s) for n in (16, 64, 128) for s in (2, 4, 8)]
    assert seen == [(1, 3), (2, 3), (3, 3)]
    reached = [trial for trial in result.trials if trial.nrmse <= 0.4]
    assert result.chosen in reached
    assert all(trial.bits >= result.chosen.bits for trial in reached)
    for n in (16, 64, 128):
        errors = [trial.nrmse for trial in result.trials if trial.n == n]
        assert errors == sorted(errors, reverse=True)


def test_the_search_judges_by_signals_that_were_not_learned_from(scaled):
    row_of = {signal.tobytes(): row for row, signal in enumerate(scaled)}
    given = []

    def learn(signals, n, s):
        given.extend(row_of[signal.tobytes()] for signal in signals)
        return learn_from_data(signals, n, s)

    # With s = n the code is the least squares fit.
    result = search(scaled, 0.99, learn, n_candidates=[16], s_candidates=[16], random_state=3)
    left = sorted(set(range(len(scaled))) - set(given))
    assert len(left) == len(scaled) // 4
    atoms = learn_from_data(scaled[given], 16, 16).astype(np.float64)
    y = scaled[left].astype(np.float64)
    residual = y - np.linalg.lstsq(atoms.T, y.T, rcond=None)[0].T @ atoms
    kept = np.argsort(np.linalg.norm(residual, axis=1))[: round(0.99 * len(y))]
    expected = np.linalg.norm(residual[kept]) / np.linalg.norm(y[kept] - y[kept].mean())
    assert result.chosen.nrmse == pytest.approx(expected, rel=1e-3)


def test_the_search_finds_the_smallest_s(scaled):
    result = search(scaled, 0.2, learn_from_data, channels=19, n_candidates=[128], random_state=0)
    tried = {trial.s: trial.nrmse for trial in result.trials}
    assert list(tried) == sorted(tried)
    assert result.chosen.s > 4
    assert tried[result.chosen.s] <= 0.2 < tried[result.chosen.s - 1]


def test_a_target_out_of_reach_names_the_best_that_was_reached():
    with pytest.raises(UserError, match=r"out of reach: the best is 0\.\d+, with 32 atoms and 4 a code"):
        learn_bundle(telemetry(), LearningPlan(target_nrmse=0.001, n_components=32, n_nonzero_coefs=4, codec="sparse"))


@pytest.mark.parametrize("server", ["omi-1", "omi-6"])
def test_a_target_is_reached_on_later_days(server):
    days = load_asd(server)
    learned = learn_bundle(Samples(days.train, days.names), LearningPlan(target_nrmse=0.25, max_iter=5))
    assert learned.search is not None
    assert learned.bundle.n == learned.search.chosen.n
    assert learned.bundle.s >= learned.search.chosen.s  # a code may use more, where a window needs them
    later = signals_for(Samples(days.test, days.names), learned.bundle)
    twin = Twin(learned.bundle)
    # Held-out windows of the days before have 0.25; those days are others.
    assert twin.nrmse(later, twin.reconstruct(twin.encode(later)).signals) < 0.3


@pytest.fixture
def folder(tmp_path):
    """Telemetry in seven files of unequal lengths that no window divides."""
    pytest.importorskip("dask.array")
    path = tmp_path / "days"
    path.mkdir()
    for number, part in enumerate(np.split(load_asd("omi-1").train, [333, 1000, 1001, 3500, 6001, 8000])):
        np.save(path / f"{number}.npy", part)
    return path


def test_a_folder_gives_the_signals_of_its_files_one_after_another(folder):
    training = open_training_set(folder)
    whole = TrainingSet.of(telemetry(8640))
    assert (len(training), training.m, training.channels, training.in_memory) == (2160, 76, 19, False)
    np.testing.assert_array_equal(training.signals.compute(), whole.signals)
    np.testing.assert_array_equal(training.spread(100), whole.spread(100))
    np.testing.assert_allclose(training.scaling().offsets, whole.scaling().offsets, rtol=1e-6)
    np.testing.assert_allclose(training.scaling().gains, whole.scaling().gains, rtol=1e-6)
    rows = open_training_set(folder, rows_are_signals=True)
    assert (len(rows), rows.m, rows.channels) == (8640, 19, 1)


def test_a_folder_is_learned_as_the_same_signals_in_memory(folder):
    plan = LearningPlan(n_components=32, n_nonzero_coefs=4, algorithm="mod", max_iter=3)
    on_disk = learn_bundle(open_training_set(folder), plan)
    in_memory = learn_bundle(telemetry(8640), plan)
    np.testing.assert_allclose(on_disk.iteration.errors, in_memory.iteration.errors, rtol=1e-4)
    np.testing.assert_allclose(on_disk.iteration.atoms, in_memory.iteration.atoms, atol=1e-3)
    assert learn_bundle(open_training_set(folder), LearningPlan(n_components=32, max_iter=1)).algorithm == "online"


def test_a_run_on_a_folder_is_resumed_and_one_on_another_folder_is_not(folder, tmp_path):
    plan = LearningPlan(n_components=32, n_nonzero_coefs=4, max_iter=4)
    kept = tmp_path / "checkpoint"
    half = learn_bundle(open_training_set(folder), plan, Interrupt(2), checkpoint=kept)
    assert not half.complete
    end = learn_bundle(open_training_set(folder), plan, checkpoint=kept, resume=True)
    assert end.iteration.number == 4
    np.save(folder / "0.npy", np.load(folder / "0.npy") + np.float32(0.01))
    with pytest.raises(UserError, match="other data"):
        learn_bundle(open_training_set(folder), plan, checkpoint=kept, resume=True)


def test_what_a_folder_cannot_do_is_said(folder):
    with pytest.raises(UserError, match="give mod or online"):
        learn_bundle(open_training_set(folder), LearningPlan(algorithm="ksvd"))
    with pytest.raises(UserError, match="less than one window"):
        open_training_set(folder, 9000)
    np.save(folder / "6.npy", np.full((40, 19), np.nan, np.float32))
    with pytest.raises(UserError, match="NaN"):
        learn_bundle(open_training_set(folder), LearningPlan(n_components=32))


def test_a_file_too_large_for_memory_is_learned_from_the_disk(tmp_path, monkeypatch):
    pytest.importorskip("dask.array")
    path = tmp_path / "year.npy"
    np.save(path, np.tile(load_asd("omi-1").train, (8, 1)))
    assert open_training_set(path).in_memory
    monkeypatch.setattr("edgetwin.deploy.training._SHARE_OF_MEMORY", 0.0)
    monkeypatch.setattr("edgetwin.deploy.training._CHUNK_BYTES", 100_000)
    open_training_set(path)  # the first call imports parts of Dask
    tracemalloc.start()
    large = open_training_set(path)
    assert tracemalloc.get_traced_memory()[1] < path.stat().st_size / 3
    tracemalloc.stop()
    assert not large.in_memory
    np.testing.assert_array_equal(large.signals.compute()[:2160], TrainingSet.of(telemetry(8640)).signals)
    learned = learn_bundle(large, LearningPlan(n_components=64, max_iter=3, target_nrmse=0.4))
    assert learned.iteration.number == 3


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_file_of_images_is_cut_before_it_is_reshaped(tmp_path, monkeypatch, order):
    pytest.importorskip("dask.array")
    path = tmp_path / "images.npy"
    images = np.tile(load_asd("omi-1").train[:8000].reshape(4000, 2, 19), (8, 1, 1))
    np.save(path, np.asarray(images, order=order))
    monkeypatch.setattr("edgetwin.deploy.training._SHARE_OF_MEMORY", 0.0)
    monkeypatch.setattr("edgetwin.deploy.training._CHUNK_BYTES", 100_000)
    open_training_set(path).spread(20)  # the first call imports parts of Dask
    tracemalloc.start()
    training = open_training_set(path)
    spread = training.spread(20)
    piece = training.signals[31990:].compute()
    assert tracemalloc.get_traced_memory()[1] < path.stat().st_size / 3
    tracemalloc.stop()
    assert (training.signals.shape, training.image, training.in_memory) == ((32000, 38), (2, 19), False)
    np.testing.assert_array_equal(piece, images[31990:].reshape(10, 38))
    np.testing.assert_array_equal(spread, TrainingSet(images.reshape(32000, 38)).spread(20))
    np.testing.assert_array_equal(training.signals[7].compute(), images[7].ravel())


def test_a_file_of_images_needs_no_size(tmp_path):
    np.save(tmp_path / "images.npy", np.arange(240, dtype=np.uint8).reshape(10, 4, 6))
    training = open_training_set(tmp_path / "images.npy")
    assert (training.signals.shape, training.signals.dtype, training.image) == ((10, 24), np.float32, (4, 6))
    with pytest.raises(UserError, match="dimensions"):
        np.save(tmp_path / "cubes.npy", np.zeros((2, 2, 2, 2)))
        open_training_set(tmp_path / "cubes.npy")


@pytest.mark.parametrize(
    ("ending", "n", "image"),
    [("png", 1, None), ("png", 40, None), ("svg", 3, None), ("pdf", 40, (4, 19)), ("png", 400, (19, 4))],
)
def test_a_picture_of_any_number_of_atoms_is_drawn(tmp_path, ending, n, image):
    pytest.importorskip("matplotlib")
    atoms = np.random.default_rng(0).standard_normal((n, 76)).astype(np.float32)
    names = ["a"] if image else [f"c{i}" for i in range(19)]
    path = tmp_path / f"atoms.{ending}"
    AtomPicture("title", atoms, np.linspace(0, 1, n), np.array([0.5, 0.4]), names, image).save(path)
    assert path.read_bytes()[:4] in (b"\x89PNG", b"<?xm", b"%PDF")


def test_a_picture_of_an_unknown_kind_is_refused(tmp_path):
    picture = AtomPicture("title", np.eye(3), np.ones(3), np.ones(1), ["a"])
    with pytest.raises(UserError, match=r"\.png, \.svg, \.pdf"):
        picture.save(tmp_path / "atoms.gif")
