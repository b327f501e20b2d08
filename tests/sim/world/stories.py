"""Small scenarios and functions that read their histories."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import scenarios
import sim
from recovery import Supervisor, System
from scenarios import Scenario
from sim.core.build import build_core
from sim.randomness.streams import Streams
from sim.simulation import Run
from sim.world.links import Link
from sim.world.world import World

Recorded = tuple[float, str, int, int, str]
"""Time, event, task, agent (-1: none) and detail."""

QUIET = """
name: story
duration: {duration}
tasks: {{arrivals: {{interval: {{every: 10s}}}}, count: {count}, work: {{constant: {{value: 3s}}}}}}
agents: {{count: {agents}}}
"""
"""One task of 3 s every ten seconds: task 0 at 10 s, task 1 at 20 s, …"""


def scenario(
    values: Mapping[str, Any] | None = None, more: str = "", duration: str = "100s", count: int = 1, agents: int = 1
) -> Scenario:
    """A quiet world with some values changed and more sections."""
    text = QUIET.format(duration=duration, count=count, agents=agents) + more
    return scenarios.loads(text).with_values(values or {})


class NetworkLog:
    """Listens to a network: the names of the links that worked again, and of those on which a send failed."""

    def __init__(self) -> None:
        self.reconnections: list[str] = []
        self.failures: list[str] = []

    def reconnected(self, link: Link) -> None:
        self.reconnections.append(link.name)

    def send_failed(self, link: Link) -> None:
        self.failures.append(link.name)

    def healed(self) -> None:
        """Not recorded."""


def recorded(run: Run, *events: str) -> list[Recorded]:
    """What happened: the rows of these events (`queue.` for all of a group), times to the nanosecond.

    A number that is missing is -1.
    """
    rows = (
        run.history[["time", "event", "task", "agent", "detail"]]
        .fillna({"task": -1, "agent": -1})
        .itertuples(index=False)
    )
    return [
        (round(time, 9), event, task, agent, detail)
        for time, event, task, agent, detail in rows
        if any(event == wanted or (wanted.endswith(".") and event.startswith(wanted)) for wanted in events)
    ]


def values(run: Run, event: str) -> list[tuple[float, float]]:
    """Times and values of an event."""
    rows = run.history[run.history["event"] == event]
    return [(round(time, 9), value) for time, value in zip(rows["time"], rows["value"], strict=True)]


def run_with(look: Callable[[World], None], of: Scenario, seed: int = 1) -> Run:
    """Run a scenario after `look` has received its world; it may schedule events."""

    seen: list[World] = []

    def core(built: Scenario, system: System, streams: Streams) -> Supervisor:
        supervisor = build_core(built, system, streams)
        port: Any = system.tasks
        while "_port" in vars(port):  # around it, for a core that may be slow, or one of several
            port = port._port
        world = port._world
        if world not in seen:  # another core of the same world
            seen.append(world)
            look(world)
        return supervisor

    return sim.run(of, seed=seed, core=core)
