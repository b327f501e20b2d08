"""Injectors of the faults of tasks, and of the load."""

from __future__ import annotations

from scenarios.faults import ExecutionFailure, LoadSurge, PoisonTask
from sim.faults.injection import Injection, Injector
from sim.history import Event
from sim.loop.callbacks import after
from sim.world.entities import Attempt


def fail(injection: Injection) -> None:
    """Fail running attempts that are not suspended."""
    running = [attempt for attempt in injection.site.running() if not attempt.frozen]
    for attempt in injection.choose(running, len(running)):
        injection.note(Event.FAULT_INJECTED, task=attempt.task.number)
        injection.site.world.execution.fail_now(attempt, "injected")


def poison(injection: Injection) -> None:
    """Make tasks poisonous: an agent that executes one crashes, now and at each later attempt."""
    site = injection.site

    def kill(attempt: Attempt) -> None:
        """Scheduled after the current event has been processed."""

        def die(_: object) -> None:
            agent = attempt.agent
            if attempt in agent.attempts and agent.up:
                injection.note(Event.FAULT_INJECTED, agent=agent.number)
                site.world.agents.crash(agent)

        after(site.env, 0.0, die)

    running = site.running()
    chosen = injection.choose(running, len(running))
    for attempt in chosen:
        injection.note(Event.FAULT_INJECTED, task=attempt.task.number)
        attempt.task.poison = kill
    for attempt in chosen:
        kill(attempt)


def surge(injection: Injection) -> None:
    """Speed up arrivals."""
    injection.inject(injection.site.world.load.surge(injection.fault.factor))


INJECTORS: dict[type, Injector] = {ExecutionFailure: fail, PoisonTask: poison, LoadSurge: surge}
