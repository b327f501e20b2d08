"""When a program or its fork server is killed, no process is left running, and the next system continues the work."""

import os
import signal
import subprocess
import sys
from contextlib import closing

import pytest

from recovery.local import LocalSystem, task_queue
from recovery.stores.database import Database
from tests.recovery.local.processes import PATIENCE, QUICK, ROOT, handler, parent, runs, stop_between_writes, until

PROGRAM = """
import sys, time
from recovery.local import LocalSystem
from tests.recovery.local.processes import STEADY, handler

with LocalSystem(sys.argv[1], handler("step_by_step"), STEADY) as system:
    for number in range(40):
        system.submit(f"task.{number}")
    print(*system.processes(), flush=True)
    time.sleep(60)
"""


@pytest.fixture
def program(url):
    """A program with a system, and the processes that belong to it."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, url], cwd=ROOT, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(pids) == 5
        assert all(map(runs, pids))
        yield process, pids
        process.kill()


@pytest.mark.parametrize(
    "number",
    [signal.SIGKILL, *(pytest.param(each, marks=pytest.mark.long) for each in (signal.SIGTERM, signal.SIGINT))],
)
def test_no_process_survives_the_program(program, url, number):
    process, pids = program
    stop_between_writes(os.kill, url, pids[0])  # a stopped process cannot notice the end by itself
    process.send_signal(number)
    process.wait(PATIENCE)
    until(lambda: not any(map(runs, pids)))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends who is stopped when its parent ends")
@pytest.mark.long
def test_no_process_survives_the_fork_server(program):
    _, pids = program
    os.kill(pids[0], signal.SIGSTOP)
    os.kill(parent(pids[0]), signal.SIGKILL)
    until(lambda: not any(map(runs, pids)))


@pytest.mark.long
def test_the_next_system_on_a_store_continues_unfinished_work(program, url):
    process, pids = program
    with closing(Database(url)) as database:
        until(lambda: database.read(task_queue.had_by))
        process.kill()
        process.wait(PATIENCE)
        until(lambda: not any(map(runs, pids)))
        under_way = database.read(task_queue.had_by)
    assert under_way
    conditions = {"task_failure": {"max_retries": 1, "retry_delay": 0.1}}
    recovery = {"detection": {"heartbeat_interval": 1}, "conditions": conditions}
    with LocalSystem(url, handler("step_by_step"), {**QUICK, "recovery": recovery, "agents": 5}) as system:
        assert system.wait(PATIENCE)
        assert system.effects() == {f"task.{number}": list(range(10)) for number in range(40)}
        assert len(system.logs("/var/log/tasks/", "system_restarted")) == len(under_way)
        assert system.audit.first_wrong() is None
