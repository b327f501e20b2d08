"""The base class of every error that Recovery Bench raises, failures that are not defects, and the text of an error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ClassVar

_PASSWORDS = re.compile(r"(://[^\s:/@]*):\S*@|([?&]password=)[^&\s]*")


class RecoveryBenchError(Exception):
    """Base class of the errors that `recovery`, `scenarios` and `sim` define. The message is meant for people."""

    is_failure: ClassVar[bool] = False
    """Whether the error reports a failure of the system, and not a defect of code."""
    reports_defect: ClassVar[bool] = False
    """Whether the error reports a defect of this package, and not of its input or surroundings."""


class CommandFailed(RecoveryBenchError):
    """A command raises it to report that it did not work, with the reason: the same as to return False."""

    is_failure = True


def is_defect(error: BaseException) -> bool:
    """Whether an exception of a command, a port or a store is a defect of code, and not a failure of the system.

    Failures of the system are every `OSError` (such as `ConnectionError` and `TimeoutError`), `CommandFailed`, and the
    other errors whose class sets `is_failure`.
    """
    return not (isinstance(error, OSError) or getattr(error, "is_failure", False))


def error_text(error: BaseException) -> str:
    """The type and the message of an error: `OSError: disk full`. Only the type if its message cannot be read."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - the error of a user may raise in __str__
        return type(error).__name__


def without_passwords(text: str) -> str:
    """A text in which `***` replaces the passwords of URLs."""
    return _PASSWORDS.sub(lambda found: f"{found[1]}:***@" if found[1] else f"{found[2]}***", text)


_OPTION_PREFIX: ContextVar[str] = ContextVar("option prefix", default="")


@contextmanager
def arguments_as_options(prefix: str = "--") -> Iterator[None]:
    """Inside, messages name the options of a command, which begin with `prefix`, and not arguments of functions."""
    before = _OPTION_PREFIX.set(prefix)
    try:
        yield
    finally:
        _OPTION_PREFIX.reset(before)


def argument(name: str, value: object = None, *, python: str | None = None) -> str:
    """An argument in a message, in the words of the caller: `tolerance` or `zone='UTC'` in Python, `--tolerance` or
    `--zone UTC` on the command line. `python` is the whole text in Python, where it differs.
    """
    prefix = _OPTION_PREFIX.get()
    if prefix:
        option = prefix + name.replace("_", "-")
        return option if value is None else f"{option} {value}"
    return python if python is not None else name if value is None else f"{name}={value!r}"
