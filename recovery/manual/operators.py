"""Operators and their tokens. Only salted hashes of tokens are stored.

The file is JSON, and only its owner may write to it. A change excludes other processes while it reads and replaces the
file. If the name of the file is a symbolic link, the file that it leads to is changed.
"""

from __future__ import annotations

import glob
import hashlib
import hmac
import os
import re
import secrets  # noqa: TID251 - a secret has no seed
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recovery.atomic_file import LEFT, keep_permissions, link_target, whole_file
from recovery.errors import RecoveryBenchError
from recovery.file_lock import locked
from recovery.input_file import InputFileError, check_regular, read_text

MOST_BYTES = 1024**2
_NAME = re.compile(r"[\w.@-]{1,64}")
_SECRET_BYTES = 32
_COST, _BLOCK, _PARALLEL = 2**14, 8, 1
"""scrypt's (C. Percival, "Stronger key derivation via sequential memory-hard functions", 2009): 16 MB, some 50 ms."""
_SHARED = stat.S_IWGRP | stat.S_IWOTH
_Hex = Annotated[str, Field(pattern=r"^([0-9a-f]{2})+$")]


class OperatorsError(RecoveryBenchError):
    """An operators file, or a request to change it, is invalid. One line."""


class Role(StrEnum):
    """What an operator may do."""

    ADMIN = "admin"  # manual recovery
    VIEWER = "viewer"  # nothing that requires a token


class Token(BaseModel):
    """The stored part of a token: its public key, the salted hash of its secret, and its expiry (epoch s).

    `store` is the identity of the store that it is for; the hash covers it. Tokens of earlier versions have none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: _Hex
    salt: _Hex
    hash: _Hex
    expires_at: float
    store: str = ""

    def is_expired(self, now: float) -> bool:
        """Whether it has expired. A token that is used at the instant of its expiry is in time."""
        return self.expires_at < now


class Operator(BaseModel):
    """One operator."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Role
    tokens: tuple[Token, ...] = ()


class Operators(BaseModel):
    """All operators by name. `identity` is a random number of the file, by which a store identifies it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    identity: str = ""
    operators: dict[str, Operator] = {}

    def found(self, name: str, token: str, now: float) -> Token | None:
        """The matching token of an operator, expired or not; None: there is none. Both take the same time."""
        key, _, secret = token.partition(".")
        operator = self.operators.get(name)
        known = [each for each in operator.tokens if each.key == key] if operator is not None else []
        compared = known[0] if known else _NO_TOKEN
        hashed = _hash(secret, bytes.fromhex(compared.salt), compared.store)
        right = hmac.compare_digest(hashed, bytes.fromhex(compared.hash))
        return known[0] if known and right else None

    def with_operator(self, name: str, role: Role) -> Operators:
        """These operators and a new one. Raises OperatorsError for an invalid or existing name."""
        if not _NAME.fullmatch(name):
            raise OperatorsError(f"{name!r} is not a valid name; valid: up to 64 letters, digits and . _ @ -")
        if name in self.operators:
            raise OperatorsError(f"there is already an operator {name}")
        return self._with({**self.operators, name: Operator(role=role)})

    def without_operator(self, name: str) -> Operators:
        """These operators without one. Raises OperatorsError."""
        self.operator(name)
        return self._with({other: known for other, known in self.operators.items() if other != name})

    def without_tokens(self, name: str, store: str) -> Operators:
        """These operators, of which one has no tokens for a store. Raises OperatorsError."""
        operator = self.operator(name)
        kept = tuple(each for each in operator.tokens if each.store != store)
        return self._with({**self.operators, name: Operator(role=operator.role, tokens=kept)})

    def with_token(self, name: str, seconds: float, now: float, store: str) -> tuple[Operators, str]:
        """These operators with a new token for a store and without expired ones, and the token, which is not stored.

        `store` is the identity of the store. Raises OperatorsError.
        """
        operator = self.operator(name)
        key, secret, salt = secrets.token_hex(4), secrets.token_urlsafe(_SECRET_BYTES), os.urandom(16)  # noqa: TID251 - a secret has no seed
        hashed = _hash(secret, salt, store).hex()
        token = Token(key=key, salt=salt.hex(), hash=hashed, expires_at=now + seconds, store=store)
        good = tuple(each for each in operator.tokens if not each.is_expired(now))
        changed = Operator(role=operator.role, tokens=(*good, token))
        return self._with({**self.operators, name: changed}), f"{key}.{secret}"

    def with_identity(self) -> Operators:
        """These operators with the identity of a file. A file keeps its identity when it is changed."""
        return self if self.identity else self.model_copy(update={"identity": secrets.token_hex(16)})

    def _with(self, operators: dict[str, Operator]) -> Operators:
        return self.model_copy(update={"operators": operators})

    def operator(self, name: str) -> Operator:
        """The operator with this name. Raises OperatorsError."""
        if name not in self.operators:
            raise OperatorsError(f"there is no operator {name}; valid: {', '.join(self.operators) or 'none'}")
        return self.operators[name]


def load_operators(path: Path) -> Operators:
    """Read the file. Raises OperatorsError, also for a file of another user, and one that others may write to."""
    try:
        _check_link(path)
        status = check_regular(path)
        if status.st_mode & _SHARED:
            raise OperatorsError(f"{path}: others may write to it; valid: after chmod go-w {path}")
        if not _may_trust(status):
            raise OperatorsError(f"{path}: belongs to another user; valid: a file of yours, or of root")
        text = read_text(path, MOST_BYTES)
    except InputFileError as error:
        problem = "there is no such file" if error.is_missing else error
        raise OperatorsError(f"{path}: {problem}; valid: a file from recover operator add") from None
    try:
        return Operators.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise OperatorsError(f"{path}: {where}{': ' if where else ''}{first['msg']}") from None


Write = Callable[[Operators, Operators, Path], None]
"""Called with the operators before and after a change, and the resolved path, immediately before the file is replaced.

