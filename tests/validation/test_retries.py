"""Retries against closed forms: number, durations and delays.

Each client has an agent for itself and waits for its task before it submits the next one, so that nothing queues.
Attempts fail with probability P, independently; after r = RETRIES retries the task is given up.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import sim
from tests.validation.agreement import SHORT, agrees, ratio_agrees, replicate, scenario

P, RETRIES, WORK = 0.6, 3, 2.0
BASE, CAP = 3.0, 10.0


def run(policy: str, duration: float, replications: int, fails: str = "end", p: float = P) -> sim.Result:
    """Replications of clients and agents side by side, under a policy for failed tasks."""
    return replicate(
        scenario(
            duration,
            tasks=f"{{arrivals: {{closed: {{clients: 5}}}}, work: {WORK}, failure_probability: {p}, "
            f"failure_at: {fails}}}",
            agents="{count: 5}",
            recovery=f"{{conditions: {{task_failure: {{max_retries: {RETRIES}, retry_delay: {BASE}, {policy}}}}}}}",
        ),
        replications,
    )


@pytest.mark.parametrize(("duration", "replications"), [(800, SHORT), pytest.param(4_000, 10, marks=pytest.mark.slow)])
def test_attempts_follow_a_truncated_geometric_distribution(duration: int, replications: int) -> None:
    """Attempts per task (1 - p^(r+1)) / (1 - p), given up p^(r+1): p = 0.6, r = 3. Wrong: an attempt too few."""
    result = run("backoff: fixed", duration, replications)
    exact = (1 - P ** (RETRIES + 1)) / (1 - P)
    agrees(result, "attempts.per_task.mean", exact, wrong=(1 - P**RETRIES) / (1 - P))


@pytest.mark.parametrize(
    ("duration", "replications"),
    [pytest.param(3_000, SHORT, marks=pytest.mark.long), pytest.param(12_000, 10, marks=pytest.mark.slow)],
)
def test_the_failure_probability_is_that_of_all_attempts(duration: int, replications: int) -> None:
    """Share given up p^(r+1): p = 0.9, r = 3. Wrong: an attempt too few, p^r."""
    result = run("backoff: fixed", duration, replications, p=0.9)
    ratio_agrees(result, "tasks.failed", "tasks.submitted", 0.9 ** (RETRIES + 1), wrong=0.9**RETRIES)


DELAYS = {
    "fixed": [BASE] * RETRIES,
    "linear": [min(CAP, n * BASE) for n in (1, 2, 3)],
    "exponential": [min(CAP, BASE * 2 ** (n - 1)) for n in (1, 2, 3)],
}
ONE_TOO_MANY = {
    "fixed": [0.0, BASE, BASE],  # the first retry at once
    "linear": [min(CAP, n * BASE) for n in (2, 3, 4)],
    "exponential": [min(CAP, BASE * 2**n) for n in (1, 2, 3)],
}


def completion_time(delays: list[float], failed_share: float = 1.0) -> float:
    """Mean sojourn of a completed task: its k failures are geometric up to r, each costs an attempt and a delay."""
    chances = [P**k * (1 - P) for k in range(RETRIES + 1)]
    times = [WORK * (1 + k * failed_share) + sum(delays[:k]) for k in range(RETRIES + 1)]
    return sum(c * t for c, t in zip(chances, times, strict=True)) / sum(chances)


@pytest.mark.parametrize(
    ("duration", "replications"),
    [pytest.param(1_500, SHORT, marks=pytest.mark.long), pytest.param(8_000, 10, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("backoff", DELAYS)
def test_completion_includes_each_failed_attempt_and_delay(backoff: str, duration: int, replications: int) -> None:
    """E[T | completed] = sum over k of P(k) (work (k+1) + d_1 + ... + d_k): delays 3 s capped at 10 s. Wrong: a first
    exponent too many; for fixed delays, the first retry at once."""
    result = run(f"backoff: {backoff}, max_delay: {CAP}", duration, replications)
    agrees(
        result,
        "tasks.sojourn.mean",
        completion_time(DELAYS[backoff]),
        wrong=completion_time(ONE_TOO_MANY[backoff]),
    )


@pytest.mark.parametrize(
    ("duration", "replications"),
    [pytest.param(1_500, SHORT, marks=pytest.mark.long), pytest.param(4_000, 10, marks=pytest.mark.slow)],
)
def test_a_uniform_failure_takes_half_the_work(duration: int, replications: int) -> None:
    """As above, with failures uniform over the work. Wrong: failures at its end."""
    exact = completion_time(DELAYS["fixed"], failed_share=0.5)
    agrees(
        run("backoff: fixed", duration, replications, "uniform"),
        "tasks.sojourn.mean",
        exact,
        wrong=completion_time(DELAYS["fixed"]),
    )


def geometric_sum(p: float, mean: float, square: float, *, redrawn: bool) -> tuple[float, float]:
    """E[S] and E[S^2] of the work of N attempts, P(N = n) = p^(n-1) (1 - p), each of work X.

    Repeated: S = N X, E[S^2] = E[N^2] E[X^2]. Redrawn: S is a sum of N draws, E[S^2] = E[N] Var X + E[N^2] E[X]^2.
    """
    number, number_squared = 1 / (1 - p), (1 + p) / (1 - p) ** 2
    if not redrawn:
        return number * mean, number_squared * square
    return number * mean, number * (square - mean**2) + number_squared * mean**2


@pytest.mark.parametrize("retried", ["repeat", "redraw"])
def test_the_deviation_of_retried_work_is_that_of_a_geometric_sum(retried: str) -> None:
    """Work uniform over 0-4 s, p = 0.2, no delay: the same mean, another deviation. Wrong: the other one."""
    deviation = {}
    for redrawn in (False, True):
        mean, square = geometric_sum(0.2, 2.0, 16 / 3, redrawn=redrawn)
        deviation["redraw" if redrawn else "repeat"] = math.sqrt(square - mean**2)
    result = replicate(
        scenario(
            1_200,
            tasks="{arrivals: {closed: {clients: 5}}, work: {uniform: {low: 0s, high: 4s}}, "
            f"failure_probability: 0.2, retried: {retried}}}",
            agents="{count: 5}",
            recovery="{detection: {detector: perfect}, conditions: {task_failure: {max_retries: 60, retry_delay: 0s}}}",
        ),
        SHORT,
    )
    wrong = deviation["repeat" if retried == "redraw" else "redraw"]
    agrees(result, "tasks.sojourn.sd", deviation[retried], wrong=wrong)


@pytest.mark.slow
@pytest.mark.parametrize("retried", ["repeat", "redraw"])
def test_the_wait_behind_retried_work_is_that_of_pollaczek_and_khinchine(retried: str) -> None:
    """One agent that is kept for the retry: M/G/1 with S as above, E[W] = rate E[S^2] / 2 (1 - rate E[S])."""
    rate, wait = 0.2, {}
    for redrawn in (False, True):
        mean, square = geometric_sum(0.2, 2.0, 16 / 3, redrawn=redrawn)
        wait["redraw" if redrawn else "repeat"] = rate * square / 2 / (1 - rate * mean)
    result = replicate(
        scenario(
            200_000,
            tasks=f"{{arrivals: {{poisson: {{rate: {rate}/s}}}}, work: {{uniform: {{low: 0s, high: 4s}}}}, "
            f"failure_probability: 0.2, retried: {retried}, retry_holds_agent: true}}",
            agents="{count: 1}",
            recovery="{detection: {detector: perfect}, conditions: {task_failure: {max_retries: 60, retry_delay: 0s}}}",
        ),
        SHORT,
    )
    agrees(result, "tasks.wait.mean", wait[retried], wrong=wait["repeat" if retried == "redraw" else "redraw"])


def moments(backoff: str, jitter: str) -> tuple[float, float]:
    """Mean and standard deviation of a delay, over all retries: retry n is granted to a share P^n of the tasks.

    full: uniform(0, d); equal: d/2 + uniform(0, d/2); proportional: d (1 + uniform(-1/2, 1/2)); decorrelated:
    uniform(base, 3 previous); none is over the cap. Integrated by the midpoint rule.
    M. Brooker, "Exponential Backoff And Jitter",
    AWS Architecture Blog (2015).
    """
    u = (np.arange(120) + 0.5) / 120
    delay, means, squares = np.array([BASE]), [], []
    for d in DELAYS[backoff]:
        if jitter == "decorrelated":
            delay = np.minimum(CAP, BASE + np.multiply.outer(3 * delay - BASE, u)).ravel()
        else:
            shape = {"none": 1 + 0 * u, "full": u, "equal": (1 + u) / 2, "proportional": 1 / 2 + u}[jitter]
            delay = np.minimum(CAP, d * shape)
        means.append(delay.mean())
        squares.append((delay**2).mean())
    share = P ** np.arange(1, RETRIES + 1) / (P ** np.arange(1, RETRIES + 1)).sum()
    first = float(share @ np.array(means))
    return first, math.sqrt(max(0.0, float(share @ np.array(squares)) - first**2))


@pytest.mark.parametrize(
    ("backoff", "jitter", "duration", "replications"),
    [
        ("exponential", "full", 2_000, SHORT),
        pytest.param("exponential", "decorrelated", 1_500, SHORT, marks=pytest.mark.long),
        *(
            pytest.param(backoff, jitter, 6_000, 10, marks=pytest.mark.slow)
            for backoff in ("fixed", "exponential")
            for jitter in ("full", "equal", "proportional", "decorrelated")
        ),
    ],
)
def test_jittered_delays_match_their_formula(backoff: str, jitter: str, duration: int, replications: int) -> None:
    """Mean and deviation of `retries.delay` for base 3 s, cap 10 s. Wrong: the mean of another jitter; no spread."""
    other = {"full": "equal", "equal": "full", "proportional": "equal", "decorrelated": "proportional"}[jitter]
    policy = f"backoff: {backoff}, max_delay: {CAP}, jitter: {jitter}" + ", spread: 0.5" * (jitter == "proportional")
    result = run(policy, duration, replications)
    mean, deviation = moments(backoff, jitter)
    agrees(result, "retries.delay.mean", mean, wrong=moments(backoff, other)[0])
    agrees(result, "retries.delay.sd", deviation, wrong=moments(backoff, "none")[1])
