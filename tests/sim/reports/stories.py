"""Histories written by hand for the tests of reports."""

from sim.history import Event, History

META = {"scenario": "story", "duration": 100.0, "end": 100.0, "warmup": 10.0, "agents": 2, "slots": 1}


def agent_story() -> History:
    """At 30 s agent 1 crashes with task 0; detected at 42 s, restarted by 62 s, verified at 65 s."""
    return History.of(
        [
            {"time": 12.0, "event": Event.TASK_SUBMITTED, "task": 0},
            {"time": 12.0, "event": Event.QUEUE_ENTERED, "task": 0, "detail": "submitted"},
            {"time": 14.0, "event": Event.QUEUE_DELIVERED, "task": 0, "value": 1.0},
            {"time": 14.0, "event": Event.ATTEMPT_STARTED, "task": 0, "agent": 1, "epoch": 1, "value": 0.0},
            {"time": 30.0, "event": Event.FAULT_INJECTED, "agent": 1, "detail": "agent_crash"},
            {
                "time": 30.0,
                "event": Event.ATTEMPT_INTERRUPTED,
                "task": 0,
                "agent": 1,
                "epoch": 1,
                "detail": "agent_crash",
            },
            {"time": 30.0, "event": Event.AGENT_CRASHED, "agent": 1},
            {"time": 42.0, "event": Event.RECOVERY_OPENED, "agent": 1, "incident": 0, "detail": "agent_failure"},
            {"time": 42.0, "event": Event.RECOVERY_STARTED, "agent": 1, "incident": 0},
            {"time": 42.0, "event": Event.RECOVERY_ANALYZED, "agent": 1, "incident": 0},
            {"time": 62.0, "event": Event.AGENT_RESTARTED, "agent": 1},
            {"time": 62.0, "event": Event.RECOVERY_EXECUTED, "agent": 1, "incident": 0},
            {"time": 65.0, "event": Event.RECOVERY_VERIFIED, "agent": 1, "incident": 0},
        ],
        META,
    )


def escalated_story() -> History:
    """Task 3 fails at 20 s, is retried after 15 s, fails again, and is escalated 25 s later."""
    told = [
        (20.0, Event.ATTEMPT_FAILED),
        (20.0, Event.RECOVERY_OPENED),
        (35.0, Event.RECOVERY_STARTED),
        (35.0, Event.RECOVERY_ANALYZED),
        (35.0, Event.RECOVERY_FAILED),
        (60.0, Event.RECOVERY_ESCALATED),
    ]
    return History.of([{"time": time, "event": event, "task": 3, "incident": 0} for time, event in told], META)


def quiet_story() -> History:
    """Nothing goes wrong."""
    return History.of([{"time": 20.0, "event": Event.TASK_SUBMITTED, "task": 0}], META)


def partition_story(healed: bool) -> History:
    """At 40 s the agents lose the queue, for 20 s or to the end; at 85 s task 3 fails by itself and stays so."""
    heal = [
        {"time": 60.0, "event": Event.FAULT_CLEARED, "detail": "partition", "about": "agents|queue"},
        {"time": 60.0, "event": Event.LINK_HEALED, "about": "agents|queue"},
    ]
    return History.of(
        [
            {"time": 40.0, "event": Event.FAULT_INJECTED, "detail": "partition", "about": "agents|queue"},
            {"time": 40.0, "event": Event.LINK_CUT, "about": "agents|queue"},
            {
                "time": 85.0,
                "event": Event.ATTEMPT_FAILED,
                "task": 3,
                "agent": 0,
                "epoch": 1,
                "detail": "execution_failure",
            },
            {"time": 85.0, "event": Event.RECOVERY_OPENED, "task": 3, "incident": 0, "detail": "task_failure"},
            *(heal if healed else []),
        ],
        META,
    )
