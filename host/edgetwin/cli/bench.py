"""``edgetwin bench``: experiments that put our figures beside published ones, one verb each."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from edgetwin.cli.console import error_console, print_json, progress_bar, say
from edgetwin.cli.options import AsJson
from edgetwin.errors import UserError

if TYPE_CHECKING:
    from edgetwin.bench.omp import Comparison

bench = typer.Typer(name="bench", help="Experiments: our figures beside published ones.", no_args_is_help=True)


class _Budget(StrEnum):
    smoke = "smoke"
    full = "full"


class _Part(StrEnum):
    mnist = "mnist"
    forda = "forda"
    telemetry = "telemetry"


@bench.command()
def dl4dt(
    budget: Annotated[_Budget, typer.Option(help="smoke: within 5 minutes; full: the paper's settings, hours.")] = (
        _Budget.smoke
    ),
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for results.json and figures.")] = Path(
        "dl4dt"
    ),
    only: Annotated[list[_Part] | None, typer.Option(help="Run this part; give it again for more than one.")] = None,
    data: Annotated[
        Path | None, typer.Option(envvar="EDGETWIN_DATA", help="Folder with the data sets: docs/dl4dt.md.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of dictionaries, networks and samples.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Train networks on dictionary-compressed data, as the paper DL4DT does, and compare with its figures.

    Parts whose data set is not in the folder are reported as not run; the telemetry of three servers is in the package.

    Example: edgetwin bench dl4dt --data ~/datasets --only mnist
    """
    from edgetwin.bench.dl4dt import BUDGETS, draw_figures, require_matplotlib, run, tables
    from edgetwin.files import write_atomically
    from edgetwin.nn.backend import require_keras

    require_matplotlib()
    require_keras()
    _check_writable(output)
    parts = [part.value for part in only or _Part]
    with _tracking() as track:
        results, examples = run(budget.value, BUDGETS[budget.value], parts, folder=data, seed=seed, track=track)
    found = results.to_dict()
    write_atomically(output / "results.json", (json.dumps(found, indent=1, allow_nan=False) + "\n").encode())
    figures = draw_figures(results, examples, output)
    if as_json:
        print_json(found | {"figures": [str(path) for path in figures]})
        return
    for table in tables(results):
        Console().print(table)
    say(f"{results.seconds:.0f} s; {', '.join(path.name for path in figures)} and results.json are in {output}")


def _check_writable(folder: Path) -> None:
    """Raises UserError for a folder that is not there and cannot be made, or takes no file: better before long work."""
    try:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise UserError(f"cannot write into {folder}: {error.strerror or error}") from error


@contextmanager
def _tracking() -> Iterator[Callable[[str, int], Callable[[], None]]]:
    """Progress on stderr: the stretch of work that runs as a bar, or as a line at its beginning without a terminal."""
    started = time.monotonic()
    with progress_bar() as bar:

        def track(title: str, steps: int) -> Callable[[], None]:
            if not error_console().is_terminal:
                say(f"{time.monotonic() - started:5.0f} s  {title}")
            for done in bar.task_ids:
                bar.remove_task(done)
            task = bar.add_task(title, total=steps)
            return lambda: bar.advance(task)

        yield track


@bench.command()
def omp(
    budget: Annotated[_Budget, typer.Option(help="smoke: seconds; full: all sizes, a few minutes.")] = _Budget.full,
    picture: Annotated[
        Path | None, typer.Option(help="PNG of the algorithms' times side by side; needs the extra report.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of rows as JSON.")] = False,
) -> None:
    """Time sparse coding against SPAMS, scikit-learn and the paper's algorithms, in paired runs.

    Signals and atoms are normal random numbers, float32. SPAMS' omp is order-recursive (OLS): it does the work of the
    same (m, n, s), and finds other supports.

    Example: edgetwin bench omp --budget smoke
    """
    from edgetwin.bench.omp import baselines_picture, compare, problems
    from edgetwin.deploy.pictures import check_picture
    from edgetwin.files import write_atomically

    if picture is not None:
        check_picture(picture)
        _check_writable(picture.parent)
    rows = []
    with _tracking() as track:
        for problem in problems(budget.value):
            done = track(f"{problem.m} x {problem.n}, {problem.s} against {problem.peer}", 1)
            rows.append(compare(problem))
            done()
    if as_json:
        print(json.dumps([row.as_row() for row in rows]))
    else:
        Console().print(_omp_table(rows))
    if picture is not None:
        write_atomically(picture, baselines_picture(rows))


def _omp_table(rows: Sequence[Comparison]) -> Table:
    table = Table(
        "m x n, s", "threads", "signals/s", "peer", "peer's signals/s", "ratio", title="Batch OMP and its peers"
    )
    for row in rows:
        table.add_row(
            f"{row.m} x {row.n}, {row.s}",
            str(row.threads),
            f"{row.signals_per_second:,.0f}",
            row.peer,
            f"{row.peer_signals_per_second:,.0f}",
            f"{row.ratio:.1f}",
        )
    return table
