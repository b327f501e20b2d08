"""Events whose probability is estimated, and the level that leads to each."""

from __future__ import annotations

from pydantic_core import PydanticCustomError

from recovery.errors import RecoveryBenchError
from scenarios import Scenario
from scenarios.errors import instead
from scenarios.fields.expectations import Expectation, parse
from scenarios.fields.metric_rows import STATISTICS
from scenarios.fields.metrics import UnknownMetric, lookup
from sim.experiments.rare_events.levels import LEVELS, natural_level

NO_LEVEL = "none"
NATURAL = "natural"
"""The level that leads to the metric, if there is one."""


class RareError(RecoveryBenchError, ValueError):
    """An invalid request. One line: what is wrong, and what would be valid."""


def event_of(scenario: Scenario, text: str) -> Expectation:
    """The event: `recovery.time.max > 600`; `recovery.time > 600`, for any recovery, means the same.

    Raises RareError.
    """
    pools = scenario.parts
    name, sign, rest = _parts(text)
    if f"{name}.max" not in _names(pools, name):
        meant = name
    elif sign.startswith(">"):
        meant = f"{name}.max"
    else:
        valid = ", ".join(f"{name}.{statistic}" for statistic in STATISTICS)
        raise RareError(f"{text}: {name} has many values in a run; valid: {valid}")
    try:
        found = parse(f"{meant} {sign} {rest}")
        lookup(found.metric, pools)
    except PydanticCustomError as error:
        raise RareError(f"{text}: {error.message()}") from None
    except UnknownMetric as error:
        raise RareError(f"{text}: {error}") from None
    if found.is_scoped:
        raise RareError(f"{text}: is an event of one run; valid: {found.metric} {found.operator} {rest.split()[0]}")
    return found


def _parts(text: str) -> tuple[str, str, str]:
    for sign in ("==", "!=", "<=", ">=", "<", ">"):
        name, found, rest = text.partition(sign)
        if found:
            return name.strip(), sign, rest.strip()
    raise RareError(f"{text}: not an event; valid: metric operator value, as in recovery.time > 600s")


def _names(pools: tuple[str, ...], name: str) -> list[str]:
    try:
        return [lookup(f"{name}.max", pools).name]
    except UnknownMetric:
        return []


def level_of(event: Expectation, level: str | None) -> str | None:
    """The name of the level to split on; None or `none`: no splitting. Raises RareError."""
    if level is None or level == NO_LEVEL:
        return None
    if level == NATURAL:
        rises = event.operator.startswith(">") or event.metric.startswith("agents.")
        found = natural_level(event.metric) if rises else None
        return None if found is None else found.name
    if level not in LEVELS:
        raise RareError(f"{level}: not a level; {instead(level, [*LEVELS, NO_LEVEL], 'valid')}")
    return level
