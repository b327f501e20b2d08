"""What is wrong with a store, in one line for people."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

from recovery.errors import RecoveryBenchError


class StoreError(RecoveryBenchError):
    """A store cannot do what it was asked for. The text says which store, what is wrong, and what to do about it."""


SAID = {
    "database is locked": "is locked by another program; valid: when that one is done with it",
    "readonly database": "cannot be written to; valid: a file and a folder that may be written to",
    "disk is full": "cannot be written: the disk is full",
    "disk I/O error": "cannot be read or written: disk I/O error",
    "unable to open database file": "cannot be opened; valid: a file in a folder that exists and may be written to",
    "file is not a database": "is no database, or a damaged one; valid: a file that a store has made",
    "malformed": "is damaged; valid: a copy from before",
    "is the server running": "does not answer; valid: the URL of a server that runs",
    "connection refused": "does not answer; valid: the URL of a server that runs",
    "could not translate host name": "is on a host that nobody knows; valid: the URL of a server that runs",
    "password authentication failed": "does not let this user in",
    "does not exist": "does not exist on that server",
}
"""What drivers say, and what to tell."""


def store_error(place: str, error: Exception) -> StoreError:
    """What a driver has said of the store at `place`, in words for people."""
    said = str(error.orig) if isinstance(error, DBAPIError) and error.orig is not None else str(error)
    for mark, words in SAID.items():
        if mark.lower() in said.lower():
            return StoreError(f"{place}: {words}")
    return StoreError(f"{place}: {' '.join(said.split())}")
