"""``edgetwin stream``: codes from a board, reconstructed; or results of its model."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgetwin.cli.console import progress_bar, say, show_result
from edgetwin.cli.options import AllowNan, AsJson, DictionaryOrNone, Insecure, KeyFile, ModelOrNone, Url, one_of
from edgetwin.errors import UserError

if TYPE_CHECKING:
    from edgetwin.link import Session

_LABELS = {
    "board": "board",
    "signals": "windows",
    "missing": "missing windows",
    "refused": "windows refused by the board",
    "nrmse": "NRMSE",
    "raw_bytes": "bytes raw",
    "triplet_bytes": "bytes as the paper's triplets",
    "sent_bytes": "bytes sent",
    "seconds": "seconds",
}

#: First window, windows, milliseconds between them, windows a frame: of the board's own source.
Own = tuple[int, int, int, int]


def stream(
    url: Url,
    file: Annotated[
        Path | None, typer.Argument(help="Samples that the host plays to the board. None: the board's own source.")
    ] = None,
    dictionary: DictionaryOrNone = None,
    model: ModelOrNone = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the reconstructed signals (N, m) here as .npy, or results as .npz."),
    ] = None,
    windows: Annotated[int, typer.Option(min=1, help="Windows to take from the board's own source.")] = 100,
    period: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Milliseconds between them; 0: no wait.")] = 0,
    batch: Annotated[
        int, typer.Option(min=1, max=255, help="Of them, those that share a frame at most; none waits over a second.")
    ] = 16,
    key: KeyFile = None,
    allow_nan: AllowNan = False,
    insecure: Insecure = False,
    as_json: AsJson = False,
) -> None:
    """Stream codes from a board and reconstruct the signals; with --model, what it makes of the board's own source.

    Results go into .npz: an array for each output, and `status` (0, the board's error, or -1 for a window that is
    missing; their rows are 0).

    Example: edgetwin stream socket://127.0.0.1:5555 --dictionary sensor.etd sensor.csv -o twin.npy
    """
    from edgetwin.deploy.sample_files import check_distinct
    from edgetwin.link import Session, load_key

    one_of(dictionary, model)
    if model is not None and file is not None:
        raise UserError("--model takes the board's own source; for data of the host: edgetwin invoke")
    if output is not None:
        ending = ".npy" if model is None else ".npz"
        if output.suffix.lower() != ending:
            raise UserError(f"{output}: {'signals' if model is None else 'results'} are written as {ending}")
        bundle = dictionary or model
        assert bundle is not None
        check_distinct(bundle, output, {"FILE": file})
    own = (0, windows, period, batch)
    session = Session(url, load_key(key), insecure=insecure)
    if dictionary is not None:
        result, refusal = _codes(session, dictionary, file, output, own, allow_nan)
    else:
        assert model is not None
        result, refusal = _results(session, model, output, own)
    labels = {name: label for name, label in _LABELS.items() if name in result}
    show_result(f"{dictionary or model} on {url}", result, labels, as_json=as_json)
    if refusal is not None:
        say(f"the board refused {result['refused']} windows, the first: {refusal}")
    if result["missing"]:
        raise typer.Exit(1)


def _codes(
    session: Session, dictionary: Path, file: Path | None, output: Path | None, own: Own, allow_nan: bool
) -> tuple[dict[str, Any], str | None]:
    """Figures, and the first refusal; the codes are of the host's samples, or of the board's own."""
    import numpy as np

    from edgetwin.data import read_samples
    from edgetwin.deploy.bundle import DictionaryBundle
    from edgetwin.deploy.learning import signals_for
    from edgetwin.files import write_atomically
    from edgetwin.twin import Twin
    from edgetwin.twin.collect import collect

    bundle = DictionaryBundle.load(dictionary)
    signals = None if file is None else signals_for(read_samples(file, allow_nan=allow_nan), bundle)
    total = own[1] if signals is None else len(signals)
    twin = Twin(bundle)
    with session, progress_bar() as bar:
        session.upload(bundle.to_bytes())
        task = bar.add_task("streaming", total=total)
        frames = session.stream(*own) if signals is None else session.encode(signals)
        received = collect(frames, lambda windows: bar.update(task, advance=windows))
        board = session.info.board
    reconstruction = twin.reconstruct(received.packets, received.counts)
    if output is not None:
        content = io.BytesIO()
        np.save(content, reconstruction.signals)
        write_atomically(output, content.getvalue())
    return {
        "board": board,
        "signals": total,
        "missing": received.missing,
        "refused": received.refused,
        "nrmse": None if signals is None else twin.nrmse(signals, reconstruction.signals),
        "raw_bytes": 4 * twin.core.m * total,
        "triplet_bytes": reconstruction.triplet_bytes,
        "sent_bytes": received.wire_bytes,
        "seconds": received.seconds,
    }, received.refusal


def _results(session: Session, model: Path, output: Path | None, own: Own) -> tuple[dict[str, Any], str | None]:
    """As _codes, of a model and the board's own samples."""
    from edgetwin.deploy import ModelBundle
    from edgetwin.files import write_atomically
    from edgetwin.twin.collect import collect
    from edgetwin.twin.results import npz_bytes, results_of

    bundle = ModelBundle.load(model)
    with session, progress_bar() as bar:
        session.upload_model(bundle)
        task = bar.add_task("streaming", total=own[1])
        received = collect(session.results(*own), lambda windows: bar.update(task, advance=windows))
        board = session.info.board
    if output is not None:
        write_atomically(output, npz_bytes(results_of(received, bundle)))
    return {
        "board": board,
        "signals": own[1],
        "missing": received.missing,
        "refused": received.refused,
        "sent_bytes": received.wire_bytes,
        "seconds": received.seconds,
    }, received.refusal
