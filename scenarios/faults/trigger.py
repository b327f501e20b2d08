"""Conditions that schedule a fault by the state of the run: `queue.depth > 500`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from scenarios.errors import instead, invalid, shown
from scenarios.fields.commands import COMMANDS
from scenarios.fields.expectations import OPERATORS
from scenarios.fields.quantities import Quantity

NUMBERS: Mapping[str, str] = {
    "queue.depth": "queued tasks",
    "agents.up": "agents that are neither crashed, hung nor stopped",
    "tasks.submitted": "tasks submitted so far, including rejected ones",
    "tasks.completed": "tasks completed so far",
    "tasks.failed": "tasks given up so far",
    "recovery.open": "open recoveries, including waiting ones",
    "resources.NAME.available": "units in service, free or held",
    "resources.NAME.free": "units that can be allocated",
}
"""Quantities that are compared with a whole number."""
PROGRESS = "task.progress"
STEP = "recovery.step"
FAULT = "fault.KIND"
MEANINGS: Mapping[str, str] = {
    **NUMBERS,
    PROGRESS: "fraction of its work that a running task has done, 0 to 1; the first running task to reach it counts",
    STEP: "a recovery begins a step of the runbook: `recovery.step == restore_checkpoint`",
    FAULT: "another fault of the scenario is `injected` or `cleared`: `fault.partition == cleared`",
}
"""Quantities and events that a condition can use."""
STATES = ("injected", "cleared")
SHAPE = "valid: quantity operator value, as in queue.depth > 500"
_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"
_WHOLE = r"[0-9]{1,9}"
_PART = r"(?:0?\.[0-9]{1,15}|0|[0-9]{1,2}(?:\.[0-9]{1,13})?%)"
_GROWS = (">", ">=")


@dataclass(frozen=True, slots=True)
class Trigger:
    """A condition on the state of a run.

    `about` is one of `MEANINGS`, `name` the pool or kind of fault in place of NAME or KIND. `value` is a number for a
    quantity, the command of a step, or the state of a fault.
    """

    expression: str
    about: str
    operator: str
    value: float | str
    name: str = ""

    def holds(self, observed: float) -> bool:
        """Whether a quantity satisfies the condition. Raises TypeError for a step or a fault, which are events."""
        if isinstance(self.value, str):
            raise TypeError(f"{self.about} is not a quantity")
        return OPERATORS[self.operator](observed, self.value)


def parse(text: Any) -> Trigger:
    """Parse a condition. Raises a validation error.

    Whether the pool or the other fault exists is checked later, against the whole scenario.
    """
    if isinstance(text, Trigger):
        return text
    match = (
        re.fullmatch(r"\s*([A-Za-z_][\w.-]*)\s*(==|!=|<=|>=|=<|=>|<|>|=)\s*(\S.*?)\s*", text, re.ASCII)
        if isinstance(text, str)
        else None
    )
    if match is None:
        raise invalid(f"{shown(text)} is not a condition; {SHAPE}")
    subject, sign, value = match.groups()
    about, name = _subject(subject)
    if sign not in OPERATORS:
        meant = {"=": "==", "=<": "<=", "=>": ">="}[sign]
        raise invalid(f"unknown operator '{sign}'; valid: {', '.join(OPERATORS)} (nearest: '{meant}')")
    return Trigger(f"{subject} {sign} {value}", about, sign, _value(subject, about, sign, value), name)


def _subject(subject: str) -> tuple[str, str]:
    """The quantity or event of a condition, and the value of NAME or KIND in it."""
    if subject in MEANINGS and "NAME" not in subject and "KIND" not in subject:
        return subject, ""
    pool = re.fullmatch(rf"resources\.({_NAME})\.(available|free)", subject, re.ASCII)
    if pool is not None:
        return f"resources.NAME.{pool[2]}", pool[1]
    kind = re.fullmatch(r"fault\.([a-z_]+)", subject)
    if kind is not None:
        return FAULT, kind[1]
    raise invalid(f"unknown quantity '{subject}'; {instead(subject, MEANINGS, 'valid')}")


def _value(subject: str, about: str, sign: str, text: str) -> float | str:
    if about in {STEP, FAULT}:
        if sign != "==":
            raise invalid(f"{subject} is not a number; valid: ==")
        known = COMMANDS if about == STEP else STATES
        if text not in known:
            raise invalid(f"{subject}: unknown {shown(text)}; {instead(text, known, 'valid')}")
        return text
    if about == PROGRESS:
        if sign not in _GROWS:
            raise invalid(f"{subject} only increases; valid: {', '.join(_GROWS)}")
        if re.fullmatch(_PART, text) is None:
            raise invalid(
                f"{subject}: {shown(text)} is not a fraction of the work; valid: from 0 to below 1, as in 50%"
            )
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    if re.fullmatch(_WHOLE, text) is None:
        raise invalid(f"{subject}: {shown(text)} is not valid; valid: a whole number, 0 or more")
    return float(text)


def _pattern() -> str:
    """The JSON Schema of targets."""
    numbers = "|".join(re.escape(name).replace("NAME", _NAME) for name in NUMBERS)
    commands, states = "|".join(COMMANDS), "|".join(STATES)
    options = (
        rf"(?:{numbers})\s*(?:==|!=|<=|>=|<|>)\s*{_WHOLE}",
        rf"task\.progress\s*>=?\s*{_PART}",
        rf"recovery\.step\s*==\s*(?:{commands})",
        rf"fault\.[a-z_]+\s*==\s*(?:{states})",
    )
    return rf"^\s*(?:{'|'.join(options)})\s*$"


When = Annotated[
    Trigger,
    PlainValidator(parse),
    PlainSerializer(lambda trigger: trigger.expression, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _pattern()}),
    Quantity("condition"),
]
"""What places a fault by what goes on."""
