"""A plan as a file, which people can read before its execution.

The file itself is not executed: the execution makes a new plan, which has to be equal to it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from recovery.errors import RecoveryBenchError
from recovery.input_file import InputFileError, read_text
from recovery.model import RecoveryStrategy

MOST_BYTES = 1024**2


class PlanFileError(RecoveryBenchError):
    """A file is not a valid plan. One line."""


class PlannedStep(BaseModel):
    """A step: the command, the arguments that are known, and the command that undoes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    command: str
    arguments: dict[str, Any]
    on_failure: str
    undo: str | None = None


class PlanFile(BaseModel):
    """A plan for one task: author and time (ISO 8601), findings of the analysis, state of the task, and steps.

    `store` is the name of the store and `store_identity` the number that identifies it, `sha256` the digest of all
    other fields, which shows that the file was not edited.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    recovery_plan: Literal[1] = 1
    task: str
    made_by: str
    made_at: str
    store: str
    store_identity: str
    runbook: str  # SHA-256 of the catalogue in force
    verdict: str
    because: str
    state: dict[str, Any]
    checkpoint: int | None = None  # to start from; None: the latest intact one
    steps: tuple[PlannedStep, ...]
    sha256: str = ""

    def sealed(self) -> PlanFile:
        """This plan with its digest."""
        return self.model_copy(update={"sha256": self._digest()})

    @property
    def is_as_written(self) -> bool:
        """Whether the digest is that of the content."""
        return self.sha256 == self._digest()

    def _digest(self) -> str:
        return hashlib.sha256(_exact(self.model_dump(mode="json", exclude={"sha256"})).encode()).hexdigest()

    def changed_state(self, state: Mapping[str, Any]) -> str | None:
        """The first change of the task's state since this plan was made; None: there is none."""
        for name in (*self.state, *state):
            before, now = self.state.get(name), state.get(name)
            if _exact(before) != _exact(now):
                return f"{name} was {json.dumps(before)} and is {json.dumps(now)}"
        return None

    def differs(self, fresh: PlanFile) -> str | None:
        """The first difference of a new plan to this one, apart from the state; None: there is none."""
        for name in ("task", "store", "store_identity", "runbook", "verdict", "because", "checkpoint"):
            if _exact(getattr(self, name)) != _exact(getattr(fresh, name)):
                return f"{name} was {getattr(self, name)!r} and is {getattr(fresh, name)!r}"
        if _exact(self.model_dump(mode="json")["steps"]) != _exact(fresh.model_dump(mode="json")["steps"]):
            return "its steps have changed"
        return None


def _exact(value: Any) -> str:
    """JSON in which 1, 1.0 and true are three values, which Python considers equal."""
    return json.dumps(value, sort_keys=True)


def steps_of(strategy: RecoveryStrategy) -> tuple[PlannedStep, ...]:
    """The steps of a strategy in types of JSON."""
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
    """Read a plan. Raises PlanFileError."""
    try:
        text = read_text(path, MOST_BYTES)
    except InputFileError as error:
        raise PlanFileError(f"{path}: {error}; valid: a file from recover task plan") from None
    try:
        read = PlanFile.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise PlanFileError(
            f"{path}: is not a plan: {where}{': ' if where else ''}{first['msg']}; valid: a file from recover task plan"
        ) from None
    if not read.is_as_written:
        raise PlanFileError(f"{path}: was changed after it was written; valid: a file from recover task plan")
    return read
