"""A crash sweep of a program of ten steps: the time of 1,000 cuts, and of a cut against runs of the program itself.

    python benchmarks/crash_sweep.py [--json FILE] [--quick]

A cut takes the program up to the cut, its resume, and the check: about as much as one run and a half. The ratio is that
to a whole run on a new `SimLoop`. Ends with status 1 if a figure does not hold.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from figures import Row, main, ratio, seconds

from sim.loop import run
from sim.programs.crash_sweep.sweep import crash_sweep
from sim.programs.durable import Durable

STEPS = 10


async def program(durable: Durable) -> None:
    """Ten steps with an effect and a record each: 50 awaits."""
    for step in range(STEPS):
        if await durable.store().get(step) is None:
            await durable.request("effect", idempotency_key=str(step))
            await durable.store().put(step, "done")


def check(durable: Durable) -> bool:
    """Each effect has happened once."""
    return durable.effects["effect"] == STEPS


def trials_of(cuts: str | int) -> int:
    """Sweep the program; the number of trials."""
    report = crash_sweep(Durable, program, None, check, cuts)
    assert report.holds
    return len(report.trials)


def runs(count: int) -> None:
    """Run the program without cuts."""
    for _ in range(count):
        run(program(Durable()))


def measure(quick: bool) -> list[Row]:
    """The figures; `quick` leaves out the second cuts."""
    cut = trials_of("all")
    of_a_run = ratio(lambda: trials_of("all"), lambda: runs(cut))
    rows = [Row("a cut / a run of the program", of_a_run, 6, 3, at_least=False)]
    if not quick:
        twice = trials_of("twice")
        taken = seconds(lambda: trials_of("twice")) * 1000 / twice
        rows.append(Row("1,000 cuts of a ten-step program, CPU s", taken, 10, 3, at_least=False))
    return rows


if __name__ == "__main__":
    raise SystemExit(main(__doc__ or "", measure))
