"""``edgetwin build``: firmware for a board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edgetwin.cli.console import show_result
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

if TYPE_CHECKING:
    from edgetwin.boards import Board, Firmware

_LABELS = {
    "board": "board",
    "elf": "firmware",
    "flash_bytes": "flash bytes",
    "ram_bytes": "RAM bytes, all included",
    "arena_bytes": "of them for dictionary, model and buffers",
    "stack_bytes": "of them for the stack",
    "cached": "was up to date",
}


def build(
    board: BoardName,
    dictionary: LinkedDictionary = None,
    model: LinkedModel = None,
    kernels: LinkedKernels = "all",
    recording: LinkedRecording = None,
    key: KeyFile = None,
    out: FirmwareFolder = None,
    as_json: AsJson = False,
) -> None:
    """Build a board's firmware: the node program, its key, and the bundles linked into it.

    --kernels none leaves the inference engine out; --kernels MODEL links only what that model needs.

    Example: edgetwin build --board netduinoplus2 --dictionary sensor.etd
    """
    from dataclasses import asdict

    linked = Linked(dictionary, model, recording, kernels)
    chosen, firmware = build_firmware(board, out, key, linked)
    result = {"board": chosen.name, **{name: _plain(value) for name, value in asdict(firmware).items()}}
    show_result(f"firmware for {chosen.title}", result, _LABELS, as_json=as_json)


class Linked(NamedTuple):
    """What goes into a firmware, as the options of the same names say.

    recording : a bundle (.etr), or any file of samples, which becomes one beside the firmware
    """

    dictionary: Path | None
    model: Path | None
    recording: Path | None
    kernels: str


def build_firmware(board: str, out: Path | None, key: Path | None, linked: Linked) -> tuple[Board, Firmware]:
    """Builds as the options say: into build/BOARD by default, with the user's key."""
    from edgetwin import boards
    from edgetwin.data import read_samples
    from edgetwin.deploy import RecordingBundle
    from edgetwin.link import load_key

    chosen = boards.find_board(board)
    folder = out or Path("build") / board
    recording = linked.recording
    if recording is not None and recording.suffix != ".etr":
        samples = read_samples(recording, allow_nan=True)
        recording = folder / f"{recording.stem}.etr"
        RecordingBundle(samples.values).save(recording)
    options = linked._replace(recording=recording)._asdict()
    return chosen, boards.build(chosen, folder, key=load_key(key), **options)


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value
