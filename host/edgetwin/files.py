"""Files that are whole or not there: written beside, then renamed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from edgetwin.errors import UserError


def write_atomically(path: Path, content: bytes) -> None:
    """Writes ``content`` to ``path`` so that a reader, a full disk or a crash never sees half of it.

    Makes missing parent folders. Raises UserError, with the old file untouched.
    """
    draft: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(draft).chmod(0o666 & ~umask)
        Path(draft).replace(path)
        draft = None
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if draft is not None:
            Path(draft).unlink(missing_ok=True)
