"""Sparse coding against its peers: signals a second, in paired runs on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.dictionary import sparse_encode
from edgetwin.dictionary.sparse import METHODS, one_blas_thread
from edgetwin.errors import UserError
from edgetwin.pictures import save_picture

__all__ = ["BASELINES", "Comparison", "Problem", "compare", "draw_baselines", "problems"]

Float32Array = npt.NDArray[np.float32]
#: Codes of signals (N, m) over atoms (n, m), s atoms each.
Coder = Callable[[Float32Array, Float32Array, int, int], object]

#: (m, n, s) and signals a run.
SPAMS_SIZES = ((64, 128, 8, 60000), (64, 256, 5, 60000), (256, 1024, 32, 4000), (784, 800, 10, 8000))
#: The size at which the paper's algorithms are set side by side: a board's.
BASELINES = (64, 128, 8)


@dataclass(frozen=True)
class Problem:
    """One row of the benchmark: normal random signals over normal random unit-norm atoms."""

    m: int
    n: int
    s: int
    threads: int
    peer: str
    n_signals: int
    pairs: int


@dataclass(frozen=True)
class Comparison:
    """What was measured: medians over paired runs, each of which times the peer and then batch OMP.

    ratio : median of the pairs' ratios: how many times the peer's speed batch OMP has
    """

    m: int
    n: int
    s: int
    dtype: str
    threads: int
    signals_per_second: float
    peer: str
    peer_signals_per_second: float
    ratio: float

    def as_row(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def problems(budget: str) -> list[Problem]:
    """What is compared: everything ("full", a few minutes), or small parts of it ("smoke", seconds)."""
    share, pairs = (1, 7) if budget == "full" else (20, 3)
    sizes = [
        *((m, n, s, 1, "spams", count) for m, n, s, count in SPAMS_SIZES),
        (*BASELINES, 1, "scikit-learn", 4000),
        *((*BASELINES, 1, method, 20000) for method in METHODS if method != "batch"),
    ]
    rows = [Problem(m, n, s, threads, peer, count // share, pairs) for m, n, s, threads, peer, count in sizes]
    if budget == "full":
        rows.append(Problem(784, 8173, 50, 2, "spams", 2000, 3))
    return rows


def compare(problem: Problem, seed: int = 0) -> Comparison:
    """Times batch OMP and the peer on one problem, in float32.

    Raises UserError for a peer that is not installed.
    """
    peer = _peer(problem.peer)
    generator = np.random.default_rng(seed)
    atoms = generator.standard_normal((problem.n, problem.m)).astype(np.float32)
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    signals = generator.standard_normal((problem.n_signals, problem.m)).astype(np.float32)
    peer(signals[:64], atoms, problem.s, problem.threads)  # first calls load libraries
    _batch(signals[:64], atoms, problem.s, problem.threads)
    times = np.array(
        [
            [_seconds(code, signals, atoms, problem.s, problem.threads) for code in (peer, _batch)]
            for _ in range(problem.pairs)
        ]
    )
    theirs, ours = np.median(times, axis=0)
    return Comparison(
        problem.m,
        problem.n,
        problem.s,
        "float32",
        problem.threads,
        problem.n_signals / float(ours),
        problem.peer,
        problem.n_signals / float(theirs),
        float(np.median(times[:, 0] / times[:, 1])),
    )


def _seconds(code: Coder, signals: Float32Array, atoms: Float32Array, s: int, threads: int) -> float:
    start = time.perf_counter()
    code(signals, atoms, s, threads)
    return time.perf_counter() - start


def _batch(signals: Float32Array, atoms: Float32Array, s: int, threads: int) -> object:
    return sparse_encode(signals, atoms, s, n_jobs=threads)


def _peer(name: str) -> Coder:
    for method in METHODS:
        if name == method:
            return lambda signals, atoms, s, threads: sparse_encode(signals, atoms, s, method=method, n_jobs=threads)
    return {"spams": _spams, "scikit-learn": _scikit_learn}[name]()


def _spams() -> Coder:
    """SPAMS' `omp`, an order-recursive variant (OLS): the same work for equal (m, n, s), not the same supports."""
    try:
        import spams
    except ImportError as error:
        raise UserError("the peer spams is not installed: pip install 'edgetwin[bench]'") from error

    def code(signals: Float32Array, atoms: Float32Array, s: int, threads: int) -> object:
        # Its columns are signals: the transpose of rows in C order is what it wants, without a copy. A tolerance that
        # is not given is not zero but whatever lies in memory.
        codes = spams.omp(signals.T, atoms.T, L=s, eps=0.0, lambda1=0.0, numThreads=threads)
        if codes.nnz < 0.99 * s * len(signals):
            raise UserError("SPAMS did not do the work: its codes have fewer atoms than were asked for")
        return codes

    return code


def _scikit_learn() -> Coder:
    from sklearn.linear_model import orthogonal_mp_gram

    def code(signals: Float32Array, atoms: Float32Array, s: int, threads: int) -> object:
        with one_blas_thread():
            return orthogonal_mp_gram(atoms @ atoms.T, atoms @ signals.T, n_nonzero_coefs=s)

    return code


def draw_baselines(rows: Sequence[Comparison], path: Path) -> None:
    """Writes a picture of the time a signal of each algorithm at the size `BASELINES`, as the paper compares them.

    :func:`edgetwin.pictures.check_picture` says beforehand whether it can be drawn.
    """
    from matplotlib.figure import Figure

    here = [row for row in rows if (row.m, row.n, row.s, row.threads) == (*BASELINES, 1)]
    times = {_LABELS[row.peer]: 1e6 / row.peer_signals_per_second for row in here}
    times[_LABELS["batch"]] = 1e6 / float(np.median([row.signals_per_second for row in here]))
    ordered = dict(sorted(times.items(), key=lambda item: -item[1]))
    figure = Figure(figsize=(7, 3), layout="constrained", dpi=150)
    axes = figure.subplots()
    bars = axes.barh(list(ordered), list(ordered.values()), color="tab:blue")
    axes.bar_label(bars, fmt="%.3g", padding=3)
    axes.set_xscale("log")
    axes.margins(x=0.15)
    axes.set_xlabel("microseconds a signal, one thread, float32")
    axes.set_title("OMP, m = {}, n = {}, s = {}".format(*BASELINES))
    save_picture(figure, path)


_LABELS = {
    "batch": "batch OMP",
    "cholesky": "OMP-Cholesky",
    "qr": "OMP-QR (the board's)",
    "naive": "naive OMP",
    "spams": "SPAMS",
    "scikit-learn": "scikit-learn (Gram)",
}
