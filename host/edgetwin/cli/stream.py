"""``edgetwin stream``: codes from a board, reconstructed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edgetwin.cli.console import progress_bar, say, show_result
from edgetwin.cli.options import AllowNan, AsJson, Dictionary, Insecure, KeyFile, Url

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


def stream(
    url: Url,
    dictionary: Dictionary,
    file: Annotated[
        Path | None, typer.Argument(help="Samples that the host plays to the board. None: the board's own source.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the reconstructed signals (N, m) here as .npy.")
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
    """Stream codes from a board and reconstruct the signals.

    Example: edgetwin stream socket://127.0.0.1:5555 --dictionary sensor.etd sensor.csv -o twin.npy
    """
    import io

    import numpy as np

    from edgetwin.data import read_samples
    from edgetwin.deploy.bundle import DictionaryBundle
    from edgetwin.deploy.learning import signals_for
    from edgetwin.files import write_atomically
    from edgetwin.link import Session, load_key
    from edgetwin.twin import Twin
    from edgetwin.twin.collect import collect

    bundle = DictionaryBundle.load(dictionary)
    signals = None if file is None else signals_for(read_samples(file, allow_nan=allow_nan), bundle)
    total = windows if signals is None else len(signals)
    twin = Twin(bundle)
    with Session(url, load_key(key), insecure=insecure) as session, progress_bar() as bar:
        session.upload(bundle.to_bytes())
        task = bar.add_task("streaming", total=total)
        frames = session.stream(0, windows, period, batch) if signals is None else session.encode(signals)
        received = collect(frames, lambda windows: bar.update(task, advance=windows))
        board = session.info.board
    reconstruction = twin.reconstruct(received.packets, received.counts)
    if output is not None:
        content = io.BytesIO()
        np.save(content, reconstruction.signals)
        write_atomically(output, content.getvalue())
    result: dict[str, Any] = {
        "board": board,
        "signals": total,
        "missing": received.missing,
        "refused": received.refused,
        "nrmse": None if signals is None else twin.nrmse(signals, reconstruction.signals),
        "raw_bytes": 4 * twin.core.m * total,
        "triplet_bytes": reconstruction.triplet_bytes,
        "sent_bytes": received.wire_bytes,
        "seconds": received.seconds,
    }
    show_result(f"{dictionary} on {url}", result, _LABELS, as_json=as_json)
    if received.refusal is not None:
        say(f"the board refused {received.refused} windows, the first: {received.refusal}")
    if received.missing:
        raise typer.Exit(1)
