"""From a file's samples to a dictionary bundle: windows, scaling, learning, quantisation, the codec."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgetwin.codec import Measured
from edgetwin.data import Samples
from edgetwin.deploy.bundle import DEFAULT_BITS, MAX_ATOMS, MAX_SAMPLES, DictionaryBundle
from edgetwin.deploy.coding import centre, holds_out, is_centred, is_held_out, tune_codec
from edgetwin.deploy.plan import ALGORITHMS, DEFAULT_ATOMS, DEFAULT_NONZERO, INITS, OUT_OF_CORE, LearningPlan
from edgetwin.deploy.training import TrainingSet, cut_windows
from edgetwin.dictionary import DictionaryLearner
from edgetwin.dictionary.checkpoint import Checkpoint, fingerprint
from edgetwin.dictionary.compression import atoms_for
from edgetwin.dictionary.iteration import Iteration
from edgetwin.dictionary.target import SearchResult, search
from edgetwin.errors import UserError
from edgetwin.signals import ChannelScaling

__all__ = ["Learned", "LearningPlan", "learn_bundle", "signals_for"]

#: Iterations of a search's trials: the first ones bring most of what many would.
_TRIAL_ITERATIONS = 5
#: Signals that a search looks at, at most: of those on disk, and before its own limits.
_SEARCHED = 32768
#: Signals on disk whose bytes go into a checkpoint's fingerprint, besides mean and deviation of all.
_FINGERPRINTED = 4096
#: Integers up to it are float32 values that DPCM keeps.
_LARGEST_INTEGER = 2**23
#: A code that aims at an error may use more atoms than the dictionary was learned with.
_SPARE_ATOMS = 1.5


@dataclass(frozen=True)
class Learned:
    """A bundle and how it came about.

    training : the raw signals that it was learned from
    algorithm : that learned; "none" for a codec without a dictionary
    iteration : the one that gave the atoms
    complete : whether learning came to its end; False after Ctrl-C
    search : what was tried for `target_nrmse`
    codec : what the training windows took, in packets, with the entropy codec
    """

    bundle: DictionaryBundle
    training: TrainingSet
    algorithm: str
    iteration: Iteration
    complete: bool = True
    search: SearchResult | None = None
    codec: Measured | None = None

    @property
    def signals(self) -> Any:
        """Raw signals (N, m), see :class:`~edgetwin.deploy.training.TrainingSet`."""
        return self.training.signals


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
    return cut_windows(samples, bundle.m // bundle.channels)


def learn_bundle(
    samples: Samples | TrainingSet,
    plan: LearningPlan,
    progress: Callable[[Iteration], Any] | None = None,
    *,
    searching: Callable[[int, int], Any] | None = None,
    starting: Callable[[Iteration | None], Any] | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
) -> Learned:
    """Learns a dictionary from samples and makes it a bundle.

    progress : called after each iteration, and with the one that learning goes on from
    searching : called as searching(done, total) after each number of atoms that a search has tried
    starting : called before the first iteration, when the plan was found good, with the one that learning goes on from
    checkpoint : file that keeps the state of learning. With it, Ctrl-C (KeyboardInterrupt) ends learning early, with
        the best dictionary so far; without it, or before the first iteration is done, Ctrl-C passes through
    resume : go on from the checkpoint if there is one, bit for bit as if learning had never stopped

    Raises UserError if there are too few samples for the plan, or for a checkpoint of other data or another plan.
    """
    training = samples if isinstance(samples, TrainingSet) else _training_set(samples, plan)
    if training.m > MAX_SAMPLES:
        raise UserError(
            f"{training.m} samples a signal are more than {MAX_SAMPLES}, the most that a board takes: lower --window"
        )
    algorithm = _algorithm(training, plan)
    init = _init(training, plan)
    plan.check()
    lossless = plan.codec_name == "lossless"
    scaling = ChannelScaling.identity(training.channels) if lossless else training.scaling()
    if "sparse" not in plan.kinds:
        return _without_atoms(training, scaling, plan)
    signals = _learned_from(training, scaling, plan)
    found = None
    if plan.target_nrmse is None:
        n, s = _dimensions(training, len(signals), plan)
    else:
        n, s, found = _sizes_for_target(training, signals, plan, searching)
    learner = DictionaryLearner(
        n,
        s,
        algorithm=algorithm,
        init=init,
        max_iter=plan.max_iter,
        random_state=plan.random_state,
        n_jobs=plan.n_jobs,
    )
    kept = (
        None if checkpoint is None else Checkpoint(checkpoint, _fingerprint(training, scaling, learner, len(signals)))
    )
    start = kept.load() if kept is not None and resume else None
    if starting is not None:
        starting(start)
    run = _Run(learner, start, kept, progress)
    iteration, complete = run.to_the_end(signals)
    bundle = _bundle(training, scaling, plan, iteration, s)
    measured = None
    if not plan.packed:
        bundle, measured = tune_codec(bundle, training, plan)
    return Learned(bundle, training, algorithm, iteration, complete, found, measured)


def _bundle(
    training: TrainingSet, scaling: ChannelScaling, plan: LearningPlan, iteration: Iteration, s: int
) -> DictionaryBundle:
    """The bundle of learned atoms, codes still packed."""
    n, m = iteration.atoms.shape
    if s > 0 and not plan.packed and plan.target_nrmse is not None and plan.n_nonzero_coefs is None:
        s = min(int(_SPARE_ATOMS * s) + 2, m, n)
    return DictionaryBundle.from_components(
        iteration.atoms,
        s=s,
        atom_type=plan.atom_type,
        scaling=scaling,
        tolerance=plan.tolerance,
        coefficient_bits=plan.coefficient_bits or DEFAULT_BITS,
        metadata={"names": list(training.names), "signals": len(training), "iterations": iteration.number},
    )


def _without_atoms(training: TrainingSet, scaling: ChannelScaling, plan: LearningPlan) -> Learned:
    """A bundle whose codec needs no dictionary: it holds one atom, which no code uses."""
    if plan.codec_name == "lossless":
        some = training.spread(_SEARCHED).astype(np.float64)
        if (some != np.round(some)).any() or np.abs(some).max() > _LARGEST_INTEGER:
            raise UserError("the lossless codec takes integers within ±2^23: give --target-nrmse")
    iteration = Iteration(np.eye(1, training.m), np.zeros(0))
    bundle, measured = tune_codec(_bundle(training, scaling, plan, iteration, 0), training, plan)
    return Learned(bundle, training, "none", iteration, codec=measured)


def _learned_from(training: TrainingSet, scaling: ChannelScaling, plan: LearningPlan) -> Any:
    """The signals (N, m) that atoms are learned from: scaled, without means where the codec codes those apart."""
    signals = training.scaled(scaling)
    if holds_out(training, plan):
        signals = signals[~is_held_out(np.arange(len(training)) // plan.batch)]
    if plan.packed or not is_centred(training.m, training.channels):
        return signals
    if training.in_memory:
        return centre(signals, training.channels)
    return signals.map_blocks(centre, training.channels, dtype=np.float32)


def _training_set(samples: Samples, plan: LearningPlan) -> TrainingSet:
    return TrainingSet.of(samples, plan.window, plan.rows_are_signals)


def _algorithm(training: TrainingSet, plan: LearningPlan) -> str:
    """The algorithm. Raises UserError for one that these signals cannot have, and for options that contradict."""
    algorithm = plan.algorithm or ("ksvd" if training.in_memory else "online")
    if algorithm not in ALGORITHMS:
        raise UserError(f"no algorithm {algorithm!r}: give {', '.join(ALGORITHMS)}")
    if not training.in_memory and algorithm not in OUT_OF_CORE:
        raise UserError(f"--algorithm {algorithm} needs the signals in memory: give {' or '.join(OUT_OF_CORE)}")
    if plan.compression is not None:
        if plan.n_components is not None or plan.target_nrmse is not None:
            raise UserError("--compression chooses the atoms: give it without --atoms and without --target-nrmse")
        if not 0 < plan.compression < 1:
            raise UserError(f"--compression {plan.compression:g} must lie between 0 and 1, e.g. 0.8")
    if plan.target_nrmse is not None and not 0 < plan.target_nrmse < 1:
        raise UserError(f"--target-nrmse {plan.target_nrmse:g} must lie between 0 and 1, e.g. 0.1")
    return algorithm


def _init(training: TrainingSet, plan: LearningPlan) -> str:
    """The initial atoms. Raises UserError for what there is not."""
    init = plan.init or ("data" if training.image is None else "local")
    if init not in INITS:
        raise UserError(f"no initial atoms {init!r}: give {', '.join(INITS)}")
    return init


def _sizes_for_target(
    training: TrainingSet, signals: Any, plan: LearningPlan, progress: Callable[[int, int], Any] | None
) -> tuple[int, int, SearchResult | None]:
    """n and s for an error, and what was tried. Defaults where sparse codes do not reach it: other kinds may."""
    rows = np.unique(np.linspace(0, len(signals) - 1, min(_SEARCHED, len(signals))).round().astype(np.intp))
    some = signals[rows]
    try:
        found = _search(some if training.in_memory else some.compute(), training.channels, plan, progress)
    except UserError:
        if len(plan.kinds) == 1:
            raise
        return *_dimensions(training, len(signals), plan), None
    return found.chosen.n, found.chosen.s, found


def _dimensions(training: TrainingSet, count: int, plan: LearningPlan) -> tuple[int, int]:
    """n and s for `count` signals. Raises UserError for those that these signals or no board can have."""
    m = training.m
    s = plan.n_nonzero_coefs if plan.n_nonzero_coefs is not None else min(DEFAULT_NONZERO, m)
    if plan.compression is not None:
        try:
            n = atoms_for(plan.compression, m, count, s)
        except ValueError as error:
            raise UserError(str(error)) from error
    else:
        n = plan.n_components if plan.n_components is not None else min(DEFAULT_ATOMS, count)
    if n > MAX_ATOMS:
        raise UserError(f"{n} atoms are more than {MAX_ATOMS}, the most that a bundle holds: lower --atoms")
    if n > count:
        raise UserError(f"{n} atoms need {n} signals or more, the file gives {count}: lower --atoms or --window")
    if plan.n_nonzero_coefs is None:
        s = min(s, n)
    if s > min(m, n):
        raise UserError(f"{s} atoms a code are more than min(m, n) = {min(m, n)}: lower --nonzero")
    return n, s


def _search(
    signals: NDArray[np.float32], channels: int, plan: LearningPlan, progress: Callable[[int, int], Any] | None
) -> SearchResult:
    """The cheapest n and s for the target; one that the plan gives stays."""

    def learn(some: NDArray[np.floating], n: int, s: int) -> NDArray[np.floating]:
        trial = DictionaryLearner(
            n, s, algorithm="aksvd", max_iter=_TRIAL_ITERATIONS, random_state=plan.random_state, n_jobs=plan.n_jobs
        )
        return trial.fit(some).components_

    assert plan.target_nrmse is not None
    try:
        return search(
            signals,
            plan.target_nrmse,
            learn,
            n_candidates=None if plan.n_components is None else [plan.n_components],
            s_candidates=None if plan.n_nonzero_coefs is None else [plan.n_nonzero_coefs],
            channels=channels,
            coefficient_bits=plan.coefficient_bits or DEFAULT_BITS,
            random_state=plan.random_state,
            n_jobs=plan.n_jobs,
            progress=progress,
        )
    except ValueError as error:
        raise UserError(str(error)) from error


def _fingerprint(training: TrainingSet, scaling: ChannelScaling, learner: DictionaryLearner, count: int) -> str:
    """Of all that decides what is learned but the number of iterations, so that a resumed run may have more."""
    sample = training.spread(len(training) if training.in_memory else _FINGERPRINTED)
    names = ("n_components", "n_nonzero_coefs", "algorithm", "init", "random_state")
    settings = {name: getattr(learner, name) for name in names}
    moments = {"offsets": scaling.offsets.tobytes(), "gains": scaling.gains.tobytes()}
    return fingerprint(sample, settings | moments | {"signals": count})


class _Run:
    """One learning run: its iterations, kept in a checkpoint where there is one."""

    def __init__(
        self,
        learner: DictionaryLearner,
        start: Iteration | None,
        checkpoint: Checkpoint | None,
        progress: Callable[[Iteration], Any] | None,
    ) -> None:
        self._learner = learner.set_params(callback=self._take)
        self._checkpoint = checkpoint
        self._progress = progress
        self._start = self._latest = self._best = start
        if start is not None and progress is not None:
            progress(start)

    def to_the_end(self, signals: Any) -> tuple[Iteration, bool]:
        """The last iteration and True; after Ctrl-C the one of the lowest error so far and False."""
        try:
            if self._start is None or self._start.number < self._learner.max_iter:
                self._learner.fit(signals, resume_from=self._start)
        except KeyboardInterrupt:
            if self._checkpoint is None or self._best is None:
                raise
            self._checkpoint.write()
            return self._best, False
        except ValueError as error:
            raise UserError(str(error)) from error
        if self._checkpoint is not None:
            self._checkpoint.write()
        assert self._latest is not None
        return self._latest, True

    def _take(self, iteration: Iteration) -> None:
        self._latest = iteration
        if self._best is None or iteration.errors[-1] <= self._best.errors[-1]:
            self._best = iteration
        if self._checkpoint is not None:
            self._checkpoint.offer(iteration)
        if self._progress is not None:
            self._progress(iteration)
