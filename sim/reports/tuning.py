"""A search as tables of 80 columns: the front on fresh replications, what it changes, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from scenarios.fields.metrics import lookup
from sim.experiments.runs.heavy_tails import heavy_tails
from sim.experiments.sweeps.designs import Point, named, shown
from sim.experiments.tuning.finalist import Finalist
from sim.experiments.tuning.result import Tuning
from sim.experiments.tuning.space import current
from sim.measures.outcomes import Outcome
from sim.presentation.formatting import (
    UNICODE,
    Signs,
    count,
    difference,
    duration,
    estimated,
    observation,
    quantity,
    restriction,
)
from sim.stats.differences import BETTER, DIFFERENT, NOT_SHOWN, WORSE

MOST_PRICES = 8


def tuning(found: Tuning, style: Signs = UNICODE) -> Group:
    """The objectives, the front, the proposed setting and its differences to now, and the importance of each path."""
    parts: list[Any] = [headline(found), Text(f"  {_aim(found)}"), Text()]
    if found.finalists:
        parts += [_front(found, style), Text(), Text(_how(found), "dim")]
    parts += [Text(note, "yellow") for note in _notes(found, style)]
    best = found.best
    if best is not None:
        for place in range(len(found.now)):
            parts += [Text(), *_changes(found, best, place, style)]
    parts += [Text(), *map(Text, _importance(found))]
    parts += [Text(str(tail), "yellow") for result in found.now for tail in heavy_tails(result.scenario)]
    return Group(*parts)


def headline(found: Tuning) -> Text:
    """The scenarios, the seed, and how many settings and runs there were."""
    line = Text(", ".join(result.scenario.name for result in found.now), "bold")
    stopped = sum(each.is_stopped for each in found.judged)
    tried = f"{count(len(found.judged), 'setting')} tried, {stopped} stopped early"
    line.append(f"  seed {found.seed}: {tried}, {count(found.runs, 'run')}", "not bold")
    if found.interrupted:
        line.append(" (interrupted)", "yellow not bold")
    return line


def _aim(found: Tuning) -> str:
    aims = " and ".join(each.text() for each in found.objectives)
    if len(found.now) > 1:
        aims += f", in the {found.across} of {count(len(found.now), 'scenario')}"
    expected = any(result.scenario.expect for result in found.now)
    return f"{aims}, where every expectation holds" if expected else aims


def _front(found: Tuning, style: Signs) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("", no_wrap=True)
    for path in found.paths:
        table.add_column(path.rpartition(".")[2], justify="right", overflow="fold")
    for objective in found.objectives:
        table.add_column(objective.metric, justify="right", overflow="fold")
    table.add_row("now", *(_own(found, path) for path in found.paths), *_cells(found, None, style))
    for place, each in enumerate(found.finalists):
        mark = "chosen" if place == found.chosen else "" if each.is_confirmed else "refused"
        mark = f"{place + 1} {mark}".rstrip() if len(found.finalists) > 1 else mark
        row = [shown(each.point[path]) for path in found.paths]
        table.add_row(mark, *row, *_cells(found, each, style), style="green" if place == found.chosen else "")
    return table


def _own(found: Tuning, path: str) -> str:
    values = {current(result.scenario, found.space).get(path) for result in found.now}
    (value,) = values if len(values) == 1 else (None,)
    return "" if value is None else shown(value)


def _cells(found: Tuning, of: Finalist | None, style: Signs) -> list[str]:
    results = found.now if of is None else of.fresh
    return [
        "\n".join(estimated(each.metrics.get(objective.metric), style) for each in results)
        for objective in found.objectives
    ]


def _how(found: Tuning) -> str:
    fresh = f"on {count(found.verified, 'fresh replication')}, which chose nothing"
    if found.chosen_as_asked:
        return f"{fresh}; the chosen one is as asked"
    if len(found.objectives) > 1:
        return f"{fresh}; the chosen one is nearest to the best of each objective"
    return f"{fresh}; the chosen one is the best of the search whose expectations hold on them"


def _notes(found: Tuning, style: Signs) -> Iterator[str]:
    """What is not met, by how much the search was too optimistic, and which means are restricted."""
    nearest = found.nearest
    if nearest is not None:
        yield f"no setting meets the expectations; the nearest is {named(nearest.point)}"
        yield from (f"  {each}" for each in nearest.failed)
    for each in found.finalists:
        yield from (f"{named(each.point)} is refused: {text}" for text in not_met(each, style))
        for objective in found.objectives:
            for result in each.fresh:
                for said in restriction(objective.metric, result.metrics.get(objective.metric)):
                    yield f"{named(each.point)}: {said}"
    best = found.best
    if best is not None:
        yield from better_than_expected(best, style)
        yield from _without_gain(found, best)
        for objective, apart in zip(found.objectives, found.optimism(best), strict=True):
            if apart:
                more = "better" if apart > 0 else "worse"
                text = quantity(abs(apart), objective.unit, style)
                text = text.removesuffix("%") + "pp" if objective.unit == "fraction" else text
                yield f"the search saw a {objective.metric} that was {text} {more} than on fresh replications"


def _without_gain(found: Tuning, best: Finalist) -> Iterator[str]:
    """That no objective of the proposed setting is shown to be better than now, where it is so."""
    for place in range(len(found.now)):
        differences = found.comparison(best, place).differences
        verdicts = [differences[each.metric].verdict for each in found.objectives if each.metric in differences]
        if BETTER not in verdicts:
            yield f"{found.now[place].scenario.name}: no objective of the chosen setting is shown to be better than now"


def not_met(of: Finalist, style: Signs) -> Iterator[str]:
    """The expectations that do not hold on the fresh replications."""
    for outcome, unit in _with_units(of):
        if outcome.disqualifies:
            yield f"{outcome.expression}, observed {observation(outcome.observed, unit, style)}"


def better_than_expected(of: Finalist, style: Signs) -> Iterator[str]:
    """The expectations that describe the present setting, and that a better one does not meet."""
    for outcome, unit in _with_units(of):
        if outcome.is_surpassed:
            observed = observation(outcome.observed, unit, style)
            yield f"better than expected: {outcome.expression}, observed {observed}; change it with the policy"


def _with_units(of: Finalist) -> Iterator[tuple[Outcome, str]]:
    """The outcomes of the expectations on the fresh replications, and the units of their metrics."""
    for result in of.fresh:
        for expectation, outcome in zip(result.scenario.expect, result.expectations, strict=True):
            yield outcome, lookup(expectation.metric, result.scenario.parts).unit


def _changes(found: Tuning, best: Finalist, place: int, style: Signs) -> Iterator[Text]:
    """The metrics that change for sure, gains first, each with its interval."""
    scenario = found.now[place].scenario
    comparison = found.comparison(best, place)
    yield Text(f"{scenario.name} with {_point(best.point)}, against now:")
    every = comparison.differences
    for verdict, color in ((BETTER, "green"), (WORSE, "red"), (DIFFERENT, "yellow")):
        for name, each in every.items():
            if each.verdict == verdict:
                yield Text(f"  {verdict:9} {name} {difference(each.difference, style)}", color)
    left = [name for name, each in every.items() if each.verdict == NOT_SHOWN]
    if left:
        more = f" and {len(left) - MOST_PRICES} more" if len(left) > MOST_PRICES else ""
        yield Text(f"  no difference shown: {', '.join(left[:MOST_PRICES])}{more}", "bright_black")
    took = duration(scenario.duration)
    yield Text(
        f"  95 % intervals of {count(comparison.replications, 'pair')} of runs of {took}; verdicts hold at once (Holm)",
        "dim",
    )


def _point(point: Point) -> str:
    return ", ".join(f"{path.rpartition('.')[2]}={shown(text)}" for path, text in point.items())


def _importance(found: Tuning) -> Iterator[str]:
    for objective, shares in zip(found.objectives, found.importance, strict=True):
        if len(shares) > 1:
            ranked = sorted(shares.items(), key=lambda each: (-each[1], each[0]))
            told = ", ".join(f"{path.rpartition('.')[2]} {share:.0%}" for path, share in ranked)
            yield f"importance for {objective.metric}: {told}"
