"""Queues against queueing theory, through ordinary scenarios and the public interface."""

from __future__ import annotations

import math

import pytest

from tests.validation.agreement import SHORT, agrees, ratio_agrees, replicate, scenario


def erlang_c(agents: int, load: float) -> float:
    """Probability that a task waits in M/M/c; load = rate x mean work. A. K. Erlang (1917)."""
    blocking = 1.0
    for servers in range(1, agents + 1):  # Erlang B by its recursion, then C from B
        blocking = load * blocking / (servers + load * blocking)
    return agents * blocking / (agents - load * (1 - blocking))


@pytest.mark.parametrize(
    ("duration", "replications"),
    [pytest.param(20_000, SHORT, marks=pytest.mark.long), pytest.param(10_000, 80, marks=pytest.mark.slow)],
)
def test_waits_of_several_agents_match_erlang_c(duration: int, replications: int) -> None:
    """M/M/3 at load 0.5: P(wait) = C(c, a), mean wait W = C / (c mu - lambda), L = lambda (W + 1 / mu), Lq = lambda W.
    Wrong: three queues of their own, each M/M/1: P(wait) = 0.5, sojourn 1 / (1 - 0.5), Lq = 3 x 0.5; nobody waits.
    """
    result = replicate(
        scenario(
            duration,
            tasks="{arrivals: {poisson: {rate: 1.5/s}}, work: {exponential: {mean: 1s}}}",
            agents="{count: 3}",
        ),
        replications,
    )
    waits = erlang_c(3, 1.5)
    wait = waits / 1.5
    agrees(result, "tasks.wait_probability", waits, wrong=0.5)
    agrees(result, "tasks.sojourn.mean", 1 + wait, wrong=2.0)
    agrees(result, "agents.utilization", 0.5, wrong=1.5)
    agrees(result, "tasks.in_system.mean", 1.5 * (1 + wait), wrong=1.5)


