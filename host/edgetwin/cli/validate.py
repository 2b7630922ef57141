"""``edgetwin validate``: prove that a board computes what the host's core computes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgetwin.cli.console import progress_bar, show_result
from edgetwin.cli.options import AllowNan, AsJson, Dictionary, Insecure, KeyFile, Url

_LABELS = {
    "board": "board",
    "signals": "signals",
    "differing_bits": "bits that differ from the host core's",
    "missing": "missing windows",
    "first_difference": "first window that differs",
    "seconds": "seconds",
}


def validate(
    url: Url,
    file: Annotated[Path, typer.Argument(help="Samples that the host plays to the board.")],
    dictionary: Dictionary,
    key: KeyFile = None,
    allow_nan: AllowNan = False,
    insecure: Insecure = False,
    full: Annotated[
        bool, typer.Option("--full", help="Compare coefficients as float32, not as coded; uploads such a dictionary.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare a board's codes with the host's, bit by bit. Exit code 1 on a single differing bit or missing window.

    --full compares every bit of every coefficient: a copy of the dictionary with 32-bit codes is uploaded for it, and
    the dictionary itself afterwards.

    Example: edgetwin validate /dev/ttyACM0 --dictionary sensor.etd sensor.csv
    """
    from dataclasses import replace

    from edgetwin.data import read_samples
    from edgetwin.deploy.bundle import DictionaryBundle
    from edgetwin.deploy.learning import signals_for
    from edgetwin.link import Session, load_key
    from edgetwin.twin import Twin, compare
    from edgetwin.twin.collect import collect

    bundle = DictionaryBundle.load(dictionary)
    signals = signals_for(read_samples(file, allow_nan=allow_nan), bundle)
    with Session(url, load_key(key), insecure=insecure) as session, progress_bar() as bar:
        compared = replace(bundle, coefficient_bits=32, tables=None) if full else bundle
        session.upload(compared.to_bytes())
        task = bar.add_task("validating", total=len(signals))
        received = collect(session.encode(signals), lambda windows: bar.update(task, advance=windows))
        session.upload(bundle.to_bytes())
        board = session.info.board
    comparison = compare(received, Twin(compared).core, signals)
    result = {
        "board": board,
        "signals": comparison.signals,
        "differing_bits": comparison.differing_bits,
        "missing": comparison.missing,
        "first_difference": comparison.first,
        "seconds": received.seconds,
    }
    show_result(f"{dictionary} on {url}", result, _LABELS, as_json=as_json)
    if not comparison.exact:
        raise typer.Exit(1)
