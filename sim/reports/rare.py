"""The probability of a rare event as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.text import Text

from recovery.errors import argument
from sim.experiments.rare_events.estimate import Rare
from sim.experiments.rare_events.levels import LEVELS
from sim.experiments.rare_events.passes import NEARLY_ALL, NEARLY_NONE, Pass
from sim.presentation.formatting import count, duration

PERCENT_FROM = 0.001
"""Estimates from here on are percentages, unless a bound beside them is below `PERCENT_LEAST`."""
PERCENT_LEAST = 1e-5


def rarity(found: Rare, interrupted: str = "interrupted") -> Group:
    """The event, the method, the estimate, and levels that hardly split. `interrupted`: why it is not complete."""
    parts = [_headline(found, interrupted), _how(found), Text(), *_found(found)]
    needed = found.plain_needed
    if found.level is not None and needed is not None and needed > found.runs:
        parts.append(Text(f"plain replications would need about {_round(needed)} runs for such an interval"))
    parts += [Text(line, "yellow") for line in hardly_split(found)]
    return Group(*parts)


def hardly_split(found: Rare) -> list[str]:
    """A line for levels that nearly all particles exceed, and one for each level that nearly none exceeds."""
    if found.level is None:
        return []
    lines = []
    useless = [each for each in found.passes if each.share >= NEARLY_ALL]
    if useless:
        lines.append(f"{_exceeded(found.level, useless)}: {'it does' if len(useless) == 1 else 'they do'} not help")
    hard = [each for each in found.passes if 0 < each.share < NEARLY_NONE]
    if hard:
        lines.append(
            f"{_exceeded(found.level, hard)}: hardly any goes on, so the estimate varies; valid: "
            f"more {argument('particles')}, or a {argument('level')} with smaller steps"
        )
    last = found.passes[-1:]
    if found.probability is None and last and last[0].share == 0:
        lines.append(
            f"{_exceeded(found.level, last)}; valid: more {argument('particles')}, or another {argument('level')}"
        )
    return lines


def _exceeded(name: str, levels: Sequence[Pass]) -> str:
    """`levels 0 to 3 of queue.depth, each exceeded by 95 % to 98 % of the particles that reach it`."""
    low, high = min(each.share for each in levels), max(each.share for each in levels)
    share = "none" if high == 0 else _share(low) if _share(low) == _share(high) else f"{_share(low)} to {_share(high)}"
    if len(levels) == 1:
        return f"level {levels[0].level:g} of {name}, exceeded by {share} of the particles that reach it"
    numbers = ", ".join(f"{each.level:g}" for each in levels)
    if len(levels) > 3:
        numbers = f"{levels[0].level:g} to {levels[-1].level:g}"
    return f"levels {numbers} of {name}, each exceeded by {share} of the particles that reach it"


def _share(share: float) -> str:
    return f"{100 * share:.2g} %" if share < NEARLY_ALL else f"{100 * share:.0f} %"


def _headline(found: Rare, interrupted: str) -> Text:
    line = Text(found.scenario.name, "bold")
    line.append(
        f"  seed {found.seed}: {found.event.expression} in a run of {duration(found.scenario.duration)}", "not bold"
    )
    if found.interrupted:
        line.append(f" ({interrupted})", "yellow not bold")
    return line


def _how(found: Rare) -> Text:
    if found.level is None:
        return Text(f"{count(found.runs, 'plain replication')}: it happens in {found.plain_hits:,}")
    splittings = count(len(found.splittings), "splitting")
    return Text(
        f"{splittings} of {found.particles:,} particles on {found.level} ({LEVELS[found.level].meaning}): "
        f"{found.runs:,} runs"
    )


def _found(found: Rare) -> list[Text]:
    p, ci95 = found.probability, found.ci95
    if p is None:
        bound = "" if ci95 is None else chances(ci95[1])[0]
        told = f"probability  below {bound} (95 %, exact binomial bound, about 3/n)"
        if found.level is not None:
            other = f"{found.level} may not lead there; valid: another {argument('level')}"
            return [Text(told, "yellow"), Text(f"no splitting has come to it: {other}", "yellow")]
        return [Text(told)]
    if ci95 is not None:
        mean, low, high = chances(p, *ci95)
        line = Text(f"probability  {mean}  95 % interval {low} to {high}")
    else:
        line = Text(f"probability  {chances(p)[0]}")
        line.append("  (no interval: of a single splitting)", "yellow")
    return [line, Text(f"             once in {_round(1 / p)} runs")] if p < 0.5 else [line]


def chances(p: float, *bounds: float) -> list[str]:
    """Probabilities in one unit: all of them as `8.8 %`, or as `9.3e-06` if one of them is small."""
    small = [each for each in (p, *bounds) if 0 < each < PERCENT_LEAST]
    if p >= PERCENT_FROM and not small:
        return [f"{100 * each:.3g} %" for each in (p, *bounds)]
    return [f"{each:.1e}" if each else "0" for each in (p, *bounds)]


def _round(number: float) -> str:
    """Rounded to two significant digits: `110,000`."""
    return f"{float(f'{number:.2g}'):,.0f}"
