"""Faults of agents."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from scenarios.faults.base import INSTANT, AgentTargets, Duration, Factor, Fault
from scenarios.fields.distributions import Distribution
from scenarios.fields.quantities import Truth


class AgentCrash(Fault):
    """Agents die with all that they hold in memory, until somebody restarts them."""

    kind: ClassVar[str] = "agent_crash"
    refused: ClassVar[dict[str, str]] = Fault.refused | INSTANT
    targets: AgentTargets = Field(default=1, description="which agents")


class AgentHang(Fault):
    """Agents stop working, answering and beating, and wake up again after `for`."""

    kind: ClassVar[str] = "agent_hang"
    targets: AgentTargets = Field(default=1, description="which agents")
    beating: Truth = Field(
        default=False, description="whether heartbeats go on all the same, from a thread of their own"
    )
    for_: Duration = Field(default=None, alias="for", description="how long; null: until restarted")


class AgentSlow(Fault):
    """The work of agents takes longer, also what is under way; a restart does not help. They beat and answer."""

    kind: ClassVar[str] = "agent_slow"
    targets: AgentTargets = Field(default=1, description="which agents")
    factor: Factor = Field(description="how many times as long")
    for_: Duration = Field(default=None, alias="for", description="how long; null: to the end")


class AgentFlap(Fault):
    """Agents die, come back by themselves after `down`, die again after `up`, and so on."""

    kind: ClassVar[str] = "agent_flap"
    targets: AgentTargets = Field(default=1, description="which agents")
    down: Distribution = Field(description="time until they are back")
    up: Distribution = Field(description="time until they die again")
    for_: Duration = Field(default=None, alias="for", description="how long that goes on; null: to the end")
