"""`edgetwin bench omp`: what it prints, and that it compares what it says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from edgetwin.bench.omp import BASELINES, Problem, compare, problems
from edgetwin.cli import app

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
