"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgetwin.errors import UserError

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

BoardName = Annotated[
    str, typer.Option("--board", "-b", help="netduinoplus2, mps2-an386, mps3-an547, microbit, riscv32-virt or native.")
]

#: Of the firmware: linked in, and where its files go.
LinkedDictionary = Annotated[
    Path | None, typer.Option("--dictionary", "-d", help="Bundle (.etd) to link in, used until one is uploaded.")
]
LinkedModel = Annotated[
    Path | None, typer.Option("--model", "-m", help="Model (.etm) to link in, used until one is uploaded.")
]
LinkedKernels = Annotated[
    str, typer.Option("--kernels", help="What models may use: all, none, or only what this model (.etm) needs.")
]
LinkedRecording = Annotated[
    Path | None, typer.Option("--recording", "-r", help="Samples to link in, streamed on the board's own clock.")
]
FirmwareFolder = Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the files; default build/BOARD.")]

KeyFile = Annotated[
    Path | None, typer.Option("--key", help="Pre-shared key file; default ~/.config/edgetwin/key, made if missing.")
]

#: Of a session with a node.
Url = Annotated[str, typer.Argument(help="socket://HOST:PORT, /dev/ttyACM0, COM3, ... (pyserial's URLs).")]
Dictionary = Annotated[Path, typer.Option("--dictionary", "-d", help="Bundle, from edgetwin learn.")]
#: Of the verbs that take either.
DictionaryOrNone = Annotated[
    Path | None, typer.Option("--dictionary", "-d", help="Bundle, from edgetwin learn; or --model.")
]
ModelOrNone = Annotated[Path | None, typer.Option("--model", "-m", help="Model (.etm), from edgetwin compile.")]
UploadedModel = Annotated[Path, typer.Option("--model", "-m", help="Model (.etm), from edgetwin compile.")]
ModelData = Annotated[
    Path, typer.Option("--data", help="Its inputs: rows of int8, or of real values (.npy, .npz, .csv, ...).")
]
AllowNan = Annotated[bool, typer.Option("--allow-nan", help="Send windows with NaN too.")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Talk to a remote node that has no key.")]


def one_of(dictionary: Path | None, model: Path | None) -> None:
    """Raises UserError unless exactly one is given."""
    if (dictionary is None) == (model is None):
        raise UserError("give --dictionary or --model, one of them")
