"""Recoveries of several connections that are broken at the same time: each is verified by itself."""

from __future__ import annotations

import pytest

import scenarios
import sim
from sim.simulation import Run

CUTS = """
name: cuts
duration: 10m
tasks: {arrivals: {interval: {every: 1s}}, work: 1s}
agents: {count: AGENTS}
faults:
"""
Cut = tuple[str, str, str]
"""Endpoint, start and duration of a cut from the queue."""


def run_with(*cuts: Cut, agents: int, more: str = "") -> Run:
    faults = [f"  - partition: {{between: [{end}, queue], at: {at}, for: {lasts}}}\n" for end, at, lasts in cuts]
    return sim.run(scenarios.loads(CUTS.replace("AGENTS", str(agents)) + "".join(faults) + more), seed=0)


def ends(run: Run) -> dict[str, float]:
    """The time of each verification (s), by connection."""
    history = run.history
    verified = history[history["event"] == "recovery.verified"]
    return {about: round(time, 6) for time, about in zip(verified["time"], verified["about"], strict=True)}


@pytest.mark.parametrize(
    ("cuts", "agents", "verified"),
    [
        pytest.param(
            [("agent.0", "11s", "30s"), ("agent.1", "11s", "300s")],
            2,
            {"agent.0|queue": 41.0, "agent.1|queue": 311.0},
            id="two at once",
        ),
        pytest.param(
            [("agent.0", "11s", "60s"), ("agent.1", "51s", "60s"), ("agent.2", "91s", "60s")],
            3,
            {"agent.0|queue": 71.0, "agent.1|queue": 111.0, "agent.2|queue": 151.0},
            id="rolling",
        ),
        pytest.param(
            [("agents", "11s", "30s"), ("agent.1", "11s", "300s")],
            2,
            {"agents|queue": 41.0, "agent.1|queue": 311.0},
            id="one agent of a group longer than the group",
        ),
        pytest.param(
            [("agent.1", "11s", "300s"), ("agents", "12s", "30s")],
            2,
            {"agents|queue": 42.0, "agent.1|queue": 311.0},
            id="a group after one of its agents",
        ),
        pytest.param(
            [("agent.1", "11s", "30s"), ("agents", "11.5s", "300s")],
            2,
            {"agent.1|queue": 311.5, "agents|queue": 311.5},
            id="a group longer than one of its agents",
        ),
    ],
)
def test_a_healed_connection_is_verified_while_another_one_is_cut(
    cuts: list[Cut], agents: int, verified: dict[str, float]
) -> None:
    run = run_with(*cuts, agents=agents)
    assert ends(run) == verified
    assert run.metrics["recovery.escalated"] == 0
    assert run.metrics["recovery.failed"] == 0
    assert run.metrics["recovery.succeeded"] == len(cuts)
    assert run.metrics["tasks.lost"] == 0


def test_a_message_that_a_second_cut_stops_is_sent_again_when_that_one_is_recovered() -> None:
    """The effect of the task at agent.1 waits for a replay of either connection."""
    run = run_with(("agents", "11s", "30s"), ("agent.1", "11s", "300s"), agents=2)
    assert run.metrics["attempts.started"] == 599
    assert run.metrics["tasks.unfinished"] == 1  # the last one, submitted at 599 s


def test_a_blocked_queue_is_blocked_for_every_connection() -> None:
    """The connection heals at 41 s, but the queue is blocked: the recovery is not verified, and escalated."""
    run = run_with(("agent.0", "11s", "30s"), agents=2, more="  - queue_blocked: {at: 20s, for: 500s}\n")
    assert ends(run) == {}
    assert run.metrics["recovery.escalated"] == 1
