"""The probability of a rare event as text for a terminal."""

from __future__ import annotations

from rich.console import Group
from rich.text import Text

from sim.experiments.rare_events.estimate import Rare
from sim.experiments.rare_events.levels import LEVELS
from sim.presentation.formatting import count, duration

PERCENT_FROM = 0.001


def rarity(found: Rare) -> Group:
    """The event, the method, and the estimate."""
    parts = [_headline(found), _how(found), Text(), *_found(found)]
    needed = found.plain_needed
    if found.level is not None and needed is not None and needed > found.runs:
        parts.append(Text(f"plain replications would need about {_round(needed)} runs for such an interval"))
    return Group(*parts)


def _headline(found: Rare) -> Text:
    line = Text(found.scenario.name, "bold")
    line.append(
        f"  seed {found.seed}: {found.event.expression} in a run of {duration(found.scenario.duration)}", "not bold"
    )
    if found.interrupted:
        line.append(" (interrupted)", "yellow not bold")
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
        bound = "" if ci95 is None else chance(ci95[1])
        told = f"probability  below {bound} (95 %, exact binomial bound, about 3/n)"
        if found.level is not None:
            return [
                Text(told, "yellow"),
                Text(
                    f"no splitting has come to it: {found.level} may not lead there; valid: another --level", "yellow"
                ),
            ]
        return [Text(told)]
    line = Text(f"probability  {chance(p)}")
    if ci95 is not None:
        line.append(f"  95 % interval {chance(ci95[0])} to {chance(ci95[1])}")
    else:
        line.append("  (no interval: of a single splitting)", "yellow")
    return [line, Text(f"             once in {_round(1 / p)} runs")] if p < 0.5 else [line]


def chance(p: float) -> str:
    """`8.8 %`, or `9.3e-06` for small probabilities."""
    return f"{100 * p:.3g} %" if p >= PERCENT_FROM or p == 0 else f"{p:.2g}"


def _round(number: float) -> str:
    """Rounded to two significant digits: `110,000`."""
    return f"{float(f'{number:.2g}'):,.0f}"
