"""From a .tflite file to a bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgetwin import core
from edgetwin.deploy.compiler.emit import emit
from edgetwin.deploy.compiler.graph import Graph
from edgetwin.deploy.compiler.layers import Program
from edgetwin.deploy.compiler.lowering import TARGETS, lower
from edgetwin.deploy.compiler.passes import merge_lookups, simplify
from edgetwin.deploy.compiler.planner import Plan, plan_memory
from edgetwin.deploy.compiler.tflite import read_tflite
from edgetwin.deploy.compiler.types import check_types
from edgetwin.errors import UserError
from edgetwin.nn.description import read_tflite as read_description

__all__ = ["Compiled", "compile_graph", "compile_model", "compile_to", "target_of"]


@dataclass(frozen=True, eq=False)
class Compiled:
    """A compiled model: the bundle, and how it came about.

    sha256 : of the .tflite file
    """

    graph: Graph
    program: Program
    plan: Plan
    sha256: str
    bundle: bytes


def compile_model(
    model: bytes | str | Path, target: str = "portable", metadata: Mapping[str, Any] | None = None
) -> bytes:
    """The bundle (.etm) of an int8 .tflite file.

    Parameters
    ----------
    model : the file's bytes, or its path
    target : "portable", for every board, or "helium" (Cortex-M55)
    metadata : plain values that the bundle carries for hosts, in place of the labels, preprocessing and provenance that
        the file says of itself (``edgetwin export``)

    Raises
    ------
    UserError : the file cannot be read or compiled; the message says what to change.
    """
    return compile_to(model, target, metadata).bundle


def compile_to(
    model: bytes | str | Path, target: str = "portable", metadata: Mapping[str, Any] | None = None
) -> Compiled:
    """As :func:`compile_model`, with all that a report shows."""
    content, name = (model, "model.tflite") if isinstance(model, bytes) else (_read(Path(model)), Path(model).name)
    graph = read_tflite(content, name)
    description = read_description(content)
    told = description.for_bundle() if description else {}
    return compile_graph(graph, target, {**told, **(metadata or {})}, hashlib.sha256(content).hexdigest())


def compile_graph(
    graph: Graph, target: str = "portable", metadata: Mapping[str, Any] | None = None, sha256: str = ""
) -> Compiled:
    """Compiles a graph, whose operators and tensors the passes may change in place.

    sha256 : of the file that it was read from
    """
    if target not in TARGETS:
        raise UserError(f"there is no target {target!r}: choose one of {', '.join(TARGETS)}")
    graph = simplify(graph)
    check_types(graph)
    program = lower(graph, target)
    merge_lookups(program)
    plan = plan_memory(program)
    described = {**(metadata or {}), **_description(graph, program, plan, sha256)}
    bundle = emit(program, graph, plan, described)
    _check_opens(program.name, bundle)
    return Compiled(graph, program, plan, sha256, bundle)


def target_of(core: str) -> str:
    """What bundles for boards with a core are packed for; `core` as in board.toml, such as "cortex-m4"."""
    return "helium" if core == "cortex-m55" else "portable"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error


def _check_opens(name: str, bundle: bytes) -> None:
    """Refuses a bundle as every board does: kernels have limits (2^24 in a dimension) that rules leave to them."""
    try:
        core.Model(bundle)
    except core.CoreError as error:
        raise UserError(
            f"{name} is beyond what a board runs ({core.status_text(error.status)}): make its tensors smaller"
        ) from error


def _description(graph: Graph, program: Program, plan: Plan, sha256: str) -> dict[str, Any]:
    """What hosts read from a bundle. The layers are stored by column, a value for each."""
    layers = program.layers
    return {
        "name": program.name,
        "target": program.target,
        "sha256": sha256,
        "inputs": [tensor.name for tensor in graph.inputs],
        "outputs": [tensor.name for tensor in graph.outputs],
        "layers": {
            "title": [layer.title for layer in layers],
            "kernel": [layer.kernel.name for layer in layers],
            "macs": [layer.macs for layer in layers],
            "weight_bytes": [layer.weight_bytes for layer in layers],
            "tensor": [layer.result[0].index if layer.result else -1 for layer in layers],
            "place": [plan.place(layer.result[1]) if layer.result else 0 for layer in layers],
            "size": [layer.result[0].bytes if layer.result else 0 for layer in layers],
        },
    }
