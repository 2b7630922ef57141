"""What to learn, and what of it can be had."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgetwin.deploy.bundle import DEFAULT_BITS, DictionaryBundle
from edgetwin.errors import UserError

__all__ = ["ALGORITHMS", "CODECS", "DEFAULT_ATOMS", "DEFAULT_NONZERO", "INITS", "OUT_OF_CORE", "LearningPlan"]

#: 256 atoms fill an 8-bit index and, as int8, about 20 KB of flash.
DEFAULT_ATOMS = 256
DEFAULT_NONZERO = 12

INITS = ("data", "local", "random")
OUT_OF_CORE = ("mod", "online")
ALGORITHMS = ("ksvd", "aksvd", *OUT_OF_CORE)

#: Codecs by name, with the kinds of window that each may use.
CODECS: dict[str, tuple[str, ...]] = {
    "auto": ("sparse", "dct", "dpcm"),
    "sparse": ("sparse",),
    "dct": ("dct",),
    "dpcm": ("dpcm",),
    "lossless": ("dpcm",),
    "packed": ("sparse",),
}


@dataclass(frozen=True)
class LearningPlan:
    """What to learn. None chooses by the data: see docs/defaults.md.

    window : rows of the file that make one signal, m = window x channels. None: the length of a series where the file
        has series of equal length, else the fewest rows that give 64 samples
    n_components : atoms n. None: 256, or as many as there are signals
    n_nonzero_coefs : most atoms a code may use, s. None: 12, or min(m, n)
    compression : 1 − (m n + s N) / (m N), as the paper counts it; chooses n
    target_nrmse : of held-out signals; chooses n and s, or the one that is not given
    algorithm : "ksvd", "aksvd", "mod" or "online"; None: "ksvd", or "online" for signals that are not in memory
    init : "data", "local" or "random", as of `DictionaryLearner`; None: "local" for images, else "data"
    atom_type : "float32", "int16" or "int8", how the board stores the atoms
    codec : one of CODECS; None: "auto", or "packed" if there are coefficient_bits
    target_bits : mean bits a code, of the entropy codec
    batch : consecutive windows that the codec expects in a packet
    coefficient_bits : 4 to 16, or 32, of the packed code; None: 8
    tolerance : residual norm of the scaled signal at which the board stops
    rows_are_signals : every row is a signal of one channel
    n_jobs : threads; None: 1, -1: one a core. The dictionary does not depend on it
    """

    window: int | None = None
    n_components: int | None = None
    n_nonzero_coefs: int | None = None
    compression: float | None = None
    target_nrmse: float | None = None
    algorithm: str | None = None
    init: str | None = None
    atom_type: str = "int8"
    codec: str | None = None
    target_bits: float | None = None
    batch: int = 16
    coefficient_bits: int | None = None
    tolerance: float = 0.0
    max_iter: int = 20
    random_state: int = 0
    rows_are_signals: bool = False
    n_jobs: int | None = None

    @property
    def codec_name(self) -> str:
        """The codec that is asked for, given or not."""
        return self.codec or ("auto" if self.coefficient_bits is None else "packed")

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of window that its codec may use."""
        return CODECS[self.codec_name]

    @property
    def packed(self) -> bool:
        """Whether codes are packed, without the entropy codec."""
        return self.codec_name == "packed"

    def check(self) -> None:
        """Raises UserError for a codec or a storage that there is not, and for options that contradict."""
        name = self.codec_name
        if name not in CODECS:
            raise UserError(f"no codec {name!r}: give {', '.join(CODECS)}")
        if self.coefficient_bits is not None and name != "packed":
            raise UserError("--bits is of the packed codec: give --codec packed, or leave --bits out")
        if self.target_bits is not None:
            if name in ("packed", "lossless") or self.target_nrmse is not None:
                raise UserError("--target-bits goes without --target-nrmse, and with a codec that has steps, e.g. auto")
            if not self.target_bits > 0:
                raise UserError(f"--target-bits {self.target_bits:g} must be above 0")
        if name == "lossless" and self.target_nrmse is not None:
            raise UserError("--codec lossless has no error to reach: leave --target-nrmse out")
        if "sparse" not in self.kinds and name != "lossless" and self.target_nrmse is None and self.target_bits is None:
            raise UserError(f"--codec {name} has no atoms to count: give --target-nrmse or --target-bits")
        if not 1 <= self.batch <= 255:
            raise UserError(f"--batch {self.batch}: a packet has 1 to 255 windows")
        # A bundle that stores atoms and codes so is refused before there are any.
        DictionaryBundle.from_components(
            np.ones((1, 1)),
            s=1,
            atom_type=self.atom_type,
            tolerance=self.tolerance,
            coefficient_bits=DEFAULT_BITS if self.coefficient_bits is None else self.coefficient_bits,
        )
