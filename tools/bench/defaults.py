"""Why the default dictionary is what it is: error against bytes on the bundled servers.

Learned on 30 days of each, tested on the 15 days after.

usage: python tools/bench/defaults.py [--json]
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from edgetwin.data import ASD_SERVERS, Samples, load_asd
from edgetwin.deploy.learning import LearningPlan, learn_bundle, signals_for
from edgetwin.twin import Twin
from edgetwin.twin.wire import measure as measure_wire

#: window rows, atoms n, atoms a code s, codec, windows a packet, atom type
CHOICES = (
    (1, 256, 4, "auto", 16, "int8"),
    (2, 256, 6, "auto", 16, "int8"),
    (4, 128, 12, "auto", 16, "int8"),
    (4, 256, 8, "auto", 16, "int8"),
    (4, 256, 12, "auto", 16, "int8"),
    (4, 256, 12, "auto", 1, "int8"),
    (4, 256, 12, "auto", 64, "int8"),
    (4, 256, 12, "sparse", 16, "int8"),
    (4, 256, 12, "packed", 16, "int8"),
    (4, 256, 12, "auto", 16, "float32"),
    (8, 192, 16, "auto", 16, "int8"),
    (16, 112, 32, "auto", 16, "int8"),
)


def measure(window: int, n: int, s: int, codec: str, batch: int, atom_type: str) -> dict[str, Any]:
    """One choice on every bundled server: NRMSE of held-out windows as the twin reconstructs them, and bytes."""
    errors, sent = [], 0.0
    for name in ASD_SERVERS:
        server = load_asd(name)
        plan = LearningPlan(
            window=window, n_components=n, n_nonzero_coefs=s, codec=codec, batch=batch, atom_type=atom_type
        )
        bundle = learn_bundle(Samples(server.train, server.names), plan).bundle
        twin = Twin(bundle)
        signals = signals_for(Samples(server.test, server.names), bundle)
        wire = measure_wire(twin, signals, batch=batch)
        errors.append(round(wire.nrmse, 4))
        sent += wire.sent_bytes / len(ASD_SERVERS)
    return {
        "window": window,
        "m": twin.core.m,
        "n": n,
        "s": s,
        "codec": codec,
        "batch": batch,
        "atoms": atom_type,
        "nrmse": errors,
        "sent_bytes": round(sent, 1),
        "raw_ratio": round(4 * twin.core.m / sent, 2),
        "triplet_ratio": round(12 * s / sent, 2),
        "bundle_bytes": len(bundle.to_bytes()),
        "workspace_bytes": twin.core.workspace_size,
    }


def main() -> None:
    """Prints the table, or one JSON list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    rows = [measure(*choice) for choice in track(CHOICES, console=Console(stderr=True), description="choices")]
    if as_json:
        print(json.dumps(rows))
        return
    table = Table(title=f"held-out windows of {', '.join(ASD_SERVERS)}")
    sizes = ("bytes sent", "vs raw", "vs triplets", "bundle", "workspace")
    for column in ("rows", "m", "n", "s", "codec", "windows a packet", "atoms", "NRMSE", *sizes):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            *(str(row[key]) for key in ("window", "m", "n", "s", "codec", "batch", "atoms")),
            " ".join(f"{error:.3f}" for error in row["nrmse"]),
            f"{row['sent_bytes']:.1f}",
            f"{row['raw_ratio']:.1f}x",
            f"{row['triplet_ratio']:.1f}x",
            f"{row['bundle_bytes']:,}",
            f"{row['workspace_bytes']:,}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
