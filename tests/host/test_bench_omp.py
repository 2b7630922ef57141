"""`edgetwin bench omp`: what it prints, and that it compares what it says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from edgetwin.bench.omp import BASELINES, Problem, compare, draw_baselines, problems
from edgetwin.cli import app
from edgetwin.errors import UserError

KEYS = {"m", "n", "s", "dtype", "threads", "signals_per_second", "peer", "peer_signals_per_second", "ratio"}


def test_rows_are_printed_as_json_and_the_algorithms_as_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("spams", reason="the peer SPAMS is not installed")
    picture = tmp_path / "omp.png"
    result = CliRunner().invoke(app, ["bench", "omp", "--budget", "smoke", "--json", "--picture", str(picture)])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert all(set(row) == KEYS for row in rows)
    assert {row["peer"] for row in rows} == {"spams", "scikit-learn", "cholesky", "qr", "naive"}
    assert all(np.isfinite(row["ratio"]) and row["ratio"] > 0 for row in rows)
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("folder", [".", "file/folder", "/proc/nope"])
def test_a_picture_that_cannot_be_written_is_refused_before_anything_is_measured(folder, tmp_path, monkeypatch) -> None:
    pytest.importorskip("matplotlib", reason="pictures need edgetwin[report]")
    monkeypatch.setattr("edgetwin.bench.omp.compare", lambda problem: pytest.fail("measured"))
    (tmp_path / "file").touch()
    (tmp_path / "p.png").mkdir()
    result = CliRunner().invoke(app, ["bench", "omp", "--picture", str(tmp_path / folder / "p.png")])
    assert isinstance(result.exception, UserError)
    assert not result.stdout


def test_without_matplotlib_a_picture_is_refused_before_anything_is_measured(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("edgetwin.bench.omp.compare", lambda problem: pytest.fail("measured"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = CliRunner().invoke(app, ["bench", "omp", "--picture", str(tmp_path / "p.png")])
    assert isinstance(result.exception, UserError)
    assert "edgetwin[report]" in str(result.exception)


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("PDF", b"%PDF")])
def test_a_picture_is_of_the_kind_that_its_ending_says(ending, start, tmp_path) -> None:
    pytest.importorskip("matplotlib", reason="pictures need edgetwin[report]")
    draw_baselines([compare(Problem(*BASELINES, 1, "naive", 100, 1))], tmp_path / f"p.{ending}")
    assert (tmp_path / f"p.{ending}").read_bytes().startswith(start)


def test_rows_are_printed_before_the_picture_is_drawn(tmp_path, monkeypatch) -> None:
    pytest.importorskip("matplotlib", reason="pictures need edgetwin[report]")

    def fails(rows, path):
        raise UserError("disk full")

    monkeypatch.setattr("edgetwin.bench.omp.problems", lambda budget: [Problem(*BASELINES, 1, "naive", 100, 1)])
    monkeypatch.setattr("edgetwin.bench.omp.draw_baselines", fails)
    result = CliRunner().invoke(app, ["bench", "omp", "--json", "--picture", str(tmp_path / "p.png")])
    assert isinstance(result.exception, UserError)
    assert len(json.loads(result.stdout)) == 1


def test_the_full_budget_has_the_sizes_that_were_asked_for() -> None:
    sizes = {(row.m, row.n, row.s, row.threads, row.peer) for row in problems("full")}
    assert sizes >= {
        (64, 128, 8, 1, "spams"),
        (64, 256, 5, 1, "spams"),
        (256, 1024, 32, 1, "spams"),
        (784, 800, 10, 1, "spams"),
        (784, 8173, 50, 2, "spams"),
        (64, 128, 8, 1, "scikit-learn"),
    }


@pytest.mark.parametrize("peer", ["scikit-learn", "cholesky", "qr", "naive"])
def test_speeds_and_ratio_agree(peer: str) -> None:
    row = compare(Problem(*BASELINES, threads=1, peer=peer, n_signals=200, pairs=1))
    assert row.ratio == pytest.approx(row.signals_per_second / row.peer_signals_per_second)
