"""The procedures of a runbook: their steps, and what steps take and provide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from pydantic_core import PydanticCustomError

from recovery.runbook.instructions import check_order, instead, wrong

STEP_NAMES = (
    "cleanup_previous",
    "restore_checkpoint",
    "reallocate_resources",
    "restart_execution",
    "release_old_resources",
    "allocate_new_resources",
    "update_task_state",
    "resume_execution",
)
"""The steps of procedures, which `recovery.actions.procedures` executes."""
TAKES: Mapping[str, tuple[str, ...]] = {"resume_execution": ("new_resources",)}
PROVIDES: Mapping[str, tuple[str, ...]] = {"allocate_new_resources": ("new_resources",)}
MOST_STEPS = 1000
"""The maximum number of steps. Nested procedures would grow without bound."""
_SAME = {"reallocate_resources": "allocate_new_resources"}


def check_procedures(procedures: Mapping[str, Sequence[str]]) -> None:
    """Raise for the first step that is unknown, part of a cycle, or before the step that provides its arguments."""
    for name, steps in procedures.items():
        if name in STEP_NAMES:
            raise wrong(f"{name!r} is the name of a step; valid: another name for the procedure", name)
        for number, step in enumerate(steps):
            if step not in STEP_NAMES and step not in procedures:
                raise wrong(
                    f"unknown step {step!r}; {instead(step, (*STEP_NAMES, *procedures))}", name, "steps", number
                )
    checked: dict[str, None] = {}
    for name in procedures:
        _check_cycle(procedures, (name,), checked)
    for name in procedures:
        flat = list(islice(_expanded(procedures, name), MOST_STEPS + 1))
        if len(flat) > MOST_STEPS:
            raise wrong(f"more than {MOST_STEPS} steps; valid: fewer", name, "steps")
        try:
            check_order([(_SAME.get(step, step), TAKES.get(step, ())) for step, _ in flat], PROVIDES)
        except PydanticCustomError as error:
            context = error.context or {}
            raise wrong(str(context["problem"]), name, "steps", flat[context["below"][0]][1]) from None


def _check_cycle(procedures: Mapping[str, Sequence[str]], way: tuple[str, ...], checked: dict[str, None]) -> None:
    for number, step in enumerate(procedures[way[-1]]):
        if step in way:
            circle = " → ".join((*way[way.index(step) :], step))
            raise wrong(f"a cycle: {circle}; valid: steps that do not lead back", way[-1], "steps", number)
        if step in procedures and step not in checked:
            _check_cycle(procedures, (*way, step), checked)
    checked[way[-1]] = None


def expanded(procedures: Mapping[str, Sequence[str]], name: str) -> tuple[str, ...]:
    """The steps of a procedure, in which nested procedures are replaced by their steps."""
    return tuple(step for step, _ in _expanded(procedures, name))


def _expanded(procedures: Mapping[str, Sequence[str]], name: str) -> Iterator[tuple[str, int]]:
    """Each step with the index of the item of the procedure from which it comes."""
    for number, step in enumerate(procedures[name]):
        if step in procedures:
            yield from ((below, number) for below, _ in _expanded(procedures, step))
        else:
            yield step, number
