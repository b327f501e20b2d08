"""Tokens: an order as a short text. `order:` is followed by deviations, a canceled await, and a digest of the run.

The digest is of the name of main and of the steps up to the last deviation. It tells whether a token is of the program
that is to be replayed.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BadText
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from sim.programs.exploration.errors import InvalidToken
from sim.programs.exploration.steps import Step
from sim.programs.exploration.strategies import Deviations

PREFIX: Final = "order:"
_VERSION: Final = 1
_DIGEST: Final = 6
_NAME: Final = 2
"""Bytes of the digest that are of the name of main."""
_SUM: Final = 3


@dataclass(frozen=True, slots=True)
class Order:
    """What a token holds."""

    deviations: Deviations
    cancel_at: int
    digest: bytes


def token(order: Order) -> str:
    """The text of an order."""
    data = bytearray([_VERSION])
    _put(data, _unsigned(order.cancel_at))
    _put(data, len(order.deviations))
    last = 0
    for number, pick in sorted(order.deviations.items()):
        _put(data, number - last)
        _put(data, _unsigned(pick))
        last = number
    data += order.digest
    data += _sum_of(data)
    return PREFIX + urlsafe_b64encode(data).decode().rstrip("=")


def parse(text: str) -> Order:
    """The order of a token. Raises InvalidToken."""
    if not isinstance(text, str):
        raise InvalidToken(f"a token is a text that begins with {PREFIX!r}, not {text!r}")
    text = text.strip()
    kind, colon, body = text.partition(":")
    if not colon or kind + colon != PREFIX:
        of_another = " It is a token of sim.crash_sweep." if kind == "cut" else ""
        raise InvalidToken(f"{text!r} is no token of sim.explore: those begin with {PREFIX!r}.{of_another}")
    try:
        data = urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except (BadText, ValueError):
        data = b""
    content, checksum = data[:-_SUM], data[-_SUM:]
    if len(data) < 3 + _DIGEST + _SUM or _sum_of(content) != checksum or PREFIX + _encoded(data) != text:
        raise InvalidToken(f"the token {text!r} is damaged: its checksum does not match. Copy it whole")
    if content[0] != _VERSION:
        raise InvalidToken(f"the token {text!r} is of another version of sim.explore; explore again")
    numbers = _numbers(content[1:-_DIGEST])
    cancel, count, *pairs = numbers
    deviations: Deviations = {}
    number = 0
    for place in range(count):
        number += pairs[2 * place]
        deviations[number] = _signed(pairs[2 * place + 1])
    return Order(deviations, _signed(cancel), content[-_DIGEST:])


def digest(name: str, steps: list[Step], deviations: Deviations) -> bytes:
    """Of main's name and the steps up to the last deviation; of all steps if there is none."""
    hashed = blake2b(name.encode(), digest_size=_DIGEST - _NAME)
    last = max(deviations, default=None)
    for step in steps:
        if last is not None and step.choice > last + 1:
            break
        hashed.update(f"{step.who}|{step.ready}|{'|'.join(step.ahead_of)}\n".encode())
    return digest_of_name(name) + hashed.digest()


def digest_of_name(name: str) -> bytes:
    """The part of a digest that is of main's name."""
    return blake2b(name.encode(), digest_size=_NAME).digest()


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _sum_of(data: bytes | bytearray) -> bytes:
    return blake2b(bytes(data), digest_size=_SUM).digest()


def _unsigned(number: int) -> int:
    return 2 * number if number >= 0 else -2 * number - 1


def _signed(number: int) -> int:
    return number // 2 if number % 2 == 0 else -(number + 1) // 2


def _put(data: bytearray, number: int) -> None:
    while number >= 0x80:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)


def _numbers(data: bytes) -> list[int]:
    numbers, number, shift = [], 0, 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(number)
            number, shift = 0, 0
    return numbers
