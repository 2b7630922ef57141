"""Where every buffer of a program lies in the workspace: planned on the host, so that a board decides nothing.

Buffers that live at the same time are disjoint, save for what a layer permits (`Overlap`). Several orders of placing
each buffer as low as it fits are tried, then a search that reorders the buffers that reach highest.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from edgetwin.deploy.compiler.layers import Buffer, Layer, Overlap, Place, Program

__all__ = ["Life", "Plan", "lives_of", "plan_memory"]

ALIGN = 16  # of the workspace's size: ET_MODEL_ALIGN

#: The search ends after so much work, in pairs of buffers looked at (about 2 s of Python), or so many tries a buffer
#: without a gain.
_SEARCH_PAIRS = 1_500_000
_PATIENCE = 40
_SEED = 1


@dataclass(frozen=True)
class Life:
    """Layers from the first that writes a buffer to the last that reads it; -1: before all, len(layers): after all."""

    first: int
    last: int

    def meets(self, other: Life) -> bool:
        """Whether both live at some time."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True, eq=False)
class Plan:
    """A memory plan.

    places : bytes from the workspace's start
    workspace_size : bytes in all, a multiple of 16
    state_size : bytes at the start that outlive an invocation
    bound : bytes that no plan can go below: the most that live at once, permitted overlaps counted
    bound_layer : the layer where that is; -1 for the inputs alone, len(layers) for the outputs
    live_bytes : at least that many bytes are needed in each layer; bound is the largest of them
    lives : of the buffers
    """

    places: dict[Buffer, int]
    workspace_size: int
    state_size: int
    bound: int
    bound_layer: int
    live_bytes: list[int]
    lives: dict[Buffer, Life]

    def place(self, place: Place) -> int:
        """Bytes from the workspace's start."""
        return self.places[place.buffer] + place.offset

    def live_at(self, layer: int) -> list[Buffer]:
        """Buffers that live in a layer, the largest first."""
        alive = [buffer for buffer, life in self.lives.items() if life.first <= layer <= life.last]
        return sorted(alive, key=lambda buffer: -buffer.size)


def plan_memory(program: Program) -> Plan:
    """The best plan found; the same program gives the same plan."""
    lives = lives_of(program)
    state = [buffer for buffer in lives if buffer.state is not None]
    fixed: dict[Buffer, int] = {}
    state_size = 0
    for buffer in sorted(state, key=lambda buffer: -buffer.align):
        fixed[buffer] = state_size = _aligned(state_size, buffer.align)
        state_size += buffer.size
    rest = [buffer for buffer in lives if buffer.state is None]
    overlaps = _permitted(program, lives)
    live_bytes = [_live_bytes(program, number, lives, overlaps) for number in range(-1, len(program.layers) + 1)]
    bound = max(live_bytes)
    packing = _Packing(rest, lives, overlaps, fixed)
    places = packing.search(_aligned(bound, ALIGN))
    size = max(places[buffer] + buffer.size for buffer in places)
    return Plan(
        places=places,
        workspace_size=_aligned(size, ALIGN),
        state_size=state_size,
        bound=bound,
        bound_layer=live_bytes.index(bound) - 1,
        live_bytes=live_bytes[1:-1],
        lives=lives,
    )


def lives_of(program: Program) -> dict[Buffer, Life]:
    """When each buffer of a program lives, in the order of their first layers."""
    end = len(program.layers)
    used: dict[Buffer, list[int]] = {}
    for place in program.inputs:
        used.setdefault(place.buffer, []).append(-1)
    for number, layer in enumerate(program.layers):
        for buffer in (*layer.reads, *layer.writes, *layer.scratch):
            used.setdefault(buffer, []).append(number)
    for place in program.outputs:
        used.setdefault(place.buffer, []).append(end)
    return {
        buffer: Life(-1, end) if buffer.state is not None else Life(min(times), max(times))
        for buffer, times in used.items()
    }


def _permitted(program: Program, lives: dict[Buffer, Life]) -> dict[tuple[Buffer, Buffer], Overlap]:
    """Overlaps by (output, input), where the input dies in the layer that the output begins in."""
    permitted: dict[tuple[Buffer, Buffer], Overlap] = {}
    for number, layer in enumerate(program.layers):
        for overlap in layer.overlaps:
            output, source = overlap.output, overlap.input
            dies = source.state is None and lives[source].last == number
            if dies and output.state is None and lives[output].first == number and output is not source:
                permitted[output, source] = overlap
    return permitted


