"""What the nearest policy of another framework costs: the scenario with the wanted policy and with the used one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from recovery.model import FailureKind
from scenarios import Scenario
from scenarios.exchange.portable import Portable
from scenarios.exchange.shapes import Difference, Fit
from sim.experiments.comparison.compare import Comparison, compare
from sim.experiments.runs.executor import OnRun
from sim.experiments.runs.replications import Result, replicate

REPLICATIONS = 5


@dataclass(frozen=True)
class ExportCost:
    """The comparison of the wanted policy (a) with one difference (b); None: with all differences together."""

    difference: Difference | None
    comparison: Comparison


def condition_path(kind: str) -> str:
    """The path of the policy of a kind of failure, or of tasks: no kind of tasks has the name of one of failures."""
    return f"recovery.conditions.{kind}" if kind in set(FailureKind) else f"tasks.kinds.{kind}.retry"


def export_costs(
    scenario: Scenario,
    kind: str,
    fit: Fit,
    seed: int | None = None,
    replications: int = REPLICATIONS,
    *,
    on_run: OnRun | None = None,
    check: Callable[[Scenario], None] | None = None,
) -> tuple[ExportCost, ...]:
    """Run a scenario with the wanted policy for a kind of failure and with each difference, on the same replications.

    With several differences, the last comparison is of all of them together. `check` is called with each scenario
    before it runs. Raises ValueError for fewer than two replications, and the errors of `replicate`.
    """
    if replications < 2:
        raise ValueError(f"a difference needs at least 2 replications, not {replications}")
    variants: list[tuple[Difference | None, Portable]] = [(each, each.alone) for each in fit.differences]
    if len(variants) > 1:
        variants.append((None, fit.used))
    policies = [fit.wanted, *(policy for _, policy in variants)]
    changed = [scenario.with_values({condition_path(kind): policy.as_condition()}) for policy in policies]
    for each in changed:
        if check is not None:
            check(each)
    results: list[Result] = [replicate(each, seed, replications, on_run=on_run) for each in changed]
    compared = [compare(results[0], result) for result in results[1:]]
    return tuple(ExportCost(difference, found) for (difference, _), found in zip(variants, compared, strict=True))
