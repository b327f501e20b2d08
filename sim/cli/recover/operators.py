"""`recover operator`: the operators and their tokens."""

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
from sim.cli.output.console import console
from sim.cli.recover.access import OPERATORS, OperatorsFile

TOKEN_SECONDS = 8 * 3600.0
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the operator.")]


@contextmanager
def _errors_as_bad_input() -> Iterator[None]:
    from recovery.manual.operators import OperatorsError

    try:
        yield
    except OperatorsError as error:
        raise BadInput(str(error)) from None


def add(
    name: Name,
    role: Annotated[str, typer.Option(metavar="ROLE", help="admin: may recover tasks; viewer: may not.")] = "admin",
    operators: OperatorsFile = OPERATORS,
    no_color: NoColor = False,
) -> None:
    """Add an operator. The file is created if it does not exist."""
    from recovery.manual.operators import Operators, Role, load_operators, save_operators

    if role not in {each.value for each in Role}:
        raise BadInput(f"--role {role}: not a role; valid: {', '.join(each.value for each in Role)}")
    path = Path(operators)
    with _errors_as_bad_input():
        known = load_operators(path) if path.exists() else Operators()
        save_operators(path, known.with_operator(name, Role(role)))
    console(no_color).print(f"{name}: {role}; next: recovery-bench recover operator token {name}", soft_wrap=True)


def token(
    name: Name,
    lasts: Annotated[
        float | None, typed_option(Duration("--for"), "How long the token is valid; 8h if left out.")
    ] = None,
    operators: OperatorsFile = OPERATORS,
) -> None:
    """Create a token, which is valid for one recovery, and print it. Only its salted hash is stored."""
    from recovery.manual.operators import load_operators, save_operators

    path = Path(operators)
    with _errors_as_bad_input():
        now = time.time()  # noqa: TID251 - operators live by the machine's clock
        changed, secret = load_operators(path).with_token(name, TOKEN_SECONDS if lasts is None else lasts, now)
        save_operators(path, changed)
    sys.stdout.write(secret + "\n")


def remove(name: Name, operators: OperatorsFile = OPERATORS, no_color: NoColor = False) -> None:
    """Remove an operator and their tokens."""
    from recovery.manual.operators import load_operators, save_operators

    path = Path(operators)
    with _errors_as_bad_input():
        save_operators(path, load_operators(path).without_operator(name))
    console(no_color).print(f"{name}: was removed", soft_wrap=True)


def list_(operators: OperatorsFile = OPERATORS, no_color: NoColor = False) -> None:
    """List the operators, and the number of valid tokens of each."""
    from recovery.manual.operators import load_operators

    with _errors_as_bad_input():
        known = load_operators(Path(operators))
    now = time.time()  # noqa: TID251 - operators live by the machine's clock
    for name, operator in known.operators.items():
        good = sum(token.expires_at > now for token in operator.tokens)
        console(no_color).print(f"{name}: {operator.role}, tokens that have not expired: {good}", soft_wrap=True)
