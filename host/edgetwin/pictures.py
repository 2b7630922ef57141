"""Picture files, of the kind that their endings say. matplotlib is an extra, imported by who draws."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from typing import Any

from edgetwin.errors import UserError
from edgetwin.files import write_atomically

__all__ = ["check_picture", "require_matplotlib", "save_picture"]

FORMATS = (".png", ".svg", ".pdf")


def require_matplotlib() -> None:
    """Raises UserError if matplotlib is not installed: better before long work than after."""
    if importlib.util.find_spec("matplotlib") is None:
        raise UserError("pictures need matplotlib: pip install 'edgetwin[report]'")


def check_picture(path: Path) -> None:
    """Raises UserError for an ending that is no picture's, or without matplotlib: better said before long work."""
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"{path}: not a known kind of picture; give one of {', '.join(FORMATS)}")
    if path.is_dir():
        raise UserError(f"{path}: a folder, not a file")
    require_matplotlib()


def save_picture(figure: Any, path: Path) -> None:
    """Writes a matplotlib figure."""
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix[1:].lower())
    write_atomically(path, content.getvalue())
