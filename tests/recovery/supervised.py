"""A supervisor over a small system on virtual time, and its audit trail."""

import asyncio

from recovery import RecoveryEngine, Supervisor
from sim.loop import run
from tests.recovery.small_system import SmallSystem, failure_of

RETRIES = (
    "recovery.opened",
    "retry.",
    "recovery.started",
    "recovery.verified",
    "recovery.escalated",
    "recovery.dismissed",
)


def short(system: SmallSystem, *events: str) -> list[tuple[float, str]]:
    """Times and words of the trail's entries that begin with one of these."""
    return [(at, words) for at, _, words in system.timed_trail if words.startswith(events or RETRIES)]


def supervise(system: SmallSystem, story, *, engine=None, jitter=None, **config) -> Supervisor:
    options = {} if jitter is None else {"jitter": jitter}
    supervisor = Supervisor(config, system.ports, engine, **options)

    async def main():
        await supervisor.start()
        await story(supervisor)
        await supervisor.settled()
        await supervisor.stop()

    run(main())
    return supervisor


def report(*failures):
    async def story(supervisor):
        for subject, kind in failures:
            supervisor.report(failure_of(subject, kind))

    return story


def at_once(max_retries: int | None = 3) -> dict:
    """A condition without delays."""
    return {"task_failure": {"max_retries": max_retries, "retry_delay": 0}}


class HesitantEngine(RecoveryEngine):
    """Takes five seconds for a verification."""

    async def _verify_recovery(self, incident):
        verified = await super()._verify_recovery(incident)
        await asyncio.sleep(5)
        return verified
