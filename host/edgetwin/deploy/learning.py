"""From a file's samples to a dictionary bundle: windows, scaling, K-SVD, quantisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgetwin.data import Samples
from edgetwin.deploy.bundle import DictionaryBundle
from edgetwin.dictionary import DictionaryLearner
from edgetwin.errors import UserError
from edgetwin.signals import ChannelScaling, to_windows


@dataclass(frozen=True)
class LearningPlan:
    """What to learn.

    window : rows of the file that make one signal; m = window x channels
    n_components : atoms n, None: 2 m, at most the number of signals
    n_nonzero_coefs : most atoms a code may use, s
    atom_type : "float32", "int16" or "int8", how the board stores the atoms
    coefficient_bits : 4 to 16, or 32, of the packed code
    tolerance : residual norm of the scaled signal at which the board stops
    rows_are_signals : every row is a signal of one channel (window is 1 then)
    """

    window: int
    n_nonzero_coefs: int
    n_components: int | None = None
    atom_type: str = "int8"
    coefficient_bits: int = 10
    tolerance: float = 0.0
    max_iter: int = 20
    random_state: int = 0
    rows_are_signals: bool = False


@dataclass(frozen=True)
class Learned:
    """A bundle, and the raw signals (N, m) that it was learned from."""

    bundle: DictionaryBundle
    signals: NDArray[np.float32]


def signals_of(samples: Samples, window: int, *, rows_are_signals: bool) -> tuple[NDArray[np.float32], int]:
    """Raw signals (N, m) and their number of channels. Raises UserError if the file holds less than one."""
    if rows_are_signals:
        return samples.values, 1
    signals = to_windows(samples.values, window)
    if len(signals) == 0:
        raise UserError(f"{len(samples.values)} rows are less than one window of {window}: give a smaller --window")
    return signals, samples.values.shape[1]


def signals_for(samples: Samples, bundle: DictionaryBundle) -> NDArray[np.float32]:
    """Raw signals (N, m) of a file for a dictionary. Raises UserError if the file's channels are others."""
    width = samples.values.shape[1]
    if width == bundle.m:
        return samples.values
    if width != bundle.channels:
        raise UserError(
            f"the file has {width} columns; the dictionary takes {bundle.channels} channels, or {bundle.m} samples a row"
        )
    return signals_of(samples, bundle.m // bundle.channels, rows_are_signals=False)[0]


def learn_bundle(samples: Samples, plan: LearningPlan, progress: Callable[[float], Any] | None = None) -> Learned:
    """Learns a dictionary from samples and makes it a bundle.

    progress : called after each iteration with the error ‖Y−DX‖_F/√(mN)

    Raises UserError if there are too few samples for the plan.
    """
    signals, channels = signals_of(samples, plan.window, rows_are_signals=plan.rows_are_signals)
    m = signals.shape[1]
    n = plan.n_components if plan.n_components is not None else min(2 * m, len(signals))
    if n > len(signals):
        raise UserError(f"{n} atoms need at least {n} signals, the file gives {len(signals)}: lower --atoms or --window")
    if plan.n_nonzero_coefs > min(m, n):
        raise UserError(f"--nonzero {plan.n_nonzero_coefs} is above min(m, n) = {min(m, n)}")
    scaling = ChannelScaling.fit(signals.reshape(-1, channels))
    learner = DictionaryLearner(
        n_components=n,
        n_nonzero_coefs=plan.n_nonzero_coefs,
        max_iter=plan.max_iter,
        random_state=plan.random_state,
        callback=progress,
    )
    learner.fit(scaling.transform(signals))
    names = list(samples.names) if channels == samples.values.shape[1] else []
    bundle = DictionaryBundle.from_components(
        learner.components_,
        s=plan.n_nonzero_coefs,
        atom_type=plan.atom_type,
        scaling=scaling,
        tolerance=plan.tolerance,
        coefficient_bits=plan.coefficient_bits,
        metadata={"names": names, "signals": len(signals), "iterations": learner.n_iter_},
    )
    return Learned(bundle, signals)
