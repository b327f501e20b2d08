"""Completions of tasks, for the retry budgets and circuit breakers of the leading core."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, func, select

from recovery.local.ports import Answers
from recovery.stores.database import Writable
from recovery.stores.tables import EFFECTS
from recovery.supervision.supervisor import Supervisor

LOOK_SECONDS = 0.2
"""The interval between two looks at the effects in the store."""
MOST_AT_ONCE = 1000
"""The maximum number of tasks in a statement."""
_COUNT = select(func.count()).select_from(EFFECTS)
_AMONG = select(EFFECTS.c.task_id).where(EFFECTS.c.task_id.in_(bindparam("tasks", expanding=True)))


class Completions(Answers):
    """Reports to a supervisor that tasks were completed, if it counts that.

    Tasks that were completed while no core led are not reported, except those whose retries the supervisor remembers.
    """

    def __init__(self, database: Writable, supervisor: Supervisor) -> None:
        super().__init__(database)
        self._supervisor = supervisor
        self._next = 0.0
        self._before: int | None = None

    async def look(self) -> None:
        """Report what was completed since the last look."""
        now = asyncio.get_running_loop().time()
        if not self._supervisor.counts_completions or now < self._next:
            return
        self._next = now + LOOK_SECONDS
        count, known = await self.ask(_completed, self._supervisor.remembered_tasks())
        new = 0 if self._before is None else count - self._before
        self._before = count
        for task_id in known:
            self._supervisor.task_succeeded(task_id)
        for _ in range(new - len(known)):  # the others make no difference by name
            self._supervisor.task_succeeded("")


def _completed(connection: Connection, tasks: Sequence[str]) -> tuple[int, Sequence[str]]:
    """The number of all completed tasks, and those among `tasks`."""
    among: list[str] = []
    for place in range(0, len(tasks), MOST_AT_ONCE):
        among += connection.execute(_AMONG, {"tasks": tasks[place : place + MOST_AT_ONCE]}).scalars()
    return connection.execute(_COUNT).scalar_one(), among
