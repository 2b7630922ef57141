"""The curves as tables and lines of text."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from edgetwin.bench.rate.curves import CODECS, Curves, Row
from edgetwin.bench.rate.ours import AUTO, SPARSE
from edgetwin.bench.rate.verdicts import WITHIN, Verdict, best_dictionary_gain, recommended, verdicts

__all__ = ["lines", "percent", "recommendation_lines", "tables"]


def percent(share: float) -> str:
    """A target as text: 15 %."""
    return f"{100 * share:g} %"


def tables(curves: Curves) -> list[Table]:
    """A table a set: bits a sample by codec and NRMSE; then one of the sets that were not run."""
    judged = verdicts(curves)
    made = [_table(curves, name, [one for one in judged if one.set == name]) for name in curves.sets]
    if curves.not_run:
        missing = Table("set", "why", title="Not run", title_justify="left")
        for name, reason in curves.not_run.items():
            missing.add_row(name, reason)
        made.append(missing)
    return made


def _table(curves: Curves, name: str, judged: Sequence[Verdict]) -> Table:
    shape, rows = curves.sets[name], curves.of(name)
    gaps = f"{shape.run} windows in a row" if shape.run > 1 else "each on its own"
    table = Table(
        title=f"{name}: bits a sample at an NRMSE of\n"
        f"{shape.test_windows:,} windows of {shape.m}, {gaps}; learned from {shape.train_windows:,}",
        title_justify="left",
        caption="bold: the first, of the fewest bits among the codecs that run in 2 KB of RAM (*)",
        caption_justify="left",
    )
    table.add_column("codec", no_wrap=True)
    targets = sorted({target for _, target in rows})
    for target in targets:
        table.add_column(percent(target), justify="right", no_wrap=True)
    first = {verdict.target: verdict.first for verdict in judged}
    for codec in CODECS.values():
        found = {target: rows[codec.name, target] for target in targets if (codec.name, target) in rows}
        if found:
            cells = [_cell(found.get(target), bold=first.get(target) == codec.name) for target in targets]
            table.add_row(f"{codec.title}{' *' if codec.small else ''}", *cells)
    if any(row.dictionary_bytes for row in rows.values()):
        sizes = [rows.get((SPARSE, target)) for target in targets]
        table.add_section()
        table.add_row("dictionary, KB", *("" if row is None else f"{row.dictionary_bytes / 1e3:#.3g}" for row in sizes))
    behind = {verdict.target: verdict.behind for verdict in judged if verdict.behind is not None}
    if behind:
        table.add_section()
        table.add_row("auto behind, %", *(f"{100 * behind.get(target, 0):.1f}" for target in targets))
    return table


def _cell(row: Row | None, *, bold: bool) -> str:
    if row is None:
        return ""
    bits = row.bits_per_sample
    text = f"{bits:.3f}" if bits < 1 else f"{bits:#.3g}"
    return f"[bold]{text}[/]" if bold else text


def lines(curves: Curves) -> list[str]:
    """A line a set: how often `auto` is level with the first, where SZ3 wins, and where a dictionary pays."""
    judged = verdicts(curves)
    return [_line(name, curves, [one for one in judged if one.set == name]) for name in curves.sets]


def _line(name: str, curves: Curves, judged: Sequence[Verdict]) -> str:
    said = []
    with_auto = [one for one in judged if one.behind is not None]
    if with_auto:
        level = sum(one.level for one in with_auto)
        said.append(f"auto is first or within {WITHIN:.0%} of first at {level} of {len(with_auto)} errors")
        said += [
            f"behind {CODECS[one.first].title} by {one.behind:.1%} at {percent(one.target)}"
            for one in with_auto
            if one.behind is not None and not one.level
        ]
    ours = AUTO if with_auto else "the first"
    wins = [f"{percent(one.target)} ({one.sz3_saves:.0%})" for one in judged if one.sz3_saves and one.sz3_saves > 0]
    if any(one.sz3_saves is not None for one in judged):
        where = f"needs fewer bits than {ours} at {', '.join(wins)}" if wins else f"never needs fewer bits than {ours}"
        said.append(f"SZ3 over the whole series {where}")
    gain = best_dictionary_gain(curves.of(name))
    if gain is not None:
        said.append(f"DCT-64 needs {gain[0]:.2f} times the dictionary's bits at {percent(gain[1])}")
    return f"{name}: {'; '.join(said)}"


def recommendation_lines(curves: Curves, file: str) -> list[str]:
    """For a user's file: the command of `edgetwin learn` for each error, with what it is better than."""
    said = []
    for name in curves.sets:
        rows = curves.of(name)
        for target, best in sorted(recommended(rows).items()):
            dictionary = f", dictionary {best.dictionary_bytes:,} bytes" if best.dictionary_bytes else ""
            said.append(
                f"{percent(target):>5}: edgetwin learn {file} -o OUTPUT --codec {best.codec} --target-nrmse {target:g}"
                f"  # {best.bits_per_sample:.3f} bits a sample, 1/{best.ratio_to_float32:.0f} of float32{dictionary}"
            )
    return said
