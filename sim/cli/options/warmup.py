"""`--find-warmup`: determines the warm-up of each scenario before it is run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from sim.cli.errors import BadInput
from sim.cli.interrupts import check
from sim.cli.options import backends
from sim.cli.output.console import progress, say

if TYPE_CHECKING:
    from rich.progress import TaskID

    from scenarios import Scenario
    from sim.experiments.runs.backends import Backend
    from sim.experiments.runs.replications import Result
    from sim.experiments.runs.warmup import Warmup

T = TypeVar("T")


def check_find_warmup(changes: Mapping[str, str], check_determinism: bool) -> None:
    """Raise BadInput for options that contradict `--find-warmup`."""
    if "warmup" in changes:
        raise BadInput("--find-warmup, --set warmup: each says what the warm-up is; valid: one of them")
    if check_determinism:
        raise BadInput("--find-warmup: nothing is measured with --check-determinism; valid: one of them")


def find_warmups(
    loaded: list[Scenario], seed: int | str | None, backend: Backend, quiet: bool, no_color: bool, *, force: bool
) -> dict[int, Warmup]:
    """The warm-ups of scenarios by their places. What the others lack is printed; raises BadInput if none has one."""
    from sim.experiments.runs.warmup import REPLICATIONS, NoWarmup, find_warmup

    found: dict[int, Warmup] = {}
    missing: list[str] = []
    with progress(no_color, quiet) as bar:
        for place, scenario in enumerate(loaded):
            task = bar.add_task(f"{scenario.name}, warm-up", total=REPLICATIONS)

            def finished(task: TaskID = task) -> None:
                bar.advance(task)
                check()

            try:
                with backends.failures(backend):
                    found[place] = find_warmup(
                        scenario, seed, backend=backend, on_run=finished, on_lost=backends.lost, force=force
                    )
            except NoWarmup as error:
                missing.append(f"--find-warmup: {error}")
            except KeyboardInterrupt:
                raise KeyboardInterrupt("interrupted; nothing was finished") from None
    for problem in missing[: None if found else -1]:
        say(problem)
    if not found:
        raise BadInput(missing[-1])
    return found


def with_warmup(items: list[T], found: Mapping[int, Warmup]) -> list[T]:
    """The items at the places of scenarios with a warm-up; all of them if none was looked for."""
    return [items[place] for place in found] if found else items


def repeating(result: Result, changes: Mapping[str, str]) -> dict[str, str]:
    """The changes that repeat a result's runs: with the warm-up as a value, no pilot runs are needed."""
    if result.warmup is None:
        return dict(changes)
    return {**changes, "warmup": f"{result.warmup.seconds!r}".removesuffix(".0") + "s"}
