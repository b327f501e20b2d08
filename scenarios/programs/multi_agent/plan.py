"""Plans: steps that depend on each other, and what a planner makes of a goal. A real planner asks a language model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """What has become of a step."""

    WAITING = "waiting"
    QUEUED = "queued"
    DONE = "done"
    FAILED = "failed"
    REPLACED = "replaced"


@dataclass(frozen=True)
class Step:
    """A call of a tool, after the steps that it needs."""

    name: str
    tool: str
    what: str
    needs: tuple[str, ...] = ()
    status: Status = Status.WAITING
    answer: str = ""


Plan = dict[str, Step]
Change = Callable[[Plan], Plan]

_ALTERNATIVES: Final = {"flights": Step("trains", "search", "trains to Lisbon")}


def first_plan(goal: str) -> Plan:
    """The steps of a journey."""
    steps = (
        Step("flights", "search", f"flights to {goal}"),
        Step("hotels", "search", f"hotels in {goal}"),
        Step("booking", "book", f"journey to {goal}", needs=("flights",)),
        Step("payment", "charge", f"deposit for {goal}", needs=("booking", "hotels")),
        Step("itinerary", "write", f"three days in {goal}", needs=("booking", "hotels")),
        Step("confirmation", "mail", f"your journey to {goal}", needs=("payment", "itinerary")),
    )
    return {step.name: step for step in steps}


def ready(plan: Plan) -> list[Step]:
    """The steps that can be done now."""
    done = {name for name, step in plan.items() if step.status is Status.DONE}
    return [step for step in plan.values() if step.status is Status.WAITING and done.issuperset(step.needs)]


def is_finished(plan: Plan) -> bool:
    """Whether nothing is left to do."""
    return all(step.status in (Status.DONE, Status.REPLACED) for step in plan.values())


def queued(name: str) -> Change:
    """A step is in the queue, unless it is already further."""
    return lambda plan: (
        {**plan, name: replace(plan[name], status=Status.QUEUED)} if plan[name].status is Status.WAITING else plan
    )


def done(name: str, answer: str) -> Change:
    """A step is done."""
    return lambda plan: {**plan, name: replace(plan[name], status=Status.DONE, answer=answer)}


def failed(name: str, why: str) -> Change:
    """A step has failed for good."""
    return lambda plan: {**plan, name: replace(plan[name], status=Status.FAILED, answer=why)}


def replanned(plan: Plan) -> Plan:
    """Each failed step is replaced by its alternative, also in what others need. Raises LookupError."""
    for name, step in [*plan.items()]:
        if step.status is Status.FAILED:
            other = _ALTERNATIVES[name]
            plan = {**plan, name: replace(step, status=Status.REPLACED), other.name: other}
            plan = {
                each: replace(old, needs=tuple(other.name if need == name else need for need in old.needs))
                for each, old in plan.items()
            }
    return plan
