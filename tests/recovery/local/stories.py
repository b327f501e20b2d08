"""Stores with recorded events, created without processes."""

import asyncio

from recovery import Supervisor
from recovery.detection.orphaned_tasks import orphaned_tasks
from recovery.local import LocalConfig, agent_registry, resource_pools, task_queue
from recovery.local.ports import local_ports
from recovery.model import TaskStatus
from recovery.stores.sql_tasks import SqlTaskStore

NO_RETRIES = {
    "task_failure": {"max_retries": 0, "retry_delay": 0},
    "resource_failure": {"max_retries": 0, "retry_delay": 0},
}


def do(database, function, *args, **named):
    return database.write(lambda connection: function(connection, *args, **named))


def failed(database, name="task.7", status=TaskStatus.FAILED, **needs):
    """A task that wrote three checkpoints and failed; it still holds its resources."""
    for pool, units in needs.items():
        do(database, resource_pools.set_pool, pool, units)
    tasks = SqlTaskStore(database)
    incarnation = do(database, agent_registry.arrive, "agent.0", 1)
    do(database, task_queue.submit, name, {"rows": 3}, needs)
    taken = do(database, task_queue.take, "agent.0", incarnation)
    assert taken.task_id == name
    for step in (1, 2, 3):
        tasks.save_checkpoint(name, taken.epoch, step, {"rows": step})
    assert do(database, task_queue.fail, name, taken.epoch, "agent.0", status, "out_of_memory")


def core_looks(database, conditions, **config):
    """A core recovers halted tasks, and ends."""

    async def start(name):
        raise AssertionError(name)

    async def main():
        of_system = LocalConfig.model_validate({"recovery": {"conditions": conditions}, **config})
        system, _ = local_ports(database, start, of_system)
        supervisor = Supervisor(of_system.recovery, system)
        await supervisor.start()
        for failure in await orphaned_tasks(system, asyncio.get_running_loop().time()):
            if not supervisor.is_recovering(failure.subject):
                supervisor.report(failure)
        await supervisor.settled()
        await supervisor.stop()
        await system.journal.durable()

    asyncio.run(main())


def given_up(database, name="task.7", **needs):
    """A task that has failed, and that automatic recovery gave up."""
    failed(database, name, **needs)
    core_looks(database, NO_RETRIES)
    assert SqlTaskStore(database).status(name) is TaskStatus.ESCALATED


def begun_again(database, name="task.7"):
    """An agent takes the task."""
    incarnation = do(database, agent_registry.arrive, "agent.1", 2)
    taken = do(database, task_queue.take, "agent.1", incarnation)
    assert taken.task_id == name
    return taken.epoch
