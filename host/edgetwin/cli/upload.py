"""``edgetwin upload``: a dictionary or a model onto a running board."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from edgetwin.cli.console import progress_bar, show_result
from edgetwin.cli.options import AsJson, Insecure, KeyFile, Url

_LABELS = {
    "board": "board",
    "kind": "kind",
    "id": "content id",
    "bytes": "bytes",
    "slot_memory": "kept in",
    "seconds": "seconds",
}


def upload(
    url: Url,
    bundle: Annotated[Path, typer.Argument(help="A dictionary (.etd) or a model (.etm).")],
    key: KeyFile = None,
    insecure: Insecure = False,
    as_json: AsJson = False,
) -> None:
    """Upload a dictionary or a model: the board checks it, and works with the old one until it has.

    Example: edgetwin upload /dev/ttyACM0 keyword.etm
    """
    from edgetwin.deploy import DictionaryBundle, ModelBundle
    from edgetwin.deploy.container import Kind, load
    from edgetwin.link import Session, load_key

    def parse(data: bytes) -> ModelBundle | DictionaryBundle:
        kind = ModelBundle if data[6:7] == bytes([Kind.MODEL]) else DictionaryBundle
        return kind.from_bytes(data)

    loaded = load(bundle, parse)
    content = loaded.to_bytes()
    started = time.monotonic()
    with Session(url, load_key(key), insecure=insecure) as session, progress_bar() as bar:
        task = bar.add_task("uploading", total=len(content))
        session.upload(content, lambda done, total: bar.update(task, completed=done, total=total))
        info = session.info
    result = {
        "board": info.board,
        "kind": "model" if isinstance(loaded, ModelBundle) else "dictionary",
        "id": f"{loaded.id:016x}",
        "bytes": len(content),
        "slot_memory": info.slot_memory,
        "seconds": round(time.monotonic() - started, 3),
    }
    show_result(f"{bundle} on {url}", result, _LABELS, as_json=as_json)
