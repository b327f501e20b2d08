"""`list` and `show`: the shipped scenarios, and an explanation of one scenario."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sim.cli.options.parameters import Json, NoColor
from sim.cli.output.console import console
from sim.cli.output.files import STDOUT, check_writable, write_json


def list_(json: Json = None, no_color: NoColor = False) -> None:
    """List the shipped scenarios, one per line."""
    import scenarios

    check_writable("--json", json)
    found = [scenarios.load(name) for name in scenarios.names()]
    if json is not None:
        rows: list[dict[str, Any]] = [
            {"name": scenario.name, "description": scenario.description, "documents": scenario.documents}
            for scenario in found
        ]
        write_json(json, rows)
    if json != STDOUT:
        from sim.presentation.formatting import signs
        from sim.reports.explained.explanation import catalogue

        out = console(no_color)
        out.print(catalogue(found, out.width, signs(out.encoding)))


def show(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="Name of a shipped scenario, or a file.")],
    json: Json = None,
    no_color: NoColor = False,
) -> None:
    """Explain a scenario: its faults and their times, the affected parts, and the expected behavior. Nothing is run."""
    import scenarios

    check_writable("--json", json)
    found = scenarios.load(scenario)
    if json is not None:
        write_json(json, found.resolved())
    if json != STDOUT:
        from sim.presentation.formatting import signs
        from sim.reports.explained.explanation import explanation

        out = console(no_color)
        out.print(explanation(found, signs(out.encoding)))
