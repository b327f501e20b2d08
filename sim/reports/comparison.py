"""A comparison as a table for a terminal of 80 columns: the differences, their intervals and verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from statistics import median
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from sim.experiments.comparison.compare import Comparison
from sim.presentation.formatting import UNICODE, Signs, count, difference, duration, quantity, restriction
from sim.stats.differences import BETTER, DIFFERENT, NOT_COMPARED, NOT_SHOWN, WORSE, Difference

COLORS = {BETTER: "green", WORSE: "red", DIFFERENT: "yellow", NOT_SHOWN: "bright_black", NOT_COMPARED: "yellow"}
SHORT = {NOT_SHOWN: "not shown"}
"""Short names in the table, which leave room for the longest names of metrics."""
MANY = 1_000_000
MOST_NAMED = 6
MOST_BY_THEIR_NAMES = 12
"""With more rows, requested metrics are shown by group, so that the table fits."""


def comparison(found: Comparison, style: Signs = UNICODE) -> Group:
    """Both settings, the significant (or requested) differences, and the benefit of common random numbers."""
    every = found.differences
    shown = {name: each for name, each in every.items() if found.chosen or each.verdict != NOT_SHOWN}
    parts: list[Any] = [_headline(found, style), Text(f"  a  {_values(found.a_values)}")]
    parts += [Text(f"  b  {_values(found.b_values)}"), Text()]
    if shown:
        parts.append(_table(shown, style, by_group=bool(found.chosen) and len(shown) > MOST_BY_THEIR_NAMES))
    if len(shown) < len(every):
        rest = [name for name in every if name not in shown]
        named = ", ".join(rest[:MOST_NAMED]) + (f" and {len(rest) - MOST_NAMED} more" if len(rest) > MOST_NAMED else "")
        parts += [Text()] if shown else []
        parts += [Text(f"no difference shown: {named}", COLORS[NOT_SHOWN])]
    parts += [Text(note, "yellow") for name, each in every.items() for note in _notes(name, each, found)]
    parts += [Text(note, "yellow") for note in _left_out(found)]
    parts += [Text(note, "yellow") for name in shown for note in _restrictions(name, found)]
    parts += [Text(), Text(_trust(found, every))]
    return Group(*parts)


def _headline(found: Comparison, style: Signs) -> Text:
    runs = found.a.runs + found.b.runs
    took, virtual = sum(run.wall_seconds for run in runs), duration(runs[0].virtual_seconds)
    pairs = f"seed {found.a.seed} {style.times} {count(found.replications, 'pair')}"
    if not found.paired:
        pairs = f"seeds {found.a.seed} and {found.b.seed}, {found.counted}"
    line = Text(found.a.scenario.name, "bold")
    line.append(f"  {pairs}: {len(runs)} runs, {virtual} each in {took:.1f} s", "not bold")
    if found.interrupted:
        line.append(" (interrupted)", "yellow not bold")
    return line


def _values(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{path}={value}" for path, value in values.items()) or "(as the scenario is)"


def _table(shown: Mapping[str, Difference], style: Signs, *, by_group: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1 if by_group else 2, 0, 0), header_style="dim")
    table.add_column("metric", overflow="fold")
    for heading in ("a", "b", f"b {style.dash} a"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("b is", no_wrap=True)
    group = ""
    for name, each in shown.items():
        if by_group:
            before, (group, _, rest) = group, name.partition(".")
            if group != before:
                table.add_row(Text(group, "dim"))
            name = f" {rest}"  # noqa: PLW2901
        a, b = (quantity(value, each.unit, style) for value in (each.a, each.b))
        if by_group:  # the unit is in the column of the difference as well
            a, b = (text.removesuffix(f" {each.unit}") for text in (a, b))
        verdict = Text(SHORT.get(each.verdict, each.verdict), COLORS[each.verdict])
        table.add_row(name, a, b, difference(each.difference, style), verdict)
    return table


def _left_out(found: Comparison) -> Iterator[str]:
    """Replications that are not compared, because the other result does not have them."""
    for side, left_out in zip("ab", found.left_out, strict=True):
        if left_out:
            yield f"{side}: {count(left_out, 'replication')} without a counterpart left out"


def _notes(name: str, each: Difference, found: Comparison) -> Iterator[str]:
    """What a row of the table leaves out: replications without an observation, or with an infinite one."""
    for side, result, missing, infinite in (
        ("a", found.a, each.missing_a, each.infinite_a),
        ("b", found.b, each.missing_b, each.infinite_b),
    ):
        replications = len(result.runs)
        if missing:
            yield f"{name}: not observed under {side} in {missing} of {replications} replications"
        if infinite:
            yield f"{name}: beyond the horizon under {side} in {infinite} of {replications} replications"


def _restrictions(name: str, found: Comparison) -> Iterator[str]:
    """Under which setting a mean is restricted, so that it is a lower bound."""
    for side, result in (("a", found.a), ("b", found.b)):
        for said in restriction(name, result.metrics.get(name)):
            yield f"{side}: {said}"


def _trust(found: Comparison, every: Mapping[str, Difference]) -> str:
    """The assumptions of the verdicts, and the benefit of common random numbers."""
    said = f"95 % intervals; verdicts hold for {_all(len(every))} at once (Holm)"
    saved = [each.variance_reduction for each in every.values() if each.variance_reduction is not None]
    if saved and (factor := median(saved)) == inf:
        said += "; half of the differences or more do not vary at all, because of the common random numbers"
    elif saved:
        said += f"; independent random numbers would need {_times(factor)} as many replications, in the median"
    return said


def _all(metrics: int) -> str:
    return "the metric" if metrics == 1 else f"all {metrics} metrics"


def _times(factor: float) -> str:
    if factor > MANY:
        return f"over {MANY:,} times"
    return f"{float(f'{factor:.2g}'):,g} times"
