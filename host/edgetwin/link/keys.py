"""Where the pre-shared key comes from."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from edgetwin.link.errors import BadKeyFile

KEY_SIZE = 32
LEAST_KEY_SIZE = 16
ENVIRONMENT = "EDGETWIN_KEY"


def default_key_path() -> Path:
    """The user's own key file."""
    return Path.home() / ".config" / "edgetwin" / "key"


def load_key(path: Path | None = None) -> bytes:
    """The pre-shared key.

    Parameters
    ----------
    path : a file with the key in hexadecimal. None: the file that the environment's EDGETWIN_KEY names, else
        ~/.config/edgetwin/key, which is made with a random key, readable by its owner only, if it is not there.

    Raises
    ------
    BadKeyFile : the file cannot be read or made, others may read it, or it does not hold at least 16 bytes in
        hexadecimal.
    """
    if path is None and os.environ.get(ENVIRONMENT):
        path = Path(os.environ[ENVIRONMENT])
    if path is None:
        path = default_key_path()
        if not path.exists():
            _create(path)
    return _read(path)


def _read(path: Path) -> bytes:
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise BadKeyFile(f"others than you may use the key file {path}: chmod 600 {path}")
        text = path.read_text(encoding="ascii")
    except OSError as reason:
        raise BadKeyFile(f"cannot read the key file {path}: {reason.strerror}") from reason
    except UnicodeDecodeError as reason:
        raise BadKeyFile(f"the key file {path} is not hexadecimal text: give one of 64 hexadecimal digits") from reason
    try:
        key = bytes.fromhex(text)
    except ValueError as reason:
        raise BadKeyFile(f"the key file {path} is not hexadecimal text: give one of 64 hexadecimal digits") from reason
    if len(key) < LEAST_KEY_SIZE:
        raise BadKeyFile(
            f"the key file {path} holds {len(key)} bytes, a key has at least {LEAST_KEY_SIZE}: "
            "remove the file to have a new key made"
        )
    return key


def _create(path: Path) -> None:
    """Makes the key file in one step, so that no reader sees half of it and of two writers one wins."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(KEY_SIZE) + "\n")
                file.flush()
                os.fsync(file.fileno())
            _publish(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as reason:
        raise BadKeyFile(
            f"cannot make the key file {path}: {reason.strerror}; give a key file or set {ENVIRONMENT}"
        ) from reason


def _publish(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    except OSError:
        draft.replace(path)
