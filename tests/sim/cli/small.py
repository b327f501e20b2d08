"""A small scenario, and the command line in a process of its own."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SMALL = """\
name: small
seed: 7
duration: 4m
tasks:
  arrivals: {poisson: {rate: 2/s}}
  work: {exponential: {mean: 3s}}
agents: {count: 10, restart_time: 20s}
faults:
  - agent_crash: {targets: 1, at: 1m}
expect:
  - tasks.lost == 0
  - recovery.time.max <= %s
"""


def in_a_process(*arguments, **environment):
    """Run a command; its output is in bytes."""
    command = [sys.executable, "-m", "sim.cli", *arguments]
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, capture_output=True, env=env, check=False)
