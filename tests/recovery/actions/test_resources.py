"""Failed resources of a task are replaced atomically."""

from recovery import ResourceRecovery
from sim.loop import run
from tests.recovery.small_system import SmallSystem


def holding(**left: int) -> SmallSystem:
    """A task that needs two units of each of two pools, and the remaining units."""
    system = SmallSystem()
    system.units = {"gpu": 4, "disk": 4, "license": 1}
    system.available = dict(system.units)
    system.submit("task.1", gpu=2, disk=2)
    system.held["task.1"] = left
    return system


def test_remaining_units_are_released_and_all_are_allocated_again():
    system = holding(gpu=1, disk=2)
    assert run(ResourceRecovery({}, system.ports).recover_resources("task.1", ["gpu"])) is True
    assert system.held == {"task.1": {"gpu": 2, "disk": 2}}
    assert system.calls == [("release", "task.1"), ("allocate", "task.1", {"gpu": 2, "disk": 2})]


def test_failed_units_of_another_task_are_ignored():
    system = holding(gpu=2, disk=2)
    assert run(ResourceRecovery({}, system.ports).recover_resources("task.1", ["license"])) is True
    assert system.calls == []


def test_a_partial_allocation_is_released():
    system = holding(gpu=1, disk=2)
    system.available["gpu"] = 1
    assert run(ResourceRecovery({}, system.ports).recover_resources("task.1", ["gpu"])) is False
    assert system.held == {}


def test_a_port_error_fails_the_step():
    system = holding(gpu=1)
    system.raises["allocate"] = ConnectionError("no scheduler")
    assert run(ResourceRecovery({}, system.ports).recover_resources("task.1", ["gpu"])) is False
    assert [(each.incident, each.subject, each.event, each.detail) for each in system.audit.entries] == [
        (-1, "task.1", "recovery.failed", "resources: ConnectionError: no scheduler")
    ]


def test_an_allocation_missing_from_the_pool_is_a_failure():
    system = holding(gpu=1)

    async def promise(task_id, requirements):
        return dict(requirements)

    system.ports.resources.allocate = promise
    assert run(ResourceRecovery({}, system.ports).reallocate("task.1")) is None


def test_requirements_may_differ_from_those_of_the_task():
    system = holding()
    assert run(ResourceRecovery({}, system.ports).reallocate("task.1", {"gpu": 3})) == {"gpu": 3}
    assert system.held == {"task.1": {"gpu": 3}}
