"""Task handlers of the tests, which agents import by name."""

import os
import time
from pathlib import Path

from recovery.local import Attempt


def double(attempt: Attempt) -> int:
    return attempt.payload * 2


def step_by_step(attempt: Attempt) -> list[int]:
    """Ten steps, with a checkpoint after each; the effect lists the executed steps, each once."""
    taken = list(attempt.state or [])
    while len(taken) < 10:
        time.sleep(0.02)
        taken.append(len(taken))
        attempt.save(len(taken), taken)
    return taken


def deadly(attempt: Attempt) -> str:
    """Kills its agent the first time."""
    mark = Path(attempt.payload)
    if not mark.exists():
        mark.touch()
        os._exit(9)
    return "done"


def poison(attempt: Attempt) -> None:
    """Kills its agent at each attempt."""
    os._exit(9)


class OutOfOrder(Exception):
    error_code = "out_of_order"


def failing(attempt: Attempt) -> str:
    """Fails as often as configured."""
    if attempt.epoch <= attempt.payload:
        raise OutOfOrder(f"attempt {attempt.epoch}")
    return f"attempt {attempt.epoch}"


def no_json(attempt: Attempt) -> object:
    return {1, 2, 3}


def sleeping(attempt: Attempt) -> str:
    time.sleep(attempt.payload)
    return "awake"


def quitting(attempt: Attempt) -> str:
    raise SystemExit(3)
