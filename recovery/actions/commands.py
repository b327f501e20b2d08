"""The runbook's commands: each a coroutine that does its work through the ports.

A command takes the system, the incident and its arguments by the runbook's names, and says whether it worked. What
later steps need of it (new resources, say) it leaves in the incident's context. All are idempotent: given twice, the
second has no further effect.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence

from recovery.actions.reassignment import take_over
from recovery.actions.resources import ResourceManager, ResourceRecovery
from recovery.actions.state import state_recovery
from recovery.actions.tasks import TaskManager
from recovery.model import Checkpoint, Incident
from recovery.ports import System
from recovery.runbook.instructions import TIMEFRAME

Command = Callable[..., Awaitable[bool]]


def _whole(identifier: str) -> str:
    """A regular expression for an identifier and not for a longer one: `task.7` is not in `task.70`."""
    return rf"(?<!\w){re.escape(identifier)}(?!\w)"


# ----------------------------------------------------------------------------------- diagnosis
async def check_logs(system: System, incident: Incident, *, path: str, pattern: str) -> bool:
    """Whether the log below `path` has a line for the pattern, in which `task_id` stands for the subject."""
    wanted = pattern.replace("task_id", _whole(incident.failure.subject))
    lines = await system.logs.search(path, wanted, TIMEFRAME)
    incident.context["log_lines"] = tuple(lines)
    return bool(lines)


async def check_resource_state(
    system: System, incident: Incident, *, task_id: str, resource_ids: Sequence[str]
) -> bool:
    """Whether the task holds anything that a task which does not run should not."""
    held = await system.resources.held(task_id)
    incident.context["held"] = dict(held)
    return any(held.values())


async def verify_resource_health(system: System, incident: Incident, *, resource_ids: Sequence[str]) -> bool:
    """Whether one of the pools has units out of service."""
    health = await system.resources.health(resource_ids)
    incident.context["resource_health"] = tuple(health)
    return any(not pool.healthy for pool in health)


async def analyze_resource_metrics(
    system: System, incident: Incident, *, resource_ids: Sequence[str], timeframe: float
) -> bool:
    """Whether one of the pools was degraded over the timeframe."""
    metrics = await system.resources.metrics(resource_ids, timeframe)
    return any(share < 1 for share in metrics.values())


async def verify_agent_health(system: System, incident: Incident, *, agent_id: str) -> bool:
    """Whether the agent does not respond although the network reaches it."""
    health = await system.agents.health(agent_id)
    incident.context["agent_health"] = health
    return health.reachable and not health.responding


async def analyze_agent_logs(system: System, incident: Incident, *, agent_id: str, timeframe: float) -> bool:
    """Whether the agent has logged an error in the timeframe."""
    lines = await system.logs.search("/var/log/agents/", f"ERROR.*{_whole(agent_id)}", timeframe)
    return bool(lines)


async def verify_network_status(system: System, incident: Incident, *, endpoints: Sequence[str]) -> bool:
    """Whether a connection among the endpoints is broken."""
    links = await system.network.status(endpoints)
    return any(not link.connected for link in links)


async def check_queue_health(system: System, incident: Incident, *, queue_ids: Sequence[str]) -> bool:
    """Whether a queue is blocked or keeps messages that it could not deliver."""
    health = await system.queues.health(queue_ids)
    return any(queue.blocked or queue.undelivered for queue in health)


# ------------------------------------------------------------------------------------ recovery
async def _restored(system: System, incident: Incident, task_id: str) -> bool:
    chosen: int | None = incident.context.get("checkpoint_id")
    return await state_recovery(system, incident).recover_state(task_id, incident.number, chosen)


async def release_resources(system: System, incident: Incident, *, task_id: str) -> bool:
    """Give back all that the task holds."""
    for pool, units in (await ResourceManager({}, system).release(task_id)).items():
        released = incident.context.setdefault("released", {})
        released[pool] = released.get(pool, 0) + units
    return True


async def restore_checkpoint(
    system: System, incident: Incident, *, task_id: str, latest_checkpoint: Checkpoint | None = None
) -> bool:
    """Let the next attempt start from the latest valid checkpoint, or from the beginning where there is none.

    Where an operator has chosen another one, its number is in the incident's context as `checkpoint_id`.
    """
    return await _restored(system, incident, task_id)


async def retry_task(system: System, incident: Incident, *, task_id: str, retry_count: int) -> bool:
    """Queue the task for its next attempt."""
    return await TaskManager({}, system).requeue(task_id, "retry", incident.context.get("fenced"))


async def allocate_new_resources(
    system: System, incident: Incident, *, task_id: str, requirements: Mapping[str, int] | None
) -> bool:
    """Give back what is left of the old allocation and allocate all that the task needs, at once or not at all."""
    if incident.context.get("new_resources") == await ResourceManager({}, system).held(task_id):
        return True  # of this very try: given back, somebody else might get them
    allocated = await ResourceRecovery({}, system).reallocate(task_id, requirements)
    if allocated is not None:
        incident.context["new_resources"] = dict(allocated)
    return allocated is not None


async def migrate_task(system: System, incident: Incident, *, task_id: str, new_resources: Mapping[str, int]) -> bool:
    """Let the task go on, from the checkpoint that `restore_checkpoint` would take, with its new resources."""
    restored = await _restored(system, incident, task_id)
    return restored and await TaskManager({}, system).resume(task_id, new_resources, incident.context.get("fenced"))


async def restart_agent(system: System, incident: Incident, *, agent_id: str) -> bool:
    """Stop what is left of the agent and start it; done when it is up. One that responds is left in peace."""
    health = await system.agents.health(agent_id)
    if health.responding:
        incident.context["left_in_peace"] = not incident.context.get("restarted", False)
        return True
    incident.context["restarted"] = True  # should this be cut off in the middle of it, it may have been
    system.keep(incident)
    await system.journal.durable()
    restarted = await system.agents.restart(agent_id)
    incident.context["restarted"] = restarted
    return restarted


async def reassign_agent_tasks(
    system: System, incident: Incident, *, agent_id: str, new_agent_id: str | None = None
) -> bool:
    """Take over the tasks that the agent held when its recovery began, and queue each for whoever is free.

    An agent that was found alive, and so was not restarted, keeps its tasks.
    """
    if not incident.context.get("left_in_peace"):
        await take_over(system, incident, agent_id)
    return True


async def reset_connections(system: System, incident: Incident, *, endpoints: Sequence[str]) -> bool:
    """Reconnect the endpoints; done when they are connected."""
    return await system.network.reset(endpoints)


async def replay_messages(system: System, incident: Incident, *, queue_ids: Sequence[str], timeframe: float) -> bool:
    """Send again what could not be delivered since the failure began."""
    incident.context["replayed"] = await system.queues.replay(queue_ids, incident.failure.at)
    return True


def documented_commands() -> dict[str, Command]:
    """The registry: every command of the documented runbook that automatic recovery gives, by its name."""
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
