"""Alerts about recoveries: rules as data, each alert raised once and cleared automatically, storms folded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from recovery.audit import AuditEvent
from recovery.model import FailureKind, Severity
from recovery.monitoring.snapshot import MEASURES, RecoverySample
from recovery.policies.durations import Seconds
from recovery.ports import System

STORM = "storm"
ALERTS = "alerts"
"""The subject of the alert that replaces others in a storm."""
RELATIONS: Mapping[str, Callable[[float, float], bool]] = {">=": ge, ">": gt, "<=": le, "<": lt}


class Rule(BaseModel):
    """The condition of an alert: the relation of a measure in a recovery's sample to a bound.

    `bound` is one number, or one for each kind of failure; the rule does not apply to a kind that is not named, nor to
    a measure that is None. `text` may use `{value}` and `{bound}`. An alert ends at the latest with its recovery, or
    with `until: operator` when an operator resolves the escalation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z][a-z_]*$")]
    severity: Severity
    measure: str
    relation: Literal[">=", ">", "<=", "<"] = ">="
    bound: float | dict[FailureKind, Seconds]
    text: str
    until: Literal["recovery", "operator"] = "recovery"

    @field_validator("measure")
    @classmethod
    def _known_measure(cls, measure: str) -> str:
        if measure not in MEASURES:
            raise ValueError(f"unknown measure {measure!r}; valid: {', '.join(MEASURES)}")
        return measure

    @field_validator("text")
    @classmethod
    def _fitting_text(cls, text: str) -> str:
        try:
            text.format(value=0.0, bound=0.0)
        except (KeyError, IndexError, AttributeError) as error:
            raise ValueError(f"{text!r} may use {{value}} and {{bound}} only") from error
        return text

    def triggered_by(self, sample: RecoverySample) -> tuple[float, float] | None:
        """The measured value and the bound, if the condition is met; None: it is not."""
        value = getattr(sample, self.measure)
        bound = self.bound.get(sample.kind) if isinstance(self.bound, dict) else self.bound
        if value is None or bound is None or not RELATIONS[self.relation](float(value), bound):
            return None
        return float(value), bound


class Storm(BaseModel):
    """More than `alerts` alerts within `window` seconds are replaced by one alert, which counts them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alerts: Annotated[int, Field(ge=1)] = 10
    window: Annotated[Seconds, Field(gt=0)] = 60.0


LATE: Mapping[FailureKind, float] = {
    FailureKind.TASK: 120.0,
    FailureKind.RESOURCE: 60.0,
    FailureKind.AGENT: 120.0,
    FailureKind.COMMUNICATION: 120.0,
}
"""Seconds after which a recovery is late: the documented delays and a margin."""


def late_rule(late: Mapping[FailureKind, float]) -> Rule:
    """The rule that a recovery is open for longer than this (s)."""
    text = "not recovered after {value:g} s, expected within {bound:g} s"
    return Rule(name="late", severity=Severity.WARNING, measure="age", relation=">", bound=dict(late), text=text)


def standard_rules(late: Mapping[FailureKind, float] = LATE) -> tuple[Rule, ...]:
    """The default rules: late, empty retry budget, open circuit breaker, escalated."""
    return (
        late_rule(late),
        Rule(
            name="budget_empty",
            severity=Severity.WARNING,
            measure="budget_tokens",
            relation="<",
            bound=1,
            text="the retry budget is empty: {value:g} tokens left",
        ),
        Rule(
            name="breaker_open",
            severity=Severity.WARNING,
            measure="breaker_open",
            bound=1,
            text="the circuit breaker is open: nothing is retried",
        ),
        Rule(
            name="escalated",
            severity=Severity.CRITICAL,
            measure="escalated",
            bound=1,
            text="automatic recovery has escalated",
            until="operator",
        ),
    )


class AlertConfig(BaseModel):
    """The rules, with unique names, and when a storm is folded (`storm` None: never)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[Rule, ...] = Field(default_factory=standard_rules)
    storm: Storm | None = Storm()

    @field_validator("rules")
    @classmethod
    def _one_of_each_name(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        names = [STORM, *(rule.name for rule in rules)]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name!r} names two rules")
        return rules


@dataclass(frozen=True, slots=True)
class AlertName:
    """The severity and the rule of an alert, which identify it in the audit trail."""

    severity: Severity
    rule: str

    @property
    def detail(self) -> str:
        """The detail of the alert's audit entries: `warning late`."""
        return f"{self.severity} {self.rule}"

    @classmethod
    def from_detail(cls, detail: str) -> AlertName:
        """The name that has this `detail`. Raises ValueError for an unknown severity."""
        severity, _, rule = detail.partition(" ")
        return cls(Severity(severity), rule)


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. `at` is in seconds of the loop's clock; `incident` is -1 for an alert about several incidents."""

    rule: str
    severity: Severity
    subject: str
    incident: int
    at: float
    value: float
    text: str

    @property
    def name(self) -> AlertName:
        """Its severity and its rule."""
        return AlertName(self.severity, self.rule)


