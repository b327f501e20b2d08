"""The part of a page about a rare event."""

from __future__ import annotations

from dataclasses import dataclass, field

from sim.presentation.formatting import count, quantity
from sim.reports.page.settings import facts, joined
from sim.reports.rare import chances
from sim.reports.stored.shapes import RareShape


@dataclass(frozen=True)
class RareView:
    """What the template of a rare event shows."""

    template: str = field(default="rare.html.jinja", init=False)
    title: str
    subtitle: str
    headline: str
    holds: bool | None
    notes: list[str]
    levels: list[tuple[str, float, str]]
    hits: list[str]
    command: str
    facts: list[tuple[str, str]]


def rare_view(data: RareShape) -> RareView:
    """The view of a rare event: its probability and the levels that lead to it."""
    if data.probability is None:
        bound = "" if data.ci95 is None else chances(data.ci95[1])[0]
        said = f"The probability is below {bound}: no run has the event" if bound else "No run has the event"
    elif data.ci95 is None:
        said = f"The probability is {chances(data.probability)[0]}, without an interval"
    else:
        mean, low, high = chances(data.probability, *data.ci95)
        said = f"The probability is {mean}, with the 95 % interval {low} to {high}"
    how = "plain replications" if data.level is None else f"splitting on {data.level}"
    needed = data.plain_needed
    notes = ["The estimate was interrupted."] if data.interrupted else []
    if data.level is not None and needed is not None and needed > data.runs:
        notes.append(f"Plain replications would need about {quantity(needed)} runs for such an interval.")
    words = ["recovery-bench", "run", data.scenario, "--seed", str(data.seed), "--rare", data.event]
    return RareView(
        title=f"{data.scenario}: {data.event}",
        subtitle=f"seed {data.seed}, {count(data.runs, 'run')}, {how}",
        headline=said,
        holds=None,
        notes=notes,
        levels=[(f"{each.level:g}", round(100 * each.share, 2), f"{100 * each.share:.3g} %") for each in data.levels],
        hits=list(data.hits),
        command=joined(words),
        facts=facts(data.scenario, data.version, data.seed),
    )
