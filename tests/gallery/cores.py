"""The defects. Each function builds a core for `sim.run(core=…)` and `recovery-bench search --core`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from recovery import RecoveryEngine, Supervisor, System
from recovery.actions.commands import Command, documented_commands
from recovery.actions.context import RecoveryContext
from recovery.actions.resources import AllocationManager, ResourceManager
from recovery.actions.state import StateManager
from recovery.actions.tasks import TaskManager
from recovery.audit import AuditEvent, EscalationReason
from recovery.engine.engine import Outcome
from recovery.model import FINISHED, HALTED, TASK_KINDS, Checkpoint, Incident
from recovery.policies.breaker import BreakerState
from recovery.policies.policy_states import BudgetState, PolicyState
from recovery.policies.retry import RetryPolicy
from recovery.supervision.retry_loop import RetryLoop
from scenarios import Scenario
from sim.core.build import build_core, core_config, jitter, priced
from sim.randomness.streams import Streams

WAIT = 5.0
"""Seconds of an await over which a lock is dropped."""


def with_commands(scenario: Scenario, system: System, streams: Streams, **changed: Command) -> Supervisor:
    """A core in which some commands are others."""
    commands = {**documented_commands(), **changed}
    config = core_config(scenario)
    engine = RecoveryEngine(config, system, commands=priced(commands, scenario.recovery.costs))
    return Supervisor(config, system, engine, jitter=jitter(streams))


def of_class(supervisor: type[Supervisor], scenario: Scenario, system: System, streams: Streams) -> Supervisor:
    """A core of a subclass."""
    core = build_core(scenario, system, streams)
    return supervisor(core.config, system, core.engine, jitter=jitter(streams))


def plain_store(system: System) -> Any:
    """The memory store behind the ports of the store."""
    found: Any = system.store
    while not hasattr(found, "_records"):
        found = next(each for each in vars(found).values() if hasattr(each, "fence"))
    return found


# ------------------------------------------------------------------------------- order of steps
def releases_before_commit(scenario: Scenario, system: System, streams: Streams) -> Supervisor:
    """A task is released for its next attempt before its earlier attempts are fenced: the fence hits the next one."""

    async def reassign(context: RecoveryContext, *, agent_id: str, new_agent_id: str | None = None) -> bool:
        for task_id in context.incident.facts.tasks:
            if await context.system.store.status(task_id) not in FINISHED:
                await TaskManager({}, context.system).stop(task_id)
                await ResourceManager({}, context.system).release(task_id)
                await TaskManager({}, context.system).requeue(task_id, "reassigned")
                await asyncio.sleep(0.01)
                await StateManager({}, context.system).fence(task_id, context.incident.number)
        return True

    return with_commands(scenario, system, streams, reassign_agent_tasks=reassign)


def repeats_what_timed_out(scenario: Scenario, system: System, streams: Streams) -> Supervisor:
    """A step that timed out counts as one that had no effect. The repeated step allocates a second time."""

    async def allocate(context: RecoveryContext, *, task_id: str, requirements: Mapping[str, int] | None) -> bool:
        facts = context.incident.facts
        if facts.new_resources is None and not facts.released:
            facts.released.update(await ResourceManager({}, context.system).release(task_id))
        allocated = await AllocationManager({}, context.system).allocate(task_id, requirements or {})
        await asyncio.sleep(2.5)
        if allocated is not None:
            facts.new_resources = dict(await ResourceManager({}, context.system).held(task_id))
        return allocated is not None

    return with_commands(scenario, system, streams, allocate_new_resources=allocate)


def queues_without_a_fence(scenario: Scenario, system: System, streams: Streams) -> Supervisor:
    """The tasks of a failed agent are queued past the store, which would have fenced their earlier attempts."""

    async def reassign(context: RecoveryContext, *, agent_id: str, new_agent_id: str | None = None) -> bool:
        for task_id in context.incident.facts.tasks:
            if await context.system.store.status(task_id) not in FINISHED:
                await context.system.tasks.enqueue(task_id, "reassigned")
        return True

    return with_commands(scenario, system, streams, reassign_agent_tasks=reassign)


def replays_what_was_acknowledged(scenario: Scenario, system: System, streams: Streams) -> Supervisor:
    """A replay ignores acknowledgements: it queues every task that the agents hold or have finished."""
    commands = documented_commands()

    async def replay(context: RecoveryContext, **arguments: Any) -> bool:
        done = await commands["replay_messages"](context, **arguments)
        for task_id in list(plain_store(context.system)._records):
            if task_id.startswith("task."):
                await context.system.tasks.enqueue(task_id, "replay")
        return done

    return with_commands(scenario, system, streams, replay_messages=replay)


# --------------------------------------------------------------------------------------- stores
def fences_no_checkpoint(scenario: Scenario, system: System, streams: Streams) -> Supervisor:
    """The store checks the fence on a commit, and not on a checkpoint."""
    store = plain_store(system)
    store.is_current = lambda task_id, epoch: store.status(task_id) not in FINISHED
    return build_core(scenario, system, streams)


def resets_retries_on_migration(scenario: Scenario, system: System, streams: Streams) -> Supervisor:
    """A migrated task counts its retries from 1 again."""
    commands = documented_commands()

    async def migrate(context: RecoveryContext, **arguments: Any) -> bool:
        plain_store(context.system)._records[context.incident.failure.subject].retries = None
        return await commands["migrate_task"](context, **arguments)

    return with_commands(scenario, system, streams, migrate_task=migrate)


def restores_the_largest_progress(scenario: Scenario, system: System, streams: Streams) -> Supervisor:
    """A restore takes the checkpoint that says it is furthest, and checks only the others."""

    async def restore(context: RecoveryContext, *, task_id: str, latest_checkpoint: Checkpoint | None = None) -> bool:
        stored = await context.system.store.checkpoints(task_id)
        chosen = max(stored, key=lambda each: each.progress, default=None)
        await context.system.store.set_restore_point(task_id, chosen)
        if chosen is not None:
            restored = AuditEvent.CHECKPOINT_RESTORED
            context.system.audit.record(restored, context.incident.number, task_id, value=chosen.progress)
        return True

    return with_commands(scenario, system, streams, restore_checkpoint=restore)


# ------------------------------------------------------------------------------------ supervisor
class _LeaksSlots(RetryLoop):
    """Takes a slot of its own for the clean-up of a failed try, and never gives it back."""

    async def try_once(self, incident: Incident, policy: RetryPolicy | None) -> Outcome | None:
        outcome = await super().try_once(incident, policy)
        if outcome is Outcome.FAILED:
            held = self._slots.hold(incident.failure.kind)
            self.__dict__.setdefault("_leaked", []).append(held)
            await held.__aenter__()
        return outcome


def leaks_a_slot_of_a_failed_try(scenario: Scenario, system: System, streams: Streams) -> Supervisor:
    """Each failed try occupies one of the slots for recoveries for ever."""

    class Leaking(Supervisor):
        def _new_retry_loop(self) -> RetryLoop:
            made = super()._new_retry_loop()
            made.__class__ = _LeaksSlots
            return made

    return of_class(Leaking, scenario, system, streams)


class _CountsBeats(Supervisor):
    """Counts a heartbeat from when its agent sent it by the agent's clock: the n-th after n intervals."""

    def heartbeat(self, agent_id: str, progress: Mapping[str, float] | None = None) -> None:
        beats: dict[str, int] = self.__dict__.setdefault("_beats", {})
        first: dict[str, float] = self.__dict__.setdefault("_first", {})
        now, interval = self._running().time(), self.config.detection.heartbeat_interval
        sent = first.setdefault(agent_id, now) + interval * beats.get(agent_id, 0)
        beats[agent_id] = beats.get(agent_id, 0) + 1
        timeout = interval * self.config.detection.missed_heartbeats
        if now - sent <= timeout:
            super().heartbeat(agent_id, progress)


