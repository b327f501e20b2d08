"""Instructions: the commands of a runbook, and the order in which the values of their arguments are known."""

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
"""The arguments of each command. A second form is for manual procedures only."""

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
"""The commands of manual procedures only."""

PROVIDES: Mapping[str, tuple[str, ...]] = {
    "allocate_new_resources": ("new_resources",),
    "analyze_task_failure": ("analysis",),
    "create_recovery_plan": ("plan",),
}
"""Arguments of later steps whose values are results of a command."""
_PROVIDED = frozenset(name for names in PROVIDES.values() for name in names)
KEYS = ("command", "args", "on_failure", "undo")
"""The keys of a step."""
WRONG = "runbook"
"""The type of the validation errors that this package raises."""
TIMEFRAME = 300.0
"""The seconds of logs that a diagnosis searches if the runbook has no timeframe."""


def wrong(problem: str, *below: str | int) -> PydanticCustomError:
    """The error to raise in a validator; `below` is the path from the validated value to the part that is wrong."""
    return PydanticCustomError(WRONG, "{problem}", {"problem": problem, "below": below})


def instead(word: str, known: Iterable[str]) -> str:
    """`did you mean 'b'?`, or all valid names if none is similar."""
    names = tuple(known)
    near = get_close_matches(word, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"valid: {', '.join(names)}"


def command_names() -> tuple[str, ...]:
    """The commands of automatic recovery."""
    return tuple(name for name in ARGUMENTS if name not in MANUAL_ONLY)


class Instruction(BaseModel):
    """One step of a diagnosis, a recovery or a manual procedure.

    A step of a recovery may define how the recovery continues after a failure of the step, and the command that undoes
    the step.
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
        """Parse `{name: {command: c, args: […]}}`, or `{command: {argument: value}}` with values."""
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
    """The command that undoes a step, `{command: c, args: […]}`, as an instruction."""
    undo = body.get("undo")
    if undo is None:
        return {}
    if not isinstance(undo, Mapping) or set(undo) - {"command", "args"} or "command" not in undo:
        raise wrong("'undo' should be a command, as in {command: release_resources, args: [task_id]}")
    return {"undo": {f"undo {name}": dict(undo)}}


def _automatic(instruction: Instruction) -> Instruction:
    if instruction.command in MANUAL_ONLY:
        valid = ", ".join(command_names())
        raise wrong(f"{instruction.command!r} is for manual procedures only; valid: {valid}")
    form = ARGUMENTS[instruction.command][0]
    if instruction.args != form:
        taken = ", ".join(instruction.args)
        raise wrong(f"{instruction.command} [{taken}] is for manual procedures only; valid: [{', '.join(form)}]")
    return instruction


def plain(instruction: Instruction) -> Instruction:
    """Validate a step without `on_failure` and `undo`, which are for steps of automatic recovery."""
    if instruction.on_failure is not OnFailure.RESTART or instruction.undo is not None:
        raise wrong("'on_failure' and 'undo' are for the steps of a recovery; valid: command, args")
    return instruction


PlainInstruction = Annotated[Instruction, AfterValidator(plain)]
"""A step of a diagnosis or of a manual procedure."""
AutomaticInstruction = Annotated[Instruction, AfterValidator(_automatic)]


def in_order(steps: tuple[Instruction, ...]) -> tuple[Instruction, ...]:
    """Validate that the arguments of each step are known before it. Raises if only a later step, or none, has one."""
    takes = [(step.command, tuple(name for name in step.args if name not in step.values)) for step in steps]
    check_order(takes, PROVIDES)
    return steps


def undoable(steps: tuple[Instruction, ...]) -> tuple[Instruction, ...]:
    """Validate that each step with `on_failure: compensate` has something to undo, with known arguments."""
    can_undo = False
    known: tuple[str, ...] = ()
    for number, step in enumerate(steps):
        known += PROVIDES.get(step.command, ())
        if step.undo is not None:
            can_undo = True
            missing = [name for name in step.undo.args if name in _PROVIDED and name not in known]
            if missing:
                raise wrong(f"{step.undo.command} needs {missing[0]}, which no step before it provides", number)
        if step.on_failure is OnFailure.COMPENSATE and not can_undo:
            raise wrong("nothing to compensate with; valid: an 'undo' at this step or at one before it", number)
    return steps


def check_order(steps: Iterable[tuple[str, tuple[str, ...]]], provides: Mapping[str, tuple[str, ...]]) -> None:
    """Raise for the first step that takes an argument before a step provides it. `steps` are pairs of both."""
    ordered = tuple(steps)
    provided_by = {name: step for step, names in provides.items() for name in names}
    known: tuple[str, ...] = ()
    for number, (step, takes) in enumerate(ordered):
        for name in takes:
            if name in provided_by and name not in known:
                giver = provided_by[name]
                later = giver in [other for other, _ in ordered[number + 1 :]]
                who = f"only the later {giver} provides" if later else "no step provides"
                raise wrong(f"{step} needs {name}, which {who}; valid: {giver} before {step}", number)
        known += provides.get(step, ())
