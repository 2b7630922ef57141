"""``edgetwin invoke``: run a model on a board, on the host's data."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from edgetwin.cli.console import progress_bar, say, show_result
from edgetwin.cli.options import AsJson, Insecure, KeyFile, ModelData, UploadedModel, Url
from edgetwin.errors import UserError

_LABELS = {
    "board": "board",
    "rows": "invocations",
    "outputs": "outputs",
    "seconds": "seconds, link included",
}


def invoke(
    url: Url,
    model: UploadedModel,
    data: ModelData,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the outputs here, as .npz.")] = None,
    real: Annotated[
        bool, typer.Option("--real", help="Write real values: scale x (q - zero point) in place of int8.")
    ] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="The data are raw values, such as pixels; scale them as the model says.")
    ] = False,
    key: KeyFile = None,
    insecure: Insecure = False,
    as_json: AsJson = False,
) -> None:
    """Run a model on a board, once for each row of a file, and take its outputs.

    Where the model has labels, they say of each row what it is: in the table how many, in JSON and .npz all of them.

    Example: edgetwin invoke /dev/ttyACM0 --model keyword.etm --data windows.npz -o scores.npz
    """
    import numpy as np

    from edgetwin.deploy import ModelBundle
    from edgetwin.deploy.sample_files import check_distinct
    from edgetwin.files import write_atomically
    from edgetwin.link import Session, load_key
    from edgetwin.twin.inputs import load_inputs
    from edgetwin.twin.meaning import labels_of
    from edgetwin.twin.results import npz_bytes

    if output is not None:
        if output.suffix.lower() != ".npz":
            raise UserError(f"{output}: outputs are written as .npz")
        check_distinct(data, output, {"--model": model})
    bundle = ModelBundle.load(model)
    inputs = load_inputs(data, bundle, raw=raw, hint=say)
    rows = []
    with Session(url, load_key(key), insecure=insecure) as session, progress_bar() as bar:
        session.upload_model(bundle)
        task = bar.add_task("invoking", total=len(inputs[0]))
        started = time.monotonic()
        for row in range(len(inputs[0])):
            rows.append(session.invoke([array[row] for array in inputs]))
            bar.update(task, advance=1)
        seconds = time.monotonic() - started
        board = session.info.board
    outputs = {info.name: np.stack([row[i] for row in rows]) for i, info in enumerate(bundle.outputs)}
    scores = {info.name: info.real(outputs[info.name]) for info in bundle.outputs}
    labels = labels_of(bundle, scores[bundle.outputs[0].name]) if len(scores) == 1 else None
    if output is not None:
        arrays = scores if real else outputs
        # An output of that name stays what it is.
        write_atomically(output, npz_bytes(arrays if labels is None else {"label": np.array(labels)} | arrays))
    result = {
        "board": board,
        "rows": len(rows),
        "outputs": {name: "x".join(map(str, array.shape)) for name, array in outputs.items()},
        "seconds": round(seconds, 3),
    }
    shown = _LABELS
    if labels is not None:
        result["labels"] = labels if as_json else dict(Counter(labels).most_common())
        shown = _LABELS | {"labels": "labels"}
    show_result(f"{model} on {url}", result, shown, as_json=as_json)
