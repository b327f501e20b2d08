"""The command line: `recovery-bench demo | list | show | run | schema | runbook`."""

from sim.cli.app import main

__all__ = ["main"]
