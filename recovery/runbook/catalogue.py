"""The runbook: the catalogue of documented failures as validated data.

`documented` returns the default runbook; `load` reads another one, in YAML or as a Markdown guide. Errors have the
file, the line, the key and valid values.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from recovery.model import FailureKind, OnFailure
from recovery.policies.retry import RetryPolicy
from recovery.runbook.instructions import (
    ARGUMENTS,
    MANUAL_ONLY,
    WRONG,
    AutomaticInstruction,
    Instruction,
    PlainInstruction,
    command_names,
    in_order,
    instead,
    plain,
    undoable,
    wrong,
)
from recovery.runbook.parser import Place, RunbookError, read, text_of
from recovery.runbook.procedures import check_procedures

__all__ = [
    "ARGUMENTS",
    "MANUAL_ONLY",
    "AutomaticRecovery",
    "Condition",
    "Entry",
    "Instruction",
    "ManualProcedure",
    "ManualRecovery",
    "Procedure",
    "Runbook",
    "RunbookError",
    "command_names",
    "documented",
    "load",
    "loads",
]

OneEntry = Annotated[dict[str, str], Field(min_length=1, max_length=1)]


class Entry(BaseModel):
    """A documented failure. A symptom is an `observation: value`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    symptoms: Annotated[tuple[OneEntry, ...], Field(min_length=1)]
    diagnosis: tuple[Annotated[AutomaticInstruction, AfterValidator(plain)], ...]
    recovery: Annotated[tuple[AutomaticInstruction, ...], AfterValidator(in_order), AfterValidator(undoable)]

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The symptoms, each as `(observation, value)`."""
        return tuple(dict.fromkeys(pair for symptom in self.symptoms for pair in symptom.items()))


class Condition(RetryPolicy):
    """The retry policy of a kind of failure."""

    type: FailureKind


class Procedure(BaseModel):
    """The steps of an automatic procedure, in order: names of `recovery.actions.procedures.STEPS`, or of other
    procedures.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: tuple[str, ...]


class ManualProcedure(BaseModel):
    """The commands of a manual procedure, in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: Annotated[tuple[PlainInstruction, ...], AfterValidator(in_order)]


class AutomaticRecovery(BaseModel):
    """The conditions and procedures of automatic recovery."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    conditions: tuple[Condition, ...]
    procedures: dict[str, Procedure]

    @field_validator("conditions")
    @classmethod
    def _one_of_a_kind(cls, conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
        kinds = [condition.type for condition in conditions]
        for number, kind in enumerate(kinds):
            if kind in kinds[:number]:
                raise wrong(f"a second condition for {kind}; valid: one for each kind of failure", number)
        return conditions

    @field_validator("procedures")
    @classmethod
    def _known_steps(cls, procedures: dict[str, Procedure]) -> dict[str, Procedure]:
        check_procedures({name: procedure.steps for name, procedure in procedures.items()})
        return procedures


class ManualRecovery(BaseModel):
    """The prerequisites and procedures of manual recovery."""

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
    recovery_best_practices: dict[str, tuple[str, ...]] = {}
    performance_considerations: dict[str, tuple[str, ...]] = {}

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """All documented failures with their full names, such as `task_failures.execution_failure`."""
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
    """The default runbook."""
    return load(Path(__file__).with_name("runbook.yaml"))


def load(path: Path) -> Runbook:
    """Read and validate a runbook; a file named `*.md` is a Markdown guide with YAML blocks. Raises RunbookError."""
    return loads(text_of(path), str(path))


def loads(text: str, source: str = "<text>") -> Runbook:
    """Validate a runbook in YAML, or in Markdown if `source` has such a name. Raises RunbookError,
    which has every problem of a text that is valid YAML.
    """
    found = read(text, source)
    try:
        return Runbook.model_validate(found.data)
    except ValidationError as error:
        errors = error.errors()
        first = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])
        told = sorted(_without_misspelled(errors), key=lambda each: found.line_of(_place(each)))
        every = [found.message(_problem(each), _place(each)) for each in told]
        raise RunbookError(found.message(_problem(first), _place(first)), every) from None


def _place(error: ErrorDetails) -> Place:
    return (*error["loc"], *error.get("ctx", {}).get("below", ()))


def _without_misspelled(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """The errors without those of missing keys beside an unknown one: a misspelled key is one problem, not two."""
    unknown = {each["loc"][:-1] for each in errors if each["type"] == "extra_forbidden"}
    return [each for each in errors if each["type"] != "missing" or each["loc"][:-1] not in unknown]


def _problem(error: ErrorDetails) -> str:
    """The problem and valid values, in terms of YAML rather than of Python."""
    match error["type"]:
        case "extra_forbidden":
            return f"unknown key; {instead(str(error['loc'][-1]), _keys(error['loc'][:-1]))}"
        case "missing":
            return f"missing; the keys are {', '.join(_keys(error['loc'][:-1]))}"
        case "dict_type" | "model_type" | "model_attributes_type":
            return "should be a mapping, `key: value`"
        case "enum":
            noun, known = ("on_failure", OnFailure) if "on_failure" in error["loc"] else ("type", FailureKind)
            valid = tuple(member.value for member in known)
            return f"unknown {noun} {error['input']!r}; {instead(str(error['input']), valid)}"
        case kind if kind == WRONG:
            return str(error["ctx"]["problem"])
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
        while hasattr(found, "__metadata__"):  # unwrap Annotated
            found = get_args(found)[0]
    return tuple(found.model_fields)
