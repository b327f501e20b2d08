"""A recovery that waits for what is not the core's fault does not violate `recovery_terminates`; others do."""

from __future__ import annotations

from typing import Any

import pytest

import scenarios
import sim
from sim.history import Event
from tests.sim.invariants.test_valid_histories import Story, at, violations

LONG_DELAY = """
name: long-delay
duration: 12m
tasks: {arrivals: {burst: {size: 1, at: 30s}}, work: 5m}
agents: {count: 1}
recovery: {conditions: {task_failure: {max_retries: 3, retry_delay: 15m}}}
faults: [{execution_failure: {targets: all, at: 1m}}]
"""
BUSY = """
name: busy
duration: 10m
tasks: {arrivals: {interval: {every: 1s}}, work: 1s}
agents: {count: 2, restart_time: 2h}
"""
ONE_FAILS = "faults: [{execution_failure: {targets: 1, at: 11.5s}}]\n"
TWO_FAIL = ONE_FAILS[:-2] + ", {execution_failure: {targets: 1, at: 20.5s}}]\n"
TOO_SLOW = "costs: {retry_task: 5s}, conditions: {task_failure: {max_retries: MOST, retry_delay: 1s, try_timeout: 3s}}"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(LONG_DELAY, id="a retry delay longer than the rest of the run"),
        pytest.param(BUSY + "faults: [{partition: {between: [agents, queue], at: 11s}}]\n", id="a group cut for good"),
        pytest.param(BUSY + "faults: [{partition: {between: [agent.0, queue], at: 11s}}]\n", id="one cut for good"),
        pytest.param(BUSY + "faults: [{agent_crash: {targets: 1, at: 11s}}]\n", id="a long restart"),
        pytest.param(BUSY + ONE_FAILS[:-2] + ", {core_crash: {at: 12s}}]\n", id="a core that is down"),
        pytest.param(BUSY + ONE_FAILS[:-2] + ", {core_hang: {at: 12s}}]\n", id="a core that is suspended"),
        pytest.param(BUSY + ONE_FAILS + "recovery: {costs: {retry_task: 2h}}\n", id="a long command"),
        pytest.param(BUSY + TWO_FAIL + "recovery: {costs: {retry_task: 2h}, parallel: 1}\n", id="a slot"),
        pytest.param(
            BUSY + ONE_FAILS + "recovery: {costs: {retry_task: 5s}, conditions: {task_failure: {max_retries: 9, "
            "retry_delay: 1s, try_timeout: 3s, breaker: {failures: 2, counts: tries, open_for: 2h}}}}\n",
            id="an open breaker",
        ),
    ],
)
def test_a_recovery_that_waits_as_configured_or_for_what_a_fault_took_is_no_violation(text: str) -> None:
    run = sim.run(scenarios.loads(text), seed=0)
    waiting = text.count("execution_failure") or 1
    assert run.metrics["recovery.censored"] == waiting
    assert run.violations == ()


def test_an_agent_that_is_diagnosed_as_cut_off_is_waited_for_while_partitions_touch() -> None:
    """Each partition begins when the one before it ends, so that no agent is connected again."""
    text = BUSY.replace("busy", "touching") + "faults: [{partition: {every: 30s, between: [agents, core], for: 30s}}]\n"
    run = sim.run(scenarios.loads(text), seed=0)
    assert run.metrics["recovery.censored"] == 2
    assert run.violations == ()


@pytest.mark.parametrize(("most", "violated"), [("null", 1), (500, 0)])
def test_a_recovery_without_a_limit_that_fails_over_and_over_is_a_violation(most: object, violated: int) -> None:
    """Its command takes 5 s, and a try may take 3 s. With a limit it ends, if not before the end of the run."""
    text = BUSY + ONE_FAILS + f"recovery: {{{TOO_SLOW.replace('MOST', str(most))}}}\n"
    run = sim.run(scenarios.loads(text), seed=0)
    failed = run.metrics["recovery.failed"]
    assert failed is not None
    assert failed > 86
    assert [violation.invariant for violation in run.violations] == ["recovery_terminates"] * violated


