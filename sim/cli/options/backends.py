"""`--backend` and `--scheduler`: where runs are executed, and messages about failures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.errors import BadInput
from sim.cli.options.cost import costs
from sim.cli.output.console import say

if TYPE_CHECKING:
    from sim.experiments.runs.backends import Backend

Name = Annotated[str, typer.Option(metavar="NAME", help="Where runs are executed: loky, dask or ray.")]
Scheduler = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Of a Dask or Ray cluster, such as tcp://host:8786.")
]
HERE = "loky"


def backend_asked(name: str, jobs: int, scheduler: str | None) -> Backend:
    """The requested backend. Raises BadInput."""
    from sim.experiments.runs.backends import NAMES, Backend

    found = next((each for each in NAMES if each == name), None)
    if found is None:
        raise BadInput(f"--backend {name}: not a backend; valid: {', '.join(NAMES)}")
    if scheduler is not None and not scheduler.strip():
        raise BadInput("--scheduler: has no address; valid: such as tcp://host:8786")
    if found == HERE and scheduler is not None:
        raise BadInput("--scheduler: loky has no scheduler; valid: with --backend dask or ray")
    return Backend(found, jobs, scheduler)


def check_runs_here(backend: Backend, option: str, asked: bool) -> None:
    """Raise BadInput for an option that needs the runs themselves when they are executed elsewhere."""
    if asked and backend.name != HERE:
        raise BadInput(
            f"--backend {backend.name}, {option}: needs runs that are executed here; valid: --backend {HERE}, or "
            f"without {option}"
        )


def lost(count: int) -> None:
    """Report that a process has died and that its runs are repeated."""
    say(f"a worker process has died; the {count} unfinished runs are repeated")


@contextmanager
def failures(backend: Backend, kept: str | None = None) -> Iterator[None]:
    """Inside, errors of a backend are BadInput, and runs that are expected to have too many events.

    `kept` is the folder with the finished runs.
    """
    from sim.experiments.runs.backends import BackendError, WorkersDied

    try:
        with costs():
            yield
    except BackendError as error:
        wrong = str(error)
        raise BadInput(f"{'--backend' if wrong.startswith(f'{backend.name}: ') else '--scheduler'} {wrong}") from None
    except WorkersDied as error:
        raise BadInput(str(error) if kept is None else f"{error}; what was finished is kept in {kept}") from None
