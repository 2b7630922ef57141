"""Nested loops over elements with strides, merged into as few as can be."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Loop", "dense", "merge"]

#: A loop: how many turns, and each tensor's stride.
Loop = tuple[int, tuple[int, ...]]


def dense(shape: Sequence[int]) -> list[int]:
    """Strides of a tensor whose elements lie one after the other."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return strides[::-1]


def merge(shape: Sequence[int], *strides: Sequence[int]) -> list[Loop]:
    """Loops, outermost first, without those of one turn; neighbours that are one loop for all tensors become it."""
    loops: list[Loop] = []
    for size, *steps in zip(shape, *strides, strict=True):
        if size == 1:
            continue
        inner = tuple(steps)
        if loops and all(outer == step * size for outer, step in zip(loops[-1][1], inner, strict=True)):
            loops[-1] = (loops[-1][0] * size, inner)
        else:
            loops.append((size, inner))
    return loops
