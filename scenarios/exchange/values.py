"""Values of another framework's file, each checked and refused with its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from io import StringIO
from math import inf, isfinite
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML

from recovery.policies.retry import RetryPolicy
from scenarios.documents import yaml_document
from scenarios.documents.yaml_document import Document
from scenarios.errors import Path, ScenarioError, first_problem, instead, line_of, shown, written

GO_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_GO = re.compile(r"([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+|0)")
_ISO = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


def words(text: str) -> tuple[str, ...]:
    """The words of a text: a long list of keys."""
    return tuple(text.split())


@dataclass(frozen=True)
class Values:
    """The keys of one mapping of a file, with their lines. Every method raises ScenarioError."""

    source: str
    data: Mapping[str, Any]
    line_of: Callable[[Path], int | None]
    place: Path = ()
    read: set[str] = field(default_factory=set)

    def error(self, problem: str, *below: str | int) -> ScenarioError:
        """The error at a key of this mapping."""
        place = (*self.place, *below)
        return ScenarioError(problem, self.source, self.line_of(place) or 1, written(place))

    def check(self, known: Collection[str], noun: str) -> None:
        """Refuse keys that the framework does not have."""
        for key in self.data:
            if key not in known:
                raise self.error(f"{noun} has no such key; {instead(key, known)}", key)

    def below(self, *keys: str) -> Values:
        """A mapping in this one; an empty one when it is missing or null."""
        found, place = self.data, self.place
        for key in keys:
            value, place = found.get(key), (*place, key)
            if value is None:
                return Values(self.source, {}, self.line_of, place)
            if not isinstance(value, Mapping):
                raise self.error(f"{shown(value)} is not a mapping", *place[len(self.place) :])
            found = value
        return Values(self.source, found, self.line_of, place)

    def has(self, key: str) -> bool:
        """Whether a key has a value."""
        return self.data.get(key) is not None

    def whole(self, key: str, default: int, least: int = 0, most: float = inf) -> int:
        """A whole number."""
        value = self.number(key, default, least, most)
        if value != int(value):
            raise self.error(f"{shown(self.data[key])} is not a whole number", key)
        return int(value)

    def number(self, key: str, default: float, least: float = 0, most: float = inf) -> float:
        """A finite number in a range."""
        if not self.has(key):
            return default
        value = self.data[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise self.error(f"{shown(value)} is not a number", key)
        if not least <= value <= most:
            end = f", up to {most:g}" if most < inf else ""
            raise self.error(f"{shown(value)} is not valid; valid: {least:g} or more{end}", key)
        return value

    def truth(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self.data.get(key, default)
        if not isinstance(value, bool):
            raise self.error(f"{shown(value)} is not valid; valid: true, false", key)
        return value

    def text(self, key: str, default: str, valid: Collection[str] = ()) -> str:
        """A text, or one of some words."""
        value = self.data.get(key, default)
        if not isinstance(value, str):
            raise self.error(f"{shown(value)} is not a text", key)
        if valid and value not in valid:
            raise self.error(f"{shown(value)} is not valid; {instead(value, valid, 'valid')}", key)
        return value

    def texts(self, key: str) -> list[str]:
        """A list of texts."""
        value = self.data.get(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.error(f"{shown(value)} is not valid; valid: a list of texts", key)
        return list(value)

    def duration(self, key: str, default: float | None, parse: Callable[[Any], float | None], valid: str) -> Any:
        """A duration in the framework's notation, in seconds; `default` when there is none."""
        if not self.has(key):
            return default
        value = parse(self.data[key])
        if value is None or not 0 <= value < inf:
            raise self.error(f"{shown(self.data[key])} is not a duration; valid: {valid}", key)
        return value

    def policy(self, **keys: Any) -> RetryPolicy:
        """The policy with these keys; what it refuses is an error of this mapping."""
        try:
            return RetryPolicy(**keys)
        except ValidationError as error:
            _, problem = first_problem(error)
            raise self.error(problem) from None


def mapping(text: str, source: str, noun: str) -> Values:
    """The mapping of a YAML or JSON document. Raises ScenarioError."""
    document = yaml_document.read(text, source)
    if not isinstance(document.data, Mapping):
        raise ScenarioError(f"is not {noun}; valid: a mapping", source, 1)
    return of_document(document)


def of_document(document: Document) -> Values:
    """The values of a document."""
    return Values(document.source, document.data, lambda place: line_of(place, document.lines))


def yaml_text(data: Any, comments: Collection[str] = ()) -> str:
    """Plain data as YAML, after some lines of comment."""
    writer = YAML()
    writer.default_flow_style = False
    writer.width = 120
    stream = StringIO()
    writer.dump(data, stream)
    return "".join(f"# {line}\n" for line in comments) + stream.getvalue()


# ----------------------------------------------------------------------------------------------- durations
def go_duration(value: Any) -> float | None:
    """The seconds of a Go duration such as `1m30s`; None when it is not one."""
    matched = _GO.fullmatch(value) if isinstance(value, str) else None
    if matched is None:
        return None
    parts = re.findall(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)", matched[2])
    total = sum(float(number) * GO_UNITS[unit] for number, unit in parts)
    return -total if matched[1] == "-" else round(total, 9)


def in_go(seconds: float) -> str:
    """A duration for Go's `time.ParseDuration`."""
    for unit, per_second in (("s", 1), ("ms", 1000), ("us", 1000000)):
        count = round(seconds * per_second, 6)
        if count.is_integer():
            return f"{int(count)}{unit}"
    return f"{round(seconds * 1e9)}ns"


def spring_duration(value: Any) -> float | None:
    """The seconds of a duration of Spring Boot: `500ms`, `10s`, `PT1M30S`, or milliseconds; None when it is not one."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value / 1000
    if not isinstance(value, str):
        return None
    simple = re.fullmatch(r"([+-]?\d+)(ns|us|ms|s|m|h|d|)", value.strip())
    if simple is not None:
        return round(int(simple[1]) * {**GO_UNITS, "d": 86400.0, "": 0.001}[simple[2]], 9)
    iso = _ISO.fullmatch(value.strip().upper())
    if iso is None or not any(iso.groups()):
        return None
    return sum(float(part or 0) * unit for part, unit in zip(iso.groups(), (86400, 3600, 60, 1), strict=True))
