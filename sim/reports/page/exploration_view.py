"""The part of a page about the orders of a program."""

from __future__ import annotations

from dataclasses import dataclass, field

from sim.presentation.formatting import count
from sim.reports.stored.shapes import ExplorationShape, OrderFailureShape


@dataclass(frozen=True)
class ExplorationView:
    """What the template of an exploration shows. `verdicts` have a share of the runs in percent."""

    template: str = field(default="exploration.html.jinja", init=False)
    title: str
    subtitle: str
    headline: str
    holds: bool | None
    notes: list[str]
    verdicts: list[tuple[str, float, str]]
    failures: list[OrderFailureShape]
    command: str
    facts: list[tuple[str, str]]


def exploration_view(data: ExplorationShape) -> ExplorationView:
    """The view of an exploration: how many runs have each verdict, and the orders that fail."""
    failed = data.runs - data.verdicts.get("holds", 0)
    replay = f'sim.replay(main, "{data.failures[0].token}")' if data.failures else ""
    return ExplorationView(
        title=f"{data.explored}: orders",
        subtitle=f"{count(data.runs, 'run')}, {count(data.distinct, 'order')}, strategy {data.strategy}; {data.scope}",
        headline=f"{count(failed, 'run')} failed" if failed else "All runs hold",
        holds=not failed,
        notes=[],
        verdicts=[
            (verdict, round(100 * runs / max(data.runs, 1), 2), f"{runs:,}") for verdict, runs in data.verdicts.items()
        ],
        failures=list(data.failures),
        command=replay or f'sim.explore(main, check, "{data.strategy}", runs={data.runs}, seed={data.seed!r})',
        facts=[("program", data.explored), ("version", data.version), ("seed", str(data.seed))],
    )
