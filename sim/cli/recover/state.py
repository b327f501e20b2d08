"""`recover state`: save the state of a task, choose another checkpoint, and verify the start of the next attempt."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from sim.cli.errors import BadInput
from sim.cli.options.parameters import Json, NoColor
from sim.cli.output.console import console, say, visible
from sim.cli.output.files import STDOUT, check_writable, write_json
from sim.cli.recover import access
from sim.cli.recover.task import DryRun, Task, Yes

if TYPE_CHECKING:
    from recovery.model import Checkpoint

LONGEST_NAME = 150


def backup(
    task: Task,
    folder: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Also write it to a file in this folder.")
    ] = None,
    store: access.Store = None,
    operators: access.OperatorsFile = access.OPERATORS,
    operator: access.OperatorName = None,
    no_color: NoColor = False,
) -> int:
    """Save the state from which the next attempt would start as a new checkpoint, and in a file with --folder.

    No checkpoint can be added to an escalated task: its state goes to a file only. Exit status 1: nothing was saved.
    """
    if folder is not None and not Path(folder).is_dir():
        raise BadInput(f"--folder {folder}: there is no such folder")
    with access.opened(store) as database:
        from recovery.manual.manual_recovery import ManualRecovery

        access.authorize(database, operators, operator, "state", task)
        saved, anew = asyncio.run(ManualRecovery(database).backup(task))
    if saved is None:
        say(f"{task}: has no intact checkpoint, and starts from the beginning")
        return 1
    line = f"{task}: checkpoint {saved.sequence}, progress {saved.progress:g}"
    if not anew and folder is None:
        say(f"{line}; no checkpoint can be added, since it is escalated; valid: --folder, to write it to a file")
        return 1
    console(no_color).print(visible(line), soft_wrap=True)
    if folder is not None:
        file = Path(folder) / file_name(saved)
        write_json(str(file), asdict(saved))
        console(no_color).print(f"backup: {file}", soft_wrap=True)
    return 0


def restore(
    task: Task,
    checkpoint: Annotated[int, typer.Option(metavar="N", help="Number of the checkpoint to start from.")],
    store: access.Store = None,
    operators: access.OperatorsFile = access.OPERATORS,
    operator: access.OperatorName = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    no_color: NoColor = False,
) -> int:
    """Choose the checkpoint that the next attempt starts from. Exit status 1: it is damaged."""
    with access.opened(store) as database:
        from recovery.manual.manual_recovery import ManualRecovery, NotPossible
        from recovery.model import TaskStatus

        authorization, admission = access.authorize(database, operators, operator, "state", task)
        manual = ManualRecovery(database)
        given_up = manual.status(task) is TaskStatus.ESCALATED
        stored = manual.checkpoints(task)
        chosen = [(each, intact) for each, intact in stored if each.sequence == checkpoint]
        if not chosen:
            numbers = ", ".join(str(each.sequence) for each, _ in stored) or "none: it has no checkpoint"
            raise BadInput(f"--checkpoint {checkpoint}: {task} has no such checkpoint; valid: {numbers}")
        ((found, intact),) = chosen
        out = console(no_color)
        out.print(
            f"{visible(task)}: checkpoint {found.sequence}, progress {found.progress:g}, epoch {found.epoch}",
            soft_wrap=True,
        )
        if dry_run:
            out.print("it is intact" if intact else "it is damaged", soft_wrap=True)
            out.print("nothing was done: --dry-run")
            return 0 if intact else 1
        access.confirmed(f"Let the next attempt at {task} start from it?", yes=yes)
        try:
            restored = asyncio.run(manual.restore(task, checkpoint))
        except NotPossible as reason:
            raise authorization.refuse(admission, str(reason)) from None
    if not restored:
        say(f"{task}: checkpoint {checkpoint} is damaged and was not chosen")
        return 1
    out.print(f"\ndone; now: recovery-bench recover state verify {visible(task)}", soft_wrap=True)
    if given_up:
        out.print(f"it is escalated; to start it: recovery-bench recover task plan {visible(task)}", end="")
        out.print(f" --checkpoint {checkpoint} --out plan.json", soft_wrap=True)
    return 0


def verify(
    task: Task,
    store: access.Store = None,
    operators: access.OperatorsFile = access.OPERATORS,
    operator: access.OperatorName = None,
    json: Json = None,
    no_color: NoColor = False,
) -> int:
    """Verify that the next attempt would start from an intact checkpoint. If so, the token is invalid afterwards.

    Exit status 1: it would not.
    """
    check_writable("--json", json)
    with access.opened(store) as database:
        from recovery.manual.manual_recovery import ManualRecovery

        authorization, admission = access.authorize(database, operators, operator, "state", task)
        manual = ManualRecovery(database)
        verified = asyncio.run(manual.verify_state(task))
        stored = manual.checkpoints(task)
        if verified:
            authorization.finish(admission)
    if json is not None:
        write_json(json, {"task": task, "verified": verified, "checkpoints": [_row(*each) for each in stored]})
    if json != STDOUT:
        out = console(no_color)
        for each, intact in stored:
            note = "" if intact else ", damaged"
            out.print(f"{visible(task)}: checkpoint {each.sequence}, progress {each.progress:g}{note}", soft_wrap=True)
        if verified:
            start = "an intact checkpoint" if stored else "the beginning"
            out.print(f"{visible(task)}: the next attempt starts from {start}", soft_wrap=True)
    if not verified:
        say(f"{task}: the next attempt would start from a damaged checkpoint")
    return 0 if verified else 1


def file_name(checkpoint: Checkpoint) -> str:
    """The name of a backup file, which is in the folder whatever the name of the task is."""
    name = quote(checkpoint.task_id, safe="")  # escapes `/` and non-ASCII characters
    if len(name) > LONGEST_NAME:
        name = f"{name[:LONGEST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return f"task-{name}.checkpoint-{checkpoint.sequence}.json"


def _row(checkpoint: Checkpoint, intact: bool) -> dict[str, Any]:
    return {
        "sequence": checkpoint.sequence,
        "epoch": checkpoint.epoch,
        "progress": checkpoint.progress,
        "intact": intact,
    }
