"""The command line: `recovery-bench demo | list | show | run | schema | runbook`."""

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and give its exit status; 130 also when it is interrupted while it is still being imported."""
    from sim.gc_tuning import rare_collections

    with rare_collections():  # what is imported stays, and to look through it again and again takes its time
        try:
            from sim.cli.app import main as run
        except KeyboardInterrupt:
            return 130
        return run(arguments)
