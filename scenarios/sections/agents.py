"""Agents: how many there are, how they fail and how long a restart takes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from scenarios.fields.base import Settings
from scenarios.fields.distributions import ZERO, Distribution, RandomInterval
from scenarios.fields.quantities import PositiveCount


class AgentSettings(Settings):
    """The agents."""

    count: PositiveCount = Field(description="number of agents: agent.0, agent.1, …")
    slots: PositiveCount = Field(default=1, description="tasks that an agent works on at once")
    mtbf: RandomInterval | None = Field(
        default=None,
        description="time between random crashes; a bare duration is the mean of an exponential; null: none",
    )
    failure_clock: Literal["always", "busy"] = Field(
        default="always", description="whether that time passes always, or only while the agent is busy"
    )
    restart_time: Distribution = Field(default=ZERO, description="time that a restart takes")
    restart_slots: PositiveCount | None = Field(default=None, description="restarts at once; null: any number")