The file remains as it is if it raises an exception.
"""


def change_operators(
    path: Path, change: Callable[[Operators], Operators], *, create: bool = False, write: Write | None = None
) -> Operators:
    """Read, change and replace the file, while other processes wait to do so. Raises OperatorsError.

    The file keeps its permissions; a new one is readable for its owner only, and is created only with `create`.
    """
    with _errors_of(path):
        _check_link(path)
        target = link_target(path)
        with locked(target):
            for left in target.parent.glob(f".{glob.escape(target.name)}{LEFT}"):
                left.unlink()  # of a program that was killed: nobody else writes now
            is_new = create and not target.exists()
            before = Operators() if is_new else load_operators(path)
            after = change(before).with_identity()
            with whole_file(target, private=True) as temporary:
                temporary.write_text(after.model_dump_json(indent=1) + "\n", encoding="utf-8")
                if not is_new:
                    _keep_permissions(path, temporary, target.stat())
                if write is not None:
                    write(before, after, target.resolve())
    return after


def save_operators(path: Path, operators: Operators) -> None:
    """Replace the file, whatever it contains. Raises OperatorsError."""
    with _errors_of(path), whole_file(path, private=True) as temporary:
        temporary.write_text(operators.model_dump_json(indent=1) + "\n", encoding="utf-8")


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OperatorsError(f"{path}: cannot be written: {error.strerror or error}") from None


def _keep_permissions(path: Path, temporary: Path, before: os.stat_result) -> None:
    try:
        keep_permissions(temporary, before)
    except PermissionError:
        raise OperatorsError(f"{path}: belongs to another user, who has to change it") from None


def _check_link(path: Path) -> None:
    """Raise OperatorsError for a symbolic link that leads to no file."""
    if path.is_symlink() and not path.exists():
        raise OperatorsError(f"{path}: is a link to {path.readlink()}, where there is no file; valid: a link to a file")


def _may_trust(status: os.stat_result) -> bool:
    """Whether a file belongs to this user or to root. Root may use every file."""
    user = os.geteuid() if hasattr(os, "geteuid") else status.st_uid
    return user == 0 or status.st_uid in {0, user}


def _hash(secret: str, salt: bytes, store: str) -> bytes:
    bound = secret if not store else f"{secret}@{store}"
    return hashlib.scrypt(bound.encode(errors="surrogateescape"), salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL)


_NO_TOKEN = Token(key="00", salt="00" * 16, hash="00" * 64, expires_at=0.0)
