"""`--fail-if worse[:METRIC[>5%]]`: when a comparison ends with exit status 1."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from sim.cli.errors import BadInput

if TYPE_CHECKING:
    from scenarios import Scenario
    from scenarios.fields.tolerances import Tolerance
    from sim.experiments.comparison.compare import Comparison
    from sim.presentation.formatting import Signs
    from sim.stats.differences import Difference

OPTION = "--fail-if"
SHAPE = "valid: worse, worse:METRIC or worse:METRIC>5%, such as worse:recovery.time.mean>5%"
CONDITION = re.compile(r"\s*worse\s*(?::\s*(?P<metric>[^<>=\s]+)\s*(?:>\s*(?P<more>[^<>=]+?))?)?\s*")
METAVAR = "worse[:METRIC[>5%]]"


@dataclass(frozen=True)
class FailIf:
    """A condition: a metric is worse under b. `metric` is a name or a pattern; None: any metric that is compared."""

    expression: str
    metric: str | None
    tolerance: Tolerance

    def failed(self, found: Comparison) -> list[Difference]:
        """The metrics that are worse, each by more than the tolerance: the verdict is `worse`, and so far is b from
        a.
        """
        return [each for each in self.compared(found) if each.verdict == "worse" and self._is_beyond(each)]

    def compared(self, found: Comparison) -> list[Difference]:
        """The metrics that the condition is about."""
        wanted = self.metric
        every = found.differences
        if wanted is None:
            return list(every.values())
        return [every[wanted]] if wanted in every else [each for each in every.values() if _is_like(each, wanted)]

    def _is_beyond(self, of: Difference) -> bool:
        if of.difference is None or of.a is None:
            return False
        return abs(of.difference.mean) > self.tolerance.margin(of.a)


def _is_like(of: Difference, pattern: str) -> bool:
    return fnmatchcase(of.metric, pattern)


def fail_ifs(texts: Sequence[str], scenario: Scenario) -> list[FailIf]:
    """The conditions that the options give. Raises BadInput."""
    return [_parse(text, scenario) for text in texts]


def _parse(text: str, scenario: Scenario) -> FailIf:
    from pydantic_core import PydanticCustomError

    from scenarios.fields.tolerances import Tolerance, metric_of, parse

    match = re.fullmatch(
        r"\s*(?P<verdict>[A-Za-z]*)\s*(?::\s*(?P<metric>[^<>=]*?)\s*(?:>\s*(?P<more>[^<>=]+?))?)?\s*", text
    )
    if match is None or match["verdict"] != "worse" or match["metric"] == "":
        raise BadInput(f"{OPTION} {text}: is not a condition; {SHAPE}")
    name, more = match["metric"], match["more"]
    if name is None:
        return FailIf("worse", None, Tolerance())
    try:
        metric = metric_of(name, scenario.parts)
        tolerance = Tolerance() if more is None else parse(more, metric)
    except PydanticCustomError as error:
        raise BadInput(f"{OPTION} {text}: {error.message()}") from None
    if metric is not None and metric.direction is None:
        raise BadInput(f"{OPTION} {text}: neither more nor less of {name} is worse; valid: a metric with a direction")
    return FailIf(f"worse:{name}" + (f">{more}" if more else ""), name, tolerance)


def metrics_of(conditions: Sequence[FailIf], chosen: Sequence[str]) -> tuple[str, ...]:
    """The metrics to compare in addition to those that were asked for, or to those that are compared anyway.

    One that no replication observes is an error then, also where it would be compared anyway.
    """
    named = [each.metric for each in conditions if each.metric is not None]
    return tuple(name for name in dict.fromkeys(named) if name not in chosen)


def told(conditions: Sequence[FailIf], found: Comparison, style: Signs) -> Iterator[str]:
    """Each condition that holds, in a line for each metric, and what could not be compared."""
    from sim.presentation.formatting import difference, quantity

    for condition in conditions:
        for each in condition.failed(found):
            a, b = (quantity(value, each.unit, style) for value in (each.a, each.b))
            share = "" if each.relative is None else f", {100 * each.relative:+.1f} %"
            yield (
                f"{style.fails} {OPTION} {condition.expression}: {each.metric} is worse: {a}, then {b} "
                f"({difference(each.difference, style)}{share})"
            )
        if condition.metric is not None and "*" not in condition.metric:
            for each in condition.compared(found):
                if each.verdict == "not compared":
                    where = f"{OPTION} {condition.expression}: {each.metric}"
                    yield f"{where} is not compared: too few replications observe it"


def as_json(conditions: Sequence[FailIf], found: Comparison) -> list[dict[str, Any]]:
    """Each condition with whether it holds, and the metrics for which it does."""
    of = [(each.expression, [metric.metric for metric in each.failed(found)]) for each in conditions]
    return [{"expression": expression, "holds": bool(metrics), "metrics": metrics} for expression, metrics in of]
