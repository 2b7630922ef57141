"""What the verbs share of talking to people and machines: progress on stderr, results on stdout."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table


def error_console() -> Console:
    """Console on stderr, for progress and errors."""
    return Console(stderr=True)


def progress_bar() -> Progress:
    """A bar on stderr with count and time left; silent where stderr is not a terminal."""
    console = error_console()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def say(text: str) -> None:
    """One line of progress on stderr."""
    error_console().print(text, highlight=False, markup=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, as 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def show_result(title: str, result: Mapping[str, Any], labels: Mapping[str, str], *, as_json: bool) -> None:
    """Prints ``result`` as one JSON object, or as a table of the keys that ``labels`` names."""
    if as_json:
        print_json(result)
        return
    table = Table(title=escape(title), show_header=False, title_justify="left")
    table.add_column()
    table.add_column(justify="right")
    for key, label in labels.items():
        value = result[key]
        table.add_row(label, escape(_text(value)))
    Console().print(table)


def print_json(result: Mapping[str, Any]) -> None:
    """One JSON object on stdout; NaN and infinity, which JSON lacks, become null."""
    plain = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in result.items()}
    print(json.dumps(plain, allow_nan=False))


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(part)}" for name, part in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