WORKS = {
    "M/D/1": ("1s", 1.0),
    "M/E4/1": ("{erlang: {k: 4, mean: 1s}}", 1.25),
    "M/M/1": ("{exponential: {mean: 1s}}", 2.0),
    "M/H2/1": ("{hyperexponential: {mean: 1s, cv: 2}}", 5.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", WORKS)
def test_waits_of_one_agent_match_pollaczek_khinchine(kind: str) -> None:
    """M/G/1 at load 0.4: mean wait = lambda E[S^2] / 2 (1 - rho), F. Pollaczek (1930), A. Khinchine (1932). Wrong: the
    work that is under way is left out, of a task that finds n others: n works, which is the formula with 2 E[S]^2.
    """
    work, square = WORKS[kind]
    rate = 0.4
    result = replicate(
        scenario(60_000, tasks=f"{{arrivals: {{poisson: {{rate: {rate}}}}}, work: {work}}}", agents="{count: 1}"),
        replications=60 if square < 5 else 200,
    )
    exact = rate * square / (2 * (1 - rate))
    agrees(result, "tasks.wait.mean", exact, wrong=rate * 2 / (2 * (1 - rate)) if square != 2 else 2 * exact)


@pytest.mark.parametrize(
    ("duration", "replications"),
    [pytest.param(24_000, SHORT, marks=pytest.mark.long), pytest.param(10_000, 70, marks=pytest.mark.slow)],
)
def test_rejections_of_a_full_queue_match_m_m_c_k(duration: int, replications: int) -> None:
    """M/M/2/K with K = c + capacity: P(reject) = p_K, because capacity counts queued tasks. Wrong: it counts all tasks.

    D. Gross and C. M. Harris, "Fundamentals of Queueing Theory", ch. 2: p_n by the balance of births and deaths.
    """
    agents, capacity, load = 2, 3, 1.8

    def rejected(places: int) -> float:
        weights = [1.0]
        for tasks in range(1, places + 1):
            weights.append(weights[-1] * load / min(tasks, agents))
        return weights[-1] / sum(weights)

    result = replicate(
        scenario(
            duration,
            tasks=f"{{arrivals: {{poisson: {{rate: {load}}}}}, work: {{exponential: {{mean: 1s}}}}}}",
            agents=f"{{count: {agents}}}",
            queue=f"{{capacity: {capacity}}}",
        ),
        replications,
    )
    ratio_agrees(result, "tasks.rejected", "tasks.submitted", rejected(agents + capacity), wrong=rejected(capacity))


CLIENTS, UNITS, THINK = 8, 2, 3.0


@pytest.mark.parametrize(
    ("duration", "replications"), [(6_000, SHORT), pytest.param(8_000, 20, marks=pytest.mark.slow)]
)
def test_clients_of_a_pool_match_the_machine_repair_model(duration: int, replications: int) -> None:
    """M/M/c//N, c = 2 units of a pool, N = 8 clients who think for 3 s, work 1 s: weights w_n of n in service or
    waiting, w_n = w_(n-1) (N - n + 1) / Z / min(n, c); throughput sum of min(n, c) p_n; sojourn N / X - Z. C. Palm
    (1947). Wrong: as many clients as an open load of N / (Z + 1) a second; and c = 8, one unit for each agent.
    """

    def closed(servers: int) -> tuple[float, float]:
        weights = [1.0]
        for tasks in range(1, CLIENTS + 1):
            weights.append(weights[-1] * (CLIENTS - tasks + 1) / THINK / min(tasks, servers))
        busy = sum(min(tasks, servers) * weight for tasks, weight in enumerate(weights)) / sum(weights)
        return busy, CLIENTS / busy - THINK

    result = replicate(
        scenario(
            duration,
            tasks=f"{{arrivals: {{closed: {{clients: {CLIENTS}, think: {{exponential: {{mean: {THINK}}}}}}}}}, "
            "work: {exponential: {mean: 1s}}, needs: {gpu: 1}}",
            agents=f"{{count: {CLIENTS}}}",
            resources=f"{{gpu: {{units: {UNITS}}}}}",
        ),
        replications,
    )
    throughput, sojourn = closed(UNITS)
    agrees(result, "tasks.throughput", throughput, wrong=CLIENTS / (THINK + 1))
    agrees(result, "tasks.sojourn.mean", sojourn, wrong=closed(CLIENTS)[1])
    agrees(result, "resources.gpu.utilization", throughput / UNITS, wrong=throughput / CLIENTS)


@pytest.mark.slow
def test_immediate_retries_match_a_feedback_queue() -> None:
    """Attempts fail with probability p at their end and are retried at once, any number of times (50 here): they come
    at lambda / (1 - p), and keep agents busy for lambda m / (1 - p). J. R. Jackson (1957): the traffic equations.
    p = 0.4. Wrong: new tasks only; and a retry that fails no more, lambda (1 + p).
    """
    p, rate = 0.4, 1.0
    result = replicate(
        scenario(
            5_000,
            tasks=f"{{arrivals: {{poisson: {{rate: {rate}}}}}, work: {{exponential: {{mean: 1s}}}}, "
            f"failure_probability: {p}}}",
            agents="{count: 4}",
            recovery="{conditions: {task_failure: {max_retries: 50, retry_delay: 0s}}}",
        ),
        replications=40,
    )
    agrees(result, "attempts.amplification", 1 / (1 - p), wrong=1 + p)
    agrees(result, "agents.utilization", rate / (1 - p) / 4, wrong=rate / 4)


def layered(p: float, retries: int, requests: int) -> tuple[float, float]:
    """Attempts at a task, and tasks of a request."""
    given_up = p ** (retries + 1)
    return (1 - given_up) / (1 - p), (1 - given_up ** (requests + 1)) / (1 - given_up)


@pytest.mark.parametrize(
    ("duration", "replications"),
    [pytest.param(200, SHORT, marks=pytest.mark.long), pytest.param(1_000, 10, marks=pytest.mark.slow)],
)
def test_retries_of_recovery_and_clients_multiply(duration: int, replications: int) -> None:
    """Recovery retries a task r times, and its client asks again k times when it is given up: (1 - p^(r+1)) / (1 - p)
    attempts at a task and (1 - P^(k+1)) / (1 - P) tasks of a request, P = p^(r+1); in the worst case (r + 1) (k + 1)
    attempts. B. Beyer et al., "Site Reliability Engineering" (2016), ch. 22. p = 0.8, r = 3, k = 2. Wrong: one layer
    of r + k retries.
    """
    p, retries, requests = 0.8, 3, 2
    result = replicate(
        scenario(
            duration,
            tasks=f"{{arrivals: {{poisson: {{rate: 2/s}}}}, work: 100ms, failure_probability: {p}, "
            f"client: {{max_retries: {requests}}}}}",
            agents="{count: 20}",
            recovery=f"{{conditions: {{task_failure: {{max_retries: {retries}, retry_delay: 0s}}}}}}",
        ),
        replications,
    )
    attempts, tasks = layered(p, retries, requests)
    alone = (1 - p ** (retries + requests + 1)) / (1 - p)
    agrees(result, "attempts.per_task.mean", attempts, wrong=alone)
    agrees(result, "client.amplification", tasks, wrong=1.0)
    assert math.isclose(
        layered(0.999999, retries, requests)[0] * layered(0.999999, retries, requests)[1], 12, rel_tol=1e-4
    )
