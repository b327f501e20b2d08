"""The bench against queueing theory, through ordinary scenarios and the public interface.

Each case names its formula. It passes when the 95 % interval is narrow and the exact value lies within four standard
errors; beside it stands the wrong model that people build, which the same test must reject. Seeds are fixed beforehand.
"""

from __future__ import annotations

import math

import pytest
from scipy.special import stdtrit

import scenarios
import sim

SEED = 20241


def erlang_c(agents: int, load: float) -> float:
    """Probability that a task waits in M/M/c; load = rate x mean work. Erlang (1917)."""
    blocking = 1.0
    for servers in range(1, agents + 1):  # Erlang B by its recursion, then C from B
        blocking = load * blocking / (servers + load * blocking)
    return agents * blocking / (agents - load * (1 - blocking))


def scenario(tasks: str, agents: str = "{count: 1}", duration: int = 20_000, **sections: str) -> scenarios.Scenario:
    """A scenario of the given sections, long enough for narrow intervals."""
    lines = ["name: theory", f"duration: {duration}", "warmup: 1000", f"tasks: {tasks}", f"agents: {agents}"]
    lines += [f"{name}: {text}" for name, text in sections.items()]
    return scenarios.loads("\n".join(lines))


def agrees(result: sim.Result, metric: str, exact: float, wrong: float) -> None:
    """Assert that a metric's mean lies within four standard errors of the exact value, and not of the wrong one."""
    found = result.metrics[metric]
    assert found.ci95 is not None
    half_width = (found.ci95[1] - found.ci95[0]) / 2
    standard_error = half_width / stdtrit(found.n - 1, 0.975)
    assert half_width <= 0.03 * exact, f"{metric}: interval {found.ci95} is too wide to tell anything"
    assert abs(found.mean - exact) <= 4 * standard_error, f"{metric}: {found.mean} is not {exact}"
    assert abs(found.mean - wrong) > 4 * standard_error, f"{metric}: {found.mean} cannot be told from {wrong}"


def test_many_agents_wait_as_erlang_c_says() -> None:
    """M/M/10 at load 0.8: P(wait) = C(c, a), mean wait = C / (c mu - lambda). Wrong: ten separate M/M/1 queues."""
    work = scenario("{arrivals: {poisson: {rate: 8/s}}, work: {exponential: {mean: 1s}}}", "{count: 10}", 6_000)
    result = sim.replicate(work, seed=SEED, replications=10)
    waits = erlang_c(10, 8.0)
    agrees(result, "tasks.wait_probability", waits, wrong=0.8)
    agrees(result, "tasks.sojourn.mean", 1 + waits / 2, wrong=1 / (1 - 0.8))
    agrees(result, "agents.utilization", 0.8, wrong=8.0)
    agrees(result, "tasks.in_system.mean", 8 * (1 + waits / 2), wrong=8.0)


@pytest.mark.parametrize(
    ("work", "mean", "square"),
    [
        pytest.param("{exponential: {mean: 1s}}", 1.0, 2.0, id="M/M/1"),
        pytest.param("{constant: {value: 1s}}", 1.0, 1.0, id="M/D/1"),
        pytest.param("{uniform: {low: 0s, high: 2s}}", 1.0, 4 / 3, id="M/U/1"),
    ],
)
def test_one_agent_waits_as_pollaczek_and_khinchine_say(work: str, mean: float, square: float) -> None:
    """M/G/1: mean wait = lambda E[S^2] / 2(1 - rho) (Pollaczek 1930, Khinchine 1932). Wrong: residual work left out."""
    rate = 0.6
    load = rate * mean
    result = sim.replicate(
        scenario(f"{{arrivals: {{poisson: {{rate: {rate}}}}}, work: {work}}}"), seed=SEED, replications=30
    )
    agrees(result, "tasks.wait.mean", rate * square / (2 * (1 - load)), wrong=load / (1 - load) * square)


def test_a_full_queue_rejects_as_m_m_c_k_says() -> None:
    """M/M/2/K with K = c + capacity: P(reject) = p_K, for capacity counts those who wait. Wrong: it counts all."""
    agents, capacity, load = 2, 3, 1.8

    def rejected(places: int) -> float:
        weights = [
            load**n / (math.factorial(n) if n <= agents else math.factorial(agents) * agents ** (n - agents))
            for n in range(places + 1)
        ]
        return weights[-1] / sum(weights)

    result = sim.replicate(
        scenario(
            f"{{arrivals: {{poisson: {{rate: {load}}}}}, work: {{exponential: {{mean: 1s}}}}}}",
            f"{{count: {agents}}}",
            queue=f"{{capacity: {capacity}}}",
        ),
        seed=SEED,
        replications=10,
    )
    frame = result.frame.pivot_table(index="replication", columns="metric", values="value")
    share = (frame["tasks.rejected"] / frame["tasks.submitted"]).mean()
    error = (frame["tasks.rejected"] / frame["tasks.submitted"]).std() / math.sqrt(len(frame))
    assert abs(share - rejected(agents + capacity)) <= 4 * error
    assert abs(share - rejected(capacity)) > 4 * error


def test_retries_make_a_truncated_geometric_number_of_attempts() -> None:
    """Attempts with failure probability p and r retries: (1 - p^(r+1)) / (1 - p). Wrong: an attempt too few."""
    p, retries = 0.4, 2
    result = sim.replicate(
        scenario(
            f"{{arrivals: {{poisson: {{rate: 1/s}}}}, work: {{constant: {{value: 100ms}}}}, failure_probability: {p}}}",
            "{count: 5}",
            4_000,
            recovery=f"{{conditions: {{task_failure: {{max_retries: {retries}, retry_delay: 1s}}}}}}",
        ),
        seed=SEED,
        replications=10,
    )
    exact = (1 - p ** (retries + 1)) / (1 - p)
    agrees(result, "attempts.per_task.mean", exact, wrong=(1 - p**retries) / (1 - p))
    frame = result.frame.pivot_table(index="replication", columns="metric", values="value")
    failed = frame["tasks.failed"] / frame["tasks.submitted"]
    assert abs(failed.mean() - p ** (retries + 1)) <= 4 * failed.std() / math.sqrt(len(frame))


def test_availability_counts_detection_and_restart() -> None:
    """Availability = MTBF / (MTBF + detection + restart), detection uniform over a beat. Wrong: restart alone."""
    result = sim.replicate(
        scenario(
            "{arrivals: {poisson: {rate: 0.01}}, work: {constant: {value: 1s}}}",
            "{count: 20, mtbf: 200s, restart_time: {constant: {value: 20s}}}",
            recovery="{detection: {detector: heartbeat, heartbeat_interval: 5s, missed_heartbeats: 3}}",
        ),
        seed=SEED,
        replications=10,
    )
    agrees(result, "agents.availability", 200 / (200 + 12.5 + 20), wrong=200 / 220)
    agrees(result, "detection.latency.mean", 12.5, wrong=15.0)


def test_littles_law_holds_in_every_run() -> None:
    """L = lambda W (Little 1961), up to the tasks at the window's edges."""
    work = scenario("{arrivals: {poisson: {rate: 8/s}}, work: {exponential: {mean: 1s}}}", "{count: 10}")
    metrics = sim.run(work, seed=SEED).metrics
    rate = metrics["tasks.submitted"] / 19_000
    assert metrics["tasks.in_system.mean"] == pytest.approx(rate * metrics["tasks.sojourn.mean"], rel=2e-3)
