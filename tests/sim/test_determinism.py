"""Equal seeds give equal histories, byte for byte, in any process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import scenarios
import sim
from tests.golden.golden_table import TABLE

pytestmark = pytest.mark.long

PRINT_HASHES = """
import json, scenarios, sim
shipped = {name: scenarios.load(name).with_values({"history": HISTORY}) for name in NAMES}
print(json.dumps({name: sim.run(scenario, seed=7).history_sha256 for name, scenario in shipped.items()}))
"""


DOCUMENTED = ["agent-failure", "communication-failure", "execution-failure", "resource-failure"]


@pytest.mark.parametrize(
    ("hash_seed", "kept", "names"),
    [
        ("4711", "summary", DOCUMENTED),
        pytest.param("0", "full", scenarios.names(), marks=pytest.mark.slow),
    ],
    ids=["documented", "all-full"],
)
def test_equal_seeds_give_equal_histories_in_any_process(hash_seed: str, kept: str, names: list[str]) -> None:
    """A process with another hash seed computes the hashes of the golden table, like the process of the golden test."""
    printed = subprocess.run(
        [sys.executable, "-c", PRINT_HASHES.replace("HISTORY", repr(kept)).replace("NAMES", repr(names))],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found: dict[str, str] = json.loads(printed)
    rows = json.loads(TABLE.read_text(encoding="utf-8"))
    hashes = {Path(file).name.partition(".")[0]: row["history_sha256"] for file, row in rows.items()}
    assert found == {name: hashes[name] for name in names}


def test_an_earlier_run_changes_nothing() -> None:
    """The process keeps nothing of a run that the next one could see."""
    scenario = scenarios.load("agent-failure")
    first = sim.run(scenario, seed=7).history_sha256
    sim.run(scenarios.load("baseline").with_values({"duration": 400}), seed=99)
    assert sim.run(scenario, seed=7).history_sha256 == first


@pytest.mark.parametrize("name", DOCUMENTED)
def test_different_seeds_give_different_histories(name: str) -> None:
    """The hash distinguishes histories."""
    scenario = scenarios.load(name).with_values({"duration": 900})
    assert sim.run(scenario, seed=7).history_sha256 != sim.run(scenario, seed=8).history_sha256


@pytest.mark.usefixtures("parallel")
def test_the_number_of_jobs_does_not_change_histories() -> None:
    """Two processes give the results of one, in the same order."""
    scenario = scenarios.load("agent-failure").with_values({"duration": 900})
    one = sim.replicate(scenario, seed=7, replications=4, jobs=1)
    two = sim.replicate(scenario, seed=7, replications=4, jobs=2)
    assert [run.history_sha256 for run in one.runs] == [run.history_sha256 for run in two.runs]


def test_a_policy_does_not_change_other_random_draws() -> None:
    """Common random numbers: arrivals and work stay when the retry delay changes."""
    scenario = scenarios.load("execution-failure").with_values({"duration": 900})
    slow = sim.run(scenario, seed=7).history
    fast = sim.run(scenario.with_values({"recovery.conditions.task_failure.retry_delay": "5s"}), seed=7).history

    def submitted(history):  # type: ignore[no-untyped-def]
        return history.loc[history.event == "task.submitted", ["time", "task"]].to_numpy().tolist()

    assert submitted(slow) == submitted(fast)