def _live_bytes(
    program: Program, number: int, lives: dict[Buffer, Life], permitted: dict[tuple[Buffer, Buffer], Overlap]
) -> int:
    """Bytes that no plan can go below in a layer.

    What an output and inputs share is at most what each pair may share, and at most each of them.
    """
    size = sum(buffer.size for buffer, life in lives.items() if life.first <= number <= life.last)
    shared_out: dict[Buffer, int] = {}
    shared_in: dict[Buffer, int] = {}
    for overlap in _overlaps_of(program, number):
        output, source = overlap.output, overlap.input
        if (output, source) in permitted:
            shared_out[output] = shared_out.get(output, 0) + overlap.shared
            shared_in[source] = shared_in.get(source, 0) + overlap.shared
    return size - min(
        sum(min(buffer.size, shared) for buffer, shared in shared_out.items()),
        sum(min(buffer.size, shared) for buffer, shared in shared_in.items()),
    )


def _overlaps_of(program: Program, number: int) -> list[Overlap]:
    layers: list[Layer] = program.layers[number : number + 1] if number >= 0 else []
    return [overlap for layer in layers for overlap in layer.overlaps]


class _Packing:
    """Places buffers one after the other, each as low as it fits beside those that were placed before."""

    def __init__(
        self,
        buffers: list[Buffer],
        lives: dict[Buffer, Life],
        permitted: dict[tuple[Buffer, Buffer], Overlap],
        fixed: dict[Buffer, int],
    ) -> None:
        self._buffers = buffers
        self._lives = lives
        self._fixed = fixed
        everything = [*buffers, *fixed]
        # Of each buffer: those it meets, with how far below and above their beginnings it cannot begin.
        self._met: dict[Buffer, list[tuple[Buffer, int, int]]] = {
            one: [
                (other, below, above)
                for other in everything
                if other is not one and lives[one].meets(lives[other])
                for below, above in _barred(one, other, permitted)
            ]
            for one in buffers
        }

    def pack(self, order: list[Buffer]) -> tuple[int, dict[Buffer, int]]:
        """(bytes, places) of placing buffers in an order."""
        places = dict(self._fixed)
        top = max((place + buffer.size for buffer, place in places.items()), default=0)
        for buffer in order:
            # Between `low` and `high`, both left out, the buffer would lie where the other does.
            taken = sorted(
                (places[other] - below, places[other] + above)
                for other, below, above in self._met[buffer]
                if other in places
            )
            place = 0
            for low, high in taken:
                if place <= low:
                    break
                if place < high:
                    place = _aligned(high, buffer.align)
            places[buffer] = place
            top = max(top, place + buffer.size)
        return top, places

    def search(self, enough: int) -> dict[Buffer, int]:
        """The best places found; stops at `enough` bytes."""
        lives = self._lives
        keys: list[Callable[[Buffer], tuple[int, ...]]] = [
            lambda b: (-b.size,),
            lambda b: (-b.size * (lives[b].last - lives[b].first + 1),),
            lambda b: (lives[b].first - lives[b].last, -b.size),
            lambda b: (lives[b].first, -b.size),
            lambda b: (-lives[b].last, -b.size),
            lambda b: (-self._live_bytes(b), -b.size),
        ]
        orders = [sorted(self._buffers, key=key) for key in keys]
        packed = [(*self.pack(order), order) for order in orders]
        best, places, order = min(packed, key=lambda result: result[0])
        chance = random.Random(_SEED)
        pairs = sum(map(len, self._met.values())) + len(self._buffers)
        patience = _PATIENCE * len(order)
        for _ in range(_SEARCH_PAIRS // max(pairs, 1)):
            if best <= enough or len(order) < 2 or patience == 0:
                break
            patience -= 1
            highest = max(order, key=lambda buffer: places[buffer] + buffer.size)
            rivals = [highest, *(other for other, _, _ in self._met[highest] if other.state is None)]
            moved = chance.choice(rivals)
            draft = [buffer for buffer in order if buffer is not moved]
            draft.insert(chance.randrange(len(order)), moved)
            size, found = self.pack(draft)
            if size < best:
                patience = _PATIENCE * len(order)
            if size <= best:
                best, places, order = size, found, draft
        return places

    def _live_bytes(self, buffer: Buffer) -> int:
        """Bytes that live at some time with a buffer."""
        return buffer.size + sum(other.size for other in {other for other, _, _ in self._met[buffer]})


def _barred(one: Buffer, other: Buffer, permitted: dict[tuple[Buffer, Buffer], Overlap]) -> list[tuple[int, int]]:
    """Between which distances below and above the beginning of `other`, both left out, `one` cannot begin."""
    below, above = one.size, other.size
    overlap = permitted.get((one, other)) or permitted.get((other, one))
    if overlap is None:
        return [(below, above)]
    just = -overlap.distance if overlap.output is one else overlap.distance
    if overlap.is_exact:
        return [(below, just), (-just, above)] if -below < just < above else [(below, above)]
    most = above if overlap.output is one else below
    if overlap.above is not None:
        most = min(most, overlap.above)
    return [(min(below, -just), most)] if overlap.output is one else [(most, min(above, just))]


def _aligned(size: int, align: int) -> int:
    return -(-size // align) * align
