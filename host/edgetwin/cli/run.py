"""``edgetwin run``: a node without a board."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from edgetwin.cli.build import Linked, build_firmware
from edgetwin.cli.console import say
from edgetwin.cli.options import (
    AsJson,
    BoardName,
    FirmwareFolder,
    KeyFile,
    LinkedDictionary,
    LinkedKernels,
    LinkedModel,
    LinkedRecording,
)


def run(
    board: BoardName,
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port on 127.0.0.1; 0 takes a free one.")] = 0,
    pty: Annotated[bool, typer.Option("--pty", help="Link over a pseudo-terminal, as a serial port.")] = False,
    slots: Annotated[
        Path | None, typer.Option(help="Keep uploaded bundles in this file (native; made if missing).")
    ] = None,
    dictionary: LinkedDictionary = None,
    model: LinkedModel = None,
    kernels: LinkedKernels = "all",
    recording: LinkedRecording = None,
    key: KeyFile = None,
    out: FirmwareFolder = None,
    as_json: AsJson = False,
) -> None:
    """Run a node in an emulator, or as a process, until Ctrl-C; print the URL to connect to.

    Example: edgetwin run --board netduinoplus2 --port 5555
    """
    from edgetwin import boards

    chosen, firmware = build_firmware(board, out, key, Linked(dictionary, model, recording, kernels))
    try:
        with boards.run(chosen, firmware, pty=pty, slots=slots, port=port) as node:
            print(json.dumps({"board": board, "url": node.url, "pid": node.pid}) if as_json else node.url, flush=True)
            say(f"{chosen.title} is running; Ctrl-C stops it")
            code = node.wait()
            if code:
                raise boards.EmulatorError(f"the node ended with code {code}: {node.messages.strip()}")
    except KeyboardInterrupt:
        return
