"""`recover task`: analyze a failure, plan its recovery, execute the plan, and verify the result."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.errors import BadInput
from sim.cli.options.parameters import Json, NoColor
from sim.cli.output.console import console, say, visible
from sim.cli.output.files import STDOUT, check_writable, write_json
from sim.cli.recover import access

if TYPE_CHECKING:
    from recovery.manual.manual_recovery import Assessment
    from recovery.manual.plan_file import PlanFile
    from recovery.runbook.catalogue import Runbook

Task = Annotated[str, typer.Argument(metavar="TASK", help="Name of the task.")]
PlanPath = Annotated[str, typer.Argument(metavar="PLAN", help="A file from `recover task plan`.")]
RunbookFile = Annotated[
    str | None, typer.Option("--runbook", metavar="FILE", help="A catalogue that replaces the documented one.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, without doing it.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]


def analyze(
    task: Task,
    store: access.Store = None,
    operators: access.OperatorsFile = access.OPERATORS,
    operator: access.OperatorName = None,
    runbook: RunbookFile = None,
    json: Json = None,
    no_color: NoColor = False,
) -> None:
    """Analyze a task and show the plan for its recovery. Nothing is changed."""
    check_writable("--json", json)
    with access.opened(store) as database:
        from recovery.manual.manual_recovery import ManualRecovery

        access.authorize(database, operators, operator, "task", task)
        found = asyncio.run(ManualRecovery(database, _runbook(runbook)).analyze(task))
    if json is not None:
        write_json(json, _as_json(found))
    if json != STDOUT:
        out = console(no_color)
        for line in _summary(found):
            out.print(line, soft_wrap=True)


def plan(
    task: Task,
    out: Annotated[str, typer.Option(metavar="FILE", help="Where to write the plan; - is stdout.")],
    checkpoint: Annotated[
        int | None, typer.Option(metavar="N", help="Checkpoint to start from; default: the latest intact one.")
    ] = None,
    store: access.Store = None,
    operators: access.OperatorsFile = access.OPERATORS,
    operator: access.OperatorName = None,
    runbook: RunbookFile = None,
    no_color: NoColor = False,
) -> None:
    """Write the plan for the recovery of a task to a file. Only its digest is stored, in the audit trail."""
    check_writable("--out", out)
    with access.opened(store) as database:
        from recovery.manual.manual_recovery import ManualRecovery

        _, admission = access.authorize(database, operators, operator, "task", task)
        made = asyncio.run(ManualRecovery(database, _runbook(runbook)).plan(task, admission.operator, checkpoint))
    write_json(out, made.model_dump(mode="json"))
    if out == STDOUT:
        return
    for line in _steps(made):
        console(no_color).print(line, soft_wrap=True)
    console(no_color).print(f"\nplan: {out}\nread it, then: recovery-bench recover task execute {out}", soft_wrap=True)


def execute(
    plan: PlanPath,
    store: access.Store = None,
    operators: access.OperatorsFile = access.OPERATORS,
    operator: access.OperatorName = None,
    runbook: RunbookFile = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    no_color: NoColor = False,
) -> int:
    """Execute a plan, if it is up to date. Exit status 1: a step has failed."""
    with access.opened(store) as database:
        from recovery.manual.manual_recovery import ManualRecovery, NotPossible
        from recovery.manual.plan_file import read_plan

        read = read_plan(Path(plan))
        manual = ManualRecovery(database, _runbook(runbook))
        manual.check_store(read)  # before a token is used for it
        authorization, admission = access.authorize(database, operators, operator, "task", read.task)
        out = console(no_color)
        try:
            asyncio.run(manual.check(read))
            for line in _steps(read):
                out.print(line, soft_wrap=True)
            if dry_run:
                out.print("\nnothing was done: --dry-run")
                return 0
            access.confirmed(f"Execute these steps for {read.task}?", yes=yes)
            done = asyncio.run(manual.execute(read))
        except NotPossible as reason:
            raise authorization.refuse(admission, str(reason)) from None
    if not done:
        say(f"{read.task}: a step has failed; see recovery-bench recover audit")
        return 1
    out.print(f"\ndone; now: recovery-bench recover task verify {visible(read.task)}", soft_wrap=True)
    return 0


def verify(
    task: Task,
    store: access.Store = None,
    operators: access.OperatorsFile = access.OPERATORS,
    operator: access.OperatorName = None,
    no_color: NoColor = False,
) -> int:
    """Verify that a task is recovered, and resolve its escalation. The token is invalid afterwards.

    Exit status 1: it is not recovered.
    """
    with access.opened(store) as database:
        from recovery.manual.manual_recovery import ManualRecovery

        authorization, admission = access.authorize(database, operators, operator, "task", task)
        manual = ManualRecovery(database)
        verified = asyncio.run(manual.verify(task, admission.operator))
        status = manual.status(task)
        if verified:
            authorization.finish(admission)
    if not verified:
        say(f"{task}: is not recovered")
        return 1
    console(no_color).print(f"{visible(task)}: is recovered: {status}", soft_wrap=True)
    return 0


def _runbook(file: str | None) -> Runbook | None:
    from recovery.runbook.catalogue import load

    if file is None:
        return None
    if not Path(file).is_file():
        raise BadInput(f"--runbook {file}: there is no such file")
    return load(Path(file))


def _summary(found: Assessment) -> list[str]:
    from recovery.diagnosis.explanation import explain_findings

    state = found.state
    lines = [
        f"{visible(found.task_id)}: {state['status']}, epoch {state['epoch']}, {state['last_checkpoint']} checkpoints"
    ]
    if state["error_code"]:
        lines.append(f"error code: {visible(state['error_code'])}")
    if state["retries"]:
        lines.append("retries: " + ", ".join(f"{count} for {kind}" for kind, count in state["retries"].items()))
    if state["held"]:
        lines.append("holds: " + ", ".join(f"{units} of {pool}" for pool, units in state["held"].items()))
    if found.escalation is not None:
        lines.append(f"escalated: {found.escalation.reason}")
    analysis, strategy = found.plan.analysis, found.plan.strategy
    if analysis is not None:
        lines += ["", visible(explain_findings(analysis))]
    steps = [f"nothing to do: {found.plan.reason}"] if strategy is None else str(strategy).split("\n")
    return [*lines, "", *map(visible, steps)]


def _steps(plan: PlanFile) -> list[str]:
    lines = [f"{visible(plan.task)}: {plan.verdict}", visible(plan.because), ""]
    if plan.checkpoint is not None:
        lines.insert(2, f"from checkpoint {plan.checkpoint}")
    for number, step in enumerate(plan.steps, 1):
        arguments = ", ".join(f"{name}={_shown(value)}" for name, value in step.arguments.items())
        undone = f"; undone by {step.undo}" if step.undo else ""
        lines.append(f"  {number}. {step.name}: {step.command}({arguments}){undone}")
    return lines


def _shown(value: Any) -> str:
    return "(found out)" if value is None else visible(str(value))


def _as_json(found: Assessment) -> dict[str, Any]:
    analysis, escalation = found.plan.analysis, found.escalation
    return {
        "task": found.task_id,
        "state": found.state,
        "verdict": None if analysis is None else analysis.verdict,
        "confidence": None if analysis is None else analysis.confidence,
        "plan": str(found.plan),
        "escalation": None if escalation is None else {"incident": escalation.incident, "reason": escalation.reason},
    }
