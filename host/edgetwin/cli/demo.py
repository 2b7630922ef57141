"""``edgetwin demo``: the whole way once, on bundled data: learn, build, boot, stream, prove, report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from edgetwin.cli.console import progress_bar, say, show_result
from edgetwin.cli.options import AsJson

_SERVER = "omi-1"
_WINDOWS = 200
#: Boards that cannot hold the default dictionary (docs/defaults.md): 10 minutes a window for 16 KB of RAM.
_PLANS: dict[str, dict[str, Any]] = {"microbit": {"window": 2, "n_nonzero_coefs": 6}}

_LABELS = {
    "board": "board",
    "m": "samples a signal (m)",
    "n": "atoms (n)",
    "s": "atoms a code uses at most (s)",
    "signals": "signals",
    "differing_bits": "bits that differ between board and host",
    "nrmse": "NRMSE",
    "raw_bytes": "bytes raw",
    "triplet_bytes": "bytes as the paper's triplets",
    "sent_bytes": "bytes sent",
    "instructions_per_signal": "instructions a signal on the board",
    "workspace_bytes": "workspace bytes",
    "flash_bytes": "flash bytes of the firmware",
    "ram_bytes": "RAM bytes of the firmware",
    "seconds": "seconds",
}


def demo(
    board: Annotated[
        str, typer.Option(help="netduinoplus2, mps2-an386, mps3-an547, microbit, riscv32-virt or native.")
    ] = "netduinoplus2",
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for bundle and report.")] = Path("demo"),
    as_json: AsJson = False,
) -> None:
    """Learn a dictionary from bundled server telemetry, stream held-out windows through a board, and prove the codes.

    Example: edgetwin demo --board native
    """
    result, report = _run(board, output)
    show_result(f"{_SERVER} on {board}; report: {report}", result, _LABELS, as_json=as_json)
    if result["differing_bits"]:
        raise typer.Exit(1)


def _run(board_name: str, output: Path) -> tuple[dict[str, Any], Path]:
    from edgetwin.boards import build, find_board, run
    from edgetwin.data import Samples, load_asd
    from edgetwin.deploy import RecordingBundle
    from edgetwin.deploy.learning import LearningPlan, learn_bundle, signals_for
    from edgetwin.link import Session, load_key
    from edgetwin.pictures import require_matplotlib
    from edgetwin.twin import Twin, compare
    from edgetwin.twin.collect import collect
    from edgetwin.twin.report import write_report

    require_matplotlib()
    started = time.monotonic()
    board = find_board(board_name)
    server = load_asd(_SERVER)
    plan = LearningPlan(**_PLANS.get(board_name, {}))

    say(f"learning a dictionary from {len(server.train)} rows of {len(server.names)} metrics")
    with progress_bar() as bar:
        task = bar.add_task("learning", total=plan.max_iter)
        bundle = learn_bundle(
            Samples(server.train, server.names), plan, lambda error: bar.update(task, advance=1)
        ).bundle
    dictionary = output / "asd.etd"
    bundle.save(dictionary)

    twin = Twin(bundle)
    signals = signals_for(Samples(server.test, server.names), bundle)[:_WINDOWS]
    recording = output / "asd.etr"
    RecordingBundle(signals.reshape(-1, len(server.names))).save(recording)

    say(f"building the firmware for {board_name}, with {len(signals)} held-out windows for it to play")
    key = load_key(None)
    firmware = build(board, output / "firmware" / board_name, key=key, recording=recording)
    with run(board, firmware) as node, Session(node.url, key) as session, progress_bar() as bar:
        content = bundle.to_bytes()
        say(f"{board_name} runs at {node.url}; uploading {len(content)} bytes to its {session.info.slot_memory}")
        session.upload(content)
        task = bar.add_task("streaming", total=len(signals))
        frames = session.stream(0, len(signals), period_ms=0)
        received = collect(frames, lambda windows: bar.update(task, advance=windows))
        stats = session.stats()

    comparison = compare(received, twin.core, signals)
    reconstruction = twin.reconstruct(received.packets, received.counts)
    per_tick = board.instructions_per_tick
    result: dict[str, Any] = {
        "board": board_name,
        "m": twin.core.m,
        "n": twin.core.n,
        "s": twin.core.s,
        "signals": len(signals),
        "differing_bits": comparison.differing_bits,
        "nrmse": round(twin.nrmse(signals, reconstruction.signals), 4),
        "raw_bytes": signals.nbytes,
        "triplet_bytes": reconstruction.triplet_bytes,
        "sent_bytes": received.wire_bytes,
        "instructions_per_signal": round(stats.ticks_mean * per_tick) if per_tick is not None else None,
        "workspace_bytes": twin.core.workspace_size,
        "flash_bytes": firmware.flash_bytes,
        "ram_bytes": firmware.ram_bytes,
        "seconds": round(time.monotonic() - started, 1),
    }
    report = output / "report.html"
    write_report(
        report,
        f"edgetwin on {board_name}",
        f"{len(signals)} held-out windows of server {_SERVER}, encoded on the board, reconstructed by the twin.",
        {label: "-" if result[name] is None else f"{result[name]}" for name, label in _LABELS.items()},
        signals,
        reconstruction.signals,
        server.names,
    )
    return result, report
