"""A Dask cluster of this machine."""

import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@contextmanager
def cluster(folder, workers):
    """A Dask scheduler and its workers as processes of their own: its address, and theirs."""
    pytest.importorskip("distributed")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__WORKER__DAEMON": "False"}
    file = folder / "scheduler.json"

    def started(stack, *command):
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *command],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stack.callback(process.wait, 30)
        stack.callback(process.kill)
        return process

    with ExitStack() as stack:
        where = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        started(stack, "scheduler", *where, "--scheduler-file", str(file))
        alone = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
        processes = [started(stack, "worker", "--scheduler-file", str(file), *alone) for _ in range(workers)]
        from distributed import Client

        with Client(scheduler_file=str(file), timeout=60) as client:
            client.wait_for_workers(workers, timeout=60)
            address = client.scheduler.address
        del client  # a test looks for clients that are left
        yield address, processes
