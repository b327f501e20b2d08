"""`recover demo`: agents and cores as processes of this machine, and what happens to them, for real."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.errors import BadInput
from sim.cli.options import parameters
from sim.cli.options.parameter_types import Count, typed_option
from sim.cli.output.console import console, say
from sim.cli.output.files import STDOUT, check_writable, write_json
from sim.cli.output.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from rich.console import Console

    from recovery.local.demo import Findings, Happening

MOST_TASKS = 1000
COLORS = {"fault": "bold red", "agents": "cyan", "core": ""}


def recover_demo(
    tasks: Annotated[int, typed_option(Count("--tasks"), "How many tasks the agents have.")] = 40,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Where to keep everything: sqlite:///FILE or postgresql://…; else a temporary file."
        ),
    ] = None,
    json: parameters.Json = None,
    quiet: parameters.Quiet = False,
    no_color: parameters.NoColor = False,
) -> int:
    """Run four agents as processes, and kill, stop and corrupt; then look whether every effect stands exactly once.

    One agent is killed (SIGKILL) and its checkpoint is corrupted, one is stopped (SIGSTOP) and comes back late, and the
    core is killed in the middle of a recovery. Nothing is left running, however this ends.
    """
    if tasks > MOST_TASKS:
        raise BadInput(f"--tasks {tasks}: are more than anybody waits for; valid: up to {MOST_TASKS:,}")
    check_writable("--json", json)

    from recovery.local.demo import Demo, DemoFailed
    from recovery.local.fork_server_client import ForkServerExited
    from recovery.stores.errors import StoreError

    out = console(no_color)
    silent = quiet or json == STDOUT
    happened: list[Happening] = []

    def tell(happening: Happening) -> None:
        happened.append(happening)
        if not silent:
            _print(out, happening)

    with ExitStack() as stack:
        if store is None:
            store = f"sqlite:///{stack.enter_context(temporary_folder()) / 'store.db'}"
        try:
            findings = Demo(store, tasks, tell).run()
        except DemoFailed as failure:
            say(f"recover demo: {failure}")
            return 1
        except ForkServerExited as gone:
            say(f"recover demo: {gone}")
            return 1
        except (StoreError, RuntimeError) as error:
            raise BadInput(f"--store {error}") from None
    if not silent:
        _summary(out, findings)
    for line in _wrong(findings):
        say(line)
    if json is not None:
        write_json(json, _as_json(findings, happened))
    return 0 if findings.holds else 1


def _print(out: Console, happening: Happening) -> None:
    from rich.text import Text

    line = Text(f"{happening.at:6.2f} s  ", "dim").append(f"{happening.who:6}  ", COLORS[happening.who])
    out.print(line.append(happening.text, COLORS[happening.who]), soft_wrap=True)


def _summary(out: Console, findings: Findings) -> None:
    from rich.table import Table

    from sim.presentation.formatting import quantity, signs

    style = signs(out.encoding)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("fault")
    for heading in ("target", "heartbeat timeout", "time to recovery"):
        table.add_column(heading, justify="right")
    for repaired in findings.repaired:
        seconds, deadline = quantity(repaired.seconds, "s", style), quantity(repaired.deadline, "s", style)
        table.add_row(repaired.fault, repaired.subject, deadline, seconds)
    out.print()
    out.print(table)
    sign = style.holds if findings.holds else style.fails
    out.print(
        f"\n{sign} {findings.right} of {findings.tasks} tasks have their effect exactly once, and it is right; "
        f"late commits refused: {findings.refused}; processes left: {findings.left_running}",
        soft_wrap=True,
        style="green" if findings.holds else "red",
    )


def _wrong(findings: Findings) -> list[str]:
    wrong = []
    if findings.right != findings.tasks:
        wrong.append(f"recover demo: {findings.tasks - findings.right} tasks have a wrong effect, or none")
    if findings.audit_wrong is not None:
        wrong.append(f"recover demo: the audit trail is damaged: {findings.audit_wrong}")
    if findings.left_running:
        wrong.append(f"recover demo: {findings.left_running} processes are left running")
    return wrong


def _as_json(findings: Findings, happened: list[Happening]) -> dict[str, Any]:
    return {**asdict(findings), "holds": findings.holds, "happened": [asdict(each) for each in happened]}
