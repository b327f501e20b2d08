"""The lease of the leader under wrong clocks: one leader within the documented bound, and fencing beyond it."""

from __future__ import annotations

from typing import Any

import pytest

import sim
from scenarios import ScenarioError
from scenarios.faults import ClockSkew
from sim.core import lease_guard
from sim.simulation import Run
from tests.sim.world.stories import scenario

LEASE = {"recovery.cores.count": 2, "recovery.cores.lease": {"duration": "10s", "renew_every": "2s", "drift": 1.25}}
"""The leader stops 8 s of its clock after it requested its last renewal; another core waits for 10 s of its own."""
CUT = {"partition": {"between": ["core.0", "store"], "at": "21s", "for": "60s"}}


def skew(**keys: Any) -> dict[str, Any]:
    return {"clock_skew": {"at": 0} | keys}


def story(*faults: dict[str, Any], **values: Any) -> Run:
    """Agent 0 crashes at 20 s; its recovery takes 20 s for the restart."""
    changed = {
        "faults": [{"agent_crash": {"targets": ["agent.0"], "at": 20}}, *faults],
        "recovery.detection.detector": "perfect",
        "agents.restart_time": "20s",
        "recovery.costs": {"reassign_agent_tasks": "2s"},
    }
    return sim.run(scenario(changed | LEASE | values, duration="200s"), seed=1)


def terms(run: Run) -> list[tuple[float, str, str, str]]:
    rows = run.history[run.history["event"].isin(["core.elected", "core.deposed"])]
    return [
        (round(row.time, 6), str(row.event).removeprefix("core."), str(row.about), str(row.detail))
        for row in rows.itertuples()
    ]


@pytest.mark.parametrize(
    "drifts",
    [
        {"core.0": 0.0},
        {"core.0": -0.2},
        {"core.1": 0.25},
        {"core.0": -0.1, "core.1": 0.1},
        {"core.0": 0.5, "core.1": 0.5},
        {"core.0": 0.25, "core.1": -0.25},
    ],
)
def test_one_core_leads_at_a_time_while_clocks_drift_within_the_bound(
    drifts: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leader is cut off from the store, and stops before the other core leads; fencing is off."""
    without_fencing(monkeypatch)
    run = story(CUT, *(skew(targets=core, drift=drift) for core, drift in drifts.items() if drift))
    (_, _, first, _), (stops, _, deposed, detail), (begins, _, second, _), *_ = terms(run)
    assert (first, deposed, second, detail) == ("core.0", "core.0", "core.1", "")
    assert stops <= begins
    assert run.violations == ()


def without_fencing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_guard.Term, "check", lambda self: None)
    monkeypatch.setattr(lease_guard.Term, "write", lambda self, deliver: self.node.write(deliver))


BEYOND = (
    [skew(targets="core.0", rate=0.5)],
    [skew(targets="core.1", drift="100%")],
    [skew(targets="core.0", offset="-30s", at="23s")],
    [skew(targets="core.1", offset="30s", at="23s")],
)


@pytest.mark.parametrize("faults", BEYOND)
def test_two_cores_lead_at_once_beyond_the_bound_and_fencing_prevents_repeated_effects(
    faults: list[dict[str, Any]],
) -> None:
    run = story(CUT, *faults)
    (_, _, first, _), (stops, _, deposed, detail), (begins, _, second, _), *_ = terms(run)
    assert (first, deposed, second, detail) == ("core.0", "core.0", "core.1", "unaware")
    assert stops == begins
    assert run.violations == ()
    assert run.metrics["tasks.completed"] == 1


@pytest.mark.parametrize("drift", [-0.5, 1.0])
def test_a_drift_has_no_effect_while_the_leader_renews_its_lease(drift: float) -> None:
    assert terms(story(skew(targets="core.0", drift=drift))) == [(0.0, "elected", "core.0", "")]


def test_a_leader_whose_clock_jumps_ahead_stops_and_leads_again() -> None:
    """It assumes that its lease has expired, and waits for it as any other core does."""
    run = story(skew(targets="core.0", offset="1h", at="21s"))
    assert terms(run) == [
        (0.0, "elected", "core.0", ""),
        (21.0, "deposed", "core.0", ""),
        (31.0, "elected", "core.0", ""),
    ]
    assert run.violations == ()


def test_without_fencing_the_effects_of_two_leaders_are_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The old leader is connected with the store again before the restart has ended, and both continue from there."""
    short = {"partition": CUT["partition"] | {"for": "15s"}}
    slow = skew(targets="core.0", rate=0.2)
    assert story(short, slow).violations == ()
    without_fencing(monkeypatch)
    assert {violation.invariant for violation in story(short, slow).violations} == {"audit_complete"}


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"targets": "core.2"}, "'core.2' does not exist; valid: core.0 … core.1"),
        ({"targets": ["core.0", "agent.0"]}, "'core.0' is not a valid agent"),
        ({"targets": "core.x"}, "'core.x' is not a valid core; valid: core, core.0, core.1, …"),
        ({"rate": 2}, "is given by rate already; valid: rate or drift"),
        ({"drift": "1s"}, "'1s' is not a drift; valid: a number, a percentage or ppm"),
        ({"drift": "1%ppm"}, "'1%ppm' is not a drift"),
        ({"drift": -1}, "-1 would stop the clock; valid: more than -1"),
        ({"drift": 0}, "is a correct clock; valid: a rate other than 1, a drift, or an offset other than 0"),
        ({"targets": "agent.0", "offset": "1s"}, "agents measure only durations"),
    ],
)
def test_the_skew_of_a_core_is_validated(keys: dict[str, Any], problem: str) -> None:
    with pytest.raises(ScenarioError) as error:
        scenario(LEASE | {"faults": [skew(**({"targets": "core", "drift": 0.01} | keys))]})
    assert problem in str(error.value)


@pytest.mark.parametrize(("drift", "speed"), [("200ppm", 1.0002), ("-1%", 0.99), (0.5, 1.5), ("1e-2", 1.01)])
def test_a_drift_is_a_number_a_percentage_or_ppm(drift: Any, speed: float) -> None:
    (fault,) = scenario(LEASE | {"faults": [skew(targets=["core.0", "core.1"], drift=drift)]}).faults
    assert isinstance(fault, ClockSkew)
    assert fault.speed == pytest.approx(speed)
    assert fault.of_cores
