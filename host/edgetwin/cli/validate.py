"""``edgetwin validate``: prove that a board computes what the host's core computes."""

from __future__ import annotations

import time
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
    "signals": "signals",
    "rows": "invocations",
    "tensors": "tensors compared",
    "values": "values compared",
    "differing_bits": "bits that differ from the host core's",
    "differing_values": "values that differ from the host core's",
    "missing": "missing windows",
    "first_difference": "first difference",
    "seconds": "seconds",
}


def validate(
    url: Url,
    file: Annotated[Path | None, typer.Argument(help="Samples that the host plays to the board.")] = None,
    dictionary: DictionaryOrNone = None,
    model: ModelOrNone = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="FILE by another name; of a model: rows of int8 or of real values.")
    ] = None,
    key: KeyFile = None,
    allow_nan: AllowNan = False,
    insecure: Insecure = False,
    full: Annotated[
        bool, typer.Option("--full", help="Compare coefficients as float32, not as coded; uploads such a dictionary.")
    ] = False,
    layers: Annotated[
        bool, typer.Option("--layers", help="Of a model, compare what every layer writes, not its outputs only.")
    ] = False,
    reference: Annotated[
        Path | None,
        typer.Option(help="What the host runs instead of the model: the same network with --target portable."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare a board's codes, or its model's outputs, with the host's, bit by bit. Exit code 1 on a single difference.

    --full compares every bit of every coefficient: a copy of the dictionary with 32-bit codes is uploaded for it, and
    the dictionary itself afterwards. --layers names the first layer that differs.

    Example: edgetwin validate /dev/ttyACM0 --dictionary sensor.etd sensor.csv
    """
    from edgetwin.link import Session, load_key

    one_of(dictionary, model)
    if (file is None) == (data is None):
        raise UserError("give the data to validate with: a file, or --data")
    idle = {"--layers": layers, "--reference": reference} if dictionary else {"--full": full, "--allow-nan": allow_nan}
    for option, given in idle.items():
        if given:
            raise UserError(f"{option} is for {'models' if dictionary else 'dictionaries'}: leave it out")
    source = file or data
    assert source is not None
    session = Session(url, load_key(key), insecure=insecure)
    if dictionary is not None:
        result, exact = _codes(session, dictionary, source, allow_nan, full)
    else:
        assert model is not None
        result, exact = _model(session, model, source, layers, reference)
    labels = {name: label for name, label in _LABELS.items() if name in result}
    show_result(f"{dictionary or model} on {url}", result, labels, as_json=as_json)
    if not exact:
        raise typer.Exit(1)


def _codes(session: Session, dictionary: Path, file: Path, allow_nan: bool, full: bool) -> tuple[dict[str, Any], bool]:
    """Figures of a dictionary, and whether no bit differs."""
    from dataclasses import replace

    from edgetwin.data import read_samples
    from edgetwin.deploy.bundle import DictionaryBundle
    from edgetwin.deploy.learning import signals_for
    from edgetwin.twin import Twin, compare
    from edgetwin.twin.collect import collect

    bundle = DictionaryBundle.load(dictionary)
    signals = signals_for(read_samples(file, allow_nan=allow_nan), bundle)
    compared = replace(bundle, coefficient_bits=32, tables=None) if full else bundle
    with session, progress_bar() as bar:
        session.upload(compared.to_bytes())
        task = bar.add_task("validating", total=len(signals))
        received = collect(session.encode(signals), lambda windows: bar.update(task, advance=windows))
        session.upload(bundle.to_bytes())
        board = session.info.board
    comparison = compare(received, Twin(compared).core, signals)
    return {
        "board": board,
        "signals": comparison.signals,
        "differing_bits": comparison.differing_bits,
        "missing": comparison.missing,
        "first_difference": comparison.first,
        "seconds": received.seconds,
    }, comparison.exact


def _model(
    session: Session, path: Path, data: Path, layers: bool, reference: Path | None
) -> tuple[dict[str, Any], bool]:
    """Figures of a model, and whether no value differs."""
    from edgetwin.deploy import Model, ModelBundle
    from edgetwin.twin import compare_model
    from edgetwin.twin.inputs import load_inputs

    bundle = ModelBundle.load(path)
    host = Model(bundle if reference is None else ModelBundle.load(reference))
    inputs = load_inputs(data, bundle)
    with session, progress_bar() as bar:
        session.upload_model(bundle)
        task = bar.add_task("validating", total=len(inputs[0]))
        started = time.monotonic()
        comparison = compare_model(
            session, bundle, host, inputs, layers=layers, progress=lambda: bar.update(task, advance=1)
        )
        board = session.info.board
    for difference in comparison.differences[:1]:
        say(f"row {difference.row}: {difference.tensor}: {difference.values} of {difference.size} values differ")
    first = comparison.differences[0] if comparison.differences else None
    return {
        "board": board,
        "rows": comparison.rows,
        "tensors": comparison.tensors,
        "values": comparison.values,
        "differing_values": sum(difference.values for difference in comparison.differences),
        "first_difference": f"row {first.row}, {first.tensor}" if first else None,
        "seconds": time.monotonic() - started,
    }, comparison.exact