OPENED = at(10.0, Event.RECOVERY_OPENED, incident=0, detail="task_failure")
GRANTED = at(10.0, Event.RETRY_GRANTED, incident=0, detail="task_failure", value=5.0)
STARTED = at(15.0, Event.RECOVERY_STARTED, incident=0)
STEP = at(15.0, Event.STEP_STARTED, incident=0, detail="retry_task")
OF_A_LINK = [
    at(10.0, Event.RECOVERY_OPENED, -1, incident=0, detail="communication_failure", about="agents|queue"),
    at(10.0, Event.STEP_STARTED, -1, incident=0, detail="reset_connections", about="agents|queue"),
    at(9.0, Event.LINK_CUT, -1, about="agents|queue"),
]
OF_AN_AGENT = [
    at(10.0, Event.RECOVERY_OPENED, -1, incident=0, detail="agent_failure", agent=1),
    at(10.0, Event.STEP_STARTED, -1, incident=0, detail="restart_agent", agent=1),
]
HEALED = at(20.0, Event.LINK_HEALED, -1, about="agents|queue")
TAKEN = at(12.0, Event.RECOVERY_OPENED, 1, incident=1, detail="task_failure")
DOWN, UP = at(16.0, Event.CORE_CRASHED, -1), at(17.0, Event.CORE_RESTARTED, -1)
OPEN = at(11.0, Event.BREAKER_OPENED, -1, about="task_failure", value=80.0)
CLOSED = at(30.0, Event.BREAKER_CLOSED, -1, about="task_failure")
HANGS, WAKES = (
    at(16.0, event, -1, detail="core_hang", about="core") for event in (Event.FAULT_INJECTED, Event.FAULT_CLEARED)
)
NO_STORE = [at(16.0, Event.LINK_CUT, -1, about="core|store"), at(17.0, Event.LINK_HEALED, -1, about="core|store")]


@pytest.mark.parametrize(
    ("story", "meta", "waits"),
    [
        pytest.param([OPENED, GRANTED], {}, False, id="a delay that ended at 15 s"),
        pytest.param([OPENED, {**GRANTED, "value": 45.0}], {}, True, id="a delay that ended at 55 s"),
        pytest.param([OPENED, {**GRANTED, "event": Event.RECOVERY_PACED, "value": 45.0}], {}, True, id="load limit"),
        pytest.param([OPENED, GRANTED, STARTED], {}, False, id="a try that does nothing"),
        pytest.param([OPENED, STEP], {}, False, id="a command that takes no time"),
        pytest.param([OPENED, STEP], {"costs": {"retry_task": 20.0}}, False, id="a command until 35 s"),
        pytest.param([OPENED, STEP], {"costs": {"retry_task": 40.0}}, True, id="a command until 55 s"),
        pytest.param([OPENED, STEP], {"costs": {"migrate_task": 40.0}}, False, id="another command"),
        pytest.param(OF_A_LINK, {}, True, id="a cut connection"),
        pytest.param([*OF_A_LINK, HEALED], {}, False, id="a healed connection"),
        pytest.param([*OF_A_LINK, {**HEALED, "time": 55.0}], {}, True, id="a connection that healed at 55 s"),
        pytest.param(OF_AN_AGENT, {"restarting": [1]}, True, id="an agent that starts"),
        pytest.param(OF_AN_AGENT, {"restarting": [0]}, False, id="another agent that starts"),
        pytest.param([OPENED, GRANTED, DOWN], {}, True, id="no core"),
        pytest.param([OPENED, GRANTED, DOWN, UP], {}, False, id="a core again"),
        pytest.param([OPENED, GRANTED, HANGS], {}, True, id="a suspended core"),
        pytest.param([OPENED, GRANTED, HANGS, WAKES], {}, False, id="a resumed core"),
        pytest.param([OPENED, GRANTED, NO_STORE[0]], {}, True, id="a core without the store"),
        pytest.param([OPENED, GRANTED, *NO_STORE], {}, False, id="a core with the store again"),
        pytest.param([OPENED, GRANTED, OPEN], {}, True, id="an open breaker"),
        pytest.param([OPENED, GRANTED, {**OPEN, "value": 20.0}], {}, False, id="a breaker that is due since 31 s"),
        pytest.param([OPENED, GRANTED, OPEN, CLOSED], {}, False, id="a closed breaker"),
    ],
)
def test_what_a_recovery_waits_for_is_not_the_fault_of_the_core(story: Story, meta: Any, waits: bool) -> None:
    """In a run of 100 s: it may wait for nothing for 50 s."""
    assert ("recovery_terminates" not in violations(story, **meta)) is waits


def test_a_slot_that_another_recovery_occupies_is_awaited() -> None:
    """Recovery 1 waits for the slot of recovery 0, and only that one is a violation."""
    story = [OPENED, GRANTED, STARTED, TAKEN]
    assert [each.subject for each in violations(story, parallel=1)["recovery_terminates"]] == ["task.0"]
    assert len(violations(story, parallel=2)["recovery_terminates"]) == 2
    assert len(violations(story, parallel=None)["recovery_terminates"]) == 2
