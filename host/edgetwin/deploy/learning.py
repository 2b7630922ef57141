"""From a file's samples to a dictionary bundle: windows, scaling, K-SVD, quantisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgetwin.data import Samples
from edgetwin.deploy.bundle import MAX_ATOMS, MAX_SAMPLES, DictionaryBundle
from edgetwin.dictionary import DictionaryLearner
from edgetwin.errors import UserError
from edgetwin.signals import ChannelScaling, to_windows

#: Samples a signal that the default window aims at: shorter signals pay for a frame's header too often, longer ones
#: need more atoms than a small board holds (measured on server telemetry, docs/defaults.md).
_DEFAULT_SAMPLES = 64
#: 256 atoms fill an 8-bit index and, as int8, about 20 KB of flash.
_DEFAULT_ATOMS = 256
_DEFAULT_NONZERO = 12


@dataclass(frozen=True)
class LearningPlan:
    """What to learn. None chooses by the data: see docs/defaults.md.

    window : rows of the file that make one signal, m = window x channels. None: the length of a series where the file
        has series of equal length, else the fewest rows that give 64 samples
    n_components : atoms n. None: 256, or as many as there are signals
    n_nonzero_coefs : most atoms a code may use, s. None: 12, or min(m, n)
    atom_type : "float32", "int16" or "int8", how the board stores the atoms
    coefficient_bits : 4 to 16, or 32, of the packed code
    tolerance : residual norm of the scaled signal at which the board stops
    rows_are_signals : every row is a signal of one channel
    """

    window: int | None = None
    n_components: int | None = None
    n_nonzero_coefs: int | None = None
    atom_type: str = "int8"
    coefficient_bits: int = 8
    tolerance: float = 0.0
    max_iter: int = 20
    random_state: int = 0
    rows_are_signals: bool = False


@dataclass(frozen=True)
class Learned:
    """A bundle, and the raw signals (N, m) that it was learned from."""

    bundle: DictionaryBundle
    signals: NDArray[np.float32]


def _training_signals(samples: Samples, plan: LearningPlan) -> tuple[NDArray[np.float32], int]:
    """Raw signals (N, m) and their number of channels."""
    if plan.rows_are_signals:
        return samples.values, 1
    channels = samples.values.shape[1]
    window = plan.window or samples.series_rows or -(-_DEFAULT_SAMPLES // channels)
    return _windows(samples, window), channels


def _windows(samples: Samples, window: int) -> NDArray[np.float32]:
    if samples.series_rows is not None and samples.series_rows % window:
        raise UserError(
            f"a window of {window} rows does not divide the file's series of {samples.series_rows}: "
            "windows would straddle two series"
        )
    signals = to_windows(samples.values, window)
    if len(signals) == 0:
        raise UserError(f"{len(samples.values)} rows are less than one window of {window}: lower --window")
    return signals


def signals_for(samples: Samples, bundle: DictionaryBundle) -> NDArray[np.float32]:
    """Raw signals (N, m) of a file for a dictionary. Raises UserError if the file's channels are others."""
    width = samples.values.shape[1]
    if width == bundle.m:
        return samples.values
    if width != bundle.channels:
        raise UserError(
            f"the file has {width} columns; the dictionary takes {bundle.channels} channels or {bundle.m} samples a row"
        )
    learned = list(bundle.metadata.get("names", []))
    if list(samples.names) != learned and sorted(samples.names) == sorted(learned):
        raise UserError(f"the file's columns are in another order than the dictionary's: {', '.join(learned)}")
    return _windows(samples, bundle.m // bundle.channels)


def learn_bundle(samples: Samples, plan: LearningPlan, progress: Callable[[float], Any] | None = None) -> Learned:
    """Learns a dictionary from samples and makes it a bundle.

    progress : called after each iteration with the error ‖Y−DX‖_F/√(mN)

    Raises UserError if there are too few samples for the plan.
    """
    signals, channels = _training_signals(samples, plan)
    m = signals.shape[1]
    if m > MAX_SAMPLES:
        raise UserError(
            f"{m} samples a signal are more than {MAX_SAMPLES}, the most that a board takes: lower --window"
        )
    n = plan.n_components if plan.n_components is not None else min(_DEFAULT_ATOMS, len(signals))
    if n > MAX_ATOMS:
        raise UserError(f"{n} atoms are more than {MAX_ATOMS}, the most that a bundle holds: lower --atoms")
    if n > len(signals):
        raise UserError(f"{n} atoms need {n} signals or more, the file gives {len(signals)}: lower --atoms or --window")
    s = plan.n_nonzero_coefs if plan.n_nonzero_coefs is not None else min(_DEFAULT_NONZERO, m, n)
    if s > min(m, n):
        raise UserError(f"{s} atoms a code are more than min(m, n) = {min(m, n)}: lower --nonzero")
    scaling = ChannelScaling.fit(signals.reshape(-1, channels))
    learner = DictionaryLearner(
        n_components=n,
        n_nonzero_coefs=s,
        max_iter=plan.max_iter,
        random_state=plan.random_state,
        callback=progress,
    )
    learner.fit(scaling.transform(signals))
    names = list(samples.names) if channels == samples.values.shape[1] else []
    bundle = DictionaryBundle.from_components(
        learner.components_,
        s=s,
        atom_type=plan.atom_type,
        scaling=scaling,
        tolerance=plan.tolerance,
        coefficient_bits=plan.coefficient_bits,
        metadata={"names": names, "signals": len(signals), "iterations": learner.n_iter_},
    )
    return Learned(bundle, signals)
