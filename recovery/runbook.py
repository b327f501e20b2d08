"""The runbook: the documented catalogue of failures as validated data.

`documented` gives the one that ships; `load` reads another one. Whatever is wrong with it is said with file, line, key
and what would be valid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from recovery.model import FailureKind
from recovery.policy import RetryPolicy

ARGUMENTS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "check_logs": (("path", "pattern"),),
    "check_resource_state": (("task_id", "resource_ids"),),
    "verify_resource_health": (("resource_ids",),),
    "analyze_resource_metrics": (("resource_ids", "timeframe"),),
    "verify_agent_health": (("agent_id",),),
    "analyze_agent_logs": (("agent_id", "timeframe"),),
    "verify_network_status": (("endpoints",),),
    "check_queue_health": (("queue_ids",),),
    "release_resources": (("task_id",),),
    "restore_checkpoint": (("task_id", "latest_checkpoint"), ("task_id", "checkpoint_id")),
    "retry_task": (("task_id", "retry_count"),),
    "allocate_new_resources": (("task_id", "requirements"),),
    "migrate_task": (("task_id", "new_resources"),),
    "restart_agent": (("agent_id",),),
    "reassign_agent_tasks": (("agent_id", "new_agent_id"),),
    "reset_connections": (("endpoints",),),
    "replay_messages": (("queue_ids", "timeframe"),),
    "analyze_task_failure": (("task_id",),),
    "create_recovery_plan": (("task_id", "analysis"),),
    "execute_recovery_plan": (("task_id", "plan"),),
    "verify_task_state": (("task_id",),),
    "backup_state": (("task_id",),),
    "verify_state": (("task_id",),),
}
"""The arguments that each command takes; a second form is for operators alone."""

MANUAL_ONLY = frozenset(
    {
        "analyze_task_failure",
        "create_recovery_plan",
        "execute_recovery_plan",
        "verify_task_state",
        "backup_state",
        "verify_state",
    }
)
"""Commands of the manual procedures alone: an operator gives them, the automatic core never does."""

Place = tuple[str | int, ...]


class RunbookError(ValueError):
    """A runbook is not valid. The message is one line: file, line, key, what is wrong, what would be valid."""


def command_names() -> tuple[str, ...]:
    """The commands that automatic recovery gives."""
    return tuple(name for name in ARGUMENTS if name not in MANUAL_ONLY)


class Instruction(BaseModel):
    """One step of a diagnosis, a recovery or a manual procedure."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    command: str
    args: tuple[str, ...] = ()
    values: dict[str, str] = {}

    @model_validator(mode="before")
    @classmethod
    def _unfold(cls, data: Any) -> Any:
        """`{name: {command: c, args: […]}}`, or `{command: {argument: value}}` for one that carries its values."""
        if isinstance(data, Mapping) and len(data) == 1:
            (name, body), *_ = data.items()
            if isinstance(body, Mapping):
                if "command" in body:
                    unknown = [key for key in body if key not in {"command", "args"}]
                    if unknown:
                        raise ValueError(f"unknown key {unknown[0]!r}; valid: command, args")
                    return {"name": name, **body}
                return {"name": name, "command": name, "args": tuple(body), "values": dict(body)}
        return data

    @model_validator(mode="after")
    def _known(self) -> Instruction:
        if self.command not in ARGUMENTS:
            near = get_close_matches(self.command, ARGUMENTS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"valid: {', '.join(ARGUMENTS)}"
            raise ValueError(f"unknown command {self.command!r}; {hint}")
        forms = ARGUMENTS[self.command]
        if self.args not in forms:
            valid = " or ".join(f"[{', '.join(form)}]" for form in forms)
            raise ValueError(f"{self.command} does not take [{', '.join(self.args)}]; valid: {valid}")
        return self


def _automatic(instruction: Instruction) -> Instruction:
    if instruction.command in MANUAL_ONLY:
        valid = ", ".join(command_names())
        raise ValueError(f"only an operator gives {instruction.command!r}; valid: {valid}")
    form = ARGUMENTS[instruction.command][0]
    if instruction.args != form:
        taken = ", ".join(instruction.args)
        raise ValueError(f"only an operator gives {instruction.command} [{taken}]; valid: [{', '.join(form)}]")
    return instruction


AutomaticInstruction = Annotated[Instruction, AfterValidator(_automatic)]
OneEntry = Annotated[dict[str, str], Field(min_length=1, max_length=1)]


class Entry(BaseModel):
    """One documented failure. A symptom is one `observation: value`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    symptoms: Annotated[tuple[OneEntry, ...], Field(min_length=1)]
    diagnosis: tuple[AutomaticInstruction, ...]
    recovery: tuple[AutomaticInstruction, ...]

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The symptoms, each as `(observation, value)`."""
        return tuple(dict.fromkeys(pair for symptom in self.symptoms for pair in symptom.items()))


class Condition(RetryPolicy):
    """Under which condition a kind of failure is recovered automatically."""

    type: FailureKind


class Procedure(BaseModel):
    """The names of an automatic procedure's steps, in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: tuple[str, ...]


class ManualProcedure(BaseModel):
    """The commands that an operator gives, in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: tuple[Instruction, ...]


class AutomaticRecovery(BaseModel):
    """What happens without an operator."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    conditions: tuple[Condition, ...]
    procedures: dict[str, Procedure]

    @field_validator("conditions")
    @classmethod
    def _one_of_a_kind(cls, conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
        kinds = [condition.type for condition in conditions]
        for kind in FailureKind:
            if kinds.count(kind) > 1:
                raise ValueError(f"{kinds.count(kind)} conditions for {kind}; valid: one for each kind of failure")
        return conditions


class ManualRecovery(BaseModel):
    """What an operator does, and must have for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prerequisites: tuple[dict[str, str], ...]
    procedures: dict[str, ManualProcedure]


class Runbook(BaseModel):
    """The whole catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task_failures: dict[str, Entry]
    system_failures: dict[str, Entry]
    automatic_recovery: AutomaticRecovery
    manual_recovery: ManualRecovery

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """All documented failures by their full names, `task_failures.execution_failure` first."""
        for group in ("task_failures", "system_failures"):
            for name, entry in getattr(self, group).items():
                yield f"{group}.{name}", entry

    def conditions(self) -> dict[FailureKind, RetryPolicy | None]:
        """The condition of every kind of failure, None for a kind without one."""
        found: dict[FailureKind, RetryPolicy | None] = dict.fromkeys(FailureKind)
        for condition in self.automatic_recovery.conditions:
            found[condition.type] = RetryPolicy(**condition.model_dump(exclude={"type"}))
        return found

    def as_dict(self) -> dict[str, Any]:
        """The catalogue as plain data."""
        return self.model_dump(mode="json")


@cache
def documented() -> Runbook:
    """The runbook that ships."""
    return load(Path(__file__).with_name("runbook.yaml"))


def load(path: Path) -> Runbook:
    """Read and validate a runbook. Raises RunbookError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunbookError(f"{path}: cannot be read: {error}") from None
    return loads(text, str(path))


def loads(text: str, source: str = "<text>") -> Runbook:
    """Validate a runbook in YAML. Raises RunbookError."""
    reader = YAML(typ="rt")
    try:
        data = reader.load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        problem = str(error.problem).splitlines()[0].partition(" with value ")[0]  # a duplicate key shows all below it
        raise RunbookError(f"{source}:{line}: not valid YAML: {problem}") from None
    except (YAMLError, ValueError) as error:  # a character that YAML does not allow, a date that does not exist
        raise RunbookError(f"{source}:1: not valid YAML: {' '.join(str(error).split())}") from None
    try:
        return Runbook.model_validate(data)
    except ValidationError as error:
        errors = error.errors()  # a misspelt key is missing as well, but unknown is what it is first
        first = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])
        key = ".".join(str(part) for part in first["loc"]) or "the runbook"
        problem = " ".join(f"{key}: {_problem(first)}".split())
        raise RunbookError(f"{source}:{_line(data, first['loc'])}: {problem}") from None


