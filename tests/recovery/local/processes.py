"""Helpers for tests with real processes: a fast configuration, and the state of a process."""

import signal
import subprocess
import time
from pathlib import Path

from recovery.stores.sqlite import is_write_locked

ROOT = Path(__file__).parents[3]
PATIENCE = 60
QUICK = {
    "recovery": {"detection": {"heartbeat_interval": 0.1}},
    "lease": {"duration": 0.5, "renew_every": 0.1},
    "requeue": "head",
}
STEADY = {**QUICK, "recovery": {"detection": {"heartbeat_interval": 20}}}
"""No agent is suspected while a test runs, however slow the machine is: for tests in which no agent fails."""


def handler(name):
    return f"tests.recovery.local.handlers:{name}"


def until(holds, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.01)


def stop_between_writes(send, url, pid):
    """Stop a process while it holds no lock of the store: with one, every other write would wait for it."""

    def stopped():
        send(pid, signal.SIGSTOP)
        until(lambda: process_info(pid, "state")[:1] in {"T", "t"})
        if not is_write_locked(url):
            return True
        send(pid, signal.SIGCONT)
        return False

    until(stopped)


def process_info(pid, column):
    """The state of a process from the system: its `state`, or its parent, `ppid`. Empty for a missing process."""
    if Path("/proc/self/stat").exists():
        try:
            state, ppid, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return ""
        return {"state": state, "ppid": ppid}[column]
    asked = ["ps", "-o", f"{column}=", "-p", str(pid)]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


def runs(pid):
    """Whether a process runs, and is not a zombie."""
    return process_info(pid, "state")[:1] not in {"", "Z", "X"}


def parent(pid):
    return int(process_info(pid, "ppid"))


def events(system, *subjects):
    return [entry.event for entry in system.audit.entries() if entry.subject in subjects]


def agents_of(system):
    return {name: pid for pid, name in system.processes().items() if name.startswith("agent")}
