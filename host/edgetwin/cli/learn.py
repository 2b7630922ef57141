"""``edgetwin learn``: a dictionary bundle from a file of samples."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgetwin.cli.console import duration, error_console, progress_bar, say, show_result
from edgetwin.cli.options import AsJson
from edgetwin.errors import UserError

if TYPE_CHECKING:
    from edgetwin.deploy.learning import Learned
    from edgetwin.dictionary.iteration import Iteration
    from edgetwin.dictionary.target import SearchResult
    from edgetwin.twin import Twin
    from edgetwin.twin.wire import WireFigures

_LABELS = {
    "signals": "training signals",
    "m": "samples a signal (m)",
    "n": "atoms (n)",
    "s": "atoms a code uses at most (s)",
    "algorithm": "algorithm",
    "iterations": "iterations",
    "replaced": "atoms replaced",
    "error": "error ‖Y − XD‖ / √(N m)",
    "measured_signals": "signals coded as a board does, for what follows",
    "nrmse": "NRMSE of these signals from their codes",
    "raw_bytes": "bytes a raw signal",
    "kinds": "share of the windows coded so",
    "triplet_bytes": "bytes a code as the paper's triplets",
    "code_bytes": "bytes a code, on average",
    "sent_bytes": "bytes sent a code, with its share of a frame",
    "wire_compression": "compression on the wire, 1 − sent / raw",
    "paper_compression": "compression as the paper counts, 1 − (mn + sN) / (mN)",
    "bundle_bytes": "bundle bytes",
    "workspace_bytes": "workspace bytes on the board",
    "seconds": "seconds",
    "id": "content id",
}
#: Seconds between lines of progress where there is no terminal to draw a bar on.
_SECONDS_A_LINE = 10.0
#: What a shell says of a process that Ctrl-C ended: 128 + SIGINT.
_INTERRUPTED = 130


def learn(
    file: Annotated[
        Path,
        typer.Argument(
            help=".npy, .npz, .csv, .tsv, .parquet or .ts, or a folder of .npy, .parquet or zarr larger than memory; "
            "rows are samples in time."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Bundle to write, e.g. D.etd.")],
    window: Annotated[
        int | None, typer.Option(min=1, help="Rows of the file that make one signal; as many as give 64 samples.")
    ] = None,
    rows_are_signals: Annotated[
        bool, typer.Option("--rows-are-signals", help="Each row is a whole signal of one channel.")
    ] = False,
    image: Annotated[
        str | None, typer.Option(metavar="HxW", help="Each row is an image of this height and width, e.g. 28x28.")
    ] = None,
    atoms: Annotated[int | None, typer.Option("--atoms", "-n", min=1, help="Atoms; 256 if not given.")] = None,
    nonzero: Annotated[
        int | None, typer.Option("--nonzero", "-s", min=1, help="Most atoms a code may use; 12 if not given.")
    ] = None,
    compression: Annotated[
        float | None, typer.Option(help="Choose the atoms: 1 − (mn + sN)/(mN), as the paper counts it, e.g. 0.8.")
    ] = None,
    target_nrmse: Annotated[
        float | None,
        typer.Option(help="Choose atoms, --nonzero and steps: fewest bits at this error of held-out signals."),
    ] = None,
    algorithm: Annotated[
        str | None, typer.Option(help="ksvd (if not given), aksvd, mod or online (if not given, for data on disk).")
    ] = None,
    init: Annotated[
        str | None, typer.Option(help="First atoms: data (signals), local (parts of them; for images), random.")
    ] = None,
    atom_type: Annotated[str, typer.Option(help="float32, int16 or int8.")] = "int8",
    codec: Annotated[
        str | None,
        typer.Option(
            help="auto (if not given): each window the best way; sparse, dct, dpcm, lossless (integers), packed."
        ),
    ] = None,
    target_bits: Annotated[float | None, typer.Option(help="Choose the codec's steps: mean bits a code.")] = None,
    batch: Annotated[int, typer.Option(help="Consecutive windows that go into a packet: 1 to 255.")] = 16,
    bits: Annotated[int | None, typer.Option(help="Of --codec packed: bits a coefficient, 4 to 16, or 32.")] = None,
    tolerance: Annotated[float, typer.Option(min=0, help="Stop at this residual norm of the scaled signal.")] = 0.0,
    iterations: Annotated[int, typer.Option(min=1, help="Learning iterations.")] = 20,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the initial dictionary.")] = 0,
    jobs: Annotated[int | None, typer.Option(min=1, help="Threads; one a core if not given.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from OUTPUT.checkpoint; start afresh if there is none.")
    ] = False,
    picture: Annotated[Path | None, typer.Option(help="Draw the atoms and the error here: .png, .svg or .pdf.")] = None,
    as_json: AsJson = False,
) -> None:
    """Learn a dictionary from a file and write it as a bundle that a board can hold.

    Ctrl-C (or SIGTERM) writes the best dictionary so far and its summary, leaves OUTPUT.checkpoint for --resume and
    exits with 130. Before the first iteration is done there is nothing to write. A second Ctrl-C ends at once. A
    complete run deletes the checkpoint.

    Example: edgetwin learn sensor.csv -o sensor.etd --picture sensor.png
    """
    started = time.monotonic()
    from edgetwin.deploy.learning import LearningPlan, learn_bundle
    from edgetwin.deploy.sample_files import check_distinct
    from edgetwin.deploy.training import open_training_set
    from edgetwin.pictures import check_picture
    from edgetwin.twin import Twin
    from edgetwin.twin.wire import affordable, measure

    size = _image_size(image)
    plan = LearningPlan(
        n_components=atoms,
        n_nonzero_coefs=nonzero,
        compression=compression,
        target_nrmse=target_nrmse,
        algorithm=algorithm,
        init=init,
        atom_type=atom_type,
        codec=codec,
        target_bits=target_bits,
        batch=batch,
        coefficient_bits=bits,
        tolerance=tolerance,
        max_iter=iterations,
        random_state=seed,
        n_jobs=-1 if jobs is None else jobs,
    )
    if picture is not None:
        check_picture(picture)
    checkpoint = Path(f"{output}.checkpoint")
    check_distinct(file, output, {"the checkpoint": checkpoint, "--picture": picture})
    training = open_training_set(file, window, rows_are_signals, size)
    with _watching(iterations) as (progress, searching, tell):

        def starting(start: Iteration | None) -> None:
            if training.image is not None and size is None:
                tell("rows are images of {} x {}; --init, if not given, is local".format(*training.image))
            if start is not None:
                tell(f"going on from {checkpoint}")
            elif resume:
                tell(f"no {checkpoint}: learning starts afresh")
            elif checkpoint.exists():
                tell(f"{checkpoint} of an unfinished run will be replaced: give --resume to go on with that one")

        learned = learn_bundle(
            training,
            plan,
            progress,
            searching=searching,
            starting=starting,
            checkpoint=checkpoint,
            resume=resume,
        )
    learned.bundle.save(output)
    if learned.complete:
        checkpoint.unlink(missing_ok=True)
    else:
        say(
            f"interrupted: {output} is the dictionary after {learned.iteration.number} of {iterations} iterations; "
            "the same command with --resume goes on"
        )
    if learned.search is not None and not as_json:
        _show_search(learned.search)
    twin = Twin(learned.bundle)
    with progress_bar() as bar:
        sample = learned.training.spread(affordable(learned.bundle), plan.batch)
        wire = measure(twin, sample, lambda blocks: bar.track(blocks, description="coding as a board does"), plan.batch)
    result = _summary(learned, twin, wire)
    result["seconds"] = round(time.monotonic() - started, 1)
    show_result(f"{output}", result, _LABELS, as_json=as_json)
    if picture is not None:
        _draw(picture, f"{file.name}, m = {learned.bundle.m}", learned, wire.usage)
    if not learned.complete:
        raise typer.Exit(_INTERRUPTED)


def _image_size(text: str | None) -> tuple[int, int] | None:
    """(height, width) of --image."""
    if text is None:
        return None
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise UserError(f"--image {text}: give height and width, e.g. 28x28")
    return int(height), int(width)


@contextmanager
def _watching(
    total: int,
) -> Iterator[tuple[Callable[[Iteration], None], Callable[[int, int], None], Callable[[str], None]]]:
    """Shows iterations, what a search tries before them, and lines: a bar on a terminal, else a line now and then."""
    with progress_bar() as bar:
        # The time left comes from all iterations: one may take longer than the half minute that rich looks back.
        bar.speed_estimate_period = float("inf")
        search_task = bar.add_task("trying sizes", total=None, visible=False)
        task = bar.add_task("learning", total=total)
        quiet = not error_console().is_terminal
        said = time.monotonic()
        first: tuple[int, float] | None = None

        def iterated(iteration: Iteration) -> None:
            nonlocal said, first
            now, number = time.monotonic(), iteration.number
            first = first or (number, now)
            error = f"error {iteration.errors[-1]:.4g}"
            bar.update(task, completed=number, description=error)
            if quiet and now - said >= _SECONDS_A_LINE:
                said = now
                done, since = number - first[0], now - first[1]
                left = f", about {duration(since / done * (total - number))} left" if done else ""
                say(f"iteration {number} of {total}: {error}{left}")

        def searched(done: int, sizes: int) -> None:
            bar.update(search_task, completed=done, total=sizes, visible=done < sizes)

        def tell(text: str) -> None:
            # Only the bar's own console knows to print above it.
            bar.console.print(text, highlight=False, markup=False, soft_wrap=True)

        yield iterated, searched, tell


def _summary(learned: Learned, twin: Twin, wire: WireFigures) -> dict[str, Any]:
    from edgetwin.dictionary.compression import compression_of
    from edgetwin.twin.reconstruct import TRIPLET_BYTES

    m, n, s = twin.core.m, twin.core.n, twin.core.s
    result: dict[str, Any] = {
        "signals": len(learned.training),
        "m": m,
        "n": n,
        "s": s,
        "algorithm": learned.algorithm,
        "iterations": learned.iteration.number,
        "replaced": learned.iteration.n_replaced,
        "error": float(learned.iteration.errors[-1]) if learned.iteration.number else None,
        "measured_signals": wire.signals,
        "nrmse": wire.nrmse,
        "raw_bytes": wire.raw_bytes,
        "kinds": {kind: round(share, 4) for kind, share in wire.kinds.items() if share},
        "triplet_bytes": TRIPLET_BYTES * twin.core.k,
        "code_bytes": wire.code_bytes,
        "sent_bytes": wire.sent_bytes,
        "wire_compression": wire.compression,
        "paper_compression": compression_of(m, n, len(learned.training), s),
        "bundle_bytes": len(learned.bundle.to_bytes()),
        "workspace_bytes": twin.core.workspace_size,
        "complete": learned.complete,
        "id": f"{twin.core.id:016x}",
    }
    if learned.search is not None:
        result["search"] = [vars(trial) for trial in learned.search.trials]
    return result


def _show_search(search: SearchResult) -> None:
    """The curve as a table: for each n the codes' bits and the error at each s, the chosen pair marked."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"held-out NRMSE (bits a code), target {search.target_nrmse:g}", title_justify="left")
    sizes = sorted({trial.n for trial in search.trials})
    trials = {(trial.n, trial.s): trial for trial in search.trials}
    table.add_column("s")
    for n in sizes:
        table.add_column(f"n = {n}", justify="right")
    for s in sorted({trial.s for trial in search.trials}):
        cells = []
        for n in sizes:
            trial = trials.get((n, s))
            style = "bold green" if trial == search.chosen else ""
            text = "" if trial is None else f"{trial.nrmse:.3f} ({trial.bits:.0f}){'*' if style else ''}"
            cells.append(f"[{style}]{text}[/]" if style else text)
        table.add_row(str(s), *cells)
    Console().print(table)


def _draw(path: Path, title: str, learned: Learned, usage: Any) -> None:
    from edgetwin.deploy.atom_picture import AtomPicture

    atoms, errors, training = learned.bundle.dequantised(), learned.iteration.errors, learned.training
    # Whole rows as signals are one channel without a name.
    AtomPicture(title, atoms, usage, errors, training.names or ("",), training.image, learned.search).save(path)
