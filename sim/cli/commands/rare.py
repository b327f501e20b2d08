"""`run --rare`: the probability of an event in a run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.cli.errors import BadInput
from sim.cli.interrupts import INTERRUPTED, TimeLimit, check, time_limit
from sim.cli.options import backends
from sim.cli.output.console import console, progress, say
from sim.cli.output.files import STDOUT, write_json

if TYPE_CHECKING:
    from scenarios import Scenario
    from sim.experiments.rare_events.estimate import Rare
    from sim.experiments.rare_events.splitting import Progress
    from sim.experiments.runs.backends import Backend


@dataclass(frozen=True)
class Asked:
    """The event as written, and the options of the estimate."""

    event: str
    level: str | None
    particles: int | None
    replications: int | None
    force: bool


def rare_asked(
    event: str | None, level: str | None, particles: int | None, replications: int | None, *, force: bool
) -> Asked | None:
    """The options of `--rare`; None without it. Raises BadInput."""
    if event is None:
        if level is not None or particles is not None:
            raise BadInput(
                f"{'--particles' if level is None else '--level'}: only applies to --rare; valid: with --rare"
            )
        return None
    if particles == 1:
        raise BadInput("--particles 1: leaves none to split; valid: 2 or more")
    return Asked(event, level, particles, replications, force)


def check_alone(others: Sequence[str], names: Sequence[str], seed: int | str | None) -> None:
    """Raise BadInput for options that cannot be combined with `--rare`."""
    if others:
        raise BadInput(f"--rare, {others[0]}: --rare only estimates a probability; valid: one of them")
    if len(names) > 1:
        raise BadInput(f"--rare: takes one scenario, not {len(names)}; valid: one at a time")
    if isinstance(seed, str):
        raise BadInput(f"--seed {seed}: is one replication; valid: --seed {seed.partition('/')[0]}")


def run_rare(
    name: str,
    scenario: Scenario,
    asked: Asked,
    seed: int | str | None,
    backend: Backend,
    max_time: float | None,
    changes: Mapping[str, str],
    json: str | None,
    quiet: bool,
    no_color: bool,
) -> int:
    """Estimate the probability and print it; after `max_time` seconds, from what has finished. Raises BadInput."""
    assert not isinstance(seed, str)
    with time_limit(max_time) as limit:
        found = _looked_for(scenario, asked, seed, backend, quiet, no_color, limit)
    if not quiet and json != STDOUT:
        from sim.reports.rare import rarity

        out = console(no_color)
        out.print(rarity(found, "stopped by --max-time" if limit.is_over else "interrupted"))
        if found.hits:
            given = [name, *(part for path, value in changes.items() for part in ("--set", f"{path}={value}"))]
            shown = shlex.join(["recovery-bench", "run", *given, "--seed", found.hits[0]])
            out.print(f"see one: {shown}", soft_wrap=True)
    if json is not None:
        write_json(json, found.as_json())
    return INTERRUPTED if found.interrupted and not limit.is_over else 0


def _looked_for(
    scenario: Scenario,
    asked: Asked,
    seed: int | None,
    backend: Backend,
    quiet: bool,
    no_color: bool,
    limit: TimeLimit,
) -> Rare:
    from sim.experiments.rare_events.estimate import PARTICLES, PLAIN, SPLITTINGS, rare
    from sim.experiments.rare_events.events import NATURAL, RareError, event_of, level_of

    try:
        event = event_of(scenario, asked.event)
    except RareError as error:
        raise BadInput(f"--rare {error}") from None
    try:
        level = level_of(event, NATURAL if asked.level is None else asked.level)
    except RareError as error:
        raise BadInput(f"--level {error}") from None
    if level is None and asked.particles is not None:
        raise BadInput(f"--particles {asked.particles}: only apply to a splitting; valid: with a --level")
    many = asked.replications or (PLAIN if level is None else SPLITTINGS)
    latest: Progress | None = None
    with progress(no_color, quiet) as bar:
        task = bar.add_task(scenario.name, total=many, counted="runs" if level is None else "splittings")

        def advance(more: int) -> None:
            bar.advance(task, more)
            check()

        def step(number: int, reached: Progress) -> None:
            nonlocal latest
            latest = reached
            bar.update(task, told=_told(number, level, reached))
            check()

        try:
            with backends.failures(backend):
                found = rare(
                    scenario,
                    asked.event,
                    seed,
                    many,
                    level=level,
                    particles=asked.particles or PARTICLES,
                    backend=backend,
                    on_done=advance,
                    on_lost=backends.lost,
                    on_step=step,
                    force=asked.force,
                )
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"{limit.reason}; nothing was finished{_so_far(level, latest)}") from None
    if found.interrupted:
        counted = "replications" if found.level is None else "splittings"
        say(f"{limit.reason}; finished: {len(found.splittings) if found.level else found.runs} of {many} {counted}")
    return found


def _told(number: int, level: str | None, reached: Progress) -> str:
    """The state of the current splitting in a progress bar."""
    above = "" if reached.level is None else f", {level} above {reached.level:g}: {reached.probability:.1e}"
    return f"splitting {number + 1}: {reached.runs:,} runs{above}"


def _so_far(level: str | None, reached: Progress | None) -> str:
    """How far the first splitting has come."""
    if reached is None:
        return ""
    above = (
        ""
        if reached.level is None
        else f" and exceeds {level} {reached.level:g} with probability {reached.probability:.1e}"
    )
    return f": the first splitting has {reached.runs:,} runs{above}; valid: a longer time, or fewer --particles"
