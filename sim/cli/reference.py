"""`schema` and `runbook`: what scenario files may hold, and which recovery is in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.consoles import console
from sim.cli.files import STDOUT, write_json
from sim.cli.options import NoColor

if TYPE_CHECKING:
    from rich.table import Table

    from recovery.runbook import Entry, Runbook


def schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    from scenarios import Scenario

    write_json(STDOUT, {"$schema": "https://json-schema.org/draft/2020-12/schema", **Scenario.model_json_schema()})


def runbook(
    json: Annotated[bool, typer.Option("--json", help="The whole catalogue as JSON, on stdout.")] = False,
    no_color: NoColor = False,
) -> None:
    """Show the runbook in force: symptoms, diagnosis and recovery of each documented failure, and the conditions."""
    from recovery.runbook import documented

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
    from sim.reports.numbers import duration

    return [
        (condition.type, f"{condition.max_retries} retries, {duration(condition.retry_delay)} apart")
        for condition in found.automatic_recovery.conditions
    ]
