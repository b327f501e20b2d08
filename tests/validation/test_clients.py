"""Impatient clients: amplification in closed form, and the conditions of a retry storm."""

from __future__ import annotations

import math

import numpy as np
import pytest

import scenarios
import sim
from tests.validation.agreement import SHORT, agrees, replicate, scenario

TIMEOUT, MEAN, RETRIES, RATE = 3.2, 2.0, 3, 2.0


@pytest.mark.parametrize(
    ("duration", "replications"),
    [pytest.param(2_500, SHORT, marks=pytest.mark.long), pytest.param(10_000, 8, marks=pytest.mark.slow)],
)
def test_a_short_client_timeout_makes_long_requests_use_all_retries(duration: int, replications: int) -> None:
    """M/M/inf: nobody queues, so that a task answers in time when its work X is at most the timeout T, and its client
    asks again each time that it is not: q = P(X > T) = exp(-T / m), amplification 1 + r q, goodput l (1 - q). The work
    is the request's own, the same each time; T = 3.2 s, m = 2 s, r = 3. Wrong: redrawn, 1 + q + q^2 + q^3.
    """
    q = math.exp(-TIMEOUT / MEAN)
    result = replicate(
        scenario(
            duration,
            tasks=f"{{arrivals: {{poisson: {{rate: {RATE}}}}}, work: {{exponential: {{mean: {MEAN}}}}}, "
            f"client: {{timeout: {TIMEOUT}, max_retries: {RETRIES}}}}}",
            agents="{count: 100}",
        ),
        replications,
    )
    agrees(result, "client.amplification", 1 + RETRIES * q, wrong=1 + q + q**2 + q**3)
    agrees(result, "client.goodput", RATE * (1 - q), wrong=RATE * (1 - q ** (RETRIES + 1)))


@pytest.mark.parametrize(
    ("duration", "replications"),
    [pytest.param(2_500, SHORT, marks=pytest.mark.long), pytest.param(10_000, 8, marks=pytest.mark.slow)],
)
def test_accepting_late_responses_saves_later_retries(duration: int, replications: int) -> None:
    """As above, with a delay d before each retry, and late answers accepted: copy k + 1 is made when X > k (T + d), for
    k = 1...r, and X > T that asks for the first. P(k or more retries) = exp(-(k (T + d)) / m); the answer is always the
    first task's, after X: the mean response is m. d = 1 s. Wrong: the retries of those who drop late answers.
    """
    delay = 1.0
    again = [math.exp(-k * (TIMEOUT + delay) / MEAN) for k in range(1, RETRIES + 1)]
    result = replicate(
        scenario(
            duration,
            tasks=f"{{arrivals: {{poisson: {{rate: {RATE}}}}}, work: {{exponential: {{mean: {MEAN}}}}}, client: "
            f"{{timeout: {TIMEOUT}, max_retries: {RETRIES}, retry_delay: {delay}, late_answer: accept}}}}",
            agents="{count: 100}",
        ),
        replications,
    )
    agrees(result, "client.amplification", 1 + sum(again), wrong=1 + RETRIES * math.exp(-TIMEOUT / MEAN))
    agrees(result, "client.response.mean", MEAN, wrong=MEAN + again[0])


# ------------------------------------------------------------------------------------------------------- the storm
CAPACITY, SURGE, BEGINS, LASTS, DELAY, PATIENCE = 10.0, 6.0, 100.0, 20.0, 1.0, 4.999
"""Ten agents with equal work answer in batches, which the fluid model has not. With this patience, an answer after 5 s
is late. From 5.000 s on it is in time, one batch more is answered, and goodput returns up to 3.1 % earlier."""


def storm(rate: float, retries: int, duration: float = 1000) -> sim.simulation.Run:
    """Ten agents that complete ten tasks per second; for 20 s the load is six times as high."""
    return sim.run(
        scenarios.loads(
            f"name: storm\nduration: {duration}\n"
            f"tasks: {{arrivals: {{interval: {{every: {1 / rate}}}}}, work: 1s, "
            f"client: {{timeout: {PATIENCE}, max_retries: {retries}, retry_delay: {DELAY}}}}}\n"
            "agents: {count: 10}\n"
            f"faults: [{{load_surge: {{factor: {SURGE}, at: {BEGINS}, for: {LASTS}}}}}]\n"
        ),
        seed=1,
    )


def answers(run: sim.simulation.Run) -> np.ndarray:
    """The instants at which clients got their answers."""
    history = run.history
    return history.loc[history["event"] == "client.answered", "time"].to_numpy()


def returns(rate: float, retries: int, step: float = 0.01) -> float:
    """When answers come in time again, in the fluid limit: work flows in and out.

    A copy that is asked for at t is answered after w(t) + 1 s, where w = backlog / capacity; if that is more than the
    patience P, the same is asked for again at t + P + d, up to r times. Infinity: not within 1000 s. After N. Bronson,
    A. Aghayev, A. Charapko and T. Zhu, "Metastable Failures in Distributed Systems" (HotOS 2021).
    """
    count, lag = int(1000 / step), int((PATIENCE + DELAY) / step)
    asked = np.zeros((retries + 1, count + lag + 1))
    asked[0] = rate * step
    asked[0, int(BEGINS / step) : int((BEGINS + LASTS) / step)] *= SURGE
    backlog, back = 0.0, math.inf
    for now in range(count):
        backlog = max(0.0, backlog + asked[:, now].sum() - CAPACITY * step)
        wait = backlog / CAPACITY
        if wait + 1 > PATIENCE:
            asked[1:, now + lag] += asked[:-1, now]
            back = math.inf
        elif math.isinf(back) and now * step > BEGINS + LASTS:
            back = now * step + wait + 1
    return back


@pytest.mark.parametrize(
    ("rate", "retries"), [(4.0, 1), *(pytest.param(*each, marks=pytest.mark.long) for each in ((3.0, 2), (6.0, 0)))]
)
def test_goodput_returns_when_the_fluid_model_predicts(rate: float, retries: int) -> None:
    """l (r + 1) < capacity: the queue drains despite the retries. To 2 % of the time since the surge began.
    Wrong: the line drains as if nobody asked again, at capacity - l."""
    instants = answers(storm(rate, retries))
    late = instants[instants > BEGINS + LASTS]
    first = float(late[np.searchsorted(late, BEGINS + LASTS + PATIENCE)])
    exact, without = returns(rate, retries), returns(rate, 0)
    assert abs(first - exact) <= 0.02 * (exact - BEGINS)
    if retries:
        assert abs(first - without) > 0.2 * (exact - BEGINS)


@pytest.mark.parametrize(
    ("rate", "retries", "duration"),
    [
        (6.0, 1, 1500),
        *(pytest.param(*each, 3000, marks=pytest.mark.long) for each in ((4.0, 2), (3.0, 3))),
        pytest.param(6.0, 1, 3000, marks=pytest.mark.slow),
    ],
)
def test_goodput_collapses_when_retries_alone_exceed_the_capacity(rate: float, retries: int, duration: float) -> None:
    """l (r + 1) > capacity, though l < capacity: 6, 4 and 3 of 10 a second. Wrong: it is enough that l < capacity."""
    assert rate < CAPACITY < rate * (retries + 1)
    assert math.isinf(returns(rate, retries))
    instants = answers(storm(rate, retries, duration))
    before, after = instants < BEGINS, instants > BEGINS + LASTS + PATIENCE
    assert before.sum() >= rate * (BEGINS - 10)
    assert after.sum() == 0
