"""Files that are whole or not there: written beside, then renamed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from edgetwin.errors import UserError


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the name ``path`` when all of it is written; the old one stays until then, and after an error.

    A reader, a full disk or a crash never sees half of it. Makes missing parent folders. Raises UserError where it
    cannot be written.
    """
    draft: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        draft = Path(name)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        draft.chmod(0o666 & ~umask)
        draft.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)


def check_writable(folder: Path) -> None:
    """Raises UserError for a folder that is not there and cannot be made, or takes no file: better before long work."""
    try:
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise UserError(f"cannot write into {folder}: {error.strerror or error}") from error


def write_atomically(path: Path, content: bytes) -> None:
    """Writes ``content`` to ``path`` whole, as :func:`writing` does."""
    with writing(path) as file:
        file.write(content)
