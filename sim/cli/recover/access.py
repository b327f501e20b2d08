"""Shared by the commands for manual recovery: opening a store, and authorizing an operator."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.errors import BadInput
from sim.cli.output.console import visible

if TYPE_CHECKING:
    from recovery.manual.authorization import Admission, Authorization
    from recovery.stores.database import Database

TOKEN = "RECOVERY_BENCH_TOKEN"  # noqa: S105 - the name of a variable
Store = Annotated[
    str | None,
    typer.Option(metavar="URL", envvar="RECOVERY_BENCH_STORE", help="The store: sqlite:///FILE or postgresql://…"),
]
OperatorsFile = Annotated[
    str,
    typer.Option("--operators", metavar="FILE", envvar="RECOVERY_BENCH_OPERATORS", help="The operators file."),
]
OPERATORS = "operators.json"
OperatorName = Annotated[
    str | None,
    typer.Option(
        "--operator",
        metavar="NAME",
        envvar="RECOVERY_BENCH_OPERATOR",
        help=f"Who you are; your token is in {TOKEN}, or asked for.",
    ),
]


@contextmanager
def opened(store: str | None) -> Iterator[Database]:
    """An existing store. Errors of the store and of manual recovery are raised as BadInput."""
    from recovery.manual.authorization import Refused
    from recovery.manual.manual_recovery import NotPossible
    from recovery.manual.operators import OperatorsError
    from recovery.manual.plan_file import PlanFileError
    from recovery.runbook.catalogue import RunbookError
    from recovery.stores.database import Database
    from recovery.stores.errors import StoreError

    if store is None:
        raise BadInput("--store: is missing; valid: the URL of a store, here or in RECOVERY_BENCH_STORE")
    try:
        database = Database(store, create=False)
        try:
            yield database
        finally:
            database.close()
    except (NotPossible, OperatorsError, PlanFileError, Refused, RunbookError, StoreError) as error:
        raise BadInput(visible(str(error))) from None


def authorize(
    database: Database, operators: str, operator: str | None, procedure: str, task_id: str
) -> tuple[Authorization, Admission]:
    """Authorize the operator for a task, with the token from the environment or from the terminal."""
    _check_task(database, task_id)
    return authorize_as(database, operators, operator, procedure, task_id)


def authorize_as(
    database: Database, operators: str, operator: str | None, procedure: str, subject: str
) -> tuple[Authorization, Admission]:
    """Authorize the operator for a procedure, with the token from the environment or from the terminal."""
    from recovery.local.task_queue import is_text
    from recovery.manual.authorization import Authorization
    from recovery.manual.operators import load_operators
    from recovery.stores.sql_audit import SqlAudit

    if operator is None:
        raise BadInput("--operator: is missing; valid: your name, here or in RECOVERY_BENCH_OPERATOR")
    if not is_text(operator):
        raise BadInput(f"--operator {visible(operator)}: is not a valid name of an operator")
    known = load_operators(Path(operators))
    token = os.environ.get(TOKEN)
    if token is None:
        if not sys.stdin.isatty():
            raise BadInput(f"{operator}: your token is missing; valid: in {TOKEN}, or typed in at a terminal")
        token = getpass(f"token of {operator}: ")
    authorization = Authorization(known, SqlAudit(database, time.time), time.time)  # noqa: TID251 - operators live by the machine's clock
    return authorization, authorization.admit(operator, token.strip(), procedure, subject)


def _check_task(database: Database, task_id: str) -> None:
    """Raise BadInput for an unknown task, so that a mistyped name does not use up a token."""
    from recovery.local.task_queue import is_text
    from recovery.stores.sql_tasks import SqlTaskStore

    name = visible(task_id)
    if not is_text(task_id) or SqlTaskStore(database).status(task_id) is None:
        raise BadInput(f"{name}: there is no task with this name in {database.place}")


def confirmed(question: str, *, yes: bool) -> None:
    """Ask for confirmation of a change. Raises Abort when it is refused, BadInput without a terminal."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise BadInput("a confirmation needs a terminal; valid: --yes")
    typer.confirm(question, abort=True, err=True)
