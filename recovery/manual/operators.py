"""Operators and their tokens. Only salted hashes of tokens are stored.

The file is JSON, only its owner may write to it, and changes replace it atomically.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets  # noqa: TID251 - a secret has no seed
import stat
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recovery.atomic_file import whole_file
from recovery.errors import RecoveryBenchError
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
    """The stored part of a token: its public key, the salted hash of its secret, and its expiry (epoch s)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: _Hex
    salt: _Hex
    hash: _Hex
    expires_at: float


class Operator(BaseModel):
    """One operator."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Role
    tokens: tuple[Token, ...] = ()


class Operators(BaseModel):
    """All operators by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    operators: dict[str, Operator] = {}

    def found(self, name: str, token: str, now: float) -> Token | None:
        """The matching token of an operator, expired or not; None: there is none. Both take the same time."""
        key, _, secret = token.partition(".")
        operator = self.operators.get(name)
        known = [each for each in operator.tokens if each.key == key] if operator is not None else []
        compared = known[0] if known else _NO_TOKEN
        right = hmac.compare_digest(_hash(secret, bytes.fromhex(compared.salt)), bytes.fromhex(compared.hash))
        return known[0] if known and right else None

    def with_operator(self, name: str, role: Role) -> Operators:
        """These operators and a new one. Raises OperatorsError for an invalid or existing name."""
        if not _NAME.fullmatch(name):
            raise OperatorsError(f"{name!r} is not a valid name; valid: up to 64 letters, digits and . _ @ -")
        if name in self.operators:
            raise OperatorsError(f"there is already an operator {name}")
        return Operators(operators={**self.operators, name: Operator(role=role)})

    def without_operator(self, name: str) -> Operators:
        """These operators without one. Raises OperatorsError."""
        self.operator(name)
        return Operators(operators={other: known for other, known in self.operators.items() if other != name})

    def with_token(self, name: str, seconds: float, now: float) -> tuple[Operators, str]:
        """These operators with a new token and without expired ones, and the token, which is not stored.

        Raises OperatorsError.
        """
        operator = self.operator(name)
        key, secret, salt = secrets.token_hex(4), secrets.token_urlsafe(_SECRET_BYTES), os.urandom(16)  # noqa: TID251 - a secret has no seed
        token = Token(key=key, salt=salt.hex(), hash=_hash(secret, salt).hex(), expires_at=now + seconds)
        good = tuple(each for each in operator.tokens if each.expires_at > now)
        changed = Operator(role=operator.role, tokens=(*good, token))
        return Operators(operators={**self.operators, name: changed}), f"{key}.{secret}"

    def operator(self, name: str) -> Operator:
        """The operator with this name. Raises OperatorsError."""
        if name not in self.operators:
            raise OperatorsError(f"there is no operator {name}; valid: {', '.join(self.operators) or 'none'}")
        return self.operators[name]


def load_operators(path: Path) -> Operators:
    """Read the file. Raises OperatorsError, also for a file that others may write to."""
    try:
        if check_regular(path).st_mode & _SHARED:
            raise OperatorsError(f"{path}: others may write to it; valid: after chmod go-w {path}")
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


def save_operators(path: Path, operators: Operators) -> None:
    """Replace the file, readable for its owner only. Raises OperatorsError."""
    try:
        with whole_file(path, private=True) as temporary:
            temporary.write_text(operators.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OperatorsError(f"{path}: cannot be written: {error.strerror or error}") from None


def _hash(secret: str, salt: bytes) -> bytes:
    return hashlib.scrypt(secret.encode(errors="surrogateescape"), salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL)


_NO_TOKEN = Token(key="00", salt="00" * 16, hash="00" * 64, expires_at=0.0)
