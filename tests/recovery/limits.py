"""Conditions with limits, and systems in which recoveries fail."""

from tests.recovery.small_system import SmallSystem, failure_of


def condition(**settings) -> dict:
    return {"task_failure": {"max_retries": 9, "retry_delay": 10, **settings}}


def delays(system: SmallSystem) -> list[float]:
    return [entry.value for entry in system.audit.entries if entry.event == "retry.granted"]


def broken(*tasks: str) -> SmallSystem:
    """A system in which these tasks have failed, and no recovery works."""
    system = SmallSystem()
    for task in tasks or ("task.1",):
        system.failed(task)
    system.raises["enqueue"] = ConnectionError()
    return system


def failing_again(task: str, times: int):
    """A task that fails so many times, each time right after its recovery."""

    async def story(supervisor):
        system = supervisor.system.tasks.of
        for _ in range(times):
            supervisor.report(failure_of(task))
            await supervisor.settled()
            if task in system.queue:
                system.start(task)
                system.fail(task)

    return story
