"""Names what a caller has put in place of a scenario's own core: other policies, or another core.

The text is kept with a result, because the scenario alone does not repeat such a run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from pydantic import BaseModel

from recovery import Supervisor
from recovery.policies.retry import RetryPolicy
from scenarios import Scenario
from sim.core.build import BuildCore, build_core, core_config

DEEPEST = 4
"""Levels of nested objects that are written out."""


def replaced_by(core: BuildCore, scenario: Scenario) -> str | None:
    """What replaces the core of the scenario, in one line; None for the scenario's own core.

    Two texts differ when two policies differ. A core that a function builds is named by the function, so that a change
    inside it is not visible in the text. Raises InvalidPolicies.
    """
    if core is build_core:
        return None
    if isinstance(core, partial) and core.func is build_core:
        return "; ".join(_parts(core.keywords, scenario)) or None  # None: the scenario's own core, with a listener
    return f"core: {_text(core)}"


def _parts(given: Mapping[str, Any], scenario: Scenario) -> Iterator[str]:
    """The replaced policies, commands and class of the scenario's own core."""
    if kinds := given.get("policies"):
        config = core_config(scenario, kinds)
        conditions: dict[str, RetryPolicy | None] = {str(kind): policy for kind, policy in config.conditions.items()}
        conditions |= dict.fromkeys(scenario.tasks.kinds)
        conditions |= {kind: of_kind.policy for kind, of_kind in config.by_task_kind.items()}
        yield "policies: " + "; ".join(f"{kind}: {_policy(conditions[kind])}" for kind in sorted(kinds))
    if commands := given.get("commands"):
        yield "commands: " + "; ".join(f"{name}: {_text(commands[name])}" for name in sorted(commands))
    if (supervisor := given.get("supervisor", Supervisor)) is not Supervisor:
        yield f"supervisor: {_text(supervisor)}"


def _policy(policy: RetryPolicy | None) -> str:
    if policy is None:
        return "none"
    changed = {name: getattr(policy, name) for name in type(policy).model_fields if name in policy.model_fields_set}
    return _fields(changed)


def _fields(values: Mapping[str, Any], depth: int = 0) -> str:
    return ", ".join(f"{name}={_text(value, depth)}" for name, value in values.items())


def _text(value: Any, depth: int = 0) -> str:
    """A value without addresses in memory: plain values as they are, functions by name, objects by their attributes."""
    if value is None or isinstance(value, str | bool | int | float):
        return str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_text(each, depth + 1) for each in value)}]" if depth < DEEPEST else "[…]"
    if isinstance(value, partial):
        return _text(value.func, depth)
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    of = type(value).__name__
    attributes = _attributes(value)
    return f"{of}({_fields(attributes, depth + 1)})" if depth < DEEPEST else of


def _attributes(value: Any) -> Mapping[str, Any]:
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in sorted(value.model_fields_set)}
    return dict(sorted(getattr(value, "__dict__", {}).items()))
