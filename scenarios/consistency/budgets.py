"""Warnings about retry budgets that are empty on a normal day, without any injected fault."""

from __future__ import annotations

from collections.abc import Iterator

from scenarios.consistency.inconsistency import Inconsistency, InconsistencyKind, at_least, time
from scenarios.offered_load import EXECUTION_ERROR, arrival_rate
from scenarios.schema import ScenarioFields


def about_budgets(scenario: ScenarioFields) -> Iterator[Inconsistency]:
    """Budgets from which the failures of a normal day take more than its successes bring back.

    Of n tasks whose attempts fail with probability p, up to r retries: n·(p + p² + … + p^r) retries are wanted, and
    n·(1 − p^(r+1)) tasks succeed.
    """
    condition, rate = scenario.recovery.conditions.task_failure, arrival_rate(scenario)
    p = scenario.tasks.failure_probability
    if condition is None or rate is None or not 0 < p < 1:
        return
    code = EXECUTION_ERROR if EXECUTION_ERROR in condition.by_error else None
    policy = condition if code is None else condition.by_error[code]
    if policy.budget is None or policy.max_retries == 0:
        return
    path = "recovery.conditions.task_failure" + ("" if code is None else f".by_error.{code}")
    retries = policy.max_retries
    wanted = p / (1 - p) if retries is None else p * (1 - p**retries) / (1 - p)
    succeed = 1.0 if retries is None else 1 - p ** (retries + 1)
    drained = rate * (wanted - succeed * policy.budget.refill)
    if drained <= 0 or policy.budget.tokens / drained >= scenario.duration:
        return
    lasts = policy.budget.tokens / drained
    yield Inconsistency(
        InconsistencyKind.BUDGET_EMPTIED,
        (f"{path}.budget.refill", "tasks.failure_probability"),
        {
            "retries wanted per second": rate * wanted,
            "refunded per second": rate * succeed * policy.budget.refill,
            "time to empty": lasts,
        },
        f"without any fault, {100 * p:.3g} % of the attempts fail: {60 * rate * wanted:.3g} retries are wanted per "
        f"minute, successes refund {60 * rate * succeed * policy.budget.refill:.3g}, and the {policy.budget.tokens:g} "
        f"tokens are used up after about {time(lasts)}",
        f"a refill of {at_least(wanted / succeed):.3g} or more",
    )