def counts_heartbeats_from_their_sending(scenario: Scenario, system: System, streams: Streams) -> Supervisor:
    """A heartbeat counts from when it was sent by its agent's clock: an agent with a slow clock seems to be down."""
    return of_class(_CountsBeats, scenario, system, streams)


class _SwallowsEscalations(RetryLoop):
    """Ends an incident whose retries are exhausted without an escalation, if its task has failed."""

    async def escalate(self, incident: Incident, cause: EscalationReason | None, reason: str | None = None) -> None:
        kind, status = incident.failure.kind, await self._system.store.status(incident.failure.subject)
        if kind in TASK_KINDS and status in HALTED and cause is EscalationReason.RETRIES_EXHAUSTED:
            return
        await super().escalate(incident, cause, reason)


def swallows_an_escalation(scenario: Scenario, system: System, streams: Streams) -> Supervisor:
    """An incident whose retries are exhausted ends without an escalation."""

    class Swallowing(Supervisor):
        def _new_retry_loop(self) -> RetryLoop:
            made = super()._new_retry_loop()
            made.__class__ = _SwallowsEscalations
            return made

    return of_class(Swallowing, scenario, system, streams)


def deadlocks_with_another_recovery(scenario: Scenario, system: System, streams: Streams) -> Supervisor:
    """The recovery of an agent waits until no other agent is recovered: two of them wait for each other."""
    commands = documented_commands()

    async def reassign(context: RecoveryContext, *, agent_id: str, new_agent_id: str | None = None) -> bool:
        others = [f"agent.{number}" for number in range(scenario.agents.count) if f"agent.{number}" != agent_id]
        while any(context.services.is_recovering(other) for other in others):  # noqa: ASYNC110 - the defect
            await asyncio.sleep(1)
        return await commands["reassign_agent_tasks"](context, agent_id=agent_id, new_agent_id=new_agent_id)

    return with_commands(scenario, system, streams, reassign_agent_tasks=reassign)


