"""The scenario model: every key of its file, validated alone and against the other keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError, model_validator

from scenarios.cross_checks import first_contradiction, first_contradiction_of_faults
from scenarios.documents.overrides import changed
from scenarios.errors import ScenarioError, first_problem, invalid, written
from scenarios.faults import FaultEntry
from scenarios.schema import ScenarioFields

EXPLAINED = "sim.reports.notebook"
"""The module that explains a scenario, which needs the simulator; imported when a notebook shows one."""


@cache
def _entries() -> TypeAdapter[tuple[FaultEntry, ...]]:
    return TypeAdapter(tuple[FaultEntry, ...])


@lru_cache(maxsize=1)  # a search replaces the faults of one scenario many times
def _folder(source: str | None) -> str:
    return str(Path(source or "").parent)


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

    def with_faults(self, faults: Sequence[Mapping[str, Any]], seed: int) -> Self:
        """Return a scenario with these faults, in the notation of a file, in place of its own, and with this seed.

        The same as `with_values` for faults as plain data, but only the faults are validated, and what may contradict
        them: it takes a fifth of the time. Raises `ScenarioError` that names the path.
        """
        try:
            entries = _entries().validate_python(faults, context={"folder": _folder(self.source)})
        except ValidationError as error:
            place, problem = first_problem(error)
            raise ScenarioError(problem, self.source or self.name, None, written(("faults", *place))) from None
        new = self.model_copy(update={"faults": entries, "seed": seed})
        contradiction = first_contradiction_of_faults(new)
        if contradiction is not None:
            path, problem = contradiction
            raise ScenarioError(problem, self.source or self.name, None, written(path))
        return new

    def _repr_html_(self) -> str:
        """The explanation that `recovery-bench show` prints, for notebooks."""
        html: Any = import_module(EXPLAINED).html
        return str(html(self))
