"""A PostgreSQL server for the tests, from the local installation."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
"""Where Debian keeps what is not meant for everybody's path."""

QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0")
"""Settings of a server that nobody cuts the power of."""


def program(name):
    """A program of PostgreSQL, None if it is not installed."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, PLACES)]))


def user():
    """The user that runs a server: PostgreSQL refuses to run as root."""
    return "postgres" if os.geteuid() == 0 else None


@contextmanager
def server(folder: Path):
    """A server on a socket in this folder; its URL, as long as the block lasts."""
    data, sockets = folder / "data", folder / "sockets"
    for each in (data, sockets):
        each.mkdir()
        if user() is not None:
            shutil.chown(each, user())
    folder.chmod(0o711)  # access for the user of the server
    initdb = [program("initdb"), "-D", data, "-U", "tester", "-A", "trust", "--no-sync", "-E", "UTF8", "--no-locale"]
    subprocess.run(initdb, check=True, capture_output=True, user=user(), cwd=data)
    control = [program("pg_ctl"), "-D", data, "-w"]
    settings = ["listen_addresses=", *QUICK]
    options = f"-k '{sockets}' " + " ".join(f"-c {each}" for each in settings)
    start = [*control, "-l", data / "log", "-o", options, "start"]
    subprocess.run(start, check=True, stdout=subprocess.DEVNULL, user=user(), cwd=data)
    try:
        yield f"postgresql://tester@/postgres?host={sockets}"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True, user=user(), cwd=data)
