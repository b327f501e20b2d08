"""Tasks as the world knows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.world.agents import Agent
    from sim.world.execution import Attempt


@dataclass(eq=False, slots=True)
class Task:
    """One task from its submission until everybody has let go of it. `work` and `progress` are work-seconds."""

    number: int
    name: str
    work: float
    progress: float = 0.0  # where the next attempt goes on when work is resumed
    redraws: int = 0
    deliveries: int = 0
    lines: int = 0  # how often it stands in the waiting line
    duplicates: int = 0  # of a delivery that arrives twice, the second ones that are to come
    leased: int = 0  # the delivery that has to be acknowledged, 0: none
    agent: Agent | None = None  # to which it was delivered last, until the queue lets go of it
    keeper: Agent | None = None  # the agent that keeps a slot for its retry, in this incarnation
    keeper_incarnation: int = 0
    error: str | None = None
    poisonous: bool = False  # whoever takes it dies
    writes: int = 0  # of its checkpoints, tried so far
    attempts: list[Attempt] = field(default_factory=list)


def task_number(name: str) -> int:
    """172 of `task.172`."""
    return int(name.removeprefix("task."))
