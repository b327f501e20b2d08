"""Alerts about recoveries: rules that are data, raised once, cleared when they no longer hold, folded in a storm."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from recovery.model import FailureKind, Severity
from recovery.monitoring.snapshot import MEASURES, RecoverySample
from recovery.policies.durations import Seconds
from recovery.ports import System

STORM = "storm"
ALERTS = "alerts"
"""The subject of an alert about alerts."""
RELATIONS: Mapping[str, Callable[[float, float], bool]] = {">=": ge, ">": gt, "<=": le, "<": lt}


class Rule(BaseModel):
    """When to alert: a measure of a recovery's sample stands in a relation to a bound.

    `bound` is one number, or one for each kind of failure; a kind that is not named has none. A measure that is absent
    (None) breaks no rule. `text` may use `{value}` and `{bound}`. An alert ends with its recovery at the latest;
    `until` operator: when an operator has resolved its escalation.
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

    def broken_by(self, sample: RecoverySample) -> tuple[float, float] | None:
        """The value and the bound that it is beyond; None when all is well."""
        value = getattr(sample, self.measure)
        bound = self.bound.get(sample.kind) if isinstance(self.bound, dict) else self.bound
        if value is None or bound is None or not RELATIONS[self.relation](float(value), bound):
            return None
        return float(value), bound


class Storm(BaseModel):
    """More than `alerts` alerts within `window` seconds become one that counts the others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alerts: Annotated[int, Field(ge=1)] = 10
    window: Annotated[Seconds, Field(gt=0)] = 60.0


LATE: Mapping[FailureKind, float] = {
    FailureKind.TASK: 120.0,
    FailureKind.RESOURCE: 60.0,
    FailureKind.AGENT: 120.0,
    FailureKind.COMMUNICATION: 120.0,
}
"""Seconds after which a recovery is late; the documented delays and a margin."""


def late_rule(late: Mapping[FailureKind, float]) -> Rule:
    """Alert when a recovery is so old (s) and not over."""
    text = "not recovered after {value:g} s, expected within {bound:g} s"
    return Rule(name="late", severity=Severity.WARNING, measure="age", bound=dict(late), text=text)


def standard_rules(late: Mapping[FailureKind, float] = LATE) -> tuple[Rule, ...]:
    """Late, no retry budget left, circuit breaker open, escalated."""
    return (
        late_rule(late),
        Rule(
            name="budget_empty",
            severity=Severity.WARNING,
            measure="budget_tokens",
            relation="<",
            bound=1,
            text="the retry budget is empty: {value:g} tokens are left",
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
            text="automatic recovery has given up",
            until="operator",
        ),
    )


class AlertConfig(BaseModel):
    """The rules, each with a name of its own, and when a storm is folded (`storm` None: never)."""

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
class Alert:
    """Something that somebody ought to know. `at` in seconds of the loop's clock; `incident` -1: about many."""

    rule: str
    severity: Severity
    subject: str
    incident: int
    at: float
    value: float
    text: str


@dataclass(slots=True)
class _Standing:
    alert: Alert
    sent: bool


class AlertManager:
    """Keeps the alerts that stand, and says in the audit trail which are raised and cleared.

    A rule is broken once for a recovery until it is kept again. While a storm stands, alerts are counted and not sent;
    `on_alert` gets those that are sent.
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
        """Alerts that were raised and not cleared, folded ones included, oldest first."""
        return tuple(standing.alert for standing in self._standing.values())

    def due(self, sample: RecoverySample) -> Iterator[Alert]:
        """An alert for each rule that is broken and for which none stands."""
        for rule in self.config.rules:
            broken = rule.broken_by(sample)
            if broken is not None and (sample.incident, rule.name) not in self._standing:
                value, bound = broken
                text = rule.text.format(value=value, bound=bound)
                yield Alert(rule.name, rule.severity, sample.subject, sample.incident, sample.at, value, text)

    def send(self, alert: Alert) -> None:
        """Raise an alert, or count it when there are too many."""
        storm = self.config.storm
        self._recent.append(alert.at)
        self._forget_old(alert.at)
        folded = storm is not None and len(self._recent) > storm.alerts
        self._standing[alert.incident, alert.rule] = _Standing(alert, sent=not folded)
        if not folded:
            self._raise(alert)
            return
        self._folded += 1
        if self._storm is None:
            count = len(self._recent)
            text = f"{count} alerts within {storm.window:g} s: more are counted, not sent" if storm else ""
            self._storm = Alert(STORM, Severity.CRITICAL, ALERTS, -1, alert.at, float(count), text)
            self._raise(self._storm)

    def settle(self, sample: RecoverySample) -> None:
        """Clear what a sample shows to be over."""
        for rule in self.config.rules:
            if rule.until == "recovery" and rule.broken_by(sample) is None:
                self._clear(sample.incident, rule.name, sample.at)
        self._calm(sample.at)

    def end(self, incident: int, at: float) -> None:
        """A recovery is over: what does not wait for an operator is cleared."""
        for rule in self.config.rules:
            if rule.until == "recovery":
                self._clear(incident, rule.name, at)
        self._calm(at)

    def resolve(self, incident: int, at: float) -> None:
        """An operator has seen to it: everything about the incident is cleared."""
        for rule in self.config.rules:
            self._clear(incident, rule.name, at)

    def idle(self, at: float) -> None:
        """No recovery is open any more: neither is a storm."""
        self._recent.clear()
        self._calm(at)

    def forget(self, incident: int) -> None:
        """Nobody monitors this recovery any more: its alerts end without a word."""
        for rule in self.config.rules:
            self._standing.pop((incident, rule.name), None)

    def _raise(self, alert: Alert) -> None:
        self._system.audit.record("alert.raised", alert.incident, alert.subject, _words(alert), alert.value)
        if self._on_alert is not None:
            self._on_alert(alert)

    def _clear(self, incident: int, rule: str, at: float) -> None:
        standing = self._standing.pop((incident, rule), None)
        if standing is not None and standing.sent:
            alert = standing.alert
            self._system.audit.record("alert.cleared", incident, alert.subject, _words(alert), at - alert.at)

    def _calm(self, at: float) -> None:
        self._forget_old(at)
        if self._storm is None or (self.config.storm is not None and len(self._recent) > self.config.storm.alerts):
            return
        self._system.audit.record("alert.cleared", -1, ALERTS, _words(self._storm), float(self._folded))
        self._storm, self._folded = None, 0

    def _forget_old(self, at: float) -> None:
        window = 0.0 if self.config.storm is None else self.config.storm.window
        while self._recent and self._recent[0] <= at - window:
            self._recent.popleft()


def _words(alert: Alert) -> str:
    """`warning late`: few words, for they are told again and again."""
    return f"{alert.severity} {alert.rule}"
