"""``edgetwin decompress``: samples from a compressed file."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from edgetwin.cli.console import progress_bar, say, show_result
from edgetwin.cli.options import AsJson
from edgetwin.errors import UserError

_LABELS = {
    "rows": "rows",
    "columns": "columns",
    "type": "type",
    "windows": "windows decoded",
    "blocks": "blocks",
    "lost_rows": "rows lost",
    "whole": "whole",
}


def decompress(
    file: Annotated[Path, typer.Argument(help="File that edgetwin compress wrote (.etc).")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Samples to write: .npy or .csv.")] = None,
    dictionary: Annotated[
        Path | None, typer.Option("--dictionary", "-d", help="Bundle of a file that has it beside.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Decode all, write nothing.")] = False,
    recover: Annotated[
        bool, typer.Option("--recover", help="Write what is whole of a damaged file, NaN for the rest; exit code 1.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write the samples of a compressed file, in the shape and type that they had.

    Example: edgetwin decompress sensor.etc -o sensor.npy
    """
    from edgetwin.deploy.archive import ArchiveError
    from edgetwin.deploy.archive_reader import ArchiveReader
    from edgetwin.deploy.decompress import decompress as decompress_samples
    from edgetwin.deploy.decompress import lost_rows, recovered_type
    from edgetwin.deploy.sample_files import check_distinct, writing_rows

    if check == (output is not None) or (check and recover):
        raise UserError("give either --output, or --check alone")
    if output is not None:
        check_distinct(file, output)
    try:
        with ArchiveReader(file) as archive, progress_bar() as bar:
            header = archive.header
            bundle = archive.dictionary(dictionary)
            dtype = header.dtype
            if recover and lost_rows(archive):
                dtype = recovered_type(dtype)
            task = bar.add_task("decompressing", total=header.windows)
            rows = nullcontext() if output is None else writing_rows(output, header.shape, dtype, header.names)
            with rows as write:
                done = decompress_samples(
                    archive,
                    bundle,
                    write,
                    dtype=dtype,
                    recover=recover,
                    progress=lambda windows: bar.update(task, advance=windows),
                )
    except ArchiveError as error:
        if not check:
            raise
        say(str(error))
        raise typer.Exit(1) from error
    result: dict[str, Any] = {
        "rows": done.rows,
        "columns": header.columns,
        "type": dtype.name,
        "windows": done.windows,
        "blocks": done.blocks,
        "lost_rows": done.lost,
        "whole": not done.lost,
    }
    show_result(f"{file}" if output is None else f"{output}", result, _LABELS, as_json=as_json)
    if done.lost:
        say(f"{done.lost} of {done.rows} rows are lost: they are NaN in {output}")
        raise typer.Exit(1)
