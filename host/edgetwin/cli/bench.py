"""``edgetwin bench``: experiments that put our figures beside published ones, one verb each."""

from __future__ import annotations

import json
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
from edgetwin.files import check_writable

if TYPE_CHECKING:
    from edgetwin.bench.nn.measure import Figures
    from edgetwin.bench.omp import Comparison
    from edgetwin.bench.rate import Budget, Curves, RateData

bench = typer.Typer(name="bench", help="Experiments: our figures beside published ones.", no_args_is_help=True)


class _Budget(StrEnum):
    smoke = "smoke"
    full = "full"


class _Part(StrEnum):
    mnist = "mnist"
    forda = "forda"
    telemetry = "telemetry"


class _Set(StrEnum):
    forda = "forda"
    ecg5000 = "ecg5000"
    asd = "asd"
    smd = "smd"
    stork = "stork"
    electricdevices = "electricdevices"
    ethanollevel = "ethanollevel"
    mnist = "mnist"
    usps = "usps"


class _Nn(StrEnum):
    layers = "layers"
    networks = "networks"


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
    from edgetwin.bench.dl4dt import BUDGETS, draw_figures, run, tables
    from edgetwin.files import write_atomically
    from edgetwin.nn.backend import require_keras
    from edgetwin.pictures import require_matplotlib

    require_matplotlib()
    require_keras()
    check_writable(output)
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
def cmi(
    budget: Annotated[
        _Budget, typer.Option(help="smoke: a minute, on a base that learned nothing; full: the paper's settings.")
    ] = _Budget.smoke,
    base: Annotated[
        str | None,
        typer.Option(help="Weights of VGG16 from `edgetwin train`, or imagenet; full: those of models/vgg16_cifar10."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of two class folders of images of your own, in place of PneumoniaMNIST.")
    ] = None,
    side: Annotated[
        int | None, typer.Option(min=112, help="Pixels of a side of the images, to which they are resized.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for results.json and cmi.png.")] = Path("cmi"),
    data: Annotated[
        Path | None, typer.Option(envvar="EDGETWIN_DATA", help="Folder with the data sets: docs/cmi.md.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of heads, order of images and random bases.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Make a medical classifier on VGG16 smaller, as the paper CMI does, and compare with its figures.

    A head is trained on frozen convolutions; then the network is quantised, or its images are made smaller.

    Example: edgetwin bench cmi --budget full --data ~/datasets
    """
    from dataclasses import replace

    from edgetwin.bench.cmi import BUDGETS, choose_base, draw_picture, lines, load_images, require_images, run, tables
    from edgetwin.files import write_atomically
    from edgetwin.nn.backend import require_keras
    from edgetwin.pictures import check_picture

    picture = output / "cmi.png"
    check_picture(picture)
    require_images()
    require_keras()
    check_writable(output)
    chosen = BUDGETS[budget.value]
    if side is not None:
        chosen = replace(chosen, side=side)
    found_images = load_images(data, images, side=chosen.side, most=chosen.images, seed=seed)
    found_base = choose_base(base, chosen, seed=seed)
    with _tracking() as track:
        results = run(budget.value, chosen, found_images, found_base, seed=seed, track=track)
    found = results.to_dict()
    write_atomically(output / "results.json", (json.dumps(found, indent=1, allow_nan=False) + "\n").encode())
    draw_picture(results, picture)
    if as_json:
        print_json(found | {"picture": str(picture)})
        return
    for table in tables(results):
        Console().print(table)
    for line in lines(results):
        Console().print(line, highlight=False, markup=False, soft_wrap=True)
    say(f"{results.seconds:.0f} s; {picture.name} and results.json are in {output}")


@bench.command()
def omp(
    budget: Annotated[_Budget, typer.Option(help="smoke: seconds; full: all sizes, a few minutes.")] = _Budget.full,
    picture: Annotated[
        Path | None, typer.Option(help="Draw the algorithms' times side by side here: .png, .svg or .pdf.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of rows as JSON.")] = False,
) -> None:
    """Time sparse coding against SPAMS, scikit-learn and the paper's algorithms, in paired runs.

    Signals and atoms are normal random numbers, float32. SPAMS' omp is order-recursive (OLS): it does the work of the
    same (m, n, s), and finds other supports.

    Example: edgetwin bench omp --budget smoke
    """
    from edgetwin.bench.omp import compare, draw_baselines, problems
    from edgetwin.pictures import check_picture

    if picture is not None:
        check_picture(picture)
        check_writable(picture.parent)
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
        draw_baselines(rows, picture)


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


@bench.command()
def rate(
    file: Annotated[
        Path | None,
        typer.Argument(help="A file of your own: its first half to learn from, its second to code. Else data sets."),
    ] = None,
    sets: Annotated[
        list[_Set] | None, typer.Option(help="A data set; give it again for more; forda to stork if not given.")
    ] = None,
    window: Annotated[
        int | None, typer.Option(min=1, help="Rows of FILE that make one signal; as many as give 64 samples.")
    ] = None,
    rows_are_signals: Annotated[
        bool, typer.Option("--rows-are-signals", help="Each row of FILE is a whole signal of one channel.")
    ] = False,
    budget: Annotated[_Budget, typer.Option(help="smoke: a part of each set; full: minutes a set.")] = _Budget.full,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="JSON of all points, written after each; what --resume reads.")
    ] = Path("rate.json"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Measure only what OUTPUT lacks; start afresh if there is none.")
    ] = False,
    picture: Annotated[Path | None, typer.Option(help="Draw the curves here: .png, .svg or .pdf.")] = None,
    data: Annotated[
        Path | None, typer.Option(envvar="EDGETWIN_DATA", help="Folder with the data sets: docs/rate.md.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Draw rate-distortion curves: bits a sample at an NRMSE of 1 % to 30 %, ours beside other codecs.

    The error is measured on what each codec decodes. With FILE it says which codec `edgetwin learn` should be given.

    Example: edgetwin bench rate sensor.csv --picture rate.png
    """
    from edgetwin.bench.rate import BUDGETS, Curves, codecs, measure, require_peers
    from edgetwin.bench.rate.tables import lines, recommendation_lines, tables
    from edgetwin.bench.rate.verdicts import verdicts
    from edgetwin.pictures import check_picture

    if file is not None and sets:
        raise UserError("give FILE or --sets, not both")
    if file is None and (window is not None or rows_are_signals):
        raise UserError("--window and --rows-are-signals are of FILE: data sets have windows of their own")
    require_peers()
    if output.is_dir():
        raise UserError(f"{output}: a folder, not a file")
    for path in (output, picture):
        if path is not None:
            check_writable(path.parent)
    if picture is not None:
        check_picture(picture)
    curves = Curves.load(output) if resume else Curves()
    chosen = BUDGETS[budget.value]
    with _tracking() as track:
        for signals in _rate_data(file, sets, chosen, window, rows_are_signals, data, curves):
            measure(curves, signals, codecs(), track=track, keep=lambda: curves.save(output))
    curves.save(output)
    if picture is not None:
        from edgetwin.bench.rate.picture import draw_curves

        draw_curves(curves, picture)
    if as_json:
        judged = [vars(verdict) | {"level": verdict.level} for verdict in verdicts(curves)]
        print_json(curves.to_dict() | {"verdicts": judged})
        return
    for table in tables(curves):
        Console().print(table)
    for line in lines(curves) + ([] if file is None else recommendation_lines(curves, str(file))):
        Console().print(line, highlight=False, markup=False, soft_wrap=True)


def _rate_data(
    file: Path | None,
    sets: Sequence[_Set] | None,
    budget: Budget,
    window: int | None,
    rows_are_signals: bool,
    folder: Path | None,
    curves: Curves,
) -> Iterator[RateData]:
    """The file, or each data set that is there; notes in `curves` why others are not, and raises if none is."""
    from edgetwin.bench.rate import MAIN_SETS, load_file, load_set
    from edgetwin.data.samples import DataError

    if file is not None:
        yield load_file(file, budget, window, rows_are_signals)
        return
    names = dict.fromkeys([one.value for one in sets] if sets else MAIN_SETS)
    for name in names:
        try:
            signals = load_set(name, budget, folder)
        except DataError as error:
            curves.not_run[name] = str(error)
            continue
        yield signals
    if all(name in curves.not_run for name in names):
        raise DataError("; ".join(f"{name}: {curves.not_run[name]}" for name in names))


@bench.command()
def nn(
    models: Annotated[list[Path] | None, typer.Argument(help="int8 .tflite files, in place of the usual list.")] = None,
    board: Annotated[
        list[str] | None, typer.Option("--board", "-b", help="Emulated board; may be given again.")
    ] = None,
    only: Annotated[_Nn | None, typer.Option(help="Of the usual list: single layers, or networks.")] = None,
    layers: Annotated[bool, typer.Option("--layers", help="Instructions of each layer too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of rows as JSON.")] = False,
) -> None:
    """Count the instructions that networks take on emulated boards, and the memory, layer by layer if asked.

    The usual list is eight layers and the four networks of MLPerf Tiny (with random weights; making them needs the
    extra train). Every output is compared with this computer's, bit for bit.

    Example: edgetwin bench nn my.tflite --board mps2-an386 --layers
    """
    from dataclasses import asdict

    from edgetwin.bench.nn.measure import measure
    from edgetwin.bench.nn.subjects import subjects
    from edgetwin.boards.registry import find_board

    targets = [find_board(name) for name in board or ["netduinoplus2"]]
    with _tracking() as track:
        advance = track("compiling", 1)
        chosen = subjects(models or [], only.value if only else None)
        advance()
        advance = track("counting", len(chosen) * len(targets))
        rows = []
        for target in targets:
            for name, compile_for in chosen.items():
                rows.append(measure(name, compile_for(target), target))
                advance()
    if as_json:
        found = [{**asdict(row), "instructions_per_mac": row.instructions_per_mac} for row in rows]
        hidden = set() if layers else {"layers"}
        kept = [{key: value for key, value in figures.items() if key not in hidden} for figures in found]
        print(json.dumps(kept, allow_nan=False))
        return
    console = Console()
    for target in targets:
        console.print(_nn_table(target.name, [row for row in rows if row.board == target.name]))
    for row in rows if layers else []:
        console.print(_layer_table(row))


def _nn_table(board: str, rows: Sequence[Figures]) -> Table:
    table = Table(title=f"On {board}; arena, code and stack in bytes", title_justify="left", box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    for title in ("MACs", "instructions", "a MAC", "arena", "bound", "code", "stack"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        each = row.instructions_per_mac
        sizes = (row.arena_bytes, row.arena_bound_bytes, row.text_bytes, row.stack_bytes)
        table.add_row(
            row.model_or_kernel,
            f"{row.macs:,}",
            f"{row.instructions:,}",
            f"{each:.2f}" if each else "",
            *(f"{size:,}" for size in sizes),
        )
    return table


def _layer_table(row: Figures) -> Table:
    table = Table(title=f"{row.model_or_kernel} on {row.board}", title_justify="left")
    table.add_column("layer")
    table.add_column("kernel")
    for title in ("MACs", "instructions", "a MAC"):
        table.add_column(title, justify="right")
    for layer in row.layers:
        each = f"{layer.instructions / layer.macs:.2f}" if layer.macs else ""
        table.add_row(layer.title, layer.kernel, f"{layer.macs:,}", f"{layer.instructions:,}", each)
    return table
