"""The results as the paper's tables, with the paper's figures beside ours."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from edgetwin.bench.dl4dt import published
from edgetwin.bench.dl4dt.representativity import OMP, WIRE
from edgetwin.bench.dl4dt.results import (
    DICTIONARY,
    ORIGINAL,
    RANDOM,
    Classification,
    NotRun,
    Results,
    Telemetry,
)

__all__ = ["TITLES", "tables"]

TITLES = {
    "mnist": "MNIST, convnet",
    "forda": "FordA, fully convolutional network",
    "asd": "ASD servers, autoencoder (paper: D.A.V.I.D.E.)",
    "smd": "SMD machines, autoencoder (paper: D.A.V.I.D.E.)",
}


def tables(results: Results) -> list[Table]:
    """One table for each part of section 4.2, one for each of 4.3, and one of what was not run."""
    made: list[Table] = []
    parts: Mapping[str, Classification | Telemetry | NotRun] = {**results.classification, **results.telemetry}
    for name, part in parts.items():
        if isinstance(part, Classification):
            made.append(_accuracies(name, part))
        elif isinstance(part, Telemetry):
            made += [_detections(name, part), _precision_recall(name, part), _representativity(name, part)]
    missing = {name: part.reason for name, part in parts.items() if isinstance(part, NotRun)}
    if missing:
        table = _table("Not run", "part", "why")
        for name, reason in missing.items():
            table.add_row(TITLES[name], reason)
        made.append(table)
    return made


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", no_wrap=not index)
    return table


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _form(training: str, compression: float) -> str:
    return {ORIGINAL: "original", DICTIONARY: f"{compression:.0%} dictionary"}.get(
        training, f"{compression:.0%} random"
    )


def _accuracies(name: str, part: Classification) -> Table:
    table = _table(
        f"{TITLES[name]}\nN = {part.signals:,}, m = {part.m}, s = {part.n_nonzero_coefs}, {part.iterations} iterations",
        *("trained on", "n", "error", "accuracy", "paper", "test coded too", "learning"),
    )
    for row in part.rows:
        table.add_row(
            _form(row.training, row.compression),
            "" if row.atoms is None else f"{row.atoms:,}",
            "" if row.error is None else f"{row.error:.4f}",
            _percent(row.accuracy),
            _percent(row.paper),
            _percent(row.accuracy_reconstructed),
            "" if row.seconds_learning is None else f"{row.seconds_learning:.0f} s",
        )
    return table


def _detections(name: str, part: Telemetry) -> Table:
    """The paper's figure 3."""
    table = _table(
        f"{TITLES[name]}\n{_servers(part)}: N = {sum(part.signals.values()):,}, m = {part.m}, "
        f"s = {part.n_nonzero_coefs}, {part.iterations} iterations",
        *("trained on", "accuracy", "paper", "F normal", "paper", "F anomaly", "paper"),
    )
    for row in part.rows:
        total = row.total
        paper = {} if row.training == RANDOM else published.PRECISION_RECALL.get(row.compression, {})
        f_scores = {kind: 2 * p * r / (p + r) for kind, (p, r) in paper.items()}
        table.add_row(
            _form(row.training, row.compression),
            _percent(total.accuracy),
            "" if row.training == RANDOM else _percent(published.DETECTION_ACCURACY),
            _percent(total.normal[2]),
            _percent(f_scores.get("normal")),
            _percent(total.anomaly[2]),
            _percent(f_scores.get("anomaly")),
        )
    return table


def _precision_recall(name: str, part: Telemetry) -> Table:
    """The paper's table 1."""
    table = _table(f"{TITLES[name]}", "trained on", "signals", "precision", "paper", "recall", "paper")
    for row in part.rows:
        known = published.PRECISION_RECALL.get(row.compression, {})
        if row.training == RANDOM or not known:
            continue
        for kind, scores in (("normal", row.total.normal), ("anomaly", row.total.anomaly)):
            precision, recall = known[kind]
            form = _form(row.training, row.compression)
            table.add_row(form, kind, _percent(scores[0]), _percent(precision), _percent(scores[1]), _percent(recall))
    return table


def _representativity(name: str, part: Telemetry) -> Table:
    """The paper's section 4.3."""
    found = part.representativity
    table = _table(
        f"{TITLES[name]}\ndictionary s = {found.n_nonzero_coefs}, test signals only coded",
        *("test signals", "F normal", "paper", "F anomaly", "paper"),
    )
    titles = {
        ORIGINAL: "original",
        OMP: f"OMP, s = {found.n_nonzero_coefs_sent}",
        WIRE: "as a board sends them",
        RANDOM: f"{found.kept_at_random:.0%} of them at random",
    }
    for way, confusion in found.tests.items():
        normal, anomaly = published.REPRESENTATIVITY.get(way, (None, None))
        table.add_row(
            titles[way],
            _percent(confusion.normal[2]),
            _percent(normal),
            _percent(confusion.anomaly[2]),
            _percent(anomaly),
        )
    table.caption = (
        f"Memory saved: {_percent(found.triplet_gain)} by triplets (paper: {published.TRIPLET_GAIN:.0%}), "
        f"{_percent(found.wire_gain)} by a board's frames. "
        f"Learning {found.seconds_learning:.1f} s (paper: 3 minutes), OMP {found.seconds_coding:.2f} s (paper: 3 s)."
    )
    table.caption_justify = "left"
    return table


def _servers(part: Telemetry) -> str:
    return ", ".join(part.signals) if len(part.signals) <= 3 else f"{len(part.signals)} servers"
