"""The state of learning in a file, so that hours of it survive a Ctrl-C, a crash or a restart."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.dictionary.iteration import Iteration
from edgetwin.errors import UserError
from edgetwin.files import write_atomically

__all__ = ["Checkpoint", "fingerprint"]

# Goes up with every change of what the file holds.
VERSION = 1
# Seconds between two writes: rarely enough that writing costs little, often enough that little is lost.
INTERVAL = 5.0
MEMORY = "memory/"


def fingerprint(signals: npt.NDArray[np.generic], settings: Mapping[str, object]) -> str:
    """SHA-256 over the signals (shape, type, bytes) and everything else that decides what is learned from them."""
    digest = hashlib.sha256(repr((signals.shape, signals.dtype.str, sorted(settings.items()))).encode())
    digest.update(np.ascontiguousarray(signals).data)
    return digest.hexdigest()


@dataclass
class Checkpoint:
    """A file with the last iteration of one learning run.

    path : of the file, an .npz archive of plain arrays
    fingerprint : of the data and the plan; another run's file is refused
    latest : the last iteration that was offered, written or not yet
    """

    path: Path
    fingerprint: str
    latest: Iteration | None = None
    _written: Iteration | None = field(default=None, init=False, repr=False)
    _written_at: float = field(default=-INTERVAL, init=False, repr=False)

    def load(self) -> Iteration | None:
        """The iteration in the file; None if there is no file.

        Raises UserError for a file that is cut or damaged, of another version, or of other data or another plan.
        """
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                if int(archive["version"]) != VERSION:
                    raise UserError(f"{self.path} was written by another version of edgetwin: learn without --resume")
                if str(archive["fingerprint"]) != self.fingerprint:
                    raise UserError(
                        f"{self.path} is of other data or other options: give those it was made with, "
                        "or learn without --resume"
                    )
                iteration = _unpack(archive)
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise UserError(f"{self.path} cannot be read ({error.strerror})") from error
        except UserError:
            raise
        except Exception as error:  # zipfile and NumPy raise nearly anything for damaged bytes
            raise UserError(f"{self.path} is cut or damaged: delete it, or learn without --resume") from error
        self.latest = self._written = iteration
        return iteration

    def offer(self, iteration: Iteration) -> None:
        """Takes a new iteration; writes it unless the last writing was a moment ago."""
        self.latest = iteration
        if time.monotonic() - self._written_at >= INTERVAL:
            self.write()

    def write(self) -> None:
        """Writes the latest iteration, if the file does not hold it. Raises UserError, with the old file untouched."""
        if self.latest is None or self.latest is self._written:
            return
        content = io.BytesIO()
        np.savez(content, **_pack(self.latest, self.fingerprint))
        write_atomically(self.path, content.getvalue())
        self._written = self.latest
        self._written_at = time.monotonic()


def _pack(iteration: Iteration, mark: str) -> dict[str, Any]:
    arrays: dict[str, Any] = {
        "version": np.array(VERSION),
        "fingerprint": np.array(mark),
        "atoms": iteration.atoms,
        "errors": iteration.errors,
        "n_replaced": np.array(iteration.n_replaced),
    }
    arrays |= {MEMORY + name: values for name, values in iteration.memory.items()}
    # An archive protects what its members hold by checksums, but not their names.
    return arrays | {"names": np.array(sorted(arrays))}


def _unpack(archive: np.lib.npyio.NpzFile) -> Iteration:
    """Raises ValueError for arrays that cannot be an iteration."""
    if sorted({"names", *archive["names"].tolist()}) != sorted(archive.files):
        raise ValueError("other arrays than were written")
    atoms, errors = archive["atoms"], archive["errors"]
    if atoms.ndim != 2 or errors.ndim != 1 or not errors.size:
        raise ValueError("no iteration")
    if not (np.isfinite(atoms).all() and np.isfinite(errors).all()):
        raise ValueError("not finite")
    memory = {name.removeprefix(MEMORY): archive[name] for name in archive.files if name.startswith(MEMORY)}
    return Iteration(atoms, errors, int(archive["n_replaced"]), memory)
