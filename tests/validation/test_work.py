"""Interrupted work, with and without checkpoints, against renewal theory.

One client that submits its next task when the last one is done, and one agent that dies after an exponential time with
rate f = 1 / mtbf while it is up, is down for D each time, and of which the detector knows at once. Since the time to
the next crash has no memory, tasks are independent and a task's sojourn is its completion time.
"""

from __future__ import annotations

import math

import pytest

from tests.validation.agreement import SHORT, agrees, replicate, scenario

MTBF, DOWN = 20.0, 4.0
LOW, HIGH = 5.0, 15.0


def completion_times() -> dict[str, float]:
    """Exact mean completion time of work X, uniform from LOW to HIGH.

    resume: E[X] (1 + f D). restart, the same work again: (E[exp(f X)] - 1) (1/f + D). redraw, new work each time:
    (1/p - 1) (1/f + D) with p = E[exp(-f X)]. D. P. Gaver, "A Waiting Line with Interrupted Service, Including
    Priorities", J. Royal Statistical Society B 24 (1962): preemptive resume, repeat identical, repeat different.
    """
    f = 1 / MTBF
    grown = (math.exp(f * HIGH) - math.exp(f * LOW)) / (f * (HIGH - LOW))
    survives = (math.exp(-f * LOW) - math.exp(-f * HIGH)) / (f * (HIGH - LOW))
    return {
        "resume": (LOW + HIGH) / 2 * (1 + f * DOWN),
        "restart": (grown - 1) * (MTBF + DOWN),
        "redraw": (1 / survives - 1) * (MTBF + DOWN),
    }


@pytest.mark.parametrize(
    ("interrupted", "wrong", "duration", "replications"),
    [
        ("restart", "redraw", 20_000, SHORT),
        pytest.param("resume", "restart", 20_000, SHORT, marks=pytest.mark.long),
        pytest.param("redraw", "restart", 60_000, SHORT, marks=pytest.mark.long),
        pytest.param("restart", "redraw", 40_000, 20, marks=pytest.mark.slow),
        pytest.param("resume", "restart", 40_000, 20, marks=pytest.mark.slow),
        pytest.param("redraw", "restart", 40_000, 20, marks=pytest.mark.slow),
    ],
)
def test_interrupted_work_matches_gaver(interrupted: str, wrong: str, duration: int, replications: int) -> None:
    """mtbf 20 s, D = 4 s, X uniform over 5-15 s. Wrong: another way to treat the work, redrawn instead of repeated."""
    result = replicate(
        scenario(
            duration,
            tasks="{arrivals: {closed: {clients: 1}}, work: {uniform: {low: 5s, high: 15s}}, "
            f"interrupted: {interrupted}}}",
            agents=f"{{count: 1, mtbf: {MTBF}, restart_time: {DOWN}}}",
            recovery="{detection: {detector: perfect}}",
        ),
        replications,
    )
    exact = completion_times()
    agrees(result, "tasks.sojourn.mean", exact[interrupted], wrong=exact[wrong])


WORK, COST, RESTORE, CRASHES = 100.0, 2.0, 3.0, 50.0


def checkpointed(pieces: int, restore: float = RESTORE) -> float:
    """Exact mean completion time of WORK in equal pieces with a checkpoint of COST between any two.

    A piece of length s that starts from a checkpoint takes exp(f R) (exp(f s) - 1) (1/f + D); the first one has nothing
    to read back. J. T. Daly, "A higher order estimate of the optimum checkpoint interval for restart dumps", Future
    Generation Computer Systems 22 (2006), eq. 13, with the time that an agent is down.
    """
    f = 1 / CRASHES
    lengths = [WORK / pieces + COST] * (pieces - 1) + [WORK / pieces]
    reads = [0.0] + [restore] * (pieces - 1)
    return sum(
        math.exp(f * read) * math.expm1(f * length) * (CRASHES + DOWN)
        for read, length in zip(reads, lengths, strict=True)
    )


@pytest.mark.parametrize(
    ("pieces", "replications"),
    [
        pytest.param(4, SHORT, marks=pytest.mark.long),
        *(pytest.param(pieces, 20, marks=pytest.mark.slow) for pieces in (2, 4, 8, 25)),
    ],
)
def test_checkpoint_costs_and_savings_match_daly(pieces: int, replications: int) -> None:
    """mtbf 50 s, D = 4 s, 100 s of work, 2 s to write a checkpoint, 3 s to read one. Wrong: reading one costs nothing
    (for 2 pieces that is all of 2 %, which the test still tells)."""
    result = replicate(
        scenario(
            60_000 if pieces > 2 else 240_000,
            tasks="{arrivals: {closed: {clients: 1}}, work: 100s, "
            f"checkpoint: {{every: {WORK / pieces}, cost: {COST}, restore: {RESTORE}}}}}",
            agents=f"{{count: 1, mtbf: {CRASHES}, restart_time: {DOWN}}}",
            recovery="{detection: {detector: perfect}}",
        ),
        replications,
    )
    agrees(result, "tasks.sojourn.mean", checkpointed(pieces), wrong=checkpointed(pieces, restore=0))


def daly(cost: float, mtbf: float) -> float:
    """Daly's higher-order estimate of the best interval, eq. 37, valid for cost < 2 mtbf."""
    x = cost / (2 * mtbf)
    return math.sqrt(2 * cost * mtbf) * (1 + math.sqrt(x) / 3 + x / 9) - cost


def test_the_exact_optimum_is_near_young_and_daly() -> None:
    """Young (1974): sqrt(2 cost mtbf); Daly (2006). The test above ties the formula to the bench. Wrong: with few
    crashes to a task one checkpoint is enough."""
    best = min(range(1, 60), key=checkpointed)
    assert WORK / (best + 1) <= daly(COST, CRASHES) <= WORK / (best - 1)
    assert abs(math.log(WORK / best / math.sqrt(2 * COST * CRASHES))) < 0.2
    assert best > 2
