"""Agents that break down, against reliability and queueing theory. Times up and down are exponential unless said."""

from __future__ import annotations

import pytest

import sim
from tests.validation.agreement import SHORT, agrees, replicate, scenario

PERFECT = "{detection: {detector: perfect}}"
IDLE = "{arrivals: {burst: {size: 1}}, work: 1s}"


def machine_repair(machines: int, repairers: int, mtbf: float, repair: float) -> float:
    """Availability in M/M/r//N, the finite source: p_(n+1) / p_n = (N - n) / mtbf x repair / min(n + 1, r) for n down.

    C. Palm (1947); D. R. Cox and W. L. Smith, "Queues" (1961), ch. 4.
    """
    weights = [1.0]
    for down in range(machines):
        weights.append(weights[-1] * (machines - down) * repair / (mtbf * min(down + 1, repairers)))
    up = sum((machines - down) * weight for down, weight in enumerate(weights))
    return up / sum(weights) / machines


@pytest.mark.parametrize(
    ("slots", "replications", "duration"),
    [
        (2, SHORT, 10_000),
        pytest.param(1, SHORT, 10_000, marks=pytest.mark.long),
        *(pytest.param(slots, 20, 10_000, marks=pytest.mark.slow) for slots in (1, 2)),
    ],
)
def test_waits_for_a_repair_slot_match_the_machine_repair_model(slots: int, replications: int, duration: int) -> None:
    """10 agents, mtbf 100 s, repair 10 s, one or two slots. Wrong: mtbf / (mtbf + repair), as with a free slot."""
    result = replicate(
        scenario(
            duration,
            tasks=IDLE,
            agents=f"{{count: 10, mtbf: 100s, restart_time: {{exponential: {{mean: 10s}}}}, restart_slots: {slots}}}",
            recovery=PERFECT,
        ),
        replications,
    )
    agrees(result, "agents.availability", machine_repair(10, slots, 100, 10), wrong=100 / 110)


@pytest.mark.long
def test_availability_includes_the_detection_time() -> None:
    """mtbf / (mtbf + E[detection] + restart) = 400 / (400 + 12.5 + 20); as the detector sees it, an agent is down only
    from its detection on: 400 + 12.5 up. Alternating renewal: D. R. Cox, "Renewal Theory" (1962), ch. 7. Detection is
    missed - 1/2 intervals in the mean: 5 s x 2.5, less what registration adds (below 0.04 s). Wrong: detection ignored.
    """
    result = replicate(
        scenario(
            10_000,
            tasks=IDLE,
            agents="{count: 20, mtbf: 400s, restart_time: 20s}",
            recovery="{detection: {detector: heartbeat, heartbeat_interval: 5s, missed_heartbeats: 3}}",
        ),
        replications=10,
    )
    agrees(result, "agents.availability", 400 / 432.5, wrong=400 / 420)
    agrees(result, "agents.availability_observed", 412.5 / 432.5, wrong=400 / 432.5)
    agrees(result, "detection.latency.mean", 12.5, wrong=15.0)


RATE, BREAKS, REPAIRS = 0.3, 0.05, 0.2  # arrivals, crashes and repairs per second; work has mean 1 s


@pytest.mark.slow
def test_breakdown_at_any_time_matches_white_and_christie() -> None:
    """M/M/1 with breakdowns, idle or busy, preemptive resume, arrivals l, work m, breakdowns x, repairs y:
    L = l ((x + y)^2 + x m) / ((x + y) (m y - l (x + y))). H. White and L. S. Christie, "Queuing with Preemptive
    Priorities or with Breakdown", Operations Research 6 (1958). Wrong: a slower agent that never breaks down.
    """
    both = BREAKS + REPAIRS
    exact = RATE * (both**2 + BREAKS) / (both * (REPAIRS - RATE * both))
    load = RATE * both / REPAIRS
    agrees(broken("always"), "tasks.in_system.mean", exact, wrong=load / (1 - load))


@pytest.mark.slow
def test_breakdown_while_busy_matches_the_completion_time_queue() -> None:
    """M/G/1 of completion times C = S + the downtimes in S: E[C] = (1 + x/y) / m, E[C^2] = 2 (1 + x/y)^2 / m^2
    + 2 x / (m y^2); L = l E[C] + l^2 E[C^2] / 2 (1 - l E[C]). B. Avi-Itzhak and P. Naor, "Some Queuing Problems with
    the Service Station Subject to Breakdown", Operations Research 11 (1963), model B. Wrong: crashes while idle, too.
    """
    both = BREAKS + REPAIRS
    mean = both / REPAIRS
    square = 2 * mean**2 + 2 * BREAKS / REPAIRS**2
    exact = RATE * mean + RATE**2 * square / (2 * (1 - RATE * mean))
    always = RATE * (both**2 + BREAKS) / (both * (REPAIRS - RATE * both))
    agrees(broken("busy"), "tasks.in_system.mean", exact, wrong=always)


def broken(clock: str) -> sim.Result:
    """M/M/1 whose agent breaks down, by a clock that runs always or at work."""
    return replicate(
        scenario(
            100_000,
            tasks=f"{{arrivals: {{poisson: {{rate: {RATE}}}}}, work: {{exponential: {{mean: 1s}}}}, "
            "interrupted: resume, requeue: head}",
            agents=f"{{count: 1, mtbf: {1 / BREAKS}, restart_time: {{exponential: {{mean: {1 / REPAIRS}}}}}, "
            f"failure_clock: {clock}}}",
            recovery=PERFECT,
        ),
        replications=40,
    )
