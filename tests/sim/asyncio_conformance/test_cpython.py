"""CPython's own asyncio suites run on SimLoop."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sim.asyncio_conformance.exclusions import EXCLUSIONS, HANGS

HERE = Path(__file__).parent
MODULES = (
    "base_events",
    "context",
    "eager_task_factory",
    "events",
    "futures",
    "futures2",
    "locks",
    "pep492",
    "queues",
    "runners",
    "staggered",
    "streams",
    "taskgroups",
    "tasks",
    "threads",
    "timeouts",
    "waitfor",
)
SHORT = {"futures", "taskgroups"}  # the other modules take longer
ADDED_LATER = {"eager_task_factory": (3, 12), "staggered": (3, 13)}


def names(module, groups):
    return " ".join(groups.get(module, {}))


def run_suite(module, excluded, hanging=""):
    if importlib.util.find_spec("test.test_asyncio") is None:
        pytest.skip("this Python comes without its own tests")
    if sys.version_info < ADDED_LATER.get(module, (3, 11)):
        pytest.skip("this Python has no such suite")
    command = [sys.executable, str(HERE / "suite.py"), module, excluded, hanging]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])  # some suites print


@pytest.mark.parametrize(
    "module", [each if each in SHORT else pytest.param(each, marks=pytest.mark.long) for each in MODULES]
)
def test_suite_passes(module):
    told = run_suite(module, names(module, EXCLUSIONS), names(module, HANGS))
    assert told["failed"] == {}
    assert told["run"] > 0
    assert told["loops"] > 0, "no loop of ours took part: the pass is vacuous"
    assert told["passed_though_excluded"] == [], "the exclusion is not needed"


def test_a_failure_is_detected():
    told = run_suite("runners", "")
    assert set(told["failed"]) == {"RunnerTests.test_interrupt_call_soon"}
    assert "Livelock" in told["failed"]["RunnerTests.test_interrupt_call_soon"]


def test_an_unnecessary_exclusion_is_detected():
    told = run_suite("waitfor", "test_wait_for_timeout_less_then_0_or_0")
    assert told["passed_though_excluded"] != []


@pytest.mark.parametrize("groups", [EXCLUSIONS, HANGS])
def test_every_exclusion_has_a_reason(groups):
    assert set(groups) <= set(MODULES)
    assert all(len(reason) > 20 for group in groups.values() for reason in group.values())
