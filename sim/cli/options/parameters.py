"""Options that several commands take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.errors import BadInput
from sim.cli.options.parameter_types import Change, Count, PathValue, Seed, SeedOrReplication, typed_option

if TYPE_CHECKING:
    SeedOrReplicationValue = int | str
else:
    SeedOrReplicationValue = object  # typer accepts no union

Json = Annotated[str | None, typer.Option("--json", metavar="FILE", help="Write the result as JSON; - is stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say only what does not hold, on stderr.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="Plain text.")]
AnySeed = Annotated[
    SeedOrReplicationValue | None,
    typed_option(
        SeedOrReplication("--seed"),
        "Seed of all randomness; the scenario's own if left out. N/R repeats replication R.",
    ),
]
WholeSeed = Annotated[
    int | None, typed_option(Seed("--seed"), "Seed of all randomness; the scenario's own if left out.")
]
Jobs = Annotated[int, typed_option(Count("--jobs"), "Processes to run replications on.")]
Policy = Annotated[
    str | None,
    typer.Option("--policy", metavar="FILE", help="A policy file, whose values replace those of the scenarios."),
]
Set = Annotated[list[Change] | None, typed_option(PathValue("--set"), "Another value for a key; may be repeated.")]


def changes(given: Iterable[Change] | None, option: str = "--set") -> dict[str, str]:
    """The values of an option by path. Raises BadInput for a path that is given twice."""
    values: dict[str, str] = {}
    for change in given or ():
        if change.path in values:
            raise BadInput(
                f"{option} {change}: {change.path} is set already, to {values[change.path]}; valid: one value"
            )
        values[change.path] = change.value
    return values
