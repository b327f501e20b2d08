"""Lost deliveries and acknowledgements against the geometric distribution."""

from __future__ import annotations

import pytest

import sim
from tests.validation.agreement import SHORT, agrees, ratio_agrees, replicate, scenario

RATE, TIMEOUT = 5.0, 4.0


def run(queue: str, duration: float, replications: int) -> sim.Result:
    """Enough agents, and a queue that repeats a delivery without acknowledgement after 4 s."""
    return replicate(
        scenario(
            duration,
            tasks=f"{{arrivals: {{poisson: {{rate: {RATE}}}}}, work: 100ms}}",
            agents="{count: 200}",
            queue=f"{{ack_timeout: {TIMEOUT}, {queue}}}",
        ),
        replications,
    )


@pytest.mark.parametrize(
    ("duration", "replications"),
    [pytest.param(2_000, SHORT, marks=pytest.mark.long), pytest.param(4_000, 10, marks=pytest.mark.slow)],
)
def test_a_lost_delivery_is_repeated_after_the_lease(duration: int, replications: int) -> None:
    """Deliveries of a task 1 / (1 - p); each that is lost costs a lease, wait = T p / (1 - p). p = 0.3. Wrong: the
    second delivery always arrives, 1 + p and T p.
    """
    p = 0.3
    result = run(f"loss: {p}", duration, replications)
    ratio_agrees(result, "queue.deliveries", "tasks.submitted", 1 / (1 - p), wrong=1 + p)
    agrees(result, "tasks.wait.mean", TIMEOUT * p / (1 - p), wrong=TIMEOUT * p)


@pytest.mark.parametrize(("duration", "replications"), [(600, SHORT), pytest.param(2_500, 10, marks=pytest.mark.slow)])
def test_an_undeliverable_task_becomes_a_dead_letter(duration: int, replications: int) -> None:
    """Dead letters p^m, deliveries (1 - p^m) / (1 - p). p = 0.7, m = 3. Wrong: one delivery more."""
    p, most = 0.7, 3
    result = run(f"loss: {p}, max_deliveries: {most}", duration, replications)
    ratio_agrees(result, "queue.dead_lettered", "tasks.submitted", p**most, wrong=p ** (most + 1))
    ratio_agrees(
        result,
        "queue.deliveries",
        "tasks.submitted",
        (1 - p**most) / (1 - p),
        wrong=(1 - p ** (most + 1)) / (1 - p),
    )


@pytest.mark.parametrize(
    ("duration", "replications"),
    [pytest.param(1_000, SHORT, marks=pytest.mark.long), pytest.param(4_000, 10, marks=pytest.mark.slow)],
)
def test_a_lost_acknowledgement_costs_a_delivery_and_no_effect(duration: int, replications: int) -> None:
    """Deliveries 1 / (1 - q) for q lost acknowledgements, and one effect each: the sojourn is the work alone. q = 0.25.
    Wrong: whoever was served is not served again, 1; or waits for its acknowledgement, work + T q / (1 - q).
    """
    q = 0.25
    result = run(f"ack_loss: {q}", duration, replications)
    ratio_agrees(result, "queue.deliveries", "tasks.submitted", 1 / (1 - q), wrong=1.0)
    frame = result.frame
    sojourn = frame.loc[frame["metric"] == "tasks.sojourn.mean", "value"]
    assert abs(sojourn - 0.1).max() < 1e-9
    assert result.metrics["consistency.violations"].mean == 0
