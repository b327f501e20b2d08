"""The journal: what a core has to find again when it is started after its own end.

A recovery is kept from its opening to its end, as it stands: what is about to be done before it is done, and what has
been done as soon as it has. Each change is kept before the core awaits anything else, so that wherever a core may end,
the journal says how far it had come.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from recovery.model import Analysis, Failure, Incident, Step

if TYPE_CHECKING:
    from recovery.model import Escalation

_INCIDENT: TypeAdapter[Incident] = TypeAdapter(Incident)


class Journal(Protocol):
    """Where open recoveries and escalations are kept.

    What a call was given is accepted when it returns, as it was then, and kept in the order of the calls; `durable`
    waits until it outlives the core. What a core does to others it does when that is so, and not before.
    """

    async def durable(self) -> None:
        """Return when everything that was accepted so far would be found again."""

    def keep(self, incident: Incident) -> None:
        """An open recovery as it stands now, in place of what was kept of it.

        Raises ValueError for an incident that cannot be written as JSON.
        """

    def forget(self, number: int) -> None:
        """A recovery is over."""

    def unfinished(self) -> Sequence[Incident]:
        """The recoveries that are not over, in order of opening, as they were kept last. Each is a copy."""

    def numbers(self) -> int:
        """The first number that no recovery has had, nor any after it."""

    def keep_escalation(self, escalation: Escalation) -> None:
        """An escalation, in place of what was kept of the same incident."""

    def escalations(self) -> Sequence[Escalation]:
        """All escalations, waiting and resolved, in the order in which they were first kept."""


class NoJournal:
    """Keeps nothing: what a core was about ends with it."""

    async def durable(self) -> None:
        """Nothing is waited for."""

    def keep(self, incident: Incident) -> None:
        """Nothing is kept."""

    def forget(self, number: int) -> None:
        """Nothing was kept."""

    def unfinished(self) -> Sequence[Incident]:
        """None is known."""
        return ()

    def numbers(self) -> int:
        """Nobody has counted."""
        return 0

    def keep_escalation(self, escalation: Escalation) -> None:
        """Nothing is kept."""

    def escalations(self) -> Sequence[Escalation]:
        """None is known."""
        return ()


NO_JOURNAL = NoJournal()


class MemoryJournal:
    """Keeps everything in memory, written out as a journal on a disk would have it: no object outlives its core."""

    def __init__(self) -> None:
        self._open: dict[int, bytes] = {}
        self._numbers = 0
        self._escalations: dict[int, Escalation] = {}

    async def durable(self) -> None:
        """It is at once."""

    def keep(self, incident: Incident) -> None:
        """Write the incident down."""
        self._open[incident.number] = written(incident)
        self._numbers = max(self._numbers, incident.number + 1)

    def forget(self, number: int) -> None:
        """Strike it out."""
        self._open.pop(number, None)

    def unfinished(self) -> Sequence[Incident]:
        """Read them again."""
        return [read(text) for _, text in sorted(self._open.items())]

    def numbers(self) -> int:
        """One more than the highest so far."""
        return self._numbers

    def keep_escalation(self, escalation: Escalation) -> None:
        """Escalations are frozen values."""
        self._escalations[escalation.incident] = escalation

    def escalations(self) -> Sequence[Escalation]:
        """Those of now."""
        return tuple(self._escalations.values())


def written(incident: Incident, later: float = 0.0) -> bytes:
    """An incident as JSON. `later` seconds are added to its instants, for a clock that outlives the core.

    Raises ValueError for a value that JSON cannot represent.
    """
    made = incident_with(plain, incident, later)
    arguments = {} if made.analysis is None else made.analysis.arguments
    for name, value in (*made.failure.info.items(), *arguments.items()):
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"incident {incident.number}: {name} cannot be kept in the journal: {error}") from None
    try:
        return _INCIDENT.dump_json(made, warnings="error")
    except PydanticSerializationError as error:
        why = " ".join(str(error).split())  # on one line
        raise ValueError(f"incident {incident.number} cannot be kept in the journal: {why}") from None


def read(text: bytes, later: float = 0.0) -> Incident:
    """The incident that was written, so many seconds later. Raises pydantic.ValidationError for anything else."""
    return incident_with(tuples, _INCIDENT.validate_json(text), later)


def plain(value: Any) -> Any:
    """The same in JSON's own containers."""
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def tuples(value: Any) -> Any:
    """JSON has one kind of sequence, and what recoveries know has the other."""
    if isinstance(value, Mapping):
        return {name: tuples(each) for name, each in value.items()}
    return tuple(tuples(each) for each in value) if isinstance(value, list) else value


def failure_with(convert: Callable[[Any], Any], failure: Failure, later: float = 0.0) -> Failure:
    """A copy, in which all that may hold anything is converted, and that is so many seconds later."""
    return replace(failure, at=failure.at + later, info=convert(failure.info))


def analysis_with(convert: Callable[[Any], Any], analysis: Analysis | None, later: float = 0.0) -> Analysis | None:
    """The same of an analysis."""
    if analysis is None:
        return None
    return replace(
        analysis,
        failure=failure_with(convert, analysis.failure, later),
        diagnosis=convert(analysis.diagnosis),
        arguments=convert(analysis.arguments),
    )


def incident_with(convert: Callable[[Any], Any], incident: Incident, later: float = 0.0) -> Incident:
    """The same of an incident."""

    def step(one: Step) -> Step:
        return replace(one, arguments=convert(one.arguments), undo=None if one.undo is None else step(one.undo))

    strategy = incident.strategy
    return replace(
        incident,
        failure=failure_with(convert, incident.failure, later),
        opened_at=incident.opened_at + later,
        due=None if incident.due is None else incident.due + later,
        analysis=analysis_with(convert, incident.analysis, later),
        strategy=None if strategy is None else replace(strategy, steps=tuple(map(step, strategy.steps))),
    )
