"""A file of another framework as a policy file: its retry policy, and what it says of the queue and of heartbeats."""

from __future__ import annotations

from typing import Any

from scenarios.errors import ScenarioError
from scenarios.exchange.framework import Framework
from scenarios.exchange.policy_file import values_text


def imported(framework: Framework, text: str, source: str, kind: str) -> tuple[str, list[str]]:
    """The text of a policy file, and notes on what differs from the framework.

    A file without a policy is accepted if it says something else, such as a module of settings. Raises ScenarioError
    with line and key.
    """
    around = framework.surroundings(text, source)
    values: dict[str, Any] = {}
    notes: list[str] = []
    try:
        policy = framework.load(text, source)
    except ScenarioError as error:
        if not around.values or not error.problem.startswith("has no "):
            raise
    else:
        values[f"recovery.conditions.{kind}"] = policy.as_condition()
        notes += framework.noted(policy)
    return values_text({**values, **around.values}, [f"imported from {framework.title}"]), [*notes, *around.notes]
