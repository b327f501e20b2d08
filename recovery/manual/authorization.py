"""Authorization of operators. Each decision is recorded in the audit trail, and the next one is made from that record.

A token is valid for one store and one recovery: for the procedure and the task that it is first used for, until that
recovery is complete. Someone who finds it later can do nothing with it. Only the operators file that is enrolled in the
store authorizes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from recovery.audit import AuditEntry, AuditEvent, RefusalReason
from recovery.errors import RecoveryBenchError
from recovery.manual.enrollment import file_refusal
from recovery.manual.operators import Operators, Role
from recovery.stores.identity import store_identity
from recovery.stores.sql_audit import SqlAudit
from recovery.stores.tables import AUDIT

MOST_REFUSALS = 5
WINDOW = 60.0
"""An operator with this many wrong tokens within this many seconds is refused until the oldest of them is older."""
_NOT_COUNTED = tuple(reason.value for reason in RefusalReason if reason is not RefusalReason.WRONG_CREDENTIALS)
"""Refusals for these reasons do not count as wrong tokens.

Refusals with any other detail do. Older versions recorded a text in place of a reason: after an update, the limit is
stricter for one window, and never weaker.
"""


class Refused(RecoveryBenchError):
    """An operator is not authorized. One line: the reason, and what would be valid."""


@dataclass(frozen=True, slots=True)
class Admission:
    """An authorized operator, and the recovery that the token is valid for."""

    operator: str
    token_key: str
    procedure: str
    task_id: str

    @property
    def detail(self) -> str:
        """The detail of its audit entries: token key, procedure and task. Only a task may contain spaces."""
        return f"{self.token_key} {self.procedure} {self.task_id}"

    @classmethod
    def from_detail(cls, operator: str, detail: str) -> Admission:
        """The admission that has this `detail`."""
        token_key, _, used_for = detail.partition(" ")
        procedure, _, task_id = used_for.partition(" ")
        return cls(operator, token_key, procedure, task_id)


@dataclass(frozen=True, slots=True)
class _Refusal:
    reason: RefusalReason
    text: str


class Authorization:
    """Authorizes operators. `clock` gives the time of day (epoch s)."""

    def __init__(self, operators: Operators, audit: SqlAudit, clock: Callable[[], float]) -> None:
        self._operators = operators
        self._audit = audit
        self._clock = clock

    def admit(self, operator: str, token: str, procedure: str, task_id: str) -> Admission:
        """Authorize a step of a procedure on a task, and record the decision. Raises Refused."""
        now = self._clock()
        found = self._operators.found(operator, token, now)
        admission = Admission(operator, "" if found is None else found.key, procedure, task_id)

        def refusal(connection: Connection) -> _Refusal | None:
            if (limited := _limited(connection, operator, now)) is not None:
                return limited
            store = store_identity(connection)
            if (text := file_refusal(connection, self._operators, store, now)) is not None:
                return _Refusal(RefusalReason.OTHER_OPERATORS_FILE, text)
            if found is None:
                text = "unknown operator, or wrong token; valid: a token from recover operator token"
                return _Refusal(RefusalReason.WRONG_CREDENTIALS, text)
            if found.store != store:
                return _Refusal(RefusalReason.OTHER_STORE, "the token is not for this store; valid: a token for it")
            if found.is_expired(now):
                return _Refusal(RefusalReason.EXPIRED, "the token has expired; valid: a new token")
            role = self._operators.operators[operator].role
            if role is not Role.ADMIN:
                return _Refusal(RefusalReason.WRONG_ROLE, f"has the role {role}; valid: {Role.ADMIN}")
            return _used(connection, admission)

        def decide(connection: Connection) -> AuditEntry:
            refused = refusal(connection)
            if refused is None:
                return AuditEntry(now, AuditEvent.OPERATOR_ADMITTED, -1, operator, admission.detail, None)
            return AuditEntry(now, AuditEvent.OPERATOR_REFUSED, -1, operator, refused.reason.value, None, refused.text)

        entry = self._audit.record_now(decide)
        if entry.event is AuditEvent.OPERATOR_REFUSED:
            raise Refused(f"{operator}: {entry.text}")
        return admission

    def finish(self, admission: Admission) -> None:
        """Record that the recovery is complete. The token is invalid from now on."""
        now = self._clock()
        entry = AuditEntry(now, AuditEvent.OPERATOR_FINISHED, -1, admission.operator, admission.detail, None)
        self._audit.record_now(lambda _: entry)

    def refuse(self, admission: Admission, text: str) -> Refused:
        """Record that a request of an authorized operator is refused; returns the error to raise."""
        reason = RefusalReason.NOT_POSSIBLE.value
        entry = AuditEntry(self._clock(), AuditEvent.OPERATOR_REFUSED, -1, admission.operator, reason, None, text)
        self._audit.record_now(lambda _: entry)
        return Refused(text)


def _limited(connection: Connection, operator: str, now: float) -> _Refusal | None:
    """The refusal of an operator with too many recent wrong tokens."""
    recent = (
        select(func.count(), func.min(AUDIT.c.at))
        .where(AUDIT.c.event == AuditEvent.OPERATOR_REFUSED, AUDIT.c.subject == operator, AUDIT.c.at > now - WINDOW)
        .where(AUDIT.c.detail.not_in(_NOT_COUNTED))
    )
    count, first = connection.execute(recent).one()
    if count < MOST_REFUSALS:
        return None
    text = f"too many attempts; valid: in {max(1.0, first + WINDOW - now):.0f} s"
    return _Refusal(RefusalReason.TOO_MANY_ATTEMPTS, text)


def _used(connection: Connection, admission: Admission) -> _Refusal | None:
    """The refusal of a token that was used for another recovery, or for one that is complete."""
    asked = (
        select(AUDIT.c.event, AUDIT.c.detail)
        .where(
            AUDIT.c.event.in_((AuditEvent.OPERATOR_ADMITTED, AuditEvent.OPERATOR_FINISHED)),
            AUDIT.c.subject == admission.operator,
        )
        .order_by(AUDIT.c.number)
    )
    for event, detail in connection.execute(asked):
        earlier = Admission.from_detail(admission.operator, detail)
        if earlier.token_key != admission.token_key:
            continue
        used_for = f"recover {earlier.procedure} {earlier.task_id}"
        if event == AuditEvent.OPERATOR_FINISHED:
            text = f"the token was used for {used_for}, which is complete; valid: a new token"
            return _Refusal(RefusalReason.RECOVERY_COMPLETE, text)
        if earlier != admission:
            return _Refusal(RefusalReason.OTHER_RECOVERY, f"the token is for {used_for} only; valid: a new token")
    return None
