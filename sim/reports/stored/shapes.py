"""What the JSON of commands has of each kind of result, as far as reports need it."""

from __future__ import annotations

from math import isnan
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from sim.stats.estimates import Estimate

Interval = Annotated[tuple[float, float] | None, BeforeValidator(lambda found: found or None)]
"""An interval, or None; some commands write an empty list."""
Diagnosis = dict[str, dict[str, int]]


class Shape(BaseModel):
    """A part of the JSON of a command. Other keys are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class EstimateShape(Shape):
    """An estimate with its interval."""

    mean: float
    ci95: Interval = None
    n: int = 1
    unit: str = ""
    cut_off: float = 0.0
    restricted_to: float | None = None

    def estimate(self, unit: str = "") -> Estimate:
        """As reports format it."""
        return Estimate(self.mean, self.ci95, self.n, self.unit or unit, self.cut_off, False, self.restricted_to)


class ExpectationShape(Shape):
    """An expectation and whether it holds."""

    expression: str
    observed: float | None = None
    holds: bool
    failing: int = 0
    runs: int = 0


class ErrorShape(Shape):
    """An exception of the core."""

    seed: str = ""
    time: float = 0.0
    where: str = ""
    text: str = ""


class RunShape(Shape):
    """A replication."""

    seed: str
    history_sha256: str
    events: int
    virtual_seconds: float
    metrics: dict[str, float | None]
    violations: list[str] = []
    errors: list[ErrorShape] = []
    diagnosis: Diagnosis = {}


class ResultShape(Shape):
    """`run --json`."""

    scenario: str
    version: str
    seed: int | str
    interrupted: bool = False
    replaced: str | None = None
    scenario_resolved: dict[str, Any]
    files_sha256: dict[str, str] = {}
    metrics: dict[str, EstimateShape | None]
    diagnosis: Diagnosis = {}
    expectations: list[ExpectationShape]
    runs: Annotated[list[RunShape], Field(min_length=1)]

    def mean(self, metric: str) -> float | None:
        """The estimate of a metric; None if it was not observed."""
        found = self.metrics.get(metric)
        return None if found is None or isnan(found.mean) else found.mean

    @property
    def violations(self) -> list[tuple[str, str]]:
        """Replications and the invariants that they violate, as text."""
        return [(run.seed, said) for run in self.runs for said in run.violations]

    @property
    def errors(self) -> list[ErrorShape]:
        """The exceptions of the core in all replications."""
        return [error for run in self.runs for error in run.errors]

    @property
    def holds(self) -> bool:
        """Whether every expectation holds, no invariant is violated and no run has errors."""
        return all(each.holds for each in self.expectations) and not self.violations and not self.errors


class DifferenceShape(Shape):
    """A metric under two settings."""

    a: float | None
    b: float | None
    unit: str = ""
    difference: EstimateShape | None
    verdict: str
    adjusted_p: float | None = None


class ComparisonShape(Shape):
    """`compare --json`."""

    scenario: str
    version: str
    seed: int | str
    a: dict[str, Any]
    b: dict[str, Any]
    replications: int
    paired: bool = True
    interrupted: bool = False
    metrics: dict[str, DifferenceShape]


class FailedShape(Shape):
    """An expectation that a setting does not meet."""

    expression: str
    observed: float | None = None


class SettingShape(Shape):
    """A setting of a selection."""

    values: dict[str, Any]
    rank: int
    mean: float | None
    ci95: Interval = None
    replications: int
    eliminated: bool
    disqualified: bool
    failed: list[FailedShape] = []
    as_it_is: bool = False
    fresh: EstimateShape | None = None


class SelectionShape(Shape):
    """`compare --grid … --json`."""

    scenario: str
    version: str
    seed: int | str
    metric: str
    unit: str
    direction: Literal["lower", "higher"] | None
    indifference: float
    replications: int
    decided: bool
    interrupted: bool = False
    settings: Annotated[list[SettingShape], Field(min_length=1)]
    violations: list[str] = []


class PointShape(Shape):
    """A point of a sweep."""

    values: dict[str, Any]
    metrics: dict[str, EstimateShape]
    expectations: list[ExpectationShape] = []


class SweepShape(Shape):
    """`sweep --json`."""

    scenario: str
    version: str
    seed: int | str
    replications: int
    interrupted: bool = False
    points: Annotated[list[PointShape], Field(min_length=1)]


class ObjectiveShape(Shape):
    """What a search optimizes."""

    metric: str
    unit: str = ""
    maximize: bool = False


class FinalistShape(Shape):
    """One of the best settings of a search."""

    values: dict[str, Any]
    fresh: list[dict[str, EstimateShape | None]]
    confirmed: bool
    failed: list[str] = []
    differences: list[dict[str, DifferenceShape]] = []


class TriedShape(Shape):
    """A setting that a search tried."""

    values: dict[str, Any]
    objectives: list[float | None]
    replications: int
    stopped: bool
    feasible: bool


class TuningShape(Shape):
    """`tune --json`."""

    scenario: str
    version: str
    seed: int | str
    scenarios: list[str]
    vary: list[str]
    objectives: Annotated[list[ObjectiveShape], Field(min_length=1)]
    interrupted: bool = False
    replications: int
    fresh: int
    runs: int
    chosen: dict[str, Any] | None
    now: list[dict[str, EstimateShape | None]]
    front: list[FinalistShape]
    importance: dict[str, dict[str, float]] = {}
    tried: list[TriedShape]


class LevelShape(Shape):
    """A level of a splitting, and the share of the particles that exceeds it."""

    level: float
    share: float


class RareShape(Shape):
    """`run --rare … --json`."""

    scenario: str
    version: str
    seed: int | str
    event: str
    level: str | None
    probability: float | None
    ci95: Interval = None
    runs: int
    plain_runs: int
    plain_hits: int
    plain_needed: float | None = None
    levels: list[LevelShape] = []
    hits: list[str] = []
    interrupted: bool = False


class CellShape(Shape):
    """Examples of a search by the kind of fault, the step of the recovery that it hit, and its outcome."""

    fault: str
    step: str
    outcome: str
    examples: int


class CoverageShape(Shape):
    """What the examples of a search reached."""

    cells: list[CellShape] = []
    marks: dict[str, int] = {}


class FoundShape(Shape):
    """The smallest schedule that a search found."""

    breaks: str
    messages: list[str] = []
    example: int
    shrinking_runs: int = 0
    values: dict[str, Any] = {}
    faults: list[dict[str, Any]] = []
    scenario: str = ""


class SearchShape(Shape):
    """`search --json`."""

    scenario: str
    version: str = ""
    seed: int | str
    faults: list[str] = []
    examples: int
    rejected: int = 0
    found: FoundShape | None
    coverage: CoverageShape
    not_reached: list[str] = []
    interrupted: bool = False
    saved: str | None = None


class JudgedMetricShape(Shape):
    """A metric judged against a baseline."""

    verdict: str
    unit: str = ""
    baseline: float | None = None
    now: float | None = None
    difference: EstimateShape | None = None


class BaselineShape(Shape):
    """A scenario judged against a baseline."""

    verdict: str
    changes: list[str] = []
    metrics: dict[str, JudgedMetricShape] = {}


class CaseShape(Shape):
    """A scenario of a suite."""

    scenario: str
    file: str = ""
    status: str
    problem: str | None = None
    seed: int | str | None = None
    replications: int = 0
    expectations: list[ExpectationShape] = []
    runs: list[dict[str, Any]] = []
    baseline: BaselineShape | None = None


class SuiteShape(Shape):
    """`suite --json`."""

    version: str
    holds: bool
    interrupted: bool = False
    absent: list[str] = []
    scenarios: list[CaseShape]


class WarmupShape(Shape):
    """A warm-up that was found, with its basis: `times` (s) and `values` of the metric until then."""

    warmup_of: str
    version: str
    seconds: float
    metric: str
    replications: int
    warning: str | None = None
    duration: float
    times: list[float]
    values: list[float]


class AwaitShape(Shape):
    """An await of a program."""

    number: int
    file: str
    line: int
    awaited: str
    task: str
    time: float


class TrialShape(Shape):
    """A trial of a crash sweep; `points` are its cuts."""

    cuts: list[str]
    points: list[AwaitShape]
    verdict: str
    message: str
    token: str
    effects: dict[str, int] = {}


class CrashSweepShape(Shape):
    """`crash-sweep --json`."""

    program: str
    version: str
    seed: int | str
    cuts: str
    covered: int
    points: list[AwaitShape]
    trials: list[TrialShape]
    effects: dict[str, dict[str, int]] = {}


class OrderFailureShape(Shape):
    """An order in which a program fails."""

    verdict: str
    message: str
    run: int
    summary: list[str] = []
    token: str
    interleaving: str


class ExplorationShape(Shape):
    """An exploration."""

    explored: str
    version: str
    strategy: str
    seed: int | str
    runs: int
    distinct: int
    complete: bool
    scope: str
    verdicts: dict[str, int]
    failures: list[OrderFailureShape]


AnyShape = (
    ResultShape
    | ComparisonShape
    | SelectionShape
    | SweepShape
    | TuningShape
    | RareShape
    | SearchShape
    | SuiteShape
    | WarmupShape
    | CrashSweepShape
    | ExplorationShape
)
_BY_KEY: tuple[tuple[str, type[AnyShape]], ...] = (
    ("trials", CrashSweepShape),
    ("explored", ExplorationShape),
    ("front", TuningShape),
    ("settings", SelectionShape),
    ("points", SweepShape),
    ("event", RareShape),
    ("b", ComparisonShape),
    ("coverage", SearchShape),
    ("absent", SuiteShape),
    ("warmup_of", WarmupShape),
)


def shape_of(data: dict[str, Any]) -> type[AnyShape] | None:
    """The shape of the JSON of a command, by the keys that only it has; None if it is none of them."""
    if isinstance(data.get("runs"), list) and "expectations" in data:
        return ResultShape
    return next((shape for key, shape in _BY_KEY if key in data), None)
