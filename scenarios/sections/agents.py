"""Agents: their number, failures and restart times."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from scenarios.fields.base import Settings
from scenarios.fields.distributions import ZERO, Distribution, RandomInterval
from scenarios.fields.quantities import PositiveCount


class AgentSettings(Settings):
    """The agents."""

    count: PositiveCount = Field(description="number of agents: agent.0, agent.1, …")
    slots: PositiveCount = Field(default=1, description="tasks that an agent executes concurrently")
    mtbf: RandomInterval | None = Field(
        default=None,
        description="time between random crashes; a bare duration is the mean of an exponential; null: none",
    )
    failure_clock: Literal["always", "busy"] = Field(
        default="always", description="whether the mtbf clock runs always, or only while the agent is busy"
    )
    restart_time: Distribution = Field(default=ZERO, description="duration of a restart")
    restart_slots: PositiveCount | None = Field(default=None, description="concurrent restarts; null: no limit")