# --------------------------------------------------------------------------------------- restart
def forgets_a_recovery_before_its_end(scenario: Scenario, system: System, streams: Streams) -> Supervisor:
    """The journal forgets a recovery before its last step: a crash of the core meanwhile loses it."""
    keep, forget = system.journal.keep, system.journal.forget
    gone: dict[int, None] = {}

    class Journal:
        def __getattr__(self, name: str) -> Any:
            return getattr(system.journal, name)

        def keep(self, incident: Incident) -> None:
            if incident.strategy is not None and incident.reached == len(incident.strategy.steps) - 1:
                gone[incident.number] = None
                forget(incident.number)
            elif incident.number not in gone:
                keep(incident)

    return build_core(scenario, replace(system, journal=Journal()), streams)  # type: ignore[arg-type]


# -------------------------------------------------------------------------------------- policies
def lets_all_through_half_open(scenario: Scenario, system: System, streams: Streams) -> Supervisor:
    """A half-open circuit breaker admits every attempt, and not only its probes."""
    core = build_core(scenario, system, streams)

    start = core._new_retry_loop

    def new_retry_loop() -> RetryLoop:
        made = start()
        for gate in made.admission._gates.values():
            breaker = gate._breaker
            breaker.would_admit = lambda now, breaker=breaker: (  # type: ignore[method-assign]
                now >= breaker.reopens_at if breaker.state is BreakerState.OPEN else True
            )
        return made

    core._new_retry_loop = new_retry_loop  # type: ignore[method-assign]
    return core


def refills_the_budget_on_restart(scenario: Scenario, system: System, streams: Streams) -> Supervisor:
    """A restarted core continues with everything that an earlier one has stored, but its retry budgets are full."""

    class Refilling(Supervisor):
        def _new_retry_loop(self) -> RetryLoop:
            made = super()._new_retry_loop()
            restore = made.restore

            def without_budgets(states: Iterable[PolicyState], unfinished: Sequence[Incident]) -> None:
                restore([state for state in states if not isinstance(state, BudgetState)], unfinished)

            made.restore = without_budgets  # type: ignore[method-assign]
            return made

    return of_class(Refilling, scenario, system, streams)


def drops_the_lock_while_it_waits(scenario: Scenario, system: System, streams: Streams) -> Supervisor:
    """A task is checked and fenced under its lock, which is dropped over an await before the task is queued again.

    Meanwhile the queue may deliver it once more, or another recovery may queue it.
    """

    async def reassign(context: RecoveryContext, *, agent_id: str, new_agent_id: str | None = None) -> bool:
        system, number = context.system, context.incident.number
        for task_id in context.incident.facts.tasks:
            async with context.services.lock_of(task_id):
                view = await system.tasks.inspect(task_id)
                if await system.store.status(task_id) in FINISHED or context.services.is_recovering(task_id):
                    continue
                if view is not None and view.agent not in {None, agent_id}:
                    continue
                await StateManager({}, system).fence(task_id, number)
                await TaskManager({}, system).stop(task_id)
                await ResourceManager({}, system).release(task_id)
            await asyncio.sleep(WAIT)
            await TaskManager({}, system).requeue(task_id, "reassigned")
        return True

    return with_commands(scenario, system, streams, reassign_agent_tasks=reassign)
