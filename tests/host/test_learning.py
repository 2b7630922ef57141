"""From samples to a bundle: what the defaults choose, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from edgetwin.data import Samples
from edgetwin.deploy.learning import LearningPlan, learn_bundle, signals_for
from edgetwin.errors import UserError


def samples(rows, channels=1, series_rows=None):
    values = np.random.default_rng(0).standard_normal((rows, channels)).astype(np.float32)
    return Samples(values, tuple(f"c{i}" for i in range(channels)), series_rows)


@pytest.mark.parametrize(("channels", "m"), [(1, 64), (3, 66), (19, 76), (100, 100)])
def test_the_default_window_gives_64_samples_or_the_next_whole_row(channels, m):
    learned = learn_bundle(samples(1300, channels), LearningPlan(n_components=8, n_nonzero_coefs=2, max_iter=1))
    assert learned.bundle.m == m
    assert learned.bundle.channels == channels


def test_a_file_of_equal_series_gives_one_signal_a_series():
    learned = learn_bundle(samples(600, 2, series_rows=30), LearningPlan(n_components=8, max_iter=1))
    assert learned.signals.shape == (20, 60)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (LearningPlan(window=1000), "less than one window"),
        (LearningPlan(n_components=11), "need 11 signals"),
        (LearningPlan(window=8, n_nonzero_coefs=9), "lower --nonzero"),
        (LearningPlan(coefficient_bits=3), "4 to 16"),
        (LearningPlan(atom_type="float64"), "int8"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_in_one_line(plan, said):
    with pytest.raises(UserError, match=said):
        learn_bundle(samples(640), plan)


def test_a_signal_longer_than_a_board_takes_is_refused():
    with pytest.raises(UserError, match="4096"):
        learn_bundle(samples(20000), LearningPlan(window=5000))


def test_windows_never_straddle_two_series():
    with pytest.raises(UserError, match="straddle"):
        learn_bundle(samples(600, 1, series_rows=50), LearningPlan(window=64))


def test_a_file_is_cut_as_the_dictionary_asks():
    bundle = learn_bundle(samples(1300, 3), LearningPlan(n_components=8, max_iter=1)).bundle
    assert signals_for(samples(100, 3), bundle).shape == (4, 66)
    assert signals_for(samples(5, 66), bundle).shape == (5, 66)
    with pytest.raises(UserError, match="5 columns"):
        signals_for(samples(100, 5), bundle)
