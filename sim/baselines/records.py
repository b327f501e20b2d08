"""The records of a file of baselines, validated by pydantic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isinf, isnan
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from scenarios.errors import invalid, shown
from scenarios.fields.metrics import UnknownMetric, lookup
from sim.baselines.scenario_baseline import Measured, ScenarioBaseline

FORMAT = "recovery-bench baseline"
VERSION = 1


def _number(value: float) -> float:
    if isnan(value):
        raise invalid(f"{shown(value)} is not a number")
    return value


Number = Annotated[float, AfterValidator(_number)]
Text = Annotated[str, Field(min_length=1)]
Digest = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
Scalar = str | int | float | bool | list[Any] | None


class Record(BaseModel):
    """One line of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scenario: Text

    @property
    def name(self) -> tuple[str, ...]:
        """What the record is about; unique in a file."""
        return (self.scenario,)

    def plain(self) -> dict[str, Any]:
        """The record as JSON-compatible data; infinity is the text `inf`."""
        return {key: _plain(value) for key, value in self.model_dump().items()}


class ScenarioRecord(Record):
    """A scenario: its replications, digest and versions, and the SHA-256 of all of its records."""

    seed: Annotated[int, Field(ge=0)]
    replications: Annotated[int, Field(ge=1)]
    digest: Digest
    recovery_bench: Text
    python: Text
    numpy: Text
    sha256: Digest

    @classmethod
    def of(cls, baseline: ScenarioBaseline, sha256: str) -> Self:
        """The record of a baseline."""
        return cls(
            scenario=baseline.scenario,
            seed=baseline.seed,
            replications=baseline.replications,
            digest=baseline.digest,
            sha256=sha256,
            **baseline.versions,
        )

    def baseline(self, keys: Mapping[str, Any], metrics: Sequence[Measured]) -> ScenarioBaseline:
        """The baseline of this and the scenario's other records."""
        versions = {"recovery_bench": self.recovery_bench, "python": self.python, "numpy": self.numpy}
        by_name = {each.metric: each for each in metrics}
        return ScenarioBaseline(self.scenario, self.seed, self.replications, self.digest, versions, dict(keys), by_name)


class KeyRecord(Record):
    """A value of a scenario that differs from the default."""

    key: Text
    value: Any

    @property
    def name(self) -> tuple[str, ...]:
        """The scenario and the key."""
        return self.scenario, self.key


class MetricRecord(Record):
    """A metric of a scenario: `Measured`."""

    metric: Text
    mean: Number
    ci95: tuple[Number, Number] | None
    n: Annotated[int, Field(ge=1)]
    unit: str
    values: tuple[Number | None, ...]
    pooled: tuple[Number, ...] = ()

    @property
    def name(self) -> tuple[str, ...]:
        """The scenario and the metric."""
        return self.scenario, self.metric

    @model_validator(mode="after")
    def _is_of_the_catalogue(self) -> Self:
        try:
            metric = lookup(self.metric)
        except UnknownMetric as error:
            raise invalid(str(error), "metric") from None
        if metric.unit != self.unit:
            raise invalid(f"{shown(self.unit)} is not the unit of {self.metric}; valid: {metric.unit}", "unit")
        return self

    @classmethod
    def of(cls, scenario: str, measured: Measured) -> Self:
        """The record of a metric."""
        return cls(
            scenario=scenario,
            metric=measured.metric,
            mean=measured.mean,
            ci95=measured.ci95,
            n=measured.n,
            unit=measured.unit,
            values=measured.values,
            pooled=measured.pooled,
        )

    def measured(self) -> Measured:
        """The metric of this record."""
        return Measured(self.metric, self.unit, self.mean, self.ci95, self.n, self.values, self.pooled)


def kind_of(given: Mapping[str, Any]) -> type[Record]:
    """The kind of a record, by its keys."""
    return MetricRecord if "metric" in given else KeyRecord if "key" in given else ScenarioRecord


def _plain(value: Any) -> Any:
    if isinstance(value, float) and isinf(value):
        return "inf" if value > 0 else "-inf"
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value
