"""The part of a page about a comparison."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isfinite

from sim.presentation.formatting import count, difference, quantity
from sim.reports.page.judgements import meaning
from sim.reports.page.scales import Relative
from sim.reports.page.settings import facts, joined, setting, value_text
from sim.reports.stored.shapes import ComparisonShape, DifferenceShape
from sim.stats.differences import BETTER, DIFFERENT, WORSE

CLASSES = {BETTER: "good", WORSE: "bad", DIFFERENT: "warn"}


@dataclass(frozen=True)
class DifferenceRow:
    """A metric under two settings; `low`, `mid`, `high` are positions of its relative difference in percent."""

    name: str
    meaning: str
    a: str
    b: str
    difference: str
    relative: str
    verdict: str
    kind: str
    mid: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ComparisonView:
    """What the template of a comparison shows."""

    template: str = field(default="comparison.html.jinja", init=False)
    title: str
    subtitle: str
    headline: str
    holds: bool | None
    notes: list[str]
    a: str
    b: str
    rows: list[DifferenceRow]
    ticks: list[tuple[float, str]]
    command: str
    facts: list[tuple[str, str]]


def comparison_view(data: ComparisonShape) -> ComparisonView:
    """The view of a comparison: significant differences first."""
    shares = [each for of in data.metrics.values() for each in shares_of(of) or () if isfinite(each)]
    scale = Relative(max([20.0, *(abs(each) for each in shares)]))
    order = (BETTER, WORSE, DIFFERENT)
    rows = [difference_row(name, each, scale) for name, each in data.metrics.items()]
    rows.sort(key=lambda row: order.index(row.verdict) if row.verdict in order else len(order))
    pairs = count(data.replications, "pair") + " of replications" if data.paired else "replications that are not paired"
    notes = ["The comparison was interrupted: there are fewer replications than requested."] if data.interrupted else []
    settings = [*(f"{path}={value_text(each)}" for path, each in data.a.items())]
    words = [
        "recovery-bench",
        "compare",
        data.scenario,
        "--seed",
        str(data.seed),
        "--replications",
        str(data.replications),
    ]
    words += [part for each in settings for part in ("--a", each)]
    words += [part for path, each in data.b.items() for part in ("--b", f"{path}={value_text(each)}")]
    return ComparisonView(
        title=f"{data.scenario}: b against a",
        subtitle=f"seed {data.seed}, {pairs}",
        headline=compared(data.metrics.values()),
        holds=None,
        notes=notes,
        a=setting(data.a),
        b=setting(data.b),
        rows=rows,
        ticks=scale.ticks(),
        command=joined(words),
        facts=facts(data.scenario, data.version, data.seed),
    )


def compared(found: Iterable[DifferenceShape]) -> str:
    """How many metrics are better and worse, in one sentence."""
    told = [each.verdict for each in found]
    parts = [
        f"{kind} in {count(told.count(kind), 'metric')}" for kind in (BETTER, WORSE, DIFFERENT) if told.count(kind)
    ]
    return (
        f"b is {' and '.join(parts)}, of {len(told)}"
        if parts
        else f"No difference is shown in {count(len(told), 'metric')}"
    )


def shares_of(of: DifferenceShape) -> tuple[float, float, float] | None:
    """The relative difference and its interval in percent; None without a value to relate to."""
    found = of.difference
    if found is None or of.a is None or not of.a or not isfinite(of.a) or not isfinite(found.mean):
        return None
    low, high = found.ci95 or (found.mean, found.mean)
    shares = [100 * each / abs(of.a) for each in (found.mean, low, high)]
    return shares[0], shares[1], shares[2]


def difference_row(name: str, of: DifferenceShape, scale: Relative) -> DifferenceRow:
    """The row of a metric."""
    shares = shares_of(of)
    mid, low, high = (None, None, None) if shares is None else map(scale.at, shares)
    return DifferenceRow(
        name,
        meaning(name),
        quantity(of.a, of.unit),
        quantity(of.b, of.unit),
        "" if of.difference is None else difference(of.difference.estimate(of.unit)),
        "" if shares is None else f"{shares[0]:+.3g} %",
        of.verdict,
        CLASSES.get(of.verdict, "none"),
        mid,
        low,
        high,
    )
