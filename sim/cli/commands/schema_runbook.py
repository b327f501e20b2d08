"""`schema`, `runbook` and `runbook check`: the schema of scenario files, the current runbook, and a check of others."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.errors import BadInput
from sim.cli.options.parameters import NoColor
from sim.cli.output.console import console, say
from sim.cli.output.files import STDOUT, write_json

if TYPE_CHECKING:
    from rich.table import Table

    from recovery.runbook.catalogue import Entry, Runbook


def schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    from scenarios.json_schema import json_schema

    write_json(STDOUT, json_schema())


def runbook(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="The whole catalogue as JSON, on stdout.")] = False,
    no_color: NoColor = False,
) -> None:
    """Show the current runbook: symptoms, diagnosis and recovery of each documented failure, and the conditions."""
    from recovery.runbook.catalogue import documented

    if context.invoked_subcommand is not None:
        if json:
            raise BadInput("runbook --json: shows the runbook in force; valid: runbook check FILE without it")
        return
    found = documented()
    if json:
        write_json(STDOUT, found.as_dict())
        return
    out = console(no_color)
    for name, entry in found.entries():
        out.print(name, style="bold")
        out.print(_table(_parts(entry)))
        out.print()
    out.print("conditions of automatic recovery", style="bold")
    out.print(_table(_conditions(found)))


def runbook_check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="YAML, or a Markdown guide with YAML blocks.")],
    no_color: NoColor = False,
) -> None:
    """Check a runbook of your own and print a summary of its contents."""
    from recovery.runbook.catalogue import RunbookError, load

    try:
        found = load(Path(file))
    except RunbookError as error:
        for line in error.every[:-1]:
            say(line)
        raise BadInput(error.every[-1]) from None
    out = console(no_color)
    out.print(f"{file} is a runbook", style="bold", markup=False, highlight=False)
    out.print(_table(_held(found)))


def _held(found: Runbook) -> list[tuple[str, str]]:
    entries = dict(found.entries())
    commands = dict.fromkeys(step.command for entry in entries.values() for step in (*entry.diagnosis, *entry.recovery))
    automatic, manual = found.automatic_recovery, found.manual_recovery
    rows: list[tuple[str, Collection[str]]] = [
        ("entries", entries),
        ("commands", commands),
        ("conditions", [condition.type.value for condition in automatic.conditions]),
        ("automatic procedures", automatic.procedures),
        ("manual procedures", manual.procedures),
        ("best practices", [each for group in found.recovery_best_practices.values() for each in group]),
        ("considerations", [each for group in found.performance_considerations.values() for each in group]),
    ]
    return [(what, f"{len(names)}: {', '.join(names)}" if names else "none") for what, names in rows]


def _table(rows: list[tuple[str, str]]) -> Table:
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 0, 0, 2))
    for row in rows:
        table.add_row(*row)
    return table


def _parts(entry: Entry) -> list[tuple[str, str]]:
    return [
        ("symptoms", ", ".join(f"{name}: {value}" for symptom in entry.symptoms for name, value in symptom.items())),
        ("diagnosis", ", ".join(step.command for step in entry.diagnosis)),
        ("recovery", ", ".join(step.command for step in entry.recovery)),
    ]


def _conditions(found: Runbook) -> list[tuple[str, str]]:
    from sim.presentation.formatting import duration

    return [
        (condition.type, f"{condition.max_retries} retries, {duration(condition.retry_delay)} apart")
        for condition in found.automatic_recovery.conditions
    ]
