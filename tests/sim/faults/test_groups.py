"""Correlated faults and cascades."""

from __future__ import annotations

from typing import Any

import pytest

import sim
from sim.simulation import Run
from tests.sim.world.stories import recorded, scenario

QUIET = {"recovery.detection.heartbeat_interval": "1000s"}


def story(*faults: dict[str, Any], agents: int = 3, seed: int = 1, **values: Any) -> Run:
    changed = QUIET | {"resources": {"gpu": {"units": 4}}, "faults": list(faults)} | values
    return sim.run(scenario(changed, duration="100s", agents=agents), seed=seed)


def rack(*members: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {"group": {"faults": list(members)} | keys}


def happened(run: Run) -> list[tuple[float, str, str]]:
    return [(time, event.removeprefix("fault."), kind) for time, event, _, _, kind in recorded(run, "fault.")]


CRASH = {"agent_crash": {"targets": ["agent.0", "agent.2"]}}
OUTAGE = {"resource_unavailable": {"resource": "gpu", "units": 3}}
SLOW = {"agent_slow": {"targets": ["agent.1"], "factor": 2}}


def test_all_faults_of_a_group_start_and_end_together() -> None:
    run = story(rack(CRASH, OUTAGE, SLOW, at="20s", **{"for": "30s"}))
    assert happened(run) == [
        (20.0, "injected", "group"),
        (20.0, "injected", "agent_crash"),
        (20.0, "injected", "agent_crash"),
        (20.0, "injected", "resource_unavailable"),
        (20.0, "injected", "agent_slow"),
        (50.0, "cleared", "group"),
        (50.0, "cleared", "resource_unavailable"),
        (50.0, "cleared", "agent_slow"),
    ]
    assert [agent for _, _, _, agent, _ in recorded(run, "agent.crashed")] == [0, 2]


def test_a_random_duration_is_shared_by_the_group() -> None:
    run = story(rack(OUTAGE, SLOW, at="20s", **{"for": {"uniform": {"low": "5s", "high": "50s"}}}))
    ends = {time for time, event, _ in happened(run) if event == "cleared"}
    assert len(ends) == 1


def test_a_repeated_group_draws_new_targets() -> None:
    run = story(rack({"agent_crash": {"targets": 1}}, every="20s"), agents=9)
    assert [time for time, event, kind in happened(run) if kind == "group"] == [20.0, 40.0, 60.0, 80.0]
    assert len({agent for _, _, _, agent, _ in recorded(run, "agent.crashed")}) > 1


def test_the_targets_of_a_member_do_not_depend_on_the_others() -> None:
    one = story(rack({"agent_crash": {"targets": 1}}, at="20s"), agents=20)
    more = story(rack({"agent_crash": {"targets": 1}}, OUTAGE, at="20s"), agents=20)
    assert recorded(one, "agent.crashed") == recorded(more, "agent.crashed")


def test_each_member_has_its_own_random_stream() -> None:
    one = {"agent_slow": {"targets": 1, "factor": 2}}
    run = story(rack(one, one, at="20s", **{"for": "1s"}), agents=20)
    slow = [agent for _, event, _, agent, _ in recorded(run, "fault.injected") if agent >= 0]
    assert len(slow) == len(set(slow)) == 2


@pytest.mark.parametrize(
    ("when", "after", "at"),
    [
        ("fault.group == injected", None, 20.0),
        ("fault.group == cleared", None, 30.0),
        ("fault.resource_unavailable == injected", "4s", 24.0),
        ("fault.agent_crash == injected", None, 20.0),
    ],
)
def test_a_fault_can_follow_a_group_or_one_of_its_faults(when: str, after: str | None, at: float) -> None:
    follows = {"queue_blocked": {"when": when, "after": after, "for": "1s"}}
    run = story(rack(CRASH, OUTAGE, at="20s", **{"for": "10s"}), follows)
    assert [time for time, event, kind in happened(run) if (event, kind) == ("injected", "queue_blocked")] == [at]


def test_a_delayed_follow_up_happens_even_if_its_condition_ended() -> None:
    """The outage is over at 25 s, before the ten seconds are."""
    follows = {"queue_blocked": {"when": "resources.gpu.available < 4", "after": "10s", "for": "1s"}}
    run = story({"resource_unavailable": {"resource": "gpu", "at": "20s", "for": "5s"} | {"units": 1}}, follows)
    assert [time for time, event, kind in happened(run) if (event, kind) == ("injected", "queue_blocked")] == [30.0]


def test_the_core_can_be_a_target_of_a_group() -> None:
    run = story(rack(CRASH, {"core_crash": {}}, at="20s", **{"for": "10s"}))
    assert [(time, event) for time, event, *_ in recorded(run, "core.")] == [
        (20.0, "core.crashed"),
        (30.0, "core.restarted"),
    ]


@pytest.mark.usefixtures("parallel")
def test_parallel_replications_give_equal_results() -> None:
    made = scenario({"faults": [rack(CRASH, at="20s")]}, agents=3)
    one, two = (sim.replicate(made, seed=1, replications=3, jobs=jobs) for jobs in (1, 2))
    assert [run.history_sha256 for run in one.runs] == [run.history_sha256 for run in two.runs]
