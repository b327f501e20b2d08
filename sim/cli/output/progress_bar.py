"""What a progress bar shows: the runs that are finished, how fast they come, the time left, and what else is told."""

from __future__ import annotations

from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

BAR_WIDTH = 20
TOLD = "told"
"""The field of a task that holds what else there is to tell."""
COUNTED = "counted"
"""The field of a task that names what is counted, if not runs."""
SECONDS = 300.0
"""The rate is that of so long ago until now: a single run may take a minute."""


class NameColumn(ProgressColumn):
    """What is run. It alone may be cut where there is too little room."""

    def render(self, task: Task) -> Text:
        """The task's description."""
        return Text(task.description, no_wrap=True, overflow="ellipsis")


class RateColumn(ProgressColumn):
    """How many runs, or whatever else is `COUNTED`, are finished in a second, as of late."""

    def render(self, task: Task) -> Text:
        """Empty until two are finished."""
        return Text(
            f"{task.speed:.3g} {task.fields.get(COUNTED, 'runs')}/s" if task.speed else "", "progress.data.speed"
        )


class ToldColumn(ProgressColumn):
    """What else there is to tell of a task."""

    def render(self, task: Task) -> Text:
        """Empty when there is nothing."""
        return Text(str(task.fields.get(TOLD, "")))


def columns() -> list[ProgressColumn]:
    """From the left."""

    def whole() -> Column:
        return Column(no_wrap=True)

    return [
        NameColumn(table_column=Column()),
        BarColumn(BAR_WIDTH, table_column=whole()),
        MofNCompleteColumn(table_column=whole()),
        RateColumn(table_column=whole()),
        TimeRemainingColumn(compact=True, table_column=whole()),
        ToldColumn(table_column=whole()),
    ]
