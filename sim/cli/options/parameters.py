"""Options that several commands take, and how their texts are read."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from sim.cli.errors import BadInput

Json = Annotated[str | None, typer.Option("--json", metavar="FILE", help="Write the result as JSON; - is stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say only what does not hold, on stderr.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="Plain text.")]
Seed = Annotated[
    str | None,
    typer.Option(
        metavar="N", help="Seed of all randomness; the scenario's own if left out. N/R repeats replication R."
    ),
]
Jobs = Annotated[str, typer.Option(metavar="N", help="Processes to run replications on.")]


def seed(text: str | None) -> int | str | None:
    """`7` as a number; `7/3`, replication 3 of seed 7, as it stands, and `7/3@1200:17`, which leaves it on the way."""
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+)\s*(?:/\s*(\d+)((?:@\d+:\d+)*)\s*)?", text, re.ASCII)
    if match is None:
        raise BadInput(f"--seed {text}: is no seed; valid: a whole number such as 7, or 7/3 for its replication 3")
    number, replication, branches = match.groups()
    if replication is None:
        return int(number)
    name = f"{int(number)}/{int(replication)}{branches}"
    if not branches:
        return name
    from sim.randomness.branching import Trajectory

    try:
        Trajectory.parse(name)
    except ValueError as error:
        raise BadInput(f"--seed {error}") from None
    return name


def seed_of_all(text: str | None) -> int | None:
    """A seed of many replications: `7`, and not `7/3`, which is one of them."""
    found = seed(text)
    if isinstance(found, str):
        raise BadInput(f"--seed {found}: is one replication; valid: --seed {found.partition('/')[0]}")
    return found


def positive(option: str, text: str, least: int = 1, of: str = "") -> int:
    """A whole number, from 1 on or as `least` says: `of` what, where the option's name does not tell."""
    if not re.fullmatch(r"\s*\+?\d+\s*", text, re.ASCII) or int(text) < 1:
        what = of or option.strip("-")
        raise BadInput(f"{option} {text}: is no number of {what}; valid: a whole number from {least} on")
    return int(text)


def share(option: str, text: str) -> float:
    """`5%` or `0.05` as a number."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(%?)\s*", text, re.ASCII)
    found = 0.0 if match is None else float(match[1]) / (100 if match[2] else 1)
    if not 0 < found < 1:
        raise BadInput(f"{option} {text}: is no share; valid: between 0 and 1, such as 5% or 0.05")
    return found


def changes(texts: list[str], option: str = "--set") -> dict[str, str]:
    """`path=value` texts of an option as a mapping."""
    values: dict[str, str] = {}
    for text in texts:
        path, sign, value = text.partition("=")
        if not sign or not path.strip():
            raise BadInput(f"{option} {text}: is no change; valid: path=value, as in agents.count=20")
        if path.strip() in values:
            raise BadInput(
                f"{option} {text}: {path.strip()} is set already, to {values[path.strip()]}; valid: one value"
            )
        values[path.strip()] = value.strip()
    return values
