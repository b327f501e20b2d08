"""The runbook's commands: coroutines that work through the ports.

A command takes the `RecoveryContext`, and its arguments by the runbook's names. It returns whether it worked. Results
that later steps use, such as new resources, are stored in the incident's facts. All commands are idempotent: a second
call has no further effect.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence

from recovery.actions.context import RecoveryContext
from recovery.actions.reassignment import reassign_tasks
from recovery.actions.resources import ResourceManager, ResourceRecovery
from recovery.actions.state import state_recovery
from recovery.actions.tasks import TaskManager
from recovery.model import Checkpoint
from recovery.runbook.instructions import TIMEFRAME

Command = Callable[..., Awaitable[bool]]
"""Takes a `RecoveryContext` and the runbook's arguments; returns whether it worked."""


def _whole(identifier: str) -> str:
    """A regular expression that matches an identifier as a whole: `task.7` does not match in `task.70`."""
    return rf"(?<!\w){re.escape(identifier)}(?!\w)"


# ----------------------------------------------------------------------------------- diagnosis
async def check_logs(context: RecoveryContext, *, path: str, pattern: str) -> bool:
    """Whether a log below `path` has a line that matches the pattern, in which `task_id` stands for the subject."""
    expression = pattern.replace("task_id", _whole(context.incident.failure.subject))
    return bool(await context.system.logs.search(path, expression, TIMEFRAME))


async def check_resource_state(context: RecoveryContext, *, task_id: str, resource_ids: Sequence[str]) -> bool:
    """Whether the task, which does not run, holds resources."""
    return any((await context.system.resources.held(task_id)).values())


async def verify_resource_health(context: RecoveryContext, *, resource_ids: Sequence[str]) -> bool:
    """Whether one of the pools has units out of service."""
    health = await context.system.resources.health(resource_ids)
    return any(not pool.healthy for pool in health)


async def analyze_resource_metrics(context: RecoveryContext, *, resource_ids: Sequence[str], timeframe: float) -> bool:
    """Whether one of the pools was degraded over the timeframe."""
    metrics = await context.system.resources.metrics(resource_ids, timeframe)
    return any(share < 1 for share in metrics.values())


async def verify_agent_health(context: RecoveryContext, *, agent_id: str) -> bool:
    """Whether the agent is reachable over the network and does not respond."""
    health = await context.system.agents.health(agent_id)
    return health.reachable and not health.responding


async def analyze_agent_logs(context: RecoveryContext, *, agent_id: str, timeframe: float) -> bool:
    """Whether the agent has logged an error in the timeframe."""
    lines = await context.system.logs.search("/var/log/agents/", f"ERROR.*{_whole(agent_id)}", timeframe)
    return bool(lines)


async def verify_network_status(context: RecoveryContext, *, endpoints: Sequence[str]) -> bool:
    """Whether a connection between the endpoints is broken."""
    links = await context.system.network.status(endpoints)
    return any(not link.connected for link in links)


async def check_queue_health(context: RecoveryContext, *, queue_ids: Sequence[str]) -> bool:
    """Whether a queue is blocked or has undelivered messages, as far as the connection that failed is concerned."""
    endpoints = tuple(context.incident.failure.info.get("endpoints", ()))
    health = [queue.of_endpoints(endpoints) for queue in await context.system.queues.health(queue_ids)]
    return any(queue.blocked or queue.undelivered for queue in health)


# ------------------------------------------------------------------------------------ recovery
async def _restored(context: RecoveryContext, task_id: str) -> bool:
    incident = context.incident
    return await state_recovery(context).recover_state(task_id, incident.number, incident.facts.checkpoint_id)


async def release_resources(context: RecoveryContext, *, task_id: str) -> bool:
    """Release all resources that the task holds."""
    released = context.incident.facts.released
    for pool, units in (await ResourceManager({}, context.system).release(task_id)).items():
        released[pool] = released.get(pool, 0) + units
    return True


async def restore_checkpoint(
    context: RecoveryContext, *, task_id: str, latest_checkpoint: Checkpoint | None = None
) -> bool:
    """Choose the latest valid checkpoint for the next attempt, or the beginning if there is none.

    If an operator has chosen another checkpoint, its number is `checkpoint_id` of the incident's facts.
    """
    return await _restored(context, task_id)


async def retry_task(context: RecoveryContext, *, task_id: str, retry_count: int) -> bool:
    """Queue the task for its next attempt."""
    return await TaskManager({}, context.system).requeue(task_id, "retry", context.incident.facts.fenced)


async def allocate_new_resources(
    context: RecoveryContext, *, task_id: str, requirements: Mapping[str, int] | None
) -> bool:
    """Release the old allocation, and allocate everything that the task needs, or nothing."""
    facts = context.incident.facts
    if facts.new_resources == await ResourceManager({}, context.system).held(task_id):
        return True  # allocated in this try: after a release, another task might get them
    allocated = await ResourceRecovery({}, context.system).reallocate(task_id, requirements)
    if allocated is not None:
        facts.new_resources = dict(allocated)
    return allocated is not None


async def migrate_task(context: RecoveryContext, *, task_id: str, new_resources: Mapping[str, int]) -> bool:
    """Resume the task with its new resources, from the checkpoint that `restore_checkpoint` would choose."""
    restored = await _restored(context, task_id)
    fenced = context.incident.facts.fenced
    return restored and await TaskManager({}, context.system).resume(task_id, new_resources, fenced)


async def restart_agent(context: RecoveryContext, *, agent_id: str) -> bool:
    """Restart the agent, unless it responds. Returns when it is up."""
    system, incident = context.system, context.incident
    health = await system.agents.health(agent_id)
    if health.responding:
        incident.facts.agent_responded = not incident.facts.restarted
        return True
    incident.facts.restarted = True  # persisted before the restart: if the core ends in between, it may have happened
    system.keep(incident)
    await system.journal.durable()
    incident.facts.restarted = restarted = await system.agents.restart(agent_id)
    return restarted


async def reassign_agent_tasks(context: RecoveryContext, *, agent_id: str, new_agent_id: str | None = None) -> bool:
    """Queue the tasks that the agent held when its recovery began, each for any free agent.

    An agent that responded, and so was not restarted, keeps its tasks.
    """
    if not context.incident.facts.agent_responded:
        await reassign_tasks(context, agent_id)
    return True


async def reset_connections(context: RecoveryContext, *, endpoints: Sequence[str]) -> bool:
    """Reconnect the endpoints. Returns when they are connected."""
    return await context.system.network.reset(endpoints)


async def replay_messages(context: RecoveryContext, *, queue_ids: Sequence[str], timeframe: float) -> bool:
    """Send the messages again that could not be delivered since the failure."""
    await context.system.queues.replay(queue_ids, context.incident.failure.at)
    return True


def documented_commands() -> dict[str, Command]:
    """The registry: every command of automatic recovery, by its name."""
    return {
        command.__name__: command
        for command in (
            check_logs,
            check_resource_state,
            verify_resource_health,
            analyze_resource_metrics,
            verify_agent_health,
            analyze_agent_logs,
            verify_network_status,
            check_queue_health,
            release_resources,
            restore_checkpoint,
            retry_task,
            allocate_new_resources,
            migrate_task,
            restart_agent,
            reassign_agent_tasks,
            reset_connections,
            replay_messages,
        )
    }
