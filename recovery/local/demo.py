"""The demonstration: a local system with real processes, into which faults are injected."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select, update

from recovery.audit import AuditEntry, AuditEvent
from recovery.errors import RecoveryBenchError
from recovery.local import agent_registry, task_queue
from recovery.local.attempt import Attempt
from recovery.local.config import LocalConfig
from recovery.local.core_process import LEADER, CoreName
from recovery.local.log_store import AGENT_LOGS, REFUSED
from recovery.local.system import LocalSystem
from recovery.model import FINISHED
from recovery.stores.sqlite import is_write_locked
from recovery.stores.tables import CHECKPOINTS, LEASES, TASKS

STEPS = 8
STEP_SECONDS = 0.06
PATIENCE = 120.0
"""The time limit in seconds of each condition that the demonstration waits for."""
CONFIG = LocalConfig.model_validate(
    {
        "agents": 4,
        "cores": 2,
        "recovery": {"detection": {"heartbeat_interval": 0.1, "missed_heartbeats": 3}},
        "lease": {"duration": 1.0, "renew_every": 0.2},
        "requeue": "head",
        "poll": 0.01,
    }
)


def add_up(attempt: Attempt) -> Any:
    """The handler of a task: add its number to a sum several times, with a checkpoint after each."""
    done, total = attempt.state or (0, 0)
    while done < STEPS:
        time.sleep(STEP_SECONDS)
        done, total = done + 1, total + attempt.payload
        attempt.save(done * STEP_SECONDS, [done, total])
    return total


class DemoFailed(RecoveryBenchError, RuntimeError):
    """A condition did not hold within its time limit."""


@dataclass(frozen=True, slots=True)
class Happening:
    """An event: `at` (s since the beginning), its source (`fault`, `core`, `agents`), and its text."""

    at: float
    who: str
    text: str


@dataclass(frozen=True, slots=True)
class Repaired:
    """A fault, and the seconds until its recovery was verified; `deadline` is the heartbeat timeout."""

    fault: str
    subject: str
    seconds: float
    deadline: float


@dataclass(slots=True)
class Findings:
    """The result of the demonstration."""

    tasks: int
    right: int = 0
    refused: int = 0
    repaired: list[Repaired] = field(default_factory=list)
    audit_wrong: str | None = None
    left_running: int = 0

    @property
    def holds(self) -> bool:
        """Whether every effect is correct, the audit trail is unchanged, and no process is left."""
        return self.right == self.tasks and self.audit_wrong is None and self.left_running == 0


Tell = Callable[[Happening], None]


class Demo:
    """A demonstration on a store. `tell` is called with each event."""

    def __init__(self, url: str, tasks: int, tell: Tell) -> None:
        self._url = url
        self._tasks = tasks
        self._tell = tell
        self._began = time.time()
        self._reported = 0
        self._entries: list[AuditEntry] = []
        self.findings = Findings(tasks)

    def run(self) -> Findings:
        """Run the demonstration. Raises DemoFailed, and errors of the store. All processes end."""
        with LocalSystem(self._url, add_up, CONFIG) as system:
            if any(status not in FINISHED for status in system.statuses()):
                raise RuntimeError("has unfinished tasks; valid: an empty store, or none")
            self._began = time.time()
            self._system = system
            self._first = self._next = sum(system.statuses().values())
            self._submit(self._tasks)
            self._say("agents", f"{CONFIG.agents} agents and {CONFIG.cores} cores, {self._tasks} tasks")
            self._kill_an_agent_and_corrupt_its_checkpoint()
            self._stop_an_agent_and_continue_it_late()
            self._kill_the_core_in_the_middle_of_a_recovery()
            self._until(lambda: system.wait(0), "all tasks are done")
            effects = system.effects()
            numbers = range(self._first, self._next)
            self.findings.tasks = len(numbers)
            self.findings.right = sum(effects.get(f"task.{number}") == STEPS * number for number in numbers)
            self.findings.audit_wrong = system.audit.first_wrong()
            there = CONFIG.agents + CONFIG.cores
            self._until(lambda: len(system.processes()) == there, "the core that was killed is there again")
            pids = system.processes()
        self.findings.left_running = sum(map(_runs, pids))
        return self.findings

    def _submit(self, count: int) -> None:
        for number in range(self._next, self._next + count):
            self._system.submit(f"task.{number}", number)
        self._next += count

    # ------------------------------------------------------------------------------------------------ the faults
    def _kill_an_agent_and_corrupt_its_checkpoint(self) -> None:
        self._until(
            self._checkpoint_of_a_killed_agent_is_corrupted, "a checkpoint is corrupted before a core has read it"
        )

    def _checkpoint_of_a_killed_agent_is_corrupted(self) -> bool:
        agent, pid, task = self._busy_agent(checkpoints=3)
        killed = self._signal(pid, signal.SIGKILL)
        sequence = self._corrupt_latest_checkpoint(task, agent)
        if sequence is None:  # the task was completed or reassigned before
            self._say("fault", f"{agent} killed (SIGKILL, pid {pid})")
            self._until_verified(agent, killed)
            return False
        self._say("fault", f"{agent} killed (SIGKILL, pid {pid}); checkpoint {sequence} of its {task} corrupted")
        self._verified("SIGKILL of an agent, corrupt checkpoint", agent, killed)
        return True

    def _stop_an_agent_and_continue_it_late(self) -> None:
        agent, pid, task = self._stopped_agent()
        stopped = time.time()
        self._say("fault", f"{agent} stopped (SIGSTOP, pid {pid}) with {task}")
        self._verified("SIGSTOP of an agent", agent, stopped)
        self._until(lambda: task in self._system.effects(), f"{task} is completed elsewhere")
        self._say("agents", f"{task} is completed by another agent")
        self._signal(pid, signal.SIGCONT)
        self._say("fault", f"pid {pid} continued late (SIGCONT), still as {agent}")
        self._until(lambda: self._refusals(agent) > 0, "the late agent is refused")
        self.findings.refused = self._refusals(agent)
        self._say("agents", f"pid {pid}: {task} was refused, its epoch is fenced; it ends")
        self._until(lambda: pid not in self._system.processes(), "the late agent ends")

    def _kill_the_core_in_the_middle_of_a_recovery(self) -> None:
        self._until(self._core_is_killed_in_time, "a core is killed in the middle of a recovery")

    def _core_is_killed_in_time(self) -> bool:
        agent, pid, _ = self._busy_agent(checkpoints=1)
        killed = self._signal(pid, signal.SIGKILL)
        self._say("fault", f"{agent} killed (SIGKILL, pid {pid})")
        self._until(lambda: self._heard(AuditEvent.RECOVERY_STARTED, agent, killed), f"the recovery of {agent} begins")
        leader = self._leader()
        core = CoreName.from_holder(leader).pid
        self._signal(core, signal.SIGKILL)
        self._until(lambda: core not in self._system.processes(), "the core ends")
        self._listen()
        if self._heard(AuditEvent.RECOVERY_VERIFIED, agent, killed):
            self._say("fault", f"the leading core killed after that recovery (SIGKILL, {leader})")
            return False
        self._say("fault", f"the leading core killed during that recovery (SIGKILL, {leader})")
        self._verified("SIGKILL of an agent, then of the core", agent, killed)
        return True

    # ------------------------------------------------------------------------------------------------ fault injection
    def _busy_agent(self, checkpoints: int) -> tuple[str, int, str]:
        """An agent with a task that has at least so many checkpoints and is not nearly complete."""
        found: list[tuple[str, int, str]] = []

        def look() -> bool:
            if self._system.database.read(task_queue.depth) == 0:
                self._submit(CONFIG.agents)  # so that agents are busy
            found.extend(
                (agent.name, agent.pid, task)
                for agent, tasks in self._system.database.read(_at_work)
                for task in tasks
                if checkpoints <= self._system.tasks.last_checkpoint(task) < STEPS - 1
            )
            return bool(found)

        self._until(look, "an agent works on a task")
        return found[0]

    def _stopped_agent(self) -> tuple[str, int, str]:
        """Stop a busy agent that holds no lock of the store, for which all others would wait."""

        def stop() -> tuple[str, int, str] | None:
            agent, pid, task = self._busy_agent(checkpoints=1)
            self._signal(pid, signal.SIGSTOP)
            if task in self._system.database.read(
                lambda connection: task_queue.had_by(connection, agent)
            ) and not is_write_locked(self._url):
                return agent, pid, task
            self._signal(pid, signal.SIGCONT)
            return None

        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if (stopped := stop()) is not None:
                return stopped
            time.sleep(STEP_SECONDS / 3)
        raise DemoFailed("no agent could be stopped without a lock of the store")

    def _corrupt_latest_checkpoint(self, task: str, agent: str) -> int | None:
        """Corrupt the latest checkpoint, and return its number. None: the agent does not have the task any more."""
        asked = select(TASKS.c.epoch, TASKS.c.fence, TASKS.c.sequence).where(TASKS.c.task_id == task).with_for_update()

        def corrupt(connection: Connection) -> int | None:
            epoch, fence, sequence = connection.execute(asked).one()
            if task not in task_queue.had_by(connection, agent) or epoch <= fence or not sequence:
                return None
            latest = update(CHECKPOINTS).where(CHECKPOINTS.c.task_id == task, CHECKPOINTS.c.sequence == sequence)
            connection.execute(latest.values(checksum=CHECKPOINTS.c.checksum + 1))
            found: int = sequence
            return found

        return self._system.database.write(corrupt)

    def _signal(self, pid: int, number: signal.Signals) -> float:
        """Send a signal; returns the instant."""
        at = time.time()
        if not self._system.signal(pid, number):
            raise DemoFailed(f"process {pid} does not exist any more")
        return at

    def _leader(self) -> str:
        asked = select(LEASES.c.holder).where(LEASES.c.name == LEADER)
        holder: str = self._system.database.read(lambda connection: connection.execute(asked).scalar_one())
        return holder

    # --------------------------------------------------------------------------------------------- observation
    def _verified(self, fault: str, agent: str, since: float) -> None:
        self._until_verified(agent, since)
        at = next(entry.at for entry in self._since(AuditEvent.RECOVERY_VERIFIED, agent, since))
        deadline = CONFIG.recovery.detection.heartbeat_interval * CONFIG.recovery.detection.missed_heartbeats
        self.findings.repaired.append(Repaired(fault, agent, at - since, deadline))

    def _until_verified(self, agent: str, since: float) -> None:
        is_verified = f"the recovery of {agent} is verified"
        self._until(lambda: self._heard(AuditEvent.RECOVERY_VERIFIED, agent, since), is_verified)

    def _heard(self, event: AuditEvent, subject: str, since: float) -> bool:
        return next(self._since(event, subject, since), None) is not None

    def _since(self, event: AuditEvent, subject: str, since: float) -> Iterator[AuditEntry]:
        return (
            entry for entry in self._entries if entry.event == event and entry.subject == subject and entry.at >= since
        )

    def _refusals(self, agent: str) -> int:
        return len(self._system.logs(f"{AGENT_LOGS}{agent}", re.escape(REFUSED)))

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + PATIENCE
        while True:
            self._listen()
            if holds():
                return
            if time.monotonic() >= until:
                raise DemoFailed(f"did not happen within {PATIENCE:g} s: {what}")
            time.sleep(0.01)

    def _listen(self) -> None:
        """Report the new entries of the audit trail."""
        for entry in self._system.audit.entries(after=self._reported):
            self._reported += 1
            if entry.at >= self._began:
                self._entries.append(entry)
                self._tell(Happening(entry.at - self._began, "core", str(entry)))

    def _say(self, who: str, text: str) -> None:
        self._listen()
        self._tell(Happening(time.time() - self._began, who, text))


def _at_work(connection: Connection) -> list[tuple[agent_registry.Beats, list[str]]]:
    """The agents with their tasks."""
    return [(agent, task_queue.had_by(connection, agent.name)) for agent in agent_registry.known(connection)]


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
