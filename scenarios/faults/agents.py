"""Faults of agents."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from scenarios.faults.base import INSTANT, Duration, Factor, Fault
from scenarios.faults.targets import AgentTargets
from scenarios.fields.distributions import Distribution
from scenarios.fields.quantities import Truth


class AgentCrash(Fault):
    """Agents crash, lose everything in memory, and stay down until they are restarted."""

    kind: ClassVar[str] = "agent_crash"
    unites: ClassVar[str] = (
        "the agent is down until the recovery restarts it; a crash of an agent that is down changes nothing, and "
        "a restart under way continues"
    )
    refused: ClassVar[dict[str, str]] = Fault.refused | INSTANT
    targets: AgentTargets = Field(default=1, description="which agents")


class AgentHang(Fault):
    """Agents stop working, responding and sending heartbeats, and resume after `for`."""

    kind: ClassVar[str] = "agent_hang"
    unites: ClassVar[str] = (
        "the agent is suspended in the union of all intervals; heartbeats continue while all of the hangs let "
        "them. If it crashes meanwhile, it is down afterwards until it is restarted"
    )
    targets: AgentTargets = Field(default=1, description="which agents")
    beating: Truth = Field(default=False, description="whether heartbeats continue, as from a separate thread")
    for_: Duration = Field(default=None, alias="for", description="duration; null: until restarted")


class AgentSlow(Fault):
    """Agents work slower, also on work in progress; a restart does not help. They respond and send heartbeats."""

    kind: ClassVar[str] = "agent_slow"
    unites: ClassVar[str] = "factors multiply"
    targets: AgentTargets = Field(default=1, description="which agents")
    factor: Factor = Field(description="factor by which durations grow")
    for_: Duration = Field(default=None, alias="for", description="duration; null: to the end")


class AgentFlap(Fault):
    """Agents crash, restart by themselves after `down`, crash again after `up`, and so on."""

    kind: ClassVar[str] = "agent_flap"
    unites: ClassVar[str] = (
        "each flap has its own rhythm; the agent is down in the union of all `down` times, and of crashes and hangs"
    )
    targets: AgentTargets = Field(default=1, description="which agents")
    down: Distribution = Field(description="time from a crash to the restart")
    up: Distribution = Field(description="time from the restart to the next crash")
    for_: Duration = Field(default=None, alias="for", description="duration of the flapping; null: to the end")
