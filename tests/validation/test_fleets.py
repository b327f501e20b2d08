"""Kinds of tasks, priorities, pools and downstream dependencies against queueing theory, through ordinary scenarios."""

from __future__ import annotations

import pytest

from tests.validation.agreement import SHORT, agrees, agrees_of_kind, replicate, scenario
from tests.validation.test_queues import erlang_c

RATES, WORKS, SQUARES = (0.3, 0.2), (1.0, 1.5), (1.0, 2 * 1.5**2)


def cobham() -> tuple[float, float]:
    """Mean waits of two classes in M/G/1 with non-preemptive priorities, the first one served first.

    W_k = W_0 / ((1 - sigma_(k-1)) (1 - sigma_k)), W_0 = sum of lambda_i E[S_i^2] / 2, sigma_k the load of the first k
    classes. A. Cobham, "Priority assignment in waiting line problems", Operations Research 2 (1954).
    """
    residual = sum(rate * square for rate, square in zip(RATES, SQUARES, strict=True)) / 2
    first = RATES[0] * WORKS[0]
    both = first + RATES[1] * WORKS[1]
    return residual / (1 - first), residual / ((1 - first) * (1 - both))


@pytest.mark.long
def test_waits_with_priorities_match_cobham() -> None:
    """Two kinds that share the arrivals, constant and exponential work. Wrong: no priorities, the same wait for both
    (Pollaczek-Khinchine), and preemption, in which the first class does not see the second: lambda_1 E[S_1^2] / 2.
    """
    rate = sum(RATES)
    result = replicate(
        scenario(
            70_000,
            tasks=f"{{arrivals: {{poisson: {{rate: {rate}}}}}, kinds: ["
            f"{{name: urgent, share: {RATES[0] / rate}, work: 1s, priority: 2}}, "
            f"{{name: slow, work: {{exponential: {{mean: {WORKS[1]}}}}}, priority: 1}}]}}",
            agents="{count: 1}",
        ),
        SHORT,
    )
    urgent, slow = cobham()
    load = sum(rate * work for rate, work in zip(RATES, WORKS, strict=True))
    in_order = sum(rate * square for rate, square in zip(RATES, SQUARES, strict=True)) / 2 / (1 - load)
    preemptive = RATES[0] * SQUARES[0] / 2 / (1 - RATES[0] * WORKS[0])
    agrees_of_kind(result, "tasks.urgent.wait.mean", urgent, in_order)
    agrees_of_kind(result, "tasks.urgent.wait.mean", urgent, preemptive)
    agrees_of_kind(result, "tasks.slow.wait.mean", slow, in_order)


@pytest.mark.long
def test_two_pools_are_two_queues() -> None:
    """Each pool takes one kind: two independent M/M/c, with the waits of Erlang's C. Wrong: one queue of all agents."""
    result = replicate(
        scenario(
            32_000,
            tasks="[{name: a, arrivals: {poisson: {rate: 1.2/s}}, work: {exponential: {mean: 1s}}}, "
            "{name: b, arrivals: {poisson: {rate: 0.6/s}}, work: {exponential: {mean: 2s}}}]",
            agents="{pools: {one: {count: 2, takes: [a]}, two: {count: 3, takes: [b]}}}",
        ),
        replications=SHORT,
    )
    agrees_of_kind(result, "tasks.a.sojourn.mean", 1 + erlang_c(2, 1.2) / (2 - 1.2), 1 + erlang_c(5, 2.4) / (5 - 2.4))
    agrees_of_kind(
        result, "tasks.b.sojourn.mean", 2 + 2 * erlang_c(3, 1.2) / (3 - 1.2), 2 + 2 * erlang_c(5, 2.4) / (5 - 2.4)
    )
    agrees(result, "agents.utilization", 2.4 / 5, wrong=1.2 / 5)


ONCE = "{conditions: {task_failure: {max_retries: 0}}, detection: {detector: perfect}}"


@pytest.mark.long
def test_a_rate_limit_without_a_burst_is_a_dead_time() -> None:
    """A token bucket of 1 refuses calls for 1/r after each that it admits: of Poisson calls, 1 / (1 + lambda / r) are
    admitted. W. Feller, "On probability problems in the theory of counters" (1948). Wrong: r / lambda.
    """
    result = replicate(
        scenario(
            1_500,
            tasks="{arrivals: {poisson: {rate: 2/s}}, work: 0s, calls: [api]}",
            agents="{count: 50}",
            downstream="{api: {rate_limit: 1/s}}",
            recovery=ONCE,
        ),
        SHORT,
    )
    agrees_of_kind(result, "downstream.api.rejected", 1 - 1 / 3, wrong=1 - 1 / 2)


@pytest.mark.long
def test_calls_that_may_not_wait_are_rejected_as_erlang_b_says() -> None:
    """M/M/c/c: B(c, a) by its recursion. A. K. Erlang (1917). Wrong: they wait, and the share that does is C(c, a)."""
    blocking, load = 1.0, 1.5
    for servers in (1, 2):
        blocking = load * blocking / (servers + load * blocking)
    result = replicate(
        scenario(
            2_000,
            tasks="{arrivals: {poisson: {rate: 1.5/s}}, work: 0s, calls: [api]}",
            agents="{count: 50}",
            downstream="{api: {latency: {exponential: {mean: 1s}}, capacity: 2, waiting: 0}}",
            recovery=ONCE,
        ),
        SHORT,
    )
    agrees_of_kind(result, "downstream.api.rejected", blocking, wrong=erlang_c(2, load))


@pytest.mark.long
def test_agents_that_prefetch_everything_are_separate_queues() -> None:
    """Each of two agents gets every second task of a Poisson stream: E_2/M/1, whose mean sojourn is 1 / (mu (1 - s))
    with s = A(mu (1 - s)) and A(x) = (lambda / (lambda + x))^2. L. Kleinrock, "Queueing Systems" 1 (1975), 6.4.
    Wrong: one queue for both, M/M/2.
    """
    rate = 1.2
    s = 0.5
    for _ in range(200):
        s = (rate / (rate + 1 - s)) ** 2
    result = replicate(
        scenario(
            8_000,
            tasks=f"{{arrivals: {{poisson: {{rate: {rate}}}}}, work: {{exponential: {{mean: 1s}}}}}}",
            agents="{count: 2, prefetch: 1000000}",
        ),
        SHORT,
    )
    agrees(result, "tasks.sojourn.mean", 1 / (1 - s), wrong=1 + erlang_c(2, rate) / (2 - rate))
