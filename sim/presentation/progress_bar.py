"""Columns of a progress bar: the finished runs, their rate, the time left, and further information."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich import get_console
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TimeRemainingColumn
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


class RunBar:
    """A bar that counts the runs of one experiment."""

    def __init__(self, bar: Progress, task: TaskID) -> None:
        self._bar, self._task = bar, task

    def finished(self, *_: object) -> None:
        """A run is finished."""
        self._bar.advance(self._task)

    def planned(self, runs: int, finished: int = 0) -> None:
        """There are to be so many runs, of which some are finished already."""
        self._bar.update(self._task, total=runs)
        if finished:
            self._bar.update(self._task, completed=finished)


@contextmanager
def run_bar(name: str, total: int | None) -> Iterator[RunBar]:
    """A temporary bar, on stderr if that is a terminal, and in a notebook as output of the cell."""
    console = get_console() if get_console().is_jupyter else Console(stderr=True)
    silent = not (console.is_terminal or console.is_jupyter)
    with Progress(*columns(), console=console, transient=True, disable=silent, speed_estimate_period=SECONDS) as bar:
        yield RunBar(bar, bar.add_task(name, total=total))
