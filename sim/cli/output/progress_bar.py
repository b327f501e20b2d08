"""Columns of a progress bar: the finished runs, their rate, the time left, and further information."""

from __future__ import annotations

from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

BAR_WIDTH = 20
TOLD = "told"
"""The field of a task with further information."""
COUNTED = "counted"
"""The field of a task with the unit that is counted, if not runs."""
SECONDS = 300.0
"""The rate is measured over this many seconds: a single run may take a minute."""


class NameColumn(ProgressColumn):
    """The name of what is run. Only this column is cut where there is too little room."""

    def render(self, task: Task) -> Text:
        """The task's description."""
        return Text(task.description, no_wrap=True, overflow="ellipsis")


class RateColumn(ProgressColumn):
    """Recently finished runs, or other `COUNTED` units, per second."""

    def render(self, task: Task) -> Text:
        """Empty until two are finished."""
        return Text(
            f"{task.speed:.3g} {task.fields.get(COUNTED, 'runs')}/s" if task.speed else "", "progress.data.speed"
        )


class ToldColumn(ProgressColumn):
    """Further information about a task."""

    def render(self, task: Task) -> Text:
        """Empty when there is none."""
        return Text(str(task.fields.get(TOLD, "")))


def columns() -> list[ProgressColumn]:
    """The columns from left to right."""

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
