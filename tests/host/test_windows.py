"""Windows and scaling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetwin.signals import ChannelScaling, from_windows, to_windows


def test_sample_i_belongs_to_channel_i_mod_channels() -> None:
    rows = np.array([[0, 100], [1, 101], [2, 102], [3, 103], [4, 104]], dtype=np.float32)
    windows = to_windows(rows, 2)
    np.testing.assert_array_equal(windows, [[0, 100, 1, 101], [2, 102, 3, 103]])


@given(rows=st.integers(0, 30), channels=st.integers(1, 4), length=st.integers(1, 9))
def test_windows_come_back_as_the_rows_that_filled_them(rows: int, channels: int, length: int) -> None:
    values = np.arange(rows * channels, dtype=np.float32).reshape(rows, channels)
    windows = to_windows(values, length)
    assert windows.shape == (rows // length, length * channels)
    np.testing.assert_array_equal(from_windows(windows, channels), values[: rows - rows % length])


def test_windows_that_cannot_be_are_refused() -> None:
    rows = np.zeros((4, 2), dtype=np.float32)
    with pytest.raises(ValueError, match="at least one row"):
        to_windows(rows, 0)
    with pytest.raises(ValueError, match=r"\(rows, channels\)"):
        to_windows(rows[0], 1)
    with pytest.raises(ValueError, match="3 channels"):
        from_windows(rows, 3)


def test_scaled_training_data_have_mean_0_and_deviation_1() -> None:
    rows = np.random.default_rng(0).normal([5, -1e3, 1e-4], [2, 1e2, 1e-5], (2000, 3)).astype(np.float32)
    scaling = ChannelScaling.fit(rows)
    scaled = scaling.transform(rows)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(axis=0), 1, rtol=1e-4)
    np.testing.assert_allclose(scaling.inverse_transform(scaled), rows, rtol=1e-5, atol=1e-6)


def test_scaling_of_windows_is_that_of_their_rows() -> None:
    rows = np.random.default_rng(1).normal([5, -3], [2, 9], (100, 2)).astype(np.float32)
    scaling = ChannelScaling.fit(rows)
    np.testing.assert_array_equal(scaling.transform(to_windows(rows, 5)), to_windows(scaling.transform(rows), 5))


def test_scaling_rounds_each_operation_to_float32() -> None:
    scaling = ChannelScaling(np.array([0.1], np.float32), np.array([3.3], np.float32))
    x = np.random.default_rng(2).standard_normal((50, 1)).astype(np.float32)
    expected = np.float32(np.float32(x - np.float32(0.1)) * np.float32(3.3))
    np.testing.assert_array_equal(scaling.transform(x.astype(np.float64)), expected)


@pytest.mark.parametrize("value", [0.0, 7.25, -1e-30, 1e30, 0.1])
def test_a_constant_channel_has_gain_1(value: float) -> None:
    rows = np.full((1000, 1), value, dtype=np.float32)
    scaling = ChannelScaling.fit(rows)
    assert scaling.gains[0] == 1
    assert scaling.transform(rows).max() <= abs(value) * 1e-6


def test_float32_noise_on_a_large_value_is_not_a_signal() -> None:
    rows = np.float32(1e6) + np.array([[0.0], [0.0625], [0.0]], dtype=np.float32)
    assert ChannelScaling.fit(rows).gains[0] == 1


def test_gains_of_extreme_data_stay_inside_float32() -> None:
    rows = np.array([[0.0, -3e38], [1e-44, 3e38]], dtype=np.float32)
    scaling = ChannelScaling.fit(rows)
    assert np.isfinite(scaling.transform(rows)).all()
    assert np.isfinite(scaling.inverse_transform(scaling.transform(rows))).all()


def test_nan_is_left_out_of_the_fit() -> None:
    rows = np.array([[1, np.nan], [3, np.nan], [np.nan, np.nan]], dtype=np.float32)
    scaling = ChannelScaling.fit(rows)
    np.testing.assert_array_equal(scaling.offsets, [2, 0])
    np.testing.assert_array_equal(scaling.gains, [1, 1])


def test_scaling_that_cannot_be_is_refused() -> None:
    one = np.ones(1, np.float32)
    with pytest.raises(ValueError, match="above 0"):
        ChannelScaling(one, 0 * one)
    with pytest.raises(ValueError, match="finite"):
        ChannelScaling(one * np.float32(np.nan), one)
    with pytest.raises(ValueError, match="one of each"):
        ChannelScaling(one, np.ones(2, np.float32))
    with pytest.raises(ValueError, match="float32"):
        ChannelScaling(one, np.ones(1))
    with pytest.raises(ValueError, match="empty"):
        ChannelScaling.fit(np.zeros((0, 3), np.float32))
    with pytest.raises(ValueError, match="2 channels"):
        ChannelScaling.identity(2).transform(np.zeros((1, 3), np.float32))
