"""Learning from Dask arrays, on a cluster of separate processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edgetwin.data import load_asd
from edgetwin.data.folder import open_folder
from edgetwin.dictionary import DictionaryLearner
from edgetwin.dictionary.iteration import Iteration
from edgetwin.dictionary.sources import draw_atoms, source_of
from edgetwin.signals import ChannelScaling, to_windows

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def telemetry() -> np.ndarray:
    train = load_asd("omi-1").train
    return to_windows(ChannelScaling.fit(train).transform(train), 2)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """Two worker processes; they keep their files out of the checkout, and soon give up one that does not answer."""
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "3s"}),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            local_directory=str(tmp_path_factory.mktemp("dask")),
        ) as cluster,
        distributed.Client(cluster) as connected,
    ):
        yield connected


def learn(signals: object, algorithm: str, **options: object) -> DictionaryLearner:
    options = {"max_iter": 4, "random_state": 0, **options}
    return DictionaryLearner(48, 4, algorithm=algorithm, **options).fit(signals)


def partitioned(signals: np.ndarray, count: int) -> object:
    return da.from_array(signals, chunks=(-(-len(signals) // count), -1))


@pytest.mark.parametrize("algorithm", ["mod", "online"])
def test_the_dictionary_does_not_depend_on_the_partitions(
    client: object, telemetry: np.ndarray, algorithm: str
) -> None:
    one, two, eight = (learn(partitioned(telemetry, count), algorithm) for count in (1, 2, 8))
    for several in (two, eight):
        np.testing.assert_allclose(several.components_, one.components_, atol=1e-5)
        np.testing.assert_allclose(several.error_, one.error_, rtol=1e-9)
        assert several.n_replaced_ == one.n_replaced_
    if algorithm == "mod":
        in_memory = learn(telemetry.astype(np.float64), algorithm)
        np.testing.assert_allclose(one.components_, in_memory.components_, atol=1e-5)
        np.testing.assert_allclose(one.error_, in_memory.error_, rtol=1e-9)


def deadly(signals: np.ndarray, trap: Path, count: int = 8) -> object:
    """`signals` in partitions, the fifth of which kills the worker that loads it, once, when `trap` exists."""
    edges = np.linspace(0, len(signals), count + 1).astype(int).tolist()

    def load(part: np.ndarray, number: int) -> np.ndarray:
        if number == 4 and trap.exists():
            trap.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return part

    return da.concatenate(
        [
            da.from_delayed(dask.delayed(load)(part, number), shape=part.shape, dtype=part.dtype)
            for number, part in enumerate(np.split(signals, edges[1:-1]))
        ]
    )


@pytest.mark.parametrize("algorithm", ["mod", "online"])
def test_a_worker_killed_in_the_middle_changes_nothing(
    client: object, telemetry: np.ndarray, tmp_path: Path, algorithm: str
) -> None:
    trap = tmp_path / "trap"
    before = set(client.run(os.getpid).values())

    def set_trap(iteration: Iteration) -> None:
        if iteration.number == 2:
            trap.touch()

    learned = learn(deadly(telemetry, trap), algorithm, callback=set_trap)
    assert not trap.exists()
    client.wait_for_workers(2)
    after = set(client.run(os.getpid).values())
    assert len(before - after) == 1
    undisturbed = learn(partitioned(telemetry, 8), algorithm)
    np.testing.assert_allclose(learned.components_, undisturbed.components_, atol=1e-5)
    np.testing.assert_allclose(learned.error_, undisturbed.error_, rtol=1e-9)


def test_a_folder_is_learned_on_the_workers(client: object, telemetry: np.ndarray, tmp_path: Path) -> None:
    for number, part in enumerate(np.array_split(telemetry, 3)):
        np.save(tmp_path / f"part-{number}.npy", part)
    from_folder, from_array = (learn(signals, "mod") for signals in (open_folder(tmp_path), telemetry))
    np.testing.assert_allclose(from_folder.components_, from_array.components_, atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        lambda array: array.rechunk((700, 10)),
        lambda array: array.rechunk((100, -1)),
        lambda array: array[da.ones(len(array), dtype=bool, chunks=array.chunks[0])],
        lambda array: da.concatenate([array[:2000], array[:0], array[2000:]]),
    ],
    ids=["columns in chunks", "chunks smaller than n^2/m", "chunks of unknown size", "an empty chunk"],
)
def test_any_chunks_will_do(telemetry: np.ndarray, change: Callable[[object], object]) -> None:
    # No cluster: threads of this process.
    array = change(partitioned(telemetry, 4))
    with dask.config.set(scheduler="threads"):
        learned = learn(array, "mod", max_iter=2)
    np.testing.assert_allclose(learned.components_, learn(telemetry, "mod", max_iter=2).components_, atol=1e-5)


def test_rows_are_found_in_their_partitions(telemetry: np.ndarray) -> None:
    numbers = np.random.default_rng(0).permutation(len(telemetry))[:50]
    with dask.config.set(scheduler="threads"):
        source = source_of(partitioned(telemetry, 7))
        np.testing.assert_array_equal(source.rows(numbers), telemetry[numbers].astype(np.float64))
        np.testing.assert_array_equal(draw_atoms(source, 20, 3), draw_atoms(source_of(telemetry), 20, 3))


def test_a_bad_signal_is_named_by_its_row_in_the_whole(client: object, telemetry: np.ndarray) -> None:
    bad = telemetry.copy()
    bad[4000, 1] = np.nan
    start = telemetry[:48].astype(np.float64)
    with pytest.raises(ValueError, match="signal 4000 contains NaN"):
        learn(partitioned(bad, 8), "mod", init=start)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (da.ones(5), "two-dimensional"),
        (da.ones((5, 2), dtype=complex), "Complex"),
        (dask.delayed(np.ones)((5, 2)), "not a Dask array"),
    ],
)
def test_other_collections_are_refused(array: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        source_of(array)
