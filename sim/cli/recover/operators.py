"""`recover operator`: the operators file of a store, the operators in it, and their tokens."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.errors import BadInput
from sim.cli.options.parameter_types import Duration, typed_option
from sim.cli.options.parameters import NoColor
from sim.cli.output.console import console, say, visible
from sim.cli.recover import access
from sim.cli.recover.access import OPERATORS, OperatorsFile

TOKEN_SECONDS = 8 * 3600.0
PROCEDURE, SUBJECT = "operator", "enroll"
"""What a token is valid for that was used to enroll another file."""
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the operator.")]


@contextmanager
def _errors_as_bad_input() -> Iterator[None]:
    from recovery.manual.operators import OperatorsError

    try:
        yield
    except OperatorsError as error:
        raise BadInput(visible(str(error))) from None


def add(
    name: Name,
    role: Annotated[str, typer.Option(metavar="ROLE", help="admin: may recover tasks; viewer: may not.")] = "admin",
    operators: OperatorsFile = OPERATORS,
    no_color: NoColor = False,
) -> None:
    """Add an operator. The file is created if it does not exist."""
    from recovery.manual.operators import Role, change_operators

    if role not in {each.value for each in Role}:
        raise BadInput(f"--role {role}: not a role; valid: {', '.join(each.value for each in Role)}")
    with _errors_as_bad_input():
        change_operators(Path(operators), lambda known: known.with_operator(name, Role(role)), create=True)
    console(no_color).print(f"{name}: {role}; next: recovery-bench recover operator token {name}", soft_wrap=True)


def token(
    name: Name,
    lasts: Annotated[
        float | None, typed_option(Duration("--for"), "How long the token is valid; 8h if left out.")
    ] = None,
    store: access.Store = None,
    operators: OperatorsFile = OPERATORS,
) -> None:
    """Create a token, which is valid for one recovery in one store, and print it. Only its salted hash is stored.

    The first file with a token for a store is enrolled in it: the store accepts no other one.
    """
    from recovery.manual.enrollment import EnrolledOperators

    with access.opened(store) as database:
        enrolled = EnrolledOperators(database, Path(operators), time.time)  # noqa: TID251 - operators live by the machine's clock
        secret = enrolled.make_token(name, TOKEN_SECONDS if lasts is None else lasts)
    sys.stdout.write(secret + "\n")


def remove(
    name: Name, store: access.Store = None, operators: OperatorsFile = OPERATORS, no_color: NoColor = False
) -> int:
    """Remove an operator and their tokens. Exit status 1: tokens for other stores are left."""
    from recovery.manual.enrollment import EnrolledOperators
    from recovery.manual.operators import change_operators, load_operators

    path = Path(operators)
    with _errors_as_bad_input():
        tokens = load_operators(path).operator(name).tokens
        if not any(each.store for each in tokens):
            change_operators(path, lambda known: known.without_operator(name))
            left = 0
        elif store is None:
            raise BadInput(f"--store: is missing, and {name} has tokens for a store; valid: its URL")
        else:
            with access.opened(store) as database:
                left = EnrolledOperators(database, path, time.time).remove_operator(name)  # noqa: TID251 - operators live by the machine's clock
    if left:
        say(f"{name}: has {left} tokens for other stores; valid: the same with --store of each")
        return 1
    console(no_color).print(f"{name}: was removed", soft_wrap=True)
    return 0


def enroll(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The operators file that the store shall accept.")],
    store: access.Store = None,
    operators: OperatorsFile = OPERATORS,
    operator: access.OperatorName = None,
    no_color: NoColor = False,
) -> None:
    """Enroll an operators file in a store, which accepts no other one, also after it was moved.

    If another file is enrolled, --operators is that file, and an admin in it has to authorize this.
    """
    from recovery.manual.enrollment import EnrolledOperators, enrollment_of

    with access.opened(store) as database:
        enrolled = EnrolledOperators(database, Path(file), time.time)  # noqa: TID251 - operators live by the machine's clock
        if database.read(enrollment_of) is None:
            enrolled.enroll(operator or "nobody", replaces=False)
        else:
            authorization, admission = access.authorize_as(database, operators, operator, PROCEDURE, SUBJECT)
            enrolled.enroll(admission.operator, replaces=True)
            authorization.finish(admission)
        place = database.place
    console(no_color).print(f"{visible(file)}: is the operators file of {visible(place)}", soft_wrap=True)


def list_(operators: OperatorsFile = OPERATORS, no_color: NoColor = False) -> None:
    """List the operators, and the number of valid tokens of each."""
    from recovery.manual.operators import load_operators

    with _errors_as_bad_input():
        known = load_operators(Path(operators))
    now = time.time()  # noqa: TID251 - operators live by the machine's clock
    for name, operator in known.operators.items():
        good = sum(not token.is_expired(now) for token in operator.tokens)
        console(no_color).print(f"{name}: {operator.role}, tokens that have not expired: {good}", soft_wrap=True)
