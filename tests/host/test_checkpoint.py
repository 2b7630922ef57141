"""Checkpoints of learning: what was written comes back, and nothing else is taken for one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgetwin.dictionary import checkpoint as module
from edgetwin.dictionary.checkpoint import Checkpoint, fingerprint
from edgetwin.dictionary.iteration import Iteration
from edgetwin.errors import UserError

MARK = fingerprint(np.arange(6.0).reshape(2, 3), {"n": 5})


def iteration(number: int = 2) -> Iteration:
    rng = np.random.default_rng(number)
    atoms = rng.standard_normal((12, 7)).astype(np.float32)
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    memory = {"gram": rng.standard_normal((12, 12)), "seen": np.array(40.0)}
    return Iteration(atoms, np.linspace(1, 0.5, number), 4, memory)


def assert_same(a: Iteration, b: Iteration) -> None:
    assert a.n_replaced == b.n_replaced
    assert a.memory.keys() == b.memory.keys()
    pairs = [(a.atoms, b.atoms), (a.errors, b.errors), *((a.memory[key], b.memory[key]) for key in a.memory)]
    for one, other in pairs:
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def written(path: Path, state: Iteration) -> Path:
    Checkpoint(path, MARK).offer(state)
    return path


def test_an_iteration_comes_back_bit_for_bit(tmp_path: Path) -> None:
    state = iteration()
    loaded = Checkpoint(written(tmp_path / "c", state), MARK).load()
    assert loaded is not None
    assert_same(loaded, state)


def test_no_file_is_no_iteration(tmp_path: Path) -> None:
    assert Checkpoint(tmp_path / "none", MARK).load() is None


def test_between_two_writings_the_latest_iteration_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTERVAL", np.inf)
    path = tmp_path / "c"
    kept = Checkpoint(path, MARK)
    kept.offer(iteration(1))
    kept.write()
    kept.offer(iteration(2))
    kept.offer(iteration(3))
    first = Checkpoint(path, MARK).load()
    assert first is not None
    assert first.number == 1
    kept.write()
    third = Checkpoint(path, MARK).load()
    assert third is not None
    assert_same(third, iteration(3))


def test_another_run_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "c", iteration())
    with pytest.raises(UserError, match="other data or other options"):
        Checkpoint(path, "0" * 64).load()


@pytest.mark.parametrize(
    ("signals", "settings"),
    [
        (np.arange(6.0).reshape(3, 2), {"n": 5}),
        (np.arange(6.0, dtype=np.float32).reshape(2, 3), {"n": 5}),
        (np.array([[0.0, 1, 2], [3, 4, 5.000001]]), {"n": 5}),
        (np.arange(6.0).reshape(2, 3), {"n": 6}),
    ],
)
def test_the_fingerprint_tells_data_and_settings_apart(signals: np.ndarray, settings: dict[str, object]) -> None:
    assert fingerprint(signals, settings) != MARK
    assert fingerprint(np.arange(6.0).reshape(2, 3), {"n": 5}) == MARK


def test_a_cut_file_is_refused_wherever_it_was_cut(tmp_path: Path) -> None:
    path = written(tmp_path / "c", iteration())
    whole = path.read_bytes()
    for size in range(0, len(whole), 61):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match="cut or damaged") as raised:
            Checkpoint(path, MARK).load()
        assert "\n" not in str(raised.value)


def test_a_flipped_bit_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "c", iteration())
    whole = path.read_bytes()
    refused = 0
    for place in range(0, len(whole), 53):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        try:
            loaded = Checkpoint(path, MARK).load()
        except UserError:
            refused += 1
        else:
            assert loaded is not None
            assert_same(loaded, iteration())
    assert refused > 0


@pytest.mark.parametrize(
    "change",
    [
        {"atoms": np.full((12, 7), np.nan, np.float32)},
        {"atoms": np.zeros(12, np.float32)},
        {"errors": np.zeros(0)},
        {"n_replaced": np.array([object()])},
    ],
)
def test_arrays_that_cannot_be_an_iteration_are_refused(tmp_path: Path, change: dict[str, np.ndarray]) -> None:
    path = written(tmp_path / "c", iteration())
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    with path.open("wb") as file:
        np.savez(file, **(arrays | change))
    with pytest.raises(UserError, match="cut or damaged"):
        Checkpoint(path, MARK).load()


def test_a_file_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "c", iteration())
    monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    with pytest.raises(UserError, match="another version"):
        Checkpoint(path, MARK).load()
