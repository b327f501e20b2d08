"""The command line: `recovery-bench demo | list | show | run | schema | runbook`."""

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status; 130 also when it is interrupted during an import."""
    from sim.gc_tuning import rare_collections

    with rare_collections():  # imported objects remain, and repeated garbage collections of them take time
        try:
            from sim.cli.app import main as run
        except KeyboardInterrupt:
            sys.stderr.write("interrupted\n")
            return 130
        return run(arguments)