@dataclass(slots=True)
class _Standing:
    alert: Alert
    sent: bool


class AlertManager:
    """Keeps the alerts that are not cleared, and records in the audit trail when they are raised and cleared.

    A rule raises one alert for a recovery until its condition is no longer met. During a storm, alerts are counted and
    not sent; `on_alert` is called with each alert that is sent.
    """

    def __init__(
        self,
        config: AlertConfig | Mapping[str, Any],
        system: System,
        on_alert: Callable[[Alert], None] | None = None,
    ) -> None:
        self.config = AlertConfig.model_validate(config)
        self._system = system
        self._on_alert = on_alert
        self._standing: dict[tuple[int, str], _Standing] = {}
        self._recent: deque[float] = deque()
        self._storm: Alert | None = None
        self._folded = 0

    @property
    def standing(self) -> tuple[Alert, ...]:
        """Alerts that are not cleared, including folded ones, oldest first."""
        return tuple(standing.alert for standing in self._standing.values())

    def new_alerts(self, sample: RecoverySample) -> Iterator[Alert]:
        """A new alert for each rule whose condition is met and that has no alert yet."""
        for rule in self.config.rules:
            triggered = rule.triggered_by(sample)
            if triggered is not None and (sample.incident, rule.name) not in self._standing:
                value, bound = triggered
                text = rule.text.format(value=value, bound=bound)
                yield Alert(rule.name, rule.severity, sample.subject, sample.incident, sample.at, value, text)

    def send(self, alert: Alert) -> None:
        """Raise an alert; only count it during a storm."""
        storm = self.config.storm
        self._recent.append(alert.at)
        self._drop_old(alert.at)
        folded = storm is not None and len(self._recent) > storm.alerts
        self._standing[alert.incident, alert.rule] = _Standing(alert, sent=not folded)
        if not folded:
            self._raise(alert)
            return
        self._folded += 1
        if self._storm is None:
            count = len(self._recent)
            text = f"{count} alerts within {storm.window:g} s: further alerts are counted and not sent" if storm else ""
            self._storm = Alert(STORM, Severity.CRITICAL, ALERTS, -1, alert.at, float(count), text)
            self._raise(self._storm)

    def clear_outdated(self, sample: RecoverySample) -> None:
        """Clear the alerts whose conditions are no longer met in a sample."""
        for rule in self.config.rules:
            if rule.until == "recovery" and rule.triggered_by(sample) is None:
                self._clear(sample.incident, rule.name, sample.at)
        self._end_storm_if_over(sample.at)

    def end_recovery(self, incident: int, at: float) -> None:
        """Clear the alerts of a recovery that has ended, except those that last until an operator resolves it."""
        for rule in self.config.rules:
            if rule.until == "recovery":
                self._clear(incident, rule.name, at)
        self._end_storm_if_over(at)

    def resolve(self, incident: int, at: float) -> None:
        """Clear all alerts of an incident whose escalation an operator has resolved."""
        for rule in self.config.rules:
            self._clear(incident, rule.name, at)

    def end_storm(self, at: float) -> None:
        """End a storm: no recovery is open."""
        self._recent.clear()
        self._end_storm_if_over(at)

    def discard(self, incident: int) -> None:
        """Discard the alerts of a recovery that is no longer monitored, without audit entries."""
        for rule in self.config.rules:
            self._standing.pop((incident, rule.name), None)

    def _raise(self, alert: Alert) -> None:
        self._system.audit.record(
            AuditEvent.ALERT_RAISED, alert.incident, alert.subject, alert.name.detail, alert.value
        )
        if self._on_alert is not None:
            self._on_alert(alert)

    def _clear(self, incident: int, rule: str, at: float) -> None:
        standing = self._standing.pop((incident, rule), None)
        if standing is not None and standing.sent:
            alert = standing.alert
            self._system.audit.record(
                AuditEvent.ALERT_CLEARED, incident, alert.subject, alert.name.detail, at - alert.at
            )

    def _end_storm_if_over(self, at: float) -> None:
        self._drop_old(at)
        if self._storm is None or (self.config.storm is not None and len(self._recent) > self.config.storm.alerts):
            return
        self._system.audit.record(AuditEvent.ALERT_CLEARED, -1, ALERTS, self._storm.name.detail, float(self._folded))
        self._storm, self._folded = None, 0

    def _drop_old(self, at: float) -> None:
        window = 0.0 if self.config.storm is None else self.config.storm.window
        while self._recent and self._recent[0] <= at - window:
            self._recent.popleft()
