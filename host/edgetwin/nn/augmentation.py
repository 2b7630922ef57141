"""Inputs that differ from epoch to epoch, so that a network learns what stays the same."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgetwin.nn.recipe import Augmentation

__all__ = ["augment"]

Float32Array = npt.NDArray[np.float32]

GREY = 0.5


def augment(inputs: Float32Array, how: Augmentation, random: np.random.Generator) -> Float32Array:
    """Other inputs (N, ...) of the same shape: images (N, height, width, channels), series (N, length, channels) or
    vectors (N, features), of which only noise and scale are asked."""
    spatial = inputs.shape[1:-1]
    if how.flip and len(spatial) == 2:
        mirrored = random.random(len(inputs)) < 0.5
        inputs = np.where(mirrored[:, None, None, None], inputs[:, :, ::-1], inputs)
    if how.shift:
        for axis, size in enumerate(spatial, start=1):
            inputs = _shifted(inputs, axis, random.integers(-how.shift, how.shift + 1, len(inputs)), size)
    if how.erase and spatial:
        inputs = _erased(inputs, how.erase, random)
    if how.scale:
        factors = random.uniform(1 - how.scale, 1 + how.scale, len(inputs)).astype(np.float32)
        inputs = inputs * factors.reshape(-1, *[1] * (inputs.ndim - 1))
    if how.noise:
        inputs = inputs + np.float32(how.noise) * random.standard_normal(inputs.shape, np.float32)
    return inputs


def _shifted(inputs: Float32Array, axis: int, steps: npt.NDArray[np.int64], size: int) -> Float32Array:
    """Each input moved along an axis by its own steps."""
    places = np.clip(np.arange(size) - steps[:, None], 0, size - 1)
    places = places.reshape(len(inputs), *(size if i == axis else 1 for i in range(1, inputs.ndim)))
    return np.take_along_axis(inputs, places, axis)


def _erased(inputs: Float32Array, side: int, random: np.random.Generator) -> Float32Array:
    covered = np.ones(inputs.shape[:-1], np.bool_)
    for axis, size in enumerate(inputs.shape[1:-1], start=1):
        # The middle is anywhere, so the edges are covered less often, as in cutout (DeVries and Taylor 2017).
        distance = np.abs(np.arange(size) - random.integers(0, size, len(inputs))[:, None])
        inside = (2 * distance < side).reshape(len(inputs), *(size if i == axis else 1 for i in range(1, covered.ndim)))
        covered &= inside
    return np.where(covered[..., None], np.float32(GREY if inputs.ndim == 4 else 0), inputs)
