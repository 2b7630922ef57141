"""The shelf's entries side by side, from their cards: ``python -m edgetwin.deploy.shelf models`` prints the table."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from edgetwin.deploy.card import CARD, figure_text

__all__ = ["shelf_table"]

_FIGURES = {"accuracy": "accuracy, %", "loss": "squared error", "auc": "ROC area"}


def shelf_table(folder: Path) -> str:
    """Lines of Markdown, one for each entry of a folder that has a card."""
    lines = [
        "| entry | figure of the test part | float | int8 | .tflite, bytes | MACs | RAM, bytes | TFLM's | trained, s |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    cards = (json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob(f"*/{CARD}")))
    return "\n".join([*lines, *map(_row, cards)])


def _row(card: dict[str, Any]) -> str:
    name, test, figure = card["name"], card["test"], card["figure"]
    numbers = (
        card["files"][f"{name}.tflite"]["bytes"],
        card["macs"],
        card["arena_bytes"],
        card["tflm_arena_bytes"],
        card["provenance"]["cpu_seconds"],
    )
    cells = [
        f"[{name}]({name}/card.md)",
        _FIGURES[figure],
        *(figure_text(figure, test[kind]) for kind in ("float", "int8")),
    ]
    cells += ["" if number is None else f"{number:,.0f}" for number in numbers]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print(shelf_table(Path(sys.argv[1])))
