"""The durations after which a scenario's system acts: heartbeats, timeouts, retry delays, leases, restarts.

Faults at or near such instants reach more than faults at uniform times: just before and after a deadline, at the
instant of a heartbeat, while a delay runs.
"""

from __future__ import annotations

from collections.abc import Iterator

from recovery.detection.failure_detector import regular_heartbeat_timeout
from scenarios import Scenario
from scenarios.task_views import any_task
from sim.core.build import core_config

NEAR = 0.001
"""Seconds before and after a deadline."""
MOST = 24
"""The number of durations that are used at most."""


def durations(scenario: Scenario) -> tuple[float, ...]:
    """The scenario's durations in seconds, without duplicates, sorted; those over half of a run are left out."""
    found = (round(seconds, 6) for seconds in _durations(scenario) if 0 < seconds <= scenario.duration / 2)
    return tuple(sorted(dict.fromkeys(found)))[:MOST] or (min(1.0, scenario.duration / 2),)


def _durations(scenario: Scenario) -> Iterator[float]:
    recovery = scenario.recovery
    config = core_config(scenario)
    if recovery.detection.detector != "perfect":
        yield recovery.detection.heartbeat_interval
        timeout = regular_heartbeat_timeout(config.detection)
        if timeout is not None:
            yield timeout
    for policy in config.conditions.values():
        if policy is not None:
            yield from (policy.retry_delay, policy.try_timeout or 0.0, policy.deadline or 0.0)
    for optional in (
        recovery.detection.stalled_after,
        recovery.detection.resource_probe,
        scenario.queue.ack_timeout,
        *(tasks.timeout for tasks in any_task(scenario)),
        *dict.fromkeys(client.timeout if client.waits else None for client in scenario.tasks.clients.values()),
    ):
        yield optional or 0.0
    yield from (recovery.cores.lease.duration, recovery.cores.lease.renew_every)
    yield from recovery.costs.values()
    yield scenario.agents.restart_time.mean
    for tasks in any_task(scenario):
        yield tasks.work.mean
        if tasks.checkpoint is not None:
            yield tasks.checkpoint.every