def _problem(error: ErrorDetails) -> str:
    """What is wrong and what would be valid, in the words of YAML rather than of Python."""
    match error["type"]:
        case "extra_forbidden":
            valid = _keys(error["loc"][:-1])
            near = get_close_matches(str(error["loc"][-1]), valid, n=1)
            return f"unknown key; did you mean {near[0]!r}?" if near else f"unknown key; valid: {', '.join(valid)}"
        case "missing":
            return f"missing; the keys are {', '.join(_keys(error['loc'][:-1]))}"
        case "dict_type" | "model_type" | "model_attributes_type":
            return "should be a mapping, `key: value`"
        case "tuple_type":
            return "should be a list"
        case "string_type":
            return "should be a text"
        case "too_short":
            return "should not be empty"
        case "too_long":
            return "should be one `key: value`"
    return error["msg"].removeprefix("Value error, ")


def _keys(place: Place) -> tuple[str, ...]:
    """The keys of the model at a place of the catalogue."""
    found: Any = Runbook
    for part in place:
        if isinstance(found, type) and issubclass(found, BaseModel):
            found = found.model_fields[str(part)].annotation
        else:
            *_, found = (argument for argument in get_args(found) if argument is not Ellipsis)
        while hasattr(found, "__metadata__"):  # what is annotated
            found = get_args(found)[0]
    return tuple(found.model_fields)


def _line(data: Any, place: Place) -> int:
    """The line of a key, or of the innermost part of its path that is there."""
    line = 1
    for part in place:
        try:
            position = data.lc.data.get(part)
            data = data[part]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
        if position is not None:
            line = position[0] + 1
    return line
