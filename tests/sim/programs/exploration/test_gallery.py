"""Every defect of the gallery is found and shrunk; the sound twins hold."""

import pytest

import sim
from tests.sim.programs.exploration.racy_programs import GALLERY

RUNS = {
    "LostUpdate": 15,
    "CheckThenAct": 15,
    "LockDropped": 15,
    "DoubleCommit": 15,
    "MissedNotify": 15,
    "DeadlockByOrder": 15,
    "OrderOfMessages": 15,
    "OpenedTwice": 15,
    "EmptyThenGet": 15,
    "ChangedWhileIterated": 15,
    "ClosedInUse": 20,
    "TimeoutTie": 40,
    "ThreeInARow": 80,
    "StaleThread": 20,
}
"""Runs within which each defect is found, with the default seed."""
DEADLOCKS = {"MissedNotify", "DeadlockByOrder", "EmptyThenGet"}


@pytest.mark.parametrize("defect", GALLERY, ids=lambda defect: defect.__name__)
def test_each_defect_is_found_shrunk_and_replayed_and_its_sound_twin_holds(defect):
    report = sim.explore(defect.racy, defect.holds, runs=RUNS[defect.__name__])
    (failure,) = report.failures
    assert report.rows[0].verdict == "holds"  # asyncio's own order hides it
    assert 1 <= failure.deviations <= failure.found_with
    assert (failure.verdict == "deadlock") == (defect.__name__ in DEADLOCKS)
    with pytest.raises((AssertionError, RuntimeError)) as raised:
        sim.replay(defect.racy, report.token, defect.holds)
    assert failure.interleaving in raised.value.__notes__
    assert sim.explore(defect.sound, defect.holds, runs=60).holds


@pytest.mark.parametrize("strategy", ["pct", "bounded"])
def test_the_other_strategies_find_lost_updates_with_the_fewest_deviations(strategy):
    defect = GALLERY[0]
    report = sim.explore(defect.racy, defect.holds, strategy)
    assert (report.failures[0].deviations, report.failures[0].fewest) == (1, True)
    sound = sim.explore(defect.sound, defect.holds, strategy, runs=150)
    assert sound.holds
    assert sound.complete == (strategy == "bounded")
