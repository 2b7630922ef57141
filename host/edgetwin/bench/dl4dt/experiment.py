"""The whole experiment: every part that was asked for, and why those are missing that could not be run."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path

from edgetwin.bench.dl4dt.budget import Budget
from edgetwin.bench.dl4dt.classification import classify
from edgetwin.bench.dl4dt.compress import Example, Tracker
from edgetwin.bench.dl4dt.results import Classification, NotRun, Results, Telemetry
from edgetwin.bench.dl4dt.telemetry import detect
from edgetwin.data.catalogue import load_labelled, load_telemetry, telemetry_servers
from edgetwin.data.samples import DataError

__all__ = ["run"]


def run(
    name: str, budget: Budget, parts: Collection[str], *, folder: Path | None, seed: int, track: Tracker
) -> tuple[Results, list[Example]]:
    """Runs `parts` of the experiment on the data sets in `folder` (see :mod:`edgetwin.data.catalogue`).

    name : of the budget, for the record

    Returns the results, and signals of each part to draw. A part whose data set cannot be had is :class:`NotRun`; only
    if that is so for every part the DataError is raised.
    """
    started = time.monotonic()
    classification: dict[str, Classification | NotRun] = {}
    telemetry: dict[str, Telemetry | NotRun] = {}
    examples: list[Example] = []
    for part, plan in (("mnist", budget.mnist), ("forda", budget.forda)):
        if part not in parts:
            continue
        try:
            data = load_labelled(part, folder)
        except DataError as error:
            classification[part] = NotRun(str(error))
            continue
        classification[part], example = classify(data, plan, seed=seed, track=track)
        examples.append(example)
    for collection in budget.telemetry.collections if "telemetry" in parts else ():
        try:
            names = budget.telemetry.servers or telemetry_servers(collection, folder)
            servers = [load_telemetry(collection, server, folder) for server in names]
        except DataError as error:
            telemetry[collection] = NotRun(str(error))
            continue
        telemetry[collection], example = detect(servers, budget.telemetry, seed=seed, track=track)
        examples.append(example)
    results = Results(name, seed, round(time.monotonic() - started, 1), classification, telemetry)
    outcomes = [*classification.values(), *telemetry.values()]
    missing = [outcome.reason for outcome in outcomes if isinstance(outcome, NotRun)]
    if len(missing) == len(outcomes):
        raise DataError("; ".join(missing))
    return results, examples
