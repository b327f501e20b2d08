"""Agents as processes of this machine: how fast one that is killed is recovered, and what the queue in the store takes.

    python benchmarks/local.py [--json FILE] [--quick]

Prints one line for each figure with what must hold and the goal, and ends with status 1 if something does not hold.
"""

from __future__ import annotations

import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from figures import Row, main

from recovery.local import Attempt, LocalConfig, LocalSystem
from recovery.local.attempt import Handler

INTERVAL = 0.1
MISSED = 3
CONFIG = LocalConfig.model_validate(
    {
        "agents": 4,
        "recovery": {"detection": {"heartbeat_interval": INTERVAL, "missed_heartbeats": MISSED}},
        "lease": {"duration": 1.0, "renew_every": 0.2},
        "requeue": "head",
        "poll": 0.01,
    }
)


def nothing(attempt: Attempt) -> None:
    """The least that a task can be."""


def slow(attempt: Attempt) -> None:
    """A task that is under way whenever its agent is killed."""
    for step in range(1000):
        time.sleep(0.05)
        attempt.save(step)


@contextmanager
def running(handler: Handler) -> Iterator[LocalSystem]:
    """A system that leaves nothing behind."""
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalSystem(f"sqlite:///{folder}/store.db", handler, CONFIG) as system,
    ):
        yield system


def beyond_the_deadline(kills: int) -> list[float]:
    """Seconds from each SIGKILL to the verified recovery, less the silence that is borne."""
    found = []
    with running(slow) as system:
        for number in range(CONFIG.agents):
            system.submit(f"task.{number}")
        time.sleep(1)
        for kill in range(kills):
            agent = f"agent.{kill % CONFIG.agents}"
            (pid,) = (pid for pid, name in system.processes().items() if name == agent)
            killed = time.time()
            system.signal(pid, signal.SIGKILL)
            verified = None
            while verified is None:
                time.sleep(0.02)
                entries = system.audit.entries()
                events = ((e.event, e.subject, e.at) for e in entries)
                verified = next(
                    (at for event, who, at in events if event == "recovery.verified" and who == agent and at > killed),
                    None,
                )
            found.append(verified - killed - INTERVAL * MISSED)
            time.sleep(0.5)
    return found


def under_load(count: int) -> tuple[float, int]:
    """Tasks per second from the first submission to the last effect, and the recoveries of agents in that time.

    The queue is full most of the time. Each task has a durable commit for its submission, and another one for its end
    and the start of the next task. No agent fails, so that each recovery is a false suspicion.
    """
    with running(nothing) as system:
        began = time.perf_counter()
        for number in range(count):
            system.submit(f"task.{number}")
        system.wait()
        seconds = time.perf_counter() - began
        opened = sum(entry.event == "recovery.opened" for entry in system.audit.entries())
    return count / seconds, opened


def tasks_a_second(count: int) -> float:
    """Tasks that four agents take and complete per second. All wait when the agents start."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/store.db"
        waiting = LocalSystem(url, nothing, CONFIG)
        for number in range(count):
            waiting.submit(f"task.{number}")
        waiting.close()
        with LocalSystem(url, nothing, CONFIG) as system:
            before, began = len(system.effects()), time.perf_counter()
            system.wait()
            return (count - before) / (time.perf_counter() - began)


def rows(quick: bool) -> list[Row]:
    """Measure everything."""
    found = beyond_the_deadline(4 if quick else 20)
    rate, recoveries = under_load(1000 if quick else 11_000)
    load = os.getloadavg()[0]
    return [
        Row("SIGKILL to verified recovery, less the deadline: median, s", statistics.median(found), 0.2, 0.05, False),
        Row("the same, the longest, s", max(found), 0.2, 0.1, False),
        Row("tasks a second by four agents", tasks_a_second(500 if quick else 1000), 300, 500),
        Row("tasks a second, submissions included", rate, 150, 300),
        Row("recoveries of agents that run, during that", recoveries, 0, 0, False),
        Row("load of the machine, for the above (a quiet one: below 6)", load, 1000, 6, False),
    ]


if __name__ == "__main__":
    sys.exit(main(__doc__ or "", rows))
