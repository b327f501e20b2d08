"""`recover`: agents on this machine, and the documented manual procedures against a live store."""

from __future__ import annotations

import typer

from sim.cli.recover import audit, demo, operators, state, task

WHO = "--store sqlite:///store.db --operator alice"
GROUPS = {
    "task": (
        "The manual procedure for a task: analyze, plan, execute, verify.",
        (
            ("analyze", task.analyze, f"analyze task.7 {WHO}"),
            ("plan", task.plan, f"plan task.7 --out task.7.plan.json {WHO}"),
            ("execute", task.execute, f"execute task.7.plan.json --dry-run {WHO}"),
            ("verify", task.verify, f"verify task.7 {WHO}"),
        ),
    ),
    "state": (
        "The manual procedure for a task's state: backup, restore, verify.",
        (
            ("backup", state.backup, f"backup task.7 --folder . {WHO}"),
            ("restore", state.restore, f"restore task.7 --checkpoint 3 --dry-run {WHO}"),
            ("verify", state.verify, f"verify task.7 {WHO}"),
        ),
    ),
    "operator": (
        "The operators who may recover tasks manually, and their tokens.",
        (
            ("add", operators.add, "add alice --operators operators.json"),
            ("token", operators.token, "token alice --for 8h --store sqlite:///store.db"),
            ("enroll", operators.enroll, "enroll new.json --operators operators.json --store sqlite:///store.db"),
            ("list", operators.list_, "list"),
            ("remove", operators.remove, "remove alice --store sqlite:///store.db"),
        ),
    ),
}


def recover_app() -> typer.Typer:
    """The `recover` commands."""
    app = typer.Typer(
        rich_markup_mode="rich",
        no_args_is_help=True,
        help="Recovery on this machine: a demo, and manual procedures.",
    )
    app.command("demo", epilog="Example: recovery-bench recover demo --tasks 60")(demo.recover_demo)
    for group, (about, commands) in GROUPS.items():
        below = typer.Typer(rich_markup_mode="rich", no_args_is_help=True, help=about)
        for name, command, example in commands:
            below.command(name, epilog=f"Example: recovery-bench recover {group} {example}")(command)
        app.add_typer(below, name=group)
    app.command("escalations", epilog="Example: recovery-bench recover escalations --store sqlite:///store.db")(
        audit.escalations
    )
    app.command("audit", epilog="Example: recovery-bench recover audit --verify --store sqlite:///store.db")(
        audit.audit
    )
    return app
