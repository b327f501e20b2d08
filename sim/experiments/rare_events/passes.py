"""Levels that hardly split: nearly all particles exceed them, or nearly none does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sim.experiments.rare_events.splitting import Splitting

NEARLY_ALL = 0.95
"""A whole-number level that a larger share of the particles exceeds does not help."""
NEARLY_NONE = 0.1
"""A step that a smaller share of the particles passes makes the estimate vary."""
WHOLE_NUMBERS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Pass:
    """A level, and the share of the particles above the level before it that exceed this one, over all splittings."""

    level: float
    share: float


def passes(splittings: Sequence[Splitting]) -> tuple[Pass, ...]:
    """The shares by level, in ascending order, up to the level that no splitting has exceeded.

    The share is P(> level) / P(> level before), each the mean over the splittings. Levels that are not whole numbers
    differ between splittings, and each step discards a few particles: of them, only steps that are passed by less than
    `NEARLY_NONE` in half of the splittings are listed, at the median of their levels.
    """
    levels = sorted({level for splitting in splittings for level, _ in splitting.steps})
    if all(level == int(level) for level in levels) and len(levels) <= WHOLE_NUMBERS_MAX:
        return _at_whole_numbers(splittings, levels)
    return _drops(splittings)


def _at_whole_numbers(splittings: Sequence[Splitting], levels: Sequence[float]) -> tuple[Pass, ...]:
    found: list[Pass] = []
    before = 1.0
    for level in levels:
        above = sum(_above(splitting, level) for splitting in splittings) / len(splittings)
        if before == 0:
            break
        found.append(Pass(level, above / before))
        before = above
    return tuple(found)


def _above(splitting: Splitting, level: float) -> float:
    return next((p for reached, p in reversed(splitting.steps) if reached <= level), 1.0)


def _drops(splittings: Sequence[Splitting]) -> tuple[Pass, ...]:
    drops: list[Pass] = []
    for splitting in splittings:
        before = 1.0
        steps = []
        for level, probability in splitting.steps:
            steps.append(Pass(level, probability / before))
            if probability == 0:
                break
            before = probability
        lowest = min(steps, key=lambda step: step.share, default=None)
        if lowest is not None and lowest.share < NEARLY_NONE:
            drops.append(lowest)
    if 2 * len(drops) < len(splittings) or not drops:
        return ()
    level = sorted(drop.level for drop in drops)[len(drops) // 2]
    return (Pass(level, sum(drop.share for drop in drops) / len(drops)),)
