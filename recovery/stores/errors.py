"""Errors of stores as one line."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

from recovery.errors import RecoveryBenchError, without_passwords


class StoreError(RecoveryBenchError):
    """An error of a store. The message has the store, the problem, and what is valid."""

    is_failure = True


PROBLEMS = {
    "database is locked": "is locked by another program; valid: after that one has finished",
    "readonly database": "cannot be written to; valid: a file and a folder that may be written to",
    "disk is full": "cannot be written: the disk is full",
    "disk I/O error": "cannot be read or written: disk I/O error",
    "unable to open database file": "cannot be opened; valid: a file in a folder that exists and may be written to",
    "file is not a database": "is not a database, or damaged; valid: a file that a store has made",
    "malformed": "is damaged; valid: a copy from before",
    "is the server running": "does not answer; valid: the URL of a server that runs",
    "connection refused": "does not answer; valid: the URL of a server that runs",
    "could not translate host name": "is on an unknown host; valid: the URL of a server that runs",
    "password authentication failed": "refuses this user or password",
    "does not exist": "does not exist on that server",
}
"""Parts of the messages of drivers, and the problem that each stands for."""


def store_error(place: str, error: Exception) -> StoreError:
    """The error of the store at `place` for an error of its driver."""
    message = str(error.orig) if isinstance(error, DBAPIError) and error.orig is not None else str(error)
    for part, problem in PROBLEMS.items():
        if part.lower() in message.lower():
            return StoreError(f"{place}: {problem}")
    return StoreError(without_passwords(f"{place}: {' '.join(message.split())}"))
