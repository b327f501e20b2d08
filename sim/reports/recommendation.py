"""A recommended policy as tables of 80 columns: what it changes, what that gains and costs, and how sure it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from recovery.errors import argument
from scenarios.exchange.policy_file import flow
from sim.experiments.runs.heavy_tails import heavy_tails
from sim.experiments.sweeps.designs import named, number, shown
from sim.experiments.tuning.finalist import Finalist
from sim.experiments.tuning.recommendation import TOLERANCE, changes, gain
from sim.experiments.tuning.result import Tuning
from sim.experiments.tuning.space import current
from sim.presentation.formatting import UNICODE, Signs, count, difference, duration, quantity
from sim.reports.comparison import COLORS
from sim.reports.tuning import better_than_expected, headline, not_met
from sim.stats.differences import DIFFERENT, NOT_SHOWN, WORSE, Difference

KEEP = "keep what you have"
ALWAYS = ("cost.total",)
"""Prices that are shown where they are observed, whether they change or not."""
DURATIONS = ("retry_delay", "heartbeat_interval", "ack_timeout")


def recommendation(found: Tuning, style: Signs = UNICODE) -> Group:
    """The proposed changes, or that nothing is shown to be better than now."""
    parts: list[Any] = [headline(found), Text(f"  {_aim(found)}"), Text()]
    best = found.recommended
    if best is None:
        parts += [Text(line, "yellow" if place else "bold") for place, line in enumerate(_kept(found, style))]
        parts.append(Text())
    else:
        parts += [*_changes(found, best), Text()]
    tried = best or found.best
    if tried is not None:
        for place in range(len(found.now)):
            parts += [*_gains(found, tried, place, style)]
    if best is not None:
        parts += [Text(note, "yellow") for note in _at_an_end(found, best)]
        parts += [Text(note, "yellow") for note in better_than_expected(best, style)]
    parts += [Text(str(tail), "yellow") for result in found.now for tail in heavy_tails(result.scenario)]
    return Group(*parts)


def _aim(found: Tuning) -> str:
    time = found.objectives[0].metric.partition("(")[2].rstrip(")")
    where = "" if len(found.now) == 1 else f", in the {found.across} of {count(len(found.now), 'scenario')}"
    met = ", where every expectation holds" if any(result.scenario.expect for result in found.now) else ""
    return f"the most tasks within {time} at the least wasted work{where}{met}"


def _changes(found: Tuning, best: Finalist) -> Iterator[Text]:
    """The keys, each with its value now and then."""
    yield Text("change", "bold")
    for each in changes(found.now, found.space, best):
        values = dict.fromkeys("not set" if text is None else _value(each.path, text) for text in each.now)
        yield Text(f"  {each.path}: {' or '.join(values)} -> {_value(each.path, each.then)}", "green")


def _value(path: str, text: str) -> str:
    given = json.loads(text)
    if isinstance(given, dict) and number(text) is None:
        return flow(given)
    value = number(text)
    is_duration = value is not None and path.rpartition(".")[2] in DURATIONS
    return duration(value) if is_duration and value is not None else shown(text)


def _kept(found: Tuning, style: Signs) -> Iterator[str]:
    nearest = found.nearest
    if nearest is not None:
        own = current(found.now[0].scenario, found.space)
        changed = {path: text for path, text in nearest.point.items() if own.get(path) != text}
        yield f"{KEEP}: no setting meets the expectations; the nearest is {named(changed) or 'the present one'}"
        yield from (f"  {each}" for each in nearest.failed)
    elif found.best is None:
        yield f"{KEEP}: no setting meets the expectations on fresh replications"
        for each in found.finalists:
            yield from (f"  {named(each.point)}: {text}" for text in not_met(each, style))
    elif not (differing := changes(found.now, found.space, found.best)):
        yield f"{KEEP}: no setting that was tried is better"
    else:
        tried = ", ".join(f"{each.path}={shown(each.then)}" for each in differing)
        yield f"{KEEP}: nothing is shown to be better; the best that was tried is {tried}"


def _gains(found: Tuning, best: Finalist, place: int, style: Signs) -> Iterator[Any]:
    """The objectives, then what else changes, worse first, then the evidence."""
    if not changes(found.now, found.space, best):
        return
    of_objectives = gain(found.now[place], best, place, found.objectives).differences
    comparison = found.comparison(best, place)
    others = {name: each for name, each in comparison.differences.items() if name not in of_objectives}
    prices = {name: each for name, each in others.items() if name in ALWAYS or _is_a_price(each)}
    aims = {each.metric: of_objectives[each.metric] for each in found.objectives if each.metric in of_objectives}
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(found.now[place].scenario.name if len(found.now) > 1 else "gain and price", overflow="fold")
    for heading in ("now", "then", "difference"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name, each in {**aims, **prices}.items():
        table.add_row(*_row(name, each, style))
    rate = _heartbeats(found, best, place)
    if rate is not None:
        table.add_row("heartbeats per second", *(quantity(each, "", style) for each in rate), "", "")
    yield table
    first = of_objectives.get(found.objectives[0].metric)
    if first is not None and first.difference is not None:
        yield Text()
        yield Text(_sure(found, best, place), "dim")
        took = duration(found.now[place].scenario.duration)
        yield Text(f"95 % intervals of {count(comparison.replications, 'pair')} of fresh runs of {took}", "dim")
    gains = [
        f"{name} {difference(each.difference, style)}"
        for name, each in others.items()
        if name not in prices and each.verdict != NOT_SHOWN and each.difference is not None
    ]
    if gains:
        yield Text(f"also better: {', '.join(gains)}", "dim")


def _at_an_end(found: Tuning, best: Finalist) -> Iterator[str]:
    """Proposed numbers at an end of what was searched."""
    for each in found.space:
        value = number(best.point[each.path])
        if value is not None and not each.choices and value in {each.low, each.high} and each.low > 0:
            wider = argument("vary", f"{each.path}=LOW..HIGH")
            yield f"{each.path} is at an end of the range that was searched; {wider} searches more"


def _is_a_price(of: Difference) -> bool:
    """Whether a metric is worse, or of one without a better direction that it differs by more than a little."""
    if of.verdict != DIFFERENT or of.difference is None or of.a is None:
        return of.verdict == WORSE
    return abs(of.difference.mean) > TOLERANCE * abs(of.a)


def _row(name: str, each: Difference, style: Signs) -> tuple[Any, ...]:
    before, after = (quantity(value, each.unit, style) for value in (each.a, each.b))
    verdict = Text("not shown" if each.verdict == NOT_SHOWN else each.verdict, COLORS[each.verdict])
    apart = 0.0 if each.difference is None else abs(each.difference.mean)
    if each.verdict == WORSE and apart <= TOLERANCE * abs(each.a or 0.0):
        verdict = Text("negligible", COLORS[NOT_SHOWN])
    return name, before, after, difference(each.difference, style), verdict


def _sure(found: Tuning, best: Finalist, place: int) -> str:
    """In how many pairs of runs the setting is better by the first objective."""
    objective = found.objectives[0]
    pairs = [
        (before.metrics.get(objective.metric), after.metrics.get(objective.metric))
        for before, after in zip(found.now[place].runs, best.fresh[place].runs, strict=True)
    ]
    seen = [(a, b) for a, b in pairs if a is not None and b is not None]
    better = sum(objective.loss(b) < objective.loss(a) for a, b in seen)
    worse = sum(objective.loss(b) > objective.loss(a) for a, b in seen)
    return f"{objective.metric}: better in {better} of {count(len(seen), 'pair')}, worse in {worse}"


def _heartbeats(found: Tuning, best: Finalist, place: int) -> tuple[float, float] | None:
    """The rate of heartbeats now and then, where their interval changes."""
    before, after = (
        result.scenario.agents.count / result.scenario.recovery.detection.heartbeat_interval
        for result in (found.now[place], best.fresh[place])
    )
    return None if before == after else (before, after)
