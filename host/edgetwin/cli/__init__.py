"""The command line: one thin module a verb, assembled here."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

import typer

from edgetwin.cli.bench import bench
from edgetwin.cli.build import build
from edgetwin.cli.compile import compile_
from edgetwin.cli.compress import compress
from edgetwin.cli.console import error_console
from edgetwin.cli.decompress import decompress
from edgetwin.cli.demo import demo
from edgetwin.cli.doctor import doctor
from edgetwin.cli.export import export
from edgetwin.cli.flash import flash
from edgetwin.cli.invoke import invoke
from edgetwin.cli.learn import learn
from edgetwin.cli.profile import profile
from edgetwin.cli.quantize import quantize
from edgetwin.cli.run import run
from edgetwin.cli.stream import stream
from edgetwin.cli.train import train
from edgetwin.cli.upload import upload
from edgetwin.cli.validate import validate
from edgetwin.errors import UserError

app = typer.Typer(
    name="edgetwin",
    help="Learn dictionaries on the host, encode signals on the board, keep a digital twin.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for verb in (
    learn,
    train,
    quantize,
    export,
    compress,
    decompress,
    build,
    flash,
    run,
    upload,
    stream,
    invoke,
    validate,
    profile,
    demo,
    doctor,
):
    app.command()(verb)
app.command("compile")(compile_)
app.add_typer(bench, name="bench")


def main() -> None:
    """Entry point: exit code 0 done, 1 the check failed, 2 bad input (one line on stderr), 130 interrupted."""
    # SIGTERM ends a command as Ctrl-C does: nodes and converters end with it, and temporary files go.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(app(standalone_mode=False))
    except UserError as error:
        _fail(str(error))
    except typer.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        # Click's usage errors; typer brings click along under a private name, so they are told by what they can do.
        if not hasattr(error, "format_message"):
            raise
        _fail(f"{error.format_message().rstrip('.')}; see edgetwin --help")


def _fail(message: str) -> NoReturn:
    text = " ".join(message.split())
    error_console().print(f"edgetwin: {text}", style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(2)
