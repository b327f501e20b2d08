"""Instructions: the commands that a runbook may name, and in which order their arguments come to be known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from recovery.model import OnFailure

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

PROVIDES: Mapping[str, tuple[str, ...]] = {
    "allocate_new_resources": ("new_resources",),
    "analyze_task_failure": ("analysis",),
    "create_recovery_plan": ("plan",),
}
"""Arguments of later steps whose values are results of a command."""
_LEFT = frozenset(name for names in PROVIDES.values() for name in names)
KEYS = ("command", "args", "on_failure", "undo")
"""What a step may say."""
WRONG = "runbook"
"""The type of the errors that are ours rather than pydantic's."""
TIMEFRAME = 300.0
"""Seconds of log that a diagnosis searches when the runbook gives no timeframe."""


def wrong(problem: str, *below: str | int) -> PydanticCustomError:
    """The error to raise in a validator; `below` leads from the validated value down to the part that is wrong."""
    return PydanticCustomError(WRONG, "{problem}", {"problem": problem, "below": below})


def instead(word: str, known: Iterable[str]) -> str:
    """`did you mean 'b'?`, or all that would be valid where nothing is near."""
    names = tuple(known)
    near = get_close_matches(word, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"valid: {', '.join(names)}"


def command_names() -> tuple[str, ...]:
    """The commands that automatic recovery gives."""
    return tuple(name for name in ARGUMENTS if name not in MANUAL_ONLY)


class Instruction(BaseModel):
    """One step of a diagnosis, a recovery or a manual procedure.

    A step of a recovery may say how the recovery goes on when the step fails part-way, and by which command that which
    it has done is undone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    command: str
    args: tuple[str, ...] = ()
    values: dict[str, str] = {}
    on_failure: OnFailure = OnFailure.RESTART
    undo: Instruction | None = None

    @model_validator(mode="before")
    @classmethod
    def _unfold(cls, data: Any) -> Any:
        """`{name: {command: c, args: […]}}`, or `{command: {argument: value}}` for one that carries its values."""
        if isinstance(data, Mapping) and len(data) == 1:
            (name, body), *_ = data.items()
            if isinstance(body, Mapping):
                if "command" in body:
                    unknown = [key for key in body if key not in KEYS]
                    if unknown:
                        raise wrong(f"unknown key {unknown[0]!r}; {instead(str(unknown[0]), KEYS)}")
                    return {"name": name, **body} | _undo(name, body)
                return {"name": name, "command": name, "args": tuple(body), "values": dict(body)}
        return data

    @model_validator(mode="after")
    def _known(self) -> Instruction:
        if self.command not in ARGUMENTS:
            raise wrong(f"unknown command {self.command!r}; {instead(self.command, ARGUMENTS)}")
        forms = ARGUMENTS[self.command]
        if self.args not in forms:
            valid = " or ".join(f"[{', '.join(form)}]" for form in forms)
            raise wrong(f"{self.command} does not take [{', '.join(self.args)}]; valid: {valid}")
        if self.undo is not None:
            _automatic(self.undo)
        return self


def _undo(name: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The command that undoes a step, `{command: c, args: […]}`, as an instruction of its own."""
    undo = body.get("undo")
    if undo is None:
        return {}
    if not isinstance(undo, Mapping) or set(undo) - {"command", "args"} or "command" not in undo:
        raise wrong("'undo' should be a command, as in {command: release_resources, args: [task_id]}")
    return {"undo": {f"undo {name}": dict(undo)}}


def _automatic(instruction: Instruction) -> Instruction:
    if instruction.command in MANUAL_ONLY:
        valid = ", ".join(command_names())
        raise wrong(f"only an operator gives {instruction.command!r}; valid: {valid}")
    form = ARGUMENTS[instruction.command][0]
    if instruction.args != form:
        taken = ", ".join(instruction.args)
        raise wrong(f"only an operator gives {instruction.command} [{taken}]; valid: [{', '.join(form)}]")
    return instruction


def plain(instruction: Instruction) -> Instruction:
    """Only a step of an automatic recovery goes on by itself when it fails."""
    if instruction.on_failure is not OnFailure.RESTART or instruction.undo is not None:
        raise wrong("'on_failure' and 'undo' are for the steps of a recovery; valid: command, args")
    return instruction


PlainInstruction = Annotated[Instruction, AfterValidator(plain)]
"""A step of a diagnosis or of a manual procedure."""
AutomaticInstruction = Annotated[Instruction, AfterValidator(_automatic)]


def in_order(steps: tuple[Instruction, ...]) -> tuple[Instruction, ...]:
    """The same steps, if each has its arguments by its turn. Raises where only a later step, or none, provides one."""
    takes = [(step.command, tuple(name for name in step.args if name not in step.values)) for step in steps]
    check_order(takes, PROVIDES)
    return steps


def undoable(steps: tuple[Instruction, ...]) -> tuple[Instruction, ...]:
    """The same steps, if each that is to be compensated has something to undo by then, of which all is known."""
    can_undo = False
    known: tuple[str, ...] = ()
    for number, step in enumerate(steps):
        known += PROVIDES.get(step.command, ())
        if step.undo is not None:
            can_undo = True
            missing = [name for name in step.undo.args if name in _LEFT and name not in known]
            if missing:
                raise wrong(f"{step.undo.command} needs {missing[0]}, which no step has provided by then", number)
        if step.on_failure is OnFailure.COMPENSATE and not can_undo:
            raise wrong("nothing to compensate with; valid: an 'undo' at this step or at one before it", number)
    return steps


def check_order(steps: Iterable[tuple[str, tuple[str, ...]]], leaves: Mapping[str, tuple[str, ...]]) -> None:
    """Raise for the first step, of pairs of a name and what it takes, that comes before what leaves it that."""
    ordered = tuple(steps)
    left_by = {name: step for step, names in leaves.items() for name in names}
    known: tuple[str, ...] = ()
    for number, (step, takes) in enumerate(ordered):
        for name in takes:
            if name in left_by and name not in known:
                giver = left_by[name]
                later = giver in [other for other, _ in ordered[number + 1 :]]
                who = f"only the later {giver} provides" if later else "no step provides"
                raise wrong(f"{step} needs {name}, which {who}; valid: {giver} before {step}", number)
        known += leaves.get(step, ())
