"""`recover audit` and `recover escalations`: the audit trail of a store, and its open escalations."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.options.parameters import Json, NoColor
from sim.cli.output.console import console, say, visible
from sim.cli.output.files import STDOUT, check_writable, write_json
from sim.cli.recover import access

if TYPE_CHECKING:
    from recovery.model import Escalation


def audit(
    store: access.Store = None,
    subject: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only lines about this task, agent or operator.")
    ] = None,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Check that no line was changed, removed or moved; else exit status 1."),
    ] = False,
    json: Json = None,
    no_color: NoColor = False,
) -> int:
    """Print the audit trail of a store, or verify that it is unchanged."""
    check_writable("--json", json)
    with access.opened(store) as database:
        from recovery.audit import AuditEvent
        from recovery.stores.errors import StoreError
        from recovery.stores.sql_audit import SqlAudit

        trail = SqlAudit(database, time.time)  # noqa: TID251 - operators live by the machine's clock
        wrong = trail.first_wrong() if verify else None
        try:
            entries = trail.entries()
        except StoreError:
            if wrong is None:
                raise
            entries = []
    shown = [entry for entry in entries if subject is None or entry.subject == subject]
    if json is not None:
        write_json(json, {"lines": [asdict(entry) for entry in shown]} | ({"wrong": wrong} if verify else {}))
    if verify:
        if wrong is not None:
            say(f"audit trail: {wrong}")
            return 1
        if json != STDOUT:
            console(no_color).print(f"audit trail: {len(entries):,} lines, all unchanged", soft_wrap=True)
    elif json != STDOUT:
        out = console(no_color)
        for entry in shown:
            refused = entry.event == AuditEvent.OPERATOR_REFUSED and entry.text
            line = f"{entry}: {entry.text}" if refused else str(entry)
            out.print(f"{_at(entry.at)}  {visible(line)}", soft_wrap=True)
    return 0


def escalations(store: access.Store = None, json: Json = None, no_color: NoColor = False) -> None:
    """List the escalations that no operator has resolved, the most urgent first."""
    check_writable("--json", json)
    with access.opened(store) as database:
        from recovery.local.ports import ahead
        from recovery.stores.sql_journal import SqlJournal
        from recovery.supervision.escalation_queue import EscalationQueue

        async def waiting() -> list[Escalation]:
            return list(EscalationQueue(journal=SqlJournal(database, ahead)))

        async def offset() -> float:
            return ahead()

        found, later = asyncio.run(waiting()), asyncio.run(offset())
    if json is not None:
        write_json(json, [_row(each, later) for each in found])
    if json == STDOUT:
        return
    out = console(no_color)
    if not found:
        out.print("no open escalations")
    for each in found:
        line = f"{each.severity}  {each.failure.subject}: {each.failure.kind.value}, {each.reason}"
        out.print(f"{_at(each.at + later)}  {visible(line)}", soft_wrap=True)


def _row(each: Escalation, later: float) -> dict[str, Any]:
    return {
        "incident": each.incident,
        "subject": each.failure.subject,
        "kind": each.failure.kind.value,
        "severity": str(each.severity),
        "reason": each.reason,
        "cause": each.cause,
        "tries": each.tries,
        "at": _at(each.at + later),
        "acknowledged_by": each.acknowledged_by,
    }


def _at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")
