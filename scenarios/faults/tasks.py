"""Faults of tasks and of the load."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from scenarios.faults.base import INSTANT, Duration, Factor, Fault
from scenarios.faults.targets import TaskTargets


class ExecutionFailure(Fault):
    """Attempts at running tasks fail immediately."""

    kind: ClassVar[str] = "execution_failure"
    unites: ClassVar[str] = "happens at an instant; an attempt fails once"
    refused: ClassVar[dict[str, str]] = Fault.refused | INSTANT
    targets: TaskTargets = Field(default=1, description="which running tasks")


class PoisonTask(Fault):
    """Running tasks crash every agent that executes them: the current agents now, and each later one."""

    kind: ClassVar[str] = "poison_task"
    unites: ClassVar[str] = "as one"
    refused: ClassVar[dict[str, str]] = Fault.refused | INSTANT
    targets: TaskTargets = Field(default=1, description="which running tasks")


class LoadSurge(Fault):
    """Tasks arrive faster; closed clients think for a shorter time."""

    kind: ClassVar[str] = "load_surge"
    unites: ClassVar[str] = "factors multiply"
    factor: Factor = Field(description="factor by which arrivals speed up")
    for_: Duration = Field(default=None, alias="for", description="duration; null: to the end")
