"""Load: arrivals and clients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scenarios
import sim
from tests.sim.world.stories import recorded, scenario


def submitted(arrivals: Any, seed: int = 1, **values: Any) -> list[float]:
    """Instants at which tasks are submitted."""
    run = sim.run(scenario({"tasks.arrivals": arrivals, "tasks.count": None, **values}), seed=seed)
    return run.history.loc[run.history["event"] == "task.submitted", "time"].tolist()


def test_interval_arrivals_are_exact_multiples() -> None:
    """0.1 added up a thousand times is not 100."""
    times = submitted({"interval": {"every": "100ms"}}, **{"agents.count": 40})
    assert times[:-1] == [number * 0.1 for number in range(1, len(times))]
    assert len(times) in {999, 1000}


def test_a_burst_arrives_at_one_instant() -> None:
    """All tasks, at the configured time, in order."""
    run = sim.run(scenario({"tasks.arrivals": {"burst": {"size": 3, "at": "7s"}}, "tasks.count": None}))
    assert [row[:3] for row in recorded(run, "task.submitted")] == [(7.0, "task.submitted", task) for task in (0, 1, 2)]


def test_count_limits_the_submitted_tasks() -> None:
    """`count` ends every kind of load."""
    for arrivals in (
        {"interval": {"every": "1s"}},
        {"poisson": {"rate": "1/s"}},
        {"burst": {"size": 9}},
        {"closed": {"clients": 2}},
    ):
        assert len(submitted(arrivals, **{"tasks.count": 5})) == 5


def test_a_closed_client_thinks_after_each_response() -> None:
    """1 s of thought, 3 s of work, with an agent for each of the two clients."""
    times = submitted({"closed": {"clients": 2, "think": "1s"}}, **{"agents.count": 2, "duration": "10s"})
    assert times == [1.0, 1.0, 5.0, 5.0, 9.0, 9.0]


def test_a_closed_client_continues_after_a_rejection_or_failure() -> None:
    """The client gets a response in either case."""
    closed = {"closed": {"clients": 2, "think": "750ms"}}
    times = submitted(closed, **{"queue.capacity": 0, "duration": "5s"})
    assert times == [0.75, 0.75, 1.5, 2.25, 3.0, 3.75, 4.5]  # the other one has the agent from 0.75 to 3.75
    closed = {"closed": {"clients": 2, "think": "1s"}}
    failing = {"tasks.failure_probability": 1.0, "recovery.conditions.task_failure.max_retries": 0}
    assert submitted(closed, **failing, **{"agents.count": 2, "duration": "7s"}) == [1.0, 1.0, 5.0, 5.0]


def test_clients_without_think_time_rejected_forever_raise() -> None:
    """An error instead of an endless rejection at one instant."""
    restless = scenario({"tasks.arrivals": {"closed": {"clients": 2}}, "tasks.count": None, "queue.capacity": 0})
    with pytest.raises(scenarios.ScenarioError, match=r"^tasks.arrivals.closed.think: no time passes at 0s: .* valid"):
        sim.run(restless)


def test_a_burst_larger_than_the_capacity_does_not_raise() -> None:
    """However large it is: each task is rejected once."""
    run = sim.run(scenario({"tasks.arrivals": {"burst": {"size": 500}}, "tasks.count": None, "queue.capacity": 1}))
    assert len(recorded(run, "task.rejected")) == 498


def test_poisson_arrivals_have_their_rate_and_depend_on_the_seed() -> None:
    """Twice per second over 100 s: 200, and less than four standard errors from it."""
    poisson = {"poisson": {"rate": "2/s"}}
    first, again, other = submitted(poisson), submitted(poisson), submitted(poisson, seed=2)
    assert first == again != other
    assert abs(len(first) - 200) < 4 * 200**0.5
    assert abs(len(other) - 200) < 4 * 200**0.5


# ------------------------------------------------------------------------------------------------- recorded, diurnal
def test_a_trace_is_submitted_as_recorded(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1\n1\n2.5\n400\n", encoding="utf-8")
    traced = scenario({"tasks.arrivals": {"trace": {"file": str(tmp_path / "a.csv")}}}, count=99)
    assert [time for time, *_ in recorded(sim.run(traced, seed=1), "task.submitted")] == [1.0, 1.0, 2.5]
    fewer = traced.with_values({"tasks.count": 2})
    assert [time for time, *_ in recorded(sim.run(fewer, seed=1), "task.submitted")] == [1.0, 1.0]


def test_a_surge_plays_a_trace_faster(tmp_path: Path) -> None:
    """From 10 s on twice as fast: 20 s is at 15 s; from 20 s on as before, and ten seconds ahead."""
    (tmp_path / "a.csv").write_text("10\n20\n50\n", encoding="utf-8")
    surge = {"load_surge": {"factor": 2, "at": 10, "for": 10}}
    changed = {"tasks.arrivals": {"trace": {"file": str(tmp_path / "a.csv")}}, "faults": [surge]}
    run = sim.run(scenario(changed, count=99), seed=1)
    assert [time for time, *_ in recorded(run, "task.submitted")] == [10.0, 15.0, 40.0]


def test_a_diurnal_load_without_amplitude_is_poisson() -> None:
    flat = {"tasks.arrivals": {"diurnal": {"rate": "1/s", "amplitude": 1e-12, "period": "40s"}}}
    poisson = {"tasks.arrivals": {"poisson": {"rate": "1/s"}}}
    runs = [sim.run(scenario(changed, count=999), seed=1) for changed in (flat, poisson)]
    one, other = ([time for time, *_ in recorded(run, "task.submitted")] for run in runs)
    assert one == pytest.approx(other, abs=1e-6)


def test_a_diurnal_rate_of_zero_gives_no_arrivals() -> None:
    """The peak is at 25 s of every 100 s, the depth of night at 75 s."""
    day = {"diurnal": {"rate": "20/s", "amplitude": 1, "period": "100s", "peak": "25s"}}
    run = sim.run(scenario({"tasks.arrivals": day}, count=99_999), seed=1)
    times = np.array([time for time, *_ in recorded(run, "task.submitted")])
    by_quarter = np.histogram(times, bins=[0, 20, 30, 70, 80, 100])[0]
    assert by_quarter[1] > 10 * by_quarter[3]
