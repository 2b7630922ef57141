"""Dictionary learning at the sizes of DL4DT, with the paper's figures beside ours.

    python tools/bench/learning.py                    # recovery and FordA: two minutes
    python tools/bench/learning.py --only mnist       # 20 iterations over all of MNIST: half an hour on 2 cores

MNIST and FordA come from the folder that --data or EDGETWIN_DATA names, as for `edgetwin bench dl4dt`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from edgetwin.data import load_labelled
from edgetwin.dictionary import DictionaryLearner, Iteration

Row = dict[str, Any]


def recovery(data: Path | None) -> list[Row]:
    """A random dictionary of 50 atoms of 20 samples, found again from 1500 signals of 3 atoms each, 50 times."""
    found, seconds = [], []
    for seed in range(50):
        generator = np.random.default_rng(seed)
        truth = generator.standard_normal((50, 20))
        truth /= np.linalg.norm(truth, axis=1, keepdims=True)
        support = generator.permuted(np.tile(np.arange(50), (1500, 1)), axis=1)[:, :3]
        signals = np.einsum("ns,nsm->nm", generator.uniform(-1, 1, (1500, 3)), truth[support]).astype(np.float32)
        learner = DictionaryLearner(50, 3, max_iter=100, random_state=seed)
        seconds.append(_seconds(learner, signals))
        found.append(np.mean(np.abs(truth @ learner.components_.T).max(axis=1) > 0.99))
    return [
        {
            "experiment": "recovery, 20 x 50, N = 1500, s = 3, 100 iterations, mean of 50",
            "seconds": float(np.median(seconds)),
            "seconds_paper": 19.0,
            "result": f"{100 * np.mean(found):.1f} % of the atoms",
            "result_paper": "over 90 %",
        }
    ]


def forda(data: Path | None) -> list[Row]:
    """40 iterations over FordA's training series, compressed by 40 to 70 %."""
    signals = load_labelled("forda", data).train
    rows = []
    for compression in (0.4, 0.5, 0.6, 0.7):
        learner = DictionaryLearner(compression=compression, n_nonzero_coefs=50, max_iter=40, n_jobs=-1, random_state=0)
        seconds = _seconds(learner, signals)
        rows.append(
            {
                "experiment": f"FordA, c = {compression:.0%}, n = {learner.n_components_}, s = 50, 40 iterations",
                "seconds": seconds,
                "seconds_paper": 1200.0,
                "result": f"error {learner.error_[-1]:.4f}",
                "result_paper": "0.02 to 0.048",
            }
        )
    return rows


def mnist(data: Path | None) -> list[Row]:
    """20 iterations of approximate K-SVD over the 60,000 images, compressed by 80 %: n = 8173."""
    images = load_labelled("mnist", data).train
    started = time.perf_counter()

    def show(iteration: Iteration) -> None:
        minutes = (time.perf_counter() - started) / 60
        print(f"iteration {iteration.number}: error {iteration.errors[-1]:.5f}, {minutes:.1f} minutes", flush=True)

    learner = DictionaryLearner(
        compression=0.8,
        n_nonzero_coefs=50,
        max_iter=20,
        algorithm="aksvd",
        init="local",
        n_jobs=-1,
        random_state=0,
        callback=show,
    )
    seconds = _seconds(learner, images)
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return [
        {
            "experiment": f"MNIST, c = 80 %, n = {learner.n_components_}, s = 50, 20 iterations",
            "seconds": seconds,
            "seconds_paper": 72000.0,
            "result": f"error {learner.error_[-1]:.4f}, peak {gigabytes:.1f} GiB",
            "result_paper": "0.034",
        }
    ]


EXPERIMENTS: dict[str, Callable[[Path | None], list[Row]]] = {"recovery": recovery, "forda": forda, "mnist": mnist}


def _seconds(learner: DictionaryLearner, signals: NDArray[np.float32]) -> float:
    start = time.perf_counter()
    learner.fit(signals)
    return time.perf_counter() - start


def main() -> None:
    """Runs the experiments that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=EXPERIMENTS, action="append", help="run this one; may be given again")
    parser.add_argument("--data", type=Path, default=os.environ.get("EDGETWIN_DATA"), help="folder of data sets")
    parser.add_argument("--json", action="store_true", help="print a list of rows as JSON")
    arguments = parser.parse_args()
    data = Path(arguments.data) if arguments.data else None
    rows = [row for name in arguments.only or ("recovery", "forda") for row in EXPERIMENTS[name](data)]
    if arguments.json:
        print(json.dumps(rows))
        return
    table = Table("experiment", "seconds", "paper's", "result", "paper's", title=f"{os.cpu_count()} cores")
    for row in rows:
        times = (f"{row['seconds']:.3g}", f"{row['seconds_paper']:.6g}")
        table.add_row(row["experiment"], *times, row["result"], row["result_paper"])
    Console().print(table)


if __name__ == "__main__":
    main()
