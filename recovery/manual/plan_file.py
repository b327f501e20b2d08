"""A plan as a file: what an operator is about to do, for others to read before it is done.

Nothing in it is executed. Whoever has it executed has another plan made, and that has to come to the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from recovery.errors import RecoveryBenchError
from recovery.model import RecoveryStrategy

MOST_BYTES = 1024**2


class PlanFileError(RecoveryBenchError):
    """A file is no plan, or none that can be executed. One line."""


class PlannedStep(BaseModel):
    """A step: the command, its arguments as far as they are known, and how it is undone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    command: str
    arguments: dict[str, Any]
    on_failure: str
    undo: str | None = None


class PlanFile(BaseModel):
    """A plan for one task: by whom and when (ISO 8601) it was made, from what evidence, and from which state."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recovery_plan: Literal[1] = 1
    task: str
    made_by: str
    made_at: str
    store: str
    runbook: str  # SHA-256 of the catalogue in force
    verdict: str
    because: str
    state: dict[str, Any]
    checkpoint: int | None = None  # to start from; None: the latest that is what was written
    steps: tuple[PlannedStep, ...]

    def moved(self, state: Mapping[str, Any]) -> str | None:
        """What of a task's state is not as it was when this plan was made."""
        for name in (*self.state, *state):
            before, now = self.state.get(name), state.get(name)
            if before != now:
                return f"{name} was {json.dumps(before)} and is {json.dumps(now)}"
        return None

    def differs(self, fresh: PlanFile) -> str | None:
        """What else of a plan that is made now is not as in this one."""
        for name in ("task", "store", "runbook", "verdict", "because", "checkpoint"):
            if getattr(self, name) != getattr(fresh, name):
                return f"{name} is {getattr(self, name)!r}, and would be {getattr(fresh, name)!r}"
        if self.steps != fresh.steps:
            return "its steps are not those that would be taken"
        return None


def steps_of(strategy: RecoveryStrategy) -> tuple[PlannedStep, ...]:
    """The steps of a strategy, as JSON has them."""
    return tuple(
        PlannedStep(
            name=step.name,
            command=step.command,
            arguments=_plain(step.arguments),
            on_failure=step.on_failure.value,
            undo=None if step.undo is None else str(step.undo),
        )
        for step in strategy.steps
    )


def _plain(arguments: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(dict(arguments), default=dict))
    return plain


def read_plan(path: Path) -> PlanFile:
    """Read one. Raises PlanFileError."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise PlanFileError(f"{path}: is larger than any plan; valid: a file of recover task plan")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PlanFileError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        return PlanFile.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise PlanFileError(
            f"{path}: is no plan: {where}{': ' if where else ''}{first['msg']}; valid: a file of recover task plan"
        ) from None
