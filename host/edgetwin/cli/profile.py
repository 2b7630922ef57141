"""``edgetwin profile``: what each layer of a model costs on a board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgetwin.cli.console import print_json
from edgetwin.cli.options import AsJson, Insecure, KeyFile, UploadedModel, Url

if TYPE_CHECKING:
    from edgetwin.deploy import ModelBundle


def profile(
    url: Url,
    model: UploadedModel,
    data: Annotated[Path | None, typer.Option("--data", help="Its first row is the input; default zeros.")] = None,
    key: KeyFile = None,
    insecure: Insecure = False,
    as_json: AsJson = False,
) -> None:
    """Run a model on a board layer by layer, and count what each takes in ticks of the board's counter.

    A tick is an instruction on netduinoplus2 in QEMU, and 84 MHz on the real board. The native node does not count.

    Example: edgetwin profile /dev/ttyACM0 --model keyword.etm
    """
    import numpy as np

    from edgetwin.deploy import ModelBundle
    from edgetwin.link import Session, load_key
    from edgetwin.twin.inputs import load_inputs

    bundle = ModelBundle.load(model)
    inputs = [np.zeros((1, *info.shape), info.dtype) for info in bundle.inputs]
    if data is not None:
        inputs = load_inputs(data, bundle)
    with Session(url, load_key(key), insecure=insecure) as session:
        session.upload_model(bundle)
        runs = session.run_layers([array[0] for array in inputs], reset=True)
        board = session.info.board
    ticks = [run.ticks for run in runs]
    if as_json:
        layers = [
            {"layer": layer.title, "kernel": layer.kernel, "macs": layer.macs, "ticks": taken}
            for layer, taken in zip(bundle.layers, ticks, strict=True)
        ]
        print_json({"board": board, "ticks": sum(ticks), "macs": sum(x.macs for x in bundle.layers), "layers": layers})
    else:
        _show(f"{model} on {board}", bundle, ticks)


def _show(title: str, bundle: ModelBundle, ticks: list[int]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_footer=True)
    total, macs = sum(ticks), sum(layer.macs for layer in bundle.layers)
    table.add_column("layer", "all")
    table.add_column("kernel")
    for name, footer in (("MACs", macs), ("ticks", total)):
        table.add_column(name, f"{footer:,}", justify="right")
    table.add_column("share", justify="right")
    table.add_column("ticks a MAC", _ratio(total, macs), justify="right")
    for layer, taken in zip(bundle.layers, ticks, strict=True):
        share = f"{100 * taken / total:.1f} %" if total else ""
        row: list[Any] = [escape(layer.title), layer.kernel, f"{layer.macs:,}" if layer.macs else "", f"{taken:,}"]
        table.add_row(*row, share, _ratio(taken, layer.macs))
    Console().print(table)


def _ratio(ticks: int, macs: int) -> str:
    return f"{ticks / macs:.2f}" if ticks and macs else ""
