"""Where a model's buffers lie in the workspace, and how large that is."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("tflite_micro", reason="the oracle needs edgetwin[dev]")

from tflite_models import Tflm

from edgetwin.deploy.compiler.compile import compile_to
from edgetwin.deploy.compiler.layers import Buffer, Kernel, Layer, Overlap, Place, Program
from edgetwin.deploy.compiler.planner import lives_of, plan_memory


@st.composite
def programs(draw) -> Program:
    """Layers that read and write random buffers, some in place."""
    kernel = Kernel("any", 1, ())
    distances = st.integers(-20, 20)
    buffers = [Buffer("input", draw(st.integers(1, 50)), draw(st.sampled_from([1, 2, 4])))]
    state = Buffer("state", draw(st.integers(1, 20)), 4, bytes(20)) if draw(st.booleans()) else None
    layers = []
    for number in range(draw(st.integers(1, 12))):
        reads = draw(st.lists(st.sampled_from(buffers), min_size=1, max_size=3, unique=True))
        output = Buffer(f"{number}", draw(st.integers(1, 50)), draw(st.sampled_from([1, 2, 4])))
        scratch = [Buffer(f"scratch {number}", draw(st.integers(1, 30)), 4)] if draw(st.booleans()) else []
        overlaps = [
            draw(
                st.one_of(
                    st.builds(Overlap, st.just(output), st.just(source), distances, st.booleans()),
                    st.builds(Overlap, st.just(output), st.just(source), distances, above=distances),
                )
            )
            for source in reads
            if draw(st.booleans())
        ]
        reads = [*reads, *([state] if state is not None and draw(st.booleans()) else [])]
        layers.append(Layer(kernel, f"{number}", number, {}, reads, [output], scratch, overlaps))
        buffers.append(output)
    outputs = draw(st.lists(st.sampled_from(buffers[1:]), min_size=1, max_size=2, unique=True))
    return Program("any", "portable", layers, [Place(buffers[0])], [Place(buffer) for buffer in outputs])


@settings(max_examples=100, deadline=None)
@given(programs())
def test_buffers_that_live_together_are_apart_or_may_overlap(program: Program) -> None:
    plan, lives = plan_memory(program), lives_of(program)
    for buffer, place in plan.places.items():
        assert place % buffer.align == 0 and place >= 0 and place + buffer.size <= plan.workspace_size
    assert plan.workspace_size % 16 == 0 and plan.workspace_size >= plan.bound
    buffers = list(lives)
    for i, one in enumerate(buffers):
        for other in buffers[:i]:
            apart = (
                plan.places[one] + one.size <= plan.places[other] or plan.places[other] + other.size <= plan.places[one]
            )
            if lives[one].meets(lives[other]) and not apart:
                assert may_overlap(program, plan, one, other) or may_overlap(program, plan, other, one)
    for buffer in buffers:
        if buffer.state is not None:
            assert plan.places[buffer] + buffer.size <= plan.state_size


def may_overlap(program: Program, plan, output: Buffer, source: Buffer) -> bool:
    """Whether the only layer in which both live permits it."""
    return any(
        overlap.output is output
        and overlap.input is source
        and plan.lives[output].first == plan.lives[source].last == number
        and permits(overlap, plan.places[source] - plan.places[output])
        for number, layer in enumerate(program.layers)
        for overlap in layer.overlaps
    )


def permits(overlap: Overlap, below: int) -> bool:
    """Whether the output may begin so many bytes below the input."""
    if overlap.is_exact:
        return below == overlap.distance
    return below >= overlap.distance or (overlap.above is not None and -below >= overlap.above)


def test_the_plan_reaches_the_bound_of_a_chain_and_says_what_decides() -> None:
    kernel = Kernel("any", 1, ())
    sizes = [64, 32, 48, 96, 16]
    buffers = [Buffer(str(size), size) for size in sizes]
    layers = [Layer(kernel, str(i), i, {}, [buffers[i]], [buffers[i + 1]]) for i in range(4)]
    plan = plan_memory(Program("chain", "portable", layers, [Place(buffers[0])], [Place(buffers[4])]))
    assert (plan.bound, plan.bound_layer, plan.workspace_size) == (144, 2, 144)
    assert [buffer.size for buffer in plan.live_at(2)] == [96, 48]
    in_place = Layer(kernel, "2", 2, {}, [buffers[2]], [buffers[3]], overlaps=[Overlap(buffers[3], buffers[2], 0)])
    plan = plan_memory(
        Program("chain", "portable", [*layers[:2], in_place, layers[3]], [Place(buffers[0])], [Place(buffers[4])])
    )
    assert (plan.bound, plan.workspace_size) == (112, 112)


def test_a_chain_that_may_go_both_ways_does_not_creep() -> None:
    kernel = Kernel("any", 1, ())
    buffers = [Buffer(str(i), 100) for i in range(9)]
    layers = [
        Layer(kernel, str(i), i, {}, [source], [output], overlaps=[Overlap(output, source, 12, above=16)])
        for i, (source, output) in enumerate(itertools.pairwise(buffers))
    ]
    plan = plan_memory(Program("chain", "helium", layers, [Place(buffers[0])], [Place(buffers[-1])]))
    assert (plan.bound, plan.workspace_size) == (112, 128)


@pytest.mark.parametrize("target", ["portable", "helium"])
@pytest.mark.parametrize("name", ["resnet8", "ds_cnn", "mobilenet", "dense_autoencoder"])
def test_the_workspace_is_near_its_bound_and_below_tflms(name: str, target: str, capfd) -> None:
    pytest.importorskip("tensorflow", reason="networks need edgetwin[train]")
    from edgetwin.nn.tiny import tiny_tflite

    content = tiny_tflite(name)
    plan = compile_to(content, target).plan
    Tflm(content)._interpreter.print_allocations()
    head = int(re.search(r"allocation head (\d+)", "".join(capfd.readouterr()))[1])
    assert plan.workspace_size <= 1.05 * plan.bound
    assert plan.workspace_size <= head
