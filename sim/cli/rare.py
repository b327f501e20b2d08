"""`run --rare`: how probable it is that something happens in a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.cli.consoles import console, progress, say
from sim.cli.errors import BadInput
from sim.cli.files import STDOUT, write_json
from sim.cli.interrupts import check

if TYPE_CHECKING:
    from scenarios import Scenario
    from sim.experiments.backends import Backend
    from sim.experiments.rare import Rare

INTERRUPTED = 130
NO_LEVEL = "none"


@dataclass(frozen=True)
class Asked:
    """What is asked for, as it was written, and how it is to be looked for."""

    event: str
    level: str | None
    particles: int | None
    replications: int | None


def run_rare(
    name: str,
    scenario: Scenario,
    asked: Asked,
    seed: int | None,
    backend: Backend,
    json: str | None,
    quiet: bool,
    no_color: bool,
) -> int:
    """Look for it, and say how probable it is."""
    found = _looked_for(scenario, asked, seed, backend, quiet, no_color)
    if not quiet and json != STDOUT:
        from sim.reports.rare import example, rarity

        out = console(no_color)
        out.print(rarity(found))
        shown = example(found, name)
        if shown is not None:
            out.print(f"see one: {shown}", soft_wrap=True)
    if json is not None:
        write_json(json, found.as_json())
    return INTERRUPTED if found.interrupted else 0


def _looked_for(
    scenario: Scenario, asked: Asked, seed: int | None, backend: Backend, quiet: bool, no_color: bool
) -> Rare:
    from sim.experiments.rare import NATURAL, PARTICLES, PLAIN, SPLITTINGS, RareError, event_of, level_of, rare

    given = {None: NATURAL, NO_LEVEL: None}.get(asked.level, asked.level)
    try:
        event = event_of(scenario, asked.event)
    except RareError as error:
        raise BadInput(f"--rare {error}") from None
    try:
        level = level_of(event, given)
    except RareError as error:
        raise BadInput(f"--level {error}") from None
    if level is None and asked.particles is not None:
        raise BadInput(f"--particles {asked.particles}: are of a splitting; valid: with a --level")
    if asked.particles == 1:
        raise BadInput("--particles 1: leaves nobody to go on; valid: 2 or more")
    many = asked.replications or (PLAIN if level is None else SPLITTINGS)
    with progress(no_color, quiet) as bar:
        task = bar.add_task(scenario.name, total=many)

        def advance(more: int) -> None:
            bar.advance(task, more)
            check()

        try:
            found = rare(
                scenario,
                asked.event,
                seed,
                many,
                level=level,
                particles=asked.particles or PARTICLES,
                backend=backend,
                on_done=advance,
            )
        except KeyboardInterrupt:
            say("interrupted; nothing was finished")
            raise
    if found.interrupted:
        finished = len(found.splittings) if level is not None else found.runs
        say(f"interrupted; finished: {finished} of {many}")
    return found
