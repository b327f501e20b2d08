"""`recover audit` and `recover escalations`: the audit trail of a store, and its open escalations."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.errors import BadInput
from sim.cli.options.parameters import Json, NoColor
from sim.cli.output.console import console, say, visible
from sim.cli.output.files import STDOUT, check_writable, write_json
from sim.cli.recover import access

if TYPE_CHECKING:
    from recovery.model import Escalation
    from recovery.stores.sql_audit import AuditHead

MOST_BYTES = 4096


def audit(
    store: access.Store = None,
    subject: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only lines about this task, agent or operator.")
    ] = None,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Check that no line was changed, removed or moved; else exit status 1."),
    ] = False,
    export_head: Annotated[
        str | None, typer.Option(metavar="FILE", help="Verify, and write the end of the trail to a file; - is stdout.")
    ] = None,
    check_head: Annotated[
        str | None, typer.Option(metavar="FILE", help="Verify, also that the trail continues the one of this file.")
    ] = None,
    json: Json = None,
    no_color: NoColor = False,
) -> int:
    """Print the audit trail of a store, or verify that it is unchanged.

    A head is the number of lines and the digest of the last one. Kept where the store cannot be changed from, it shows
    whether these lines were written again, or the store was replaced. Without a difference, --export-head replaces an
    earlier head.
    """
    check_writable("--json", json)
    check_writable("--export-head", export_head)
    verify = verify or export_head is not None or check_head is not None
    with access.opened(store) as database:
        from recovery.audit import AuditEvent
        from recovery.manual.enrollment import wrong_enrollment
        from recovery.stores.errors import StoreError
        from recovery.stores.sql_audit import SqlAudit

        trail = SqlAudit(database, time.time)  # noqa: TID251 - operators live by the machine's clock
        head = trail.head() if export_head is not None else None
        wrong = None
        if verify:
            heads = [head, *(read_head(each) for each in _kept_heads(export_head, check_head))]
            found = (*(trail.first_wrong(each) for each in heads), database.read(wrong_enrollment))
            wrong = next((each for each in found if each is not None), None)
        if head is not None and export_head is not None and wrong is None:
            write_json(export_head, asdict(head))
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
        if STDOUT not in (json, export_head):
            console(no_color).print(f"audit trail: {len(entries):,} lines, all unchanged", soft_wrap=True)
    elif json != STDOUT:
        out = console(no_color)
        for entry in shown:
            refused = entry.event == AuditEvent.OPERATOR_REFUSED and entry.text
            line = f"{entry}: {entry.text}" if refused else str(entry)
            out.print(f"{_at(entry.at)}  {visible(line)}", soft_wrap=True)
    return 0


def _kept_heads(export_head: str | None, check_head: str | None) -> list[str]:
    """The files with earlier heads. One that would be replaced is checked before."""
    replaced = export_head is not None and export_head != STDOUT and Path(export_head).is_file()
    return [each for each in (check_head, export_head if replaced else None) if each is not None]


def read_head(file: str) -> AuditHead:
    """Read a head of an audit trail. Raises BadInput."""
    from pydantic import TypeAdapter, ValidationError

    from recovery.input_file import InputFileError, read_text
    from recovery.stores.sql_audit import AuditHead

    valid = "valid: a file from recover audit --export-head"
    try:
        return TypeAdapter(AuditHead).validate_json(read_text(Path(file), MOST_BYTES), strict=True)
    except InputFileError as error:
        raise BadInput(f"{file}: {error}; {valid}") from None
    except ValidationError:
        raise BadInput(f"{file}: is not the head of an audit trail; {valid}") from None


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
