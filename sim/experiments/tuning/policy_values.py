"""The part of a scenario that a search has set, as values of a policy file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from scenarios import Scenario
from scenarios.documents.overrides import value_of
from scenarios.errors import instead
from scenarios.exchange.policy_file import ALLOWED, KINDS, OF_TASK_KIND
from scenarios.exchange.portable import portable
from sim.experiments.tuning.space import Dimension, TuneError

CONDITIONS = "recovery.conditions"
TASK_KINDS = "tasks.kinds"
BY_KEY = ("recovery.detection", "recovery.stale_reads", "tasks.client")
"""Sections of which a policy file has single keys. Of conditions and other sections it has the whole."""


def units_of(paths: Iterable[str]) -> tuple[str, ...]:
    """The paths that a policy file needs for these ones. Raises TuneError for a path that is no part of a policy."""
    found: dict[str, None] = {}
    for path in paths:
        section, *below = path.partition("[")[0].split(".")
        if section == "tasks" and below[1:2] and below[0] not in ALLOWED[section] and below[1] in OF_TASK_KIND:
            below = ["kinds", *below]  # `tasks.chat.retry` is `tasks.kinds.chat.retry`
        if section not in ALLOWED:
            raise TuneError(f"{path} is no part of a policy; {instead(section, ALLOWED, 'valid')}")
        if not below or below[0] not in ALLOWED[section]:
            valid = instead(below[0] if below else "", ALLOWED[section], "valid")
            raise TuneError(f"{path} is no part of a policy; {valid} below {section}")
        whole = f"{section}.{below[0]}"
        if whole == TASK_KINDS:
            key = below[2] if len(below) > 2 else ""
            if key not in OF_TASK_KIND:
                valid = instead(key, OF_TASK_KIND, "valid")
                raise TuneError(f"{path} is no part of a policy; {valid} below {whole}.NAME")
            found[f"{whole}.{below[1]}.{key}"] = None
        elif whole == CONDITIONS:
            kinds = below[1:2] or KINDS
            found.update(dict.fromkeys(f"{whole}.{kind}" for kind in kinds))
        elif whole in BY_KEY and len(below) > 1:
            found[f"{whole}.{below[1]}"] = None
        else:
            found[whole] = None
    return tuple(found)


def policy_values(scenario: Scenario, paths: Iterable[str]) -> dict[str, Any]:
    """The values of a scenario that a policy file needs, so that these paths have the same values with it.

    Conditions are complete. Raises TuneError as `units_of` does.
    """
    return {unit: _value(scenario, unit) for unit in units_of(paths)}


def _value(scenario: Scenario, unit: str) -> Any:
    above, _, kind = unit.rpartition(".")
    if unit.startswith(f"{TASK_KINDS}.") and kind == "retry":
        condition = scenario.tasks.kinds[above.removeprefix(f"{TASK_KINDS}.")].retry
    elif above == CONDITIONS:
        condition = getattr(scenario.recovery.conditions, kind)
    else:
        return _plain(value_of(scenario, unit))
    return None if condition is None else portable(condition).as_condition()


def _plain(value: Any) -> Any:
    """Whole numbers without a decimal point."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def check_exportable(scenarios: Sequence[Scenario], space: Sequence[Dimension]) -> None:
    """Raise TuneError if no policy file can have what is varied: a path that is no part of a policy, or a condition
    whose other keys differ between the scenarios.
    """
    paths = [each.path for each in space]
    units_of(paths)
    ends = {each.path: each.least() for each in space}
    first, *others = [policy_values(each.with_values(ends), paths) for each in scenarios]
    for scenario, values in zip(scenarios[1:], others, strict=True):
        differing = next((unit for unit, value in values.items() if value != first[unit]), None)
        if differing is not None:
            raise TuneError(
                f"{differing} differs between {scenarios[0].name} and {scenario.name} in keys that are not "
                "varied, and a policy file has it as a whole; valid: the same values in all scenarios, or vary them"
            )
