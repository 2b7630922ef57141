"""Instructions that encoding takes on a board, counted by the emulator.

    python tools/bench/device.py            # tables
    python tools/bench/device.py --json     # one object

Deterministic: the program runs twice and must give the same numbers. Atoms and signals are windows of the bundled
server telemetry (atoms with 10 % noise), so atoms are as correlated as telemetry is, which makes Gram-Schmidt work
twice. No signal is done before s atoms.

A correlation pass is timed inside et_omp, with one atom to find: the atoms of the second half cost what n atoms take
more than n / 2. The iteration around it is what s = 1 takes more than s = 0: the pass, rounding the residual (integer
atoms), and appending one atom to Q and R.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from edgetwin import boards
from edgetwin.boards.registry import sources
from edgetwin.core import ATOM_TYPES
from edgetwin.data import load_asd
from edgetwin.deploy import DictionaryBundle, RecordingBundle

HERE = Path(__file__).resolve().parent
BOARD = "netduinoplus2"
SHAPES = ((64, 128, 8), (165, 349, 15))
SIGNALS = 10


class Figures(NamedTuple):
    """One row of the table; instructions are means over the signals."""

    m: int
    n: int
    s: int
    atom_type: str
    encode: float
    omp: float
    correlation: float  # one pass over all atoms
    iteration: float  # the first one: a pass, and what is done with its atom
    workspace_bytes: int
    flash_bytes: int

    @property
    def correlation_per_mac(self) -> float:
        """Instructions of a correlation pass for each of its m n multiply-accumulates."""
        return self.correlation / (self.m * self.n)

    @property
    def iteration_per_mac(self) -> float:
        """Instructions of an iteration for each multiply-accumulate of its correlation pass."""
        return self.iteration / (self.m * self.n)


def telemetry_windows(
    samples: NDArray[np.float32], m: int, count: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """(count, m) windows of telemetry, each metric standardised; windows in which nothing happens are left out."""
    values = samples.astype(np.float64)
    values = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-9)
    windows: list[NDArray[np.float64]] = []
    while len(windows) < count:
        metric, start = generator.integers(values.shape[1]), generator.integers(len(values) - m)
        window = values[start : start + m, metric]
        if window.std() > 0.01:
            windows.append(window)
    return np.array(windows)


def make_problem(m: int, n: int, s: int, atom_type: str) -> tuple[DictionaryBundle, RecordingBundle]:
    """The dictionary, and the signals as a recording."""
    generator = np.random.default_rng(20240607)
    server = load_asd()
    atoms = telemetry_windows(server.train, m, n, generator)
    atoms += 0.1 * atoms.std(axis=1, keepdims=True) * generator.standard_normal(atoms.shape)
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    signals = telemetry_windows(server.test, m, SIGNALS, generator).astype(np.float32)
    return DictionaryBundle.from_components(atoms, s=s, atom_type=atom_type), RecordingBundle(signals.reshape(-1, 1))


def run_twice(elf: Path) -> list[tuple[str, int]]:
    """The measures that the program prints, by name. Raises a RuntimeError where two runs differ."""
    outputs = [boards.run_program(BOARD, elf, timeout=300) for _ in range(2)]
    if outputs[0] != outputs[1] or outputs[0].exit_code != 0:
        raise RuntimeError(f"two runs differ, or failed: {outputs}")
    lines = [line.split() for line in outputs[0].output.splitlines() if line]
    return [(name, int(value)) for name, value in lines]


def measure(m: int, n: int, s: int, atom_type: str, folder: Path) -> Figures:
    """Builds and runs the program for one dictionary."""
    dictionary, recording = make_problem(m, n, s, atom_type)
    dictionary.save(folder / "bench.etd")
    recording.save(folder / "bench.etr")
    firmware = boards.build(
        BOARD,
        folder,
        app=[HERE / "device.c", sources() / "firmware" / "app" / "blobs.S"],
        name="bench",
        dictionary=folder / "bench.etd",
        recording=folder / "bench.etr",
    )
    measures = run_twice(firmware.elf)
    per_tick = boards.find_board(BOARD).instructions_per_tick
    assert per_tick is not None

    def mean(name: str) -> float:
        return float(np.mean([value for measured, value in measures if measured == name])) * per_tick

    return Figures(
        m=m,
        n=n,
        s=s,
        atom_type=atom_type,
        encode=mean("encode"),
        omp=mean("omp"),
        correlation=(mean("omp_1") - mean("omp_1_half")) * n / (n - n // 2),
        iteration=mean("omp_1") - mean("omp_0"),
        workspace_bytes=dict(measures)["workspace"],
        flash_bytes=firmware.flash_bytes,
    )


def all_figures() -> Iterator[Figures]:
    """Every shape in every atom type."""
    for m, n, s in SHAPES:
        for atom_type in ATOM_TYPES:
            with tempfile.TemporaryDirectory() as folder:
                yield measure(m, n, s, atom_type, Path(folder))


def print_table(figures: list[Figures]) -> None:
    """For people."""
    table = Table(
        title=f"Instructions a signal on {BOARD} (QEMU, -icount shift=0), mean of {SIGNALS} windows of telemetry"
    )
    for column in ("m x n, s", "atoms", "et_encode", "et_omp", "pass / MAC", "iteration / MAC", "workspace", "flash"):
        table.add_column(column, justify="left" if column in ("m x n, s", "atoms") else "right")
    for row in figures:
        table.add_row(
            f"{row.m} x {row.n}, {row.s}",
            row.atom_type,
            f"{row.encode:,.0f}",
            f"{row.omp:,.0f}",
            f"{row.correlation_per_mac:.2f}",
            f"{row.iteration_per_mac:.2f}",
            f"{row.workspace_bytes:,}",
            f"{row.flash_bytes:,}",
        )
    Console(width=120).print(table)


def main() -> int:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description="Instructions that encoding takes on an emulated board.")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    as_json = parser.parse_args().json
    figures = list(all_figures())
    if as_json:
        rows = [
            row._asdict() | {"correlation_per_mac": row.correlation_per_mac, "iteration_per_mac": row.iteration_per_mac}
            for row in figures
        ]
        print(json.dumps({"board": BOARD, "signals": SIGNALS, "figures": rows}))
    else:
        print_table(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
