"""Who is let in to recover by hand: every decision is on record, and the record is what is decided by.

A token is good for one recovery: for the procedure and the task that it is used for first, until that is over. Whoever
gets hold of it later can do nothing with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from recovery.audit import AuditEntry
from recovery.errors import RecoveryBenchError
from recovery.manual.operators import Operators, Role
from recovery.stores.sql_audit import SqlAudit
from recovery.stores.tables import AUDIT

MOST_REFUSALS = 5
WINDOW = 60.0
"""An operator who was refused so often within so many seconds is not heard for as long."""
TOO_OFTEN = "too many attempts"


class Refused(RecoveryBenchError):
    """An operator is not let in. One line: why, and what would be valid."""


@dataclass(frozen=True, slots=True)
class Admission:
    """An operator who was let in, and with which token for what."""

    operator: str
    token_key: str
    procedure: str
    task_id: str

    @property
    def detail(self) -> str:
        """As it is on record."""
        return f"{self.token_key} {self.procedure} {self.task_id}"


class Authorization:
    """Lets operators in. `clock` gives the time of day (epoch s)."""

    def __init__(self, operators: Operators, audit: SqlAudit, clock: Callable[[], float]) -> None:
        self._operators = operators
        self._audit = audit
        self._clock = clock

    def admit(self, operator: str, token: str, procedure: str, task_id: str) -> Admission:
        """Let an operator in for a step of a procedure on a task. Raises Refused, which is on record then, too."""
        now = self._clock()
        found = self._operators.found(operator, token, now)
        admission = Admission(operator, "" if found is None else found.key, procedure, task_id)

        def decide(connection: Connection) -> AuditEntry:
            reason = self._limited(connection, operator, now)
            if reason is None and found is None:
                reason = "is no operator with that token; valid: a token of recover operator token"
            if reason is None and found is not None and found.expires_at <= now:
                reason = "the token has expired; valid: a new one"
            if reason is None and self._operators.operators[operator].role is not Role.ADMIN:
                reason = f"has the role {self._operators.operators[operator].role}; valid: {Role.ADMIN}"
            if reason is None:
                reason = _used(connection, admission)
            if reason is None:
                return AuditEntry(now, "operator.admitted", -1, operator, admission.detail, None)
            return AuditEntry(now, "operator.refused", -1, operator, reason, None)

        entry = self._audit.record_now(decide)
        if entry.event == "operator.refused":
            raise Refused(f"{operator}: {entry.detail}")
        return admission

    def finish(self, admission: Admission) -> None:
        """The recovery is over, and its token with it."""
        now = self._clock()
        entry = AuditEntry(now, "operator.finished", -1, admission.operator, admission.detail, None)
        self._audit.record_now(lambda _: entry)

    def refuse(self, admission: Admission, reason: str) -> Refused:
        """Put on record that what was asked is not done; what to raise."""
        entry = AuditEntry(self._clock(), "operator.refused", -1, admission.operator, reason, None)
        self._audit.record_now(lambda _: entry)
        return Refused(reason)

    @staticmethod
    def _limited(connection: Connection, operator: str, now: float) -> str | None:
        recent = (
            select(func.count(), func.min(AUDIT.c.at))
            .where(AUDIT.c.event == "operator.refused", AUDIT.c.subject == operator, AUDIT.c.at > now - WINDOW)
            .where(AUDIT.c.detail.startswith("is no operator"))
        )
        count, first = connection.execute(recent).one()
        if count < MOST_REFUSALS:
            return None
        return f"{TOO_OFTEN}; valid: in {max(1.0, first + WINDOW - now):.0f} s"


def _used(connection: Connection, admission: Admission) -> str | None:
    """Why a token is not good for this, by what it was used for before."""
    asked = (
        select(AUDIT.c.event, AUDIT.c.detail)
        .where(AUDIT.c.event.in_(("operator.admitted", "operator.finished")), AUDIT.c.subject == admission.operator)
        .where(AUDIT.c.detail.startswith(f"{admission.token_key} ", autoescape=True))
        .order_by(AUDIT.c.number)
    )
    for event, detail in connection.execute(asked):
        used_for = detail.partition(" ")[2]
        if event == "operator.finished":
            return f"the token was used for recover {used_for}, and that is over; valid: a new one"
        if detail != admission.detail:
            return f"the token is for recover {used_for} alone; valid: a new one"
    return None
