"""The scenario model: every key of its file, validated alone and against the other keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import model_validator

from scenarios.cross_checks import first_contradiction
from scenarios.documents.overrides import changed
from scenarios.errors import invalid
from scenarios.schema import ScenarioFields


class Scenario(ScenarioFields):
    """One experiment: the load, the world, the recovery policies, the faults and the expectations."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        contradiction = first_contradiction(self)
        if contradiction is not None:
            path, problem = contradiction
            raise invalid(problem, *path)
        return self

    def with_values(self, values: Mapping[str, Any]) -> Self:
        """Return a scenario with changed values at some paths.

        An example is `{"recovery.conditions.task_failure.retry_delay": "5s"}`.

        Strings are parsed as in a file (`"5s"`, `"null"`, `"[agents, queue]"`). The whole scenario is validated again.
        Raises `ScenarioError` that names the path; for an unknown path it suggests the nearest.
        """
        return changed(self, values)
