"""The journal: the state of open recoveries, escalations and policies that a restarted core needs.

A recovery is in the journal from its opening to its end: each step before it is executed, and its result as soon as it
is known. Each change is written before the core awaits anything else, so that the journal always contains the progress
of a core that has ended.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from operator import is_
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from recovery.model import NOTHING, Analysis, Failure, Incident, RecoveryStrategy, Step
from recovery.policies.policy_states import PolicyChanges, PolicyState

if TYPE_CHECKING:
    from recovery.model import Escalation

T = TypeVar("T")
_INCIDENT: TypeAdapter[Incident] = TypeAdapter(Incident)
_SCALARS = frozenset({str, int, bool, type(None)})
"""Types whose values JSON always has. Not that of floats: some are not finite."""
_UNCHANGED = _SCALARS | {float}
"""Types whose values are written and read as they are."""
_SEQUENCES = frozenset({list, tuple})


class Journal(Protocol):
    """Stores open recoveries, escalations, and the states of policies.

    A call accepts a copy of its argument, and copies are written in the order of the calls. `durable` waits until they
    survive the end of the core. The core awaits it before each action on the system.
    """

    async def durable(self) -> None:
        """Return when everything that was accepted so far is durable."""

    def keep(self, incident: Incident, policies: PolicyChanges = NOTHING) -> None:
        """Store an open recovery in its present state, and replace its earlier one.

        `policies` are the states of policies that change with it: both are stored, or neither. Raises ValueError for
        an incident that cannot be written as JSON.
        """

    def forget(self, number: int) -> None:
        """Delete a recovery that has ended."""

    def unfinished(self) -> Sequence[Incident]:
        """Copies of the open recoveries in their last stored state, in the order of their opening."""

    def numbers(self) -> int:
        """One more than the highest number of all recoveries, ended ones included."""

    def keep_escalation(self, escalation: Escalation) -> None:
        """Store an escalation, and replace that of the same incident."""

    def escalations(self) -> Sequence[Escalation]:
        """All escalations, waiting and resolved, in the order in which they were first stored."""

    def keep_policies(self, policies: PolicyChanges) -> None:
        """Store changed states of policies by name; None deletes one."""

    def policies(self) -> Mapping[str, PolicyState]:
        """The stored states of policies by name."""


class NoJournal:
    """Stores nothing: a restarted core does not continue recoveries, and begins with new policies."""

    async def durable(self) -> None:
        """Return at once."""

    def keep(self, incident: Incident, policies: PolicyChanges = NOTHING) -> None:
        """Has no effect."""

    def forget(self, number: int) -> None:
        """Has no effect."""

    def unfinished(self) -> Sequence[Incident]:
        """Returns nothing."""
        return ()

    def numbers(self) -> int:
        """Returns 0."""
        return 0

    def keep_escalation(self, escalation: Escalation) -> None:
        """Has no effect."""

    def escalations(self) -> Sequence[Escalation]:
        """Returns nothing."""
        return ()

    def keep_policies(self, policies: PolicyChanges) -> None:
        """Has no effect."""

    def policies(self) -> Mapping[str, PolicyState]:
        """Returns nothing."""
        return {}


NO_JOURNAL = NoJournal()


class MemoryJournal:
    """Stores everything in memory as JSON, like a journal on a disk, so that no object survives its core."""

    def __init__(self) -> None:
        self._open: dict[int, bytes] = {}
        self._numbers = 0
        self._escalations: dict[int, Escalation] = {}
        self._policies: dict[str, PolicyState] = {}

    async def durable(self) -> None:
        """Return at once."""

    def keep(self, incident: Incident, policies: PolicyChanges = NOTHING) -> None:
        """Store the incident as JSON, and the states."""
        self.keep_json(incident.number, incident_to_json(incident), policies)

    def keep_json(self, number: int, text: bytes, policies: PolicyChanges = NOTHING) -> None:
        """As `keep`, for an incident that is JSON already (`incident_to_json`)."""
        self._open[number] = text
        self._numbers = max(self._numbers, number + 1)
        if policies:
            self.keep_policies(policies)

    def forget(self, number: int) -> None:
        """Delete the incident."""
        self._open.pop(number, None)

    def unfinished(self) -> Sequence[Incident]:
        """Read the incidents."""
        return [incident_from_json(text) for _, text in sorted(self._open.items())]

    def numbers(self) -> int:
        """One more than the highest number."""
        return self._numbers

    def keep_escalation(self, escalation: Escalation) -> None:
        """Store the escalation, which is immutable."""
        self._escalations[escalation.incident] = escalation

    def escalations(self) -> Sequence[Escalation]:
        """The stored escalations."""
        return tuple(self._escalations.values())

    def keep_policies(self, policies: PolicyChanges) -> None:
        """Store the states, which are immutable."""
        for name, state in policies.items():
            if state is None:
                self._policies.pop(name, None)
            else:
                self._policies[name] = state

    def policies(self) -> Mapping[str, PolicyState]:
        """The stored states."""
        return dict(self._policies)


def incident_to_json(incident: Incident, later: float = 0.0) -> bytes:
    """An incident as JSON. `later` seconds are added to its instants, for a clock that outlives the core.

    Raises ValueError for a value that JSON cannot represent.
    """
    made = incident_with(plain, incident, later)
    arguments = {} if made.analysis is None else made.analysis.arguments
    for name, value in (*made.failure.info.items(), *arguments.items()):
        if _is_usual(value):
            continue
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"incident {incident.number}: {name} cannot be kept in the journal: {error}") from None
    try:
        return _INCIDENT.dump_json(made, warnings="error")
    except PydanticSerializationError as error:
        why = " ".join(str(error).split())  # on one line
        raise ValueError(f"incident {incident.number} cannot be kept in the journal: {why}") from None


def incident_from_json(text: bytes, later: float = 0.0) -> Incident:
    """The inverse of `incident_to_json`. Raises pydantic.ValidationError."""
    return incident_with(tuples, _INCIDENT.validate_json(text), later)


def _is_usual(value: Any) -> bool:
    """Whether JSON has a value for sure: a scalar, a finite float, or a sequence of scalars."""
    kind = type(value)
    if kind in _SCALARS:
        return True
    return isfinite(value) if kind is float else kind in _SEQUENCES and _SCALARS.issuperset(map(type, value))


def plain(value: Any) -> Any:
    """Convert mappings to dictionaries, which JSON has. A value that needs no conversion is returned itself."""
    kind = type(value)
    if kind in _UNCHANGED or (kind in _SEQUENCES and _UNCHANGED.issuperset(map(type, value))):
        return value
    if kind is dict:
        made = {name: plain(each) for name, each in value.items()}
        return value if all(map(is_, made.values(), value.values())) else made
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def tuples(value: Any) -> Any:
    """Convert lists to tuples, as recoveries have them."""
    if isinstance(value, Mapping):
        return {name: tuples(each) for name, each in value.items()}
    return tuple(tuples(each) for each in value) if isinstance(value, list) else value


def failure_with(convert: Callable[[Any], Any], failure: Failure, later: float = 0.0) -> Failure:
    """A failure with values of any type that `convert` has converted, and instants that are `later` seconds later.

    It is the same object if that changes nothing.
    """
    return _with(failure, at=_shifted(failure.at, later), info=convert(failure.info))


def analysis_with(convert: Callable[[Any], Any], analysis: Analysis | None, later: float = 0.0) -> Analysis | None:
    """As `failure_with`, for an analysis."""
    if analysis is None:
        return None
    return _with(
        analysis,
        failure=failure_with(convert, analysis.failure, later),
        diagnosis=convert(analysis.diagnosis),
        arguments=convert(analysis.arguments),
    )


def incident_with(convert: Callable[[Any], Any], incident: Incident, later: float = 0.0) -> Incident:
    """As `failure_with`, for an incident."""
    return _with(
        incident,
        failure=failure_with(convert, incident.failure, later),
        opened_at=_shifted(incident.opened_at, later),
        due=_shifted(incident.due, later),
        try_began=_shifted(incident.try_began, later),
        analysis=analysis_with(convert, incident.analysis, later),
        strategy=_strategy_with(convert, incident.strategy),
    )


def _strategy_with(convert: Callable[[Any], Any], strategy: RecoveryStrategy | None) -> RecoveryStrategy | None:
    if strategy is None:
        return None
    steps = tuple([_step_with(convert, step) for step in strategy.steps])
    is_same = all(map(is_, steps, strategy.steps))
    return strategy if is_same else replace(strategy, steps=steps)


def _step_with(convert: Callable[[Any], Any], step: Step) -> Step:
    undo = None if step.undo is None else _step_with(convert, step.undo)
    return _with(step, arguments=convert(step.arguments), undo=undo)


def _shifted(instant: float | None, later: float) -> Any:
    """An instant, if there is one, `later` seconds later."""
    return instant + later if later and instant is not None else instant


def _with(changed: T, **fields: Any) -> T:
    """A copy with these values of fields; the same object if it has them already."""
    for name, value in fields.items():
        if getattr(changed, name) is not value:
            return replace(changed, **fields)  # type: ignore[type-var]
    return changed
