"""Warnings about leases that one late renewal ends: of the leading core, and of an agent, renewed by heartbeats."""

from __future__ import annotations

from collections.abc import Iterator

from scenarios.consistency.attempt_times import quantile
from scenarios.consistency.inconsistency import Inconsistency, InconsistencyKind, at_least, time
from scenarios.faults import MessageDelay, each
from scenarios.fields.distributions import AnyDistribution
from scenarios.schema import ScenarioFields

RARE = 0.05
"""A renewal that is later than in 95 % of the cases is compared with one that is earlier than in 95 %."""

HEARTBEATS = {"agents", "core"}
"""The endpoints between which heartbeats are sent."""


def about_leases(scenario: ScenarioFields) -> Iterator[Inconsistency]:
    """Leases that end when one renewal is late."""
    yield from _of_cores(scenario)
    yield from _of_agents(scenario)


def _of_cores(scenario: ScenarioFields) -> Iterator[Inconsistency]:
    cores = scenario.recovery.cores
    lease = cores.lease
    if cores.count < 2 or lease.held_for >= 2 * lease.renew_every:
        return
    yield Inconsistency(
        InconsistencyKind.LEASE,
        ("recovery.cores.lease.duration", "recovery.cores.lease.renew_every"),
        {"held for": lease.held_for, "renew_every": lease.renew_every},
        f"the leader holds its lease for {time(lease.held_for)} (duration / drift) and renews it every "
        f"{time(lease.renew_every)}: when one renewal fails, it steps down before the next one",
        f"a duration of {time(at_least(2 * lease.renew_every * lease.drift))} or more",
    )


def _of_agents(scenario: ScenarioFields) -> Iterator[Inconsistency]:
    """Heartbeats that come later than the detector waits, although their agent is healthy.

    Two heartbeats arrive one interval and the difference of their latencies apart.
    """
    detection = scenario.recovery.detection
    if detection.detector != "heartbeat":
        return
    patience = detection.missed_heartbeats * detection.heartbeat_interval
    slack = patience - detection.heartbeat_interval
    for path, latency in _latencies(scenario):
        late = quantile(latency, 1 - RARE) - quantile(latency, RARE)
        if late > slack + 1e-9:
            needed = at_least((late + detection.heartbeat_interval) / detection.heartbeat_interval)
            yield Inconsistency(
                InconsistencyKind.HEARTBEAT_TIMEOUT,
                ("recovery.detection.missed_heartbeats", path),
                {"timeout": patience, "variation of the latency": late},
                f"an agent is suspected {time(patience)} after its last heartbeat, heartbeats are "
                f"{time(detection.heartbeat_interval)} apart, and the latency of one varies by {time(late)}: healthy "
                "agents are suspected",
                f"missed_heartbeats of {int(-(-needed // 1))} or more, or detector: phi_accrual",
            )


def _latencies(scenario: ScenarioFields) -> Iterator[tuple[str, AnyDistribution]]:
    """The latencies of heartbeats, with their paths."""
    yield "network.latency", scenario.network.latency
    for number, fault in enumerate(scenario.faults):
        for single in each([fault]):
            if isinstance(single, MessageDelay) and set(single.between or HEARTBEATS) == HEARTBEATS:
                yield f"faults[{number}].{fault.kind}", single.delay
