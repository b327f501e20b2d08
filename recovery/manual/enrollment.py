"""The operators file of a store: which one it is, and its tokens. Another file is refused.

The store records the identity and the place of the file, and the SHA-256 of each of its tokens for this store. The
record changes together with the file, and each change is a line of the audit trail with the SHA-256 of the record.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import Connection, insert, select, update

from recovery.audit import OPERATOR_EVENTS, AuditEntry, AuditEvent
from recovery.manual.operators import Operators, OperatorsError, change_operators
from recovery.stores.database import Database
from recovery.stores.errors import StoreError
from recovery.stores.identity import store_identity
from recovery.stores.sql_audit import SqlAudit
from recovery.stores.tables import AUDIT, META

_NAME = "operators"
_EVENTS = (AuditEvent.OPERATORS_ENROLLED, AuditEvent.OPERATORS_CHANGED)
assert set(_EVENTS) <= set(OPERATOR_EVENTS)
Clock = Callable[[], float]


class Enrollment(BaseModel):
    """The record of an operators file: its identity, its place, and the expiry (epoch s) of each token by SHA-256."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    identity: str
    place: str
    tokens: dict[str, float]

    @property
    def sha256(self) -> str:
        """The digest of this record."""
        return _sha256(self.model_dump())

    def is_of(self, operators: Operators, store: str, now: float) -> bool:
        """Whether the file has exactly the recorded tokens for a store, apart from expired ones."""
        recorded = {digest for digest, until in self.tokens.items() if until >= now}
        found = {digest for digest, until in _tokens(operators, store).items() if until >= now}
        return self.identity == operators.identity and recorded == found

    def may_become(self, operators: Operators, store: str) -> bool:
        """Whether the file is this one, perhaps without some of the tokens, as after an interrupted change."""
        return self.identity == operators.identity and set(_tokens(operators, store)) <= set(self.tokens)


def enrollment_of(connection: Connection) -> Enrollment | None:
    """The record of the store's operators file; None if it has none. Raises StoreError for a damaged one."""
    text = connection.execute(select(META.c.value).where(META.c.name == _NAME)).scalar_one_or_none()
    if text is None:
        return None
    try:
        return Enrollment.model_validate_json(text)
    except ValidationError:
        raise StoreError("the record of its operators file is damaged; valid: a copy from before") from None


def wrong_enrollment(connection: Connection) -> str | None:
    """The difference between the record and the audit trail; None: they agree."""
    found = enrollment_of(connection)
    asked = select(AUDIT.c.detail).where(AUDIT.c.event.in_(_EVENTS)).order_by(AUDIT.c.number.desc()).limit(1)
    last = connection.execute(asked).scalar_one_or_none()
    if (None if found is None else found.sha256) != last:
        return "the record of the operators file is not the one that was written last"
    return None


@dataclass(frozen=True, slots=True)
class _Change:
    """A change of the file: the event, whose tokens it is about, and the text of the line in the audit trail."""

    event: AuditEvent
    subject: str
    text: str


class EnrolledOperators:
    """Changes of the operators file of a store. `clock` gives the time of day (epoch s).

    The first file whose tokens are made for the store is enrolled; from then on, only this one is changed, at the same
    place. All methods raise OperatorsError and StoreError, and change nothing then.
    """

    def __init__(self, database: Database, path: Path, clock: Clock) -> None:
        self._database = database
        self._path = path
        self._clock = clock
        self._store = database.read(store_identity)

    def make_token(self, name: str, seconds: float) -> str:
        """Make a token for the store; returns it. It is not stored."""
        made = ""

        def with_token(known: Operators) -> Operators:
            nonlocal made
            changed, made = known.with_token(name, seconds, self._clock(), self._store)
            return changed

        self._change(with_token, _Change(AuditEvent.OPERATORS_CHANGED, name, f"a token for {name}"))
        return made

    def remove_operator(self, name: str) -> int:
        """Remove the tokens of an operator for the store, and the operator unless tokens for other stores are left.

        Returns the number of those, without expired ones.
        """
        left = 0

        def removed(known: Operators) -> Operators:
            nonlocal left
            kept = known.without_tokens(name, self._store)
            left = sum(bool(each.store) and not each.is_expired(self._clock()) for each in kept.operator(name).tokens)
            return kept if left else known.without_operator(name)

        self._change(removed, _Change(AuditEvent.OPERATORS_CHANGED, name, f"the tokens of {name} were removed"))
        return left

    def enroll(self, by: str, *, replaces: bool) -> None:
        """Enroll the file. `replaces`: in place of the enrolled one, which an authorized operator allows."""
        self._change(lambda known: known, _Change(AuditEvent.OPERATORS_ENROLLED, by, "enrolled"), replaces=replaces)

    def _change(self, change: Callable[[Operators], Operators], what: _Change, *, replaces: bool = False) -> None:
        def write(before: Operators, after: Operators, place: Path) -> None:
            def decide(connection: Connection) -> AuditEntry:
                found = enrollment_of(connection)
                if not replaces:
                    self._check(found, before, place)
                kept = Enrollment(identity=after.identity, place=str(place), tokens=_tokens(after, self._store))
                _keep(connection, kept, is_new=found is None)
                event = AuditEvent.OPERATORS_ENROLLED if found is None else what.event
                return AuditEntry(self._clock(), event, -1, what.subject, kept.sha256, None, f"{place}: {what.text}")

            SqlAudit(self._database, self._clock).record_now(decide)

        change_operators(self._path, change, write=write)

    def _check(self, found: Enrollment | None, before: Operators, place: Path) -> None:
        if found is None:
            return
        if found.place != str(place):
            raise OperatorsError(f"{self._path}: {_not_enrolled(self._database.place, found)}")
        if not found.may_become(before, self._store):
            raise OperatorsError(
                f"{self._path}: has tokens for {self._database.place} that it did not have when it was last changed "
                "with this store, or is a new file; valid: a copy from before, or recover operator enroll"
            )


def _not_enrolled(store: str, found: Enrollment) -> str:
    return f"is not the operators file of {store}; valid: {found.place}, or recover operator enroll"


def file_refusal(connection: Connection, operators: Operators, store: str, now: float) -> str | None:
    """Why an operators file may not authorize anyone for a store; None: it is the enrolled one."""
    found = enrollment_of(connection)
    if found is None:
        return "no operators file is enrolled in this store; valid: after recover operator token, or enroll"
    if (wrong := wrong_enrollment(connection)) is not None:
        return f"{wrong}; see recover audit --verify"
    if not found.is_of(operators, store, now):
        return f"the operators file is not the one of this store; valid: {found.place}, unless it was changed otherwise"
    return None


def _keep(connection: Connection, kept: Enrollment, *, is_new: bool) -> None:
    text = kept.model_dump_json()
    if is_new:
        connection.execute(insert(META).values(name=_NAME, value=text))
    else:
        connection.execute(update(META).where(META.c.name == _NAME).values(value=text))


def _tokens(operators: Operators, store: str) -> dict[str, float]:
    """The expiry of each token for a store, by the SHA-256 of the token with its operator and role."""
    return {
        _sha256([name, operator.role.value, token.model_dump()]): token.expires_at
        for name, operator in sorted(operators.operators.items())
        for token in operator.tokens
        if token.store == store
    }


def _sha256(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
