"""Faults of tasks, and of those who submit them."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from scenarios.faults.base import INSTANT, Duration, Factor, Fault, TaskTargets


class ExecutionFailure(Fault):
    """Attempts at running tasks end on the spot, as failed."""

    kind: ClassVar[str] = "execution_failure"
    refused: ClassVar[dict[str, str]] = Fault.refused | INSTANT
    targets: TaskTargets = Field(default=1, description="which running tasks")


class PoisonTask(Fault):
    """Running tasks turn out to kill whoever takes them: their agents die now, and so does each later one."""

    kind: ClassVar[str] = "poison_task"
    refused: ClassVar[dict[str, str]] = Fault.refused | INSTANT
    targets: TaskTargets = Field(default=1, description="which running tasks")


class LoadSurge(Fault):
    """Tasks arrive faster; closed clients think faster."""

    kind: ClassVar[str] = "load_surge"
    factor: Factor = Field(description="how many times as fast")
    for_: Duration = Field(default=None, alias="for", description="how long; null: to the end")
