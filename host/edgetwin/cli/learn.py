"""``edgetwin learn``: a dictionary bundle from a file of samples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgetwin.cli.console import progress_bar, show_result
from edgetwin.cli.options import AsJson

_LABELS = {
    "signals": "training signals",
    "m": "samples a signal (m)",
    "n": "atoms (n)",
    "s": "atoms a code uses at most (s)",
    "nrmse": "NRMSE of the training signals from their codes",
    "code_bytes": "bytes a code, on average",
    "raw_bytes": "bytes a raw signal",
    "bundle_bytes": "bundle bytes",
    "workspace_bytes": "workspace bytes on the board",
    "id": "content id",
}


def learn(
    file: Annotated[Path, typer.Argument(help=".npy, .npz, .csv, .tsv, .parquet or .ts; rows are samples in time.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Bundle to write, e.g. D.etd.")],
    window: Annotated[
        int | None, typer.Option(min=1, help="Rows of the file that make one signal; as many as give 64 samples.")
    ] = None,
    rows_are_signals: Annotated[
        bool, typer.Option("--rows-are-signals", help="Each row is a whole signal of one channel.")
    ] = False,
    atoms: Annotated[int | None, typer.Option("--atoms", "-n", min=1, help="Atoms; 256 if not given.")] = None,
    nonzero: Annotated[
        int | None, typer.Option("--nonzero", "-s", min=1, help="Most atoms a code may use; 12 if not given.")
    ] = None,
    atom_type: Annotated[str, typer.Option(help="float32, int16 or int8.")] = "int8",
    bits: Annotated[int, typer.Option(help="Bits a coefficient: 4 to 16, or 32.")] = 8,
    tolerance: Annotated[float, typer.Option(min=0, help="Stop at this residual norm of the scaled signal.")] = 0.0,
    iterations: Annotated[int, typer.Option(min=1, help="K-SVD iterations.")] = 20,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the initial dictionary.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Learn a dictionary from a file (K-SVD) and write it as a bundle that a board can hold.

    Example: edgetwin learn sensor.csv -o sensor.etd
    """
    from edgetwin.data import read_samples
    from edgetwin.deploy.learning import LearningPlan, learn_bundle
    from edgetwin.twin import Twin

    plan = LearningPlan(
        window=window,
        n_components=atoms,
        n_nonzero_coefs=nonzero,
        atom_type=atom_type,
        coefficient_bits=bits,
        tolerance=tolerance,
        max_iter=iterations,
        random_state=seed,
        rows_are_signals=rows_are_signals,
    )
    samples = read_samples(file)
    with progress_bar() as bar:
        task = bar.add_task("learning", total=iterations)

        def show(error: float) -> None:
            bar.update(task, advance=1, description=f"error {error:.4g}")

        learned = learn_bundle(samples, plan, show)
    learned.bundle.save(output)

    twin = Twin(learned.bundle)
    codes = twin.encode(learned.signals)
    result = {
        "signals": len(learned.signals),
        "m": twin.core.m,
        "n": twin.core.n,
        "s": twin.core.s,
        "nrmse": twin.nrmse(learned.signals, twin.reconstruct(codes).signals),
        "code_bytes": sum(len(code or b"") for code in codes) / len(codes),
        "raw_bytes": 4 * twin.core.m,
        "bundle_bytes": output.stat().st_size,
        "workspace_bytes": twin.core.workspace_size,
        "id": f"{twin.core.id:016x}",
    }
    show_result(f"{output}", result, _LABELS, as_json=as_json)
