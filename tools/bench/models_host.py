"""An invocation on this computer: our C core against TensorFlow Lite Micro's interpreter, in alternating runs.

    python tools/bench/models_host.py            # a table
    python tools/bench/models_host.py --json     # a list of rows

The networks are those of `edgetwin bench nn`. Medians of the runs; needs the extra dev.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
from rich.console import Console
from rich.table import Table
from tflite_micro import runtime

from edgetwin.core import Model
from edgetwin.deploy.compiler.compile import compile_model
from edgetwin.nn.tiny import TINY, tiny_tflite

RUNS = 15


def compare(content: bytes) -> tuple[float, float]:
    """Median seconds of an invocation: ours, TFLM's. Raises AssertionError where the outputs differ."""
    ours, theirs = Model(compile_model(content)), runtime.Interpreter.from_bytes(content)
    generator = np.random.default_rng(0)
    seconds = []
    for _ in range(RUNS):
        inputs = [generator.integers(-128, 128, (1, *tensor.shape), dtype=np.int8) for tensor in ours.inputs]
        begin = time.perf_counter()
        outputs = ours.invoke(inputs)
        middle = time.perf_counter()
        for index, values in enumerate(inputs):
            theirs.set_input(values[0], index)
        theirs.invoke()
        expected = [theirs.get_output(index) for index in range(len(outputs))]
        seconds.append((middle - begin, time.perf_counter() - middle))
        assert all(np.array_equal(a[0], b) for a, b in zip(outputs, expected, strict=True))
    median = np.median(seconds, axis=0)
    return float(median[0]), float(median[1])


def main() -> None:
    """Prints the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    rows = []
    for name in TINY:
        ours, theirs = compare(tiny_tflite(name))
        rows.append({"network": name, "edgetwin_ms": 1e3 * ours, "tflm_ms": 1e3 * theirs, "ratio": theirs / ours})
    if as_json:
        print(json.dumps(rows))
        return
    table = Table("", "edgetwin, ms", "TFLM, ms", "times faster")
    for row in rows:
        table.add_row(str(row["network"]), *(f"{row[key]:.2f}" for key in ("edgetwin_ms", "tflm_ms", "ratio")))
    Console().print(table)


if __name__ == "__main__":
    main()
