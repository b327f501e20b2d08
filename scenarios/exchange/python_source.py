"""Calls in Python source, as text and read back. Nothing is executed or imported.

What is read is a syntax tree: numbers, texts, truth values, None, lists, tuples, mappings, arithmetic of numbers, names
of exceptions, and the calls that a framework allows. Anything else is refused with its line.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from keyword import kwlist
from typing import Any

from scenarios.errors import ScenarioError, instead, shown
from scenarios.exchange.values import Values

WIDTH = 88
"""A call that is longer is written on several lines."""
ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
IDENTIFIER = re.compile(rf"(?!(?:{'|'.join(kwlist)})$)[A-Za-z_][A-Za-z0-9_]*")
"""A name that can be written in the source."""
LARGEST = 1e15
"""Limit on a number of the source."""
DEEPEST = 50
TIMEDELTA: Mapping[str, float] = {
    "weeks": 604800.0,
    "days": 86400.0,
    "hours": 3600.0,
    "minutes": 60.0,
    "seconds": 1.0,
    "milliseconds": 0.001,
    "microseconds": 0.000001,
}
"""The arguments of `datetime.timedelta`, in seconds."""


# ------------------------------------------------------------------------------------------------- writing
def call(name: str, arguments: Mapping[str, str], before: str = "") -> str:
    """`name(key=value, …)` with values that are source, after the text `before`; on several lines when it is long."""
    given = [f"{key}={value}" for key, value in arguments.items()]
    line = f"{before}{name}({', '.join(given)})"
    if len(line) <= WIDTH and "\n" not in line:
        return line
    inner = "\n".join("    " + part.replace("\n", "\n    ") + "," for part in given)
    return f"{before}{name}(\n{inner}\n)"


def number(value: float) -> str:
    """A number as source: `30`, `0.5`."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def timedelta(seconds: float) -> str:
    """A duration as source."""
    return f"timedelta(seconds={number(seconds)})"


def names(given: Collection[str]) -> str:
    """A tuple of names as source: `(ValueError,)`."""
    return f"({', '.join(given)}{',' if len(given) == 1 else ''})"


def comment(lines: Collection[str]) -> str:
    """Lines of a comment."""
    return "".join(f"# {line}\n" for line in lines)


# ------------------------------------------------------------------------------------------------- reading
@dataclass(frozen=True)
class Name:
    """A name in the source, such as that of an exception or of an object of the framework; it is not looked up."""

    text: str


@dataclass(frozen=True)
class Call:
    """A call in the source: its name, its arguments by position and keyword, and their lines."""

    name: str
    line: int
    positional: tuple[Any, ...]
    keywords: Mapping[str, Any]
    lines: Mapping[str, int]


@dataclass(frozen=True)
class Sum:
    """Calls that are combined by `+` or `|`, as wait and stop strategies of tenacity are."""

    parts: tuple[Any, ...]


class Reader:
    """Reads calls of some names from a source.

    `allowed` are names of calls that may be arguments, `ignored` arguments whose values are not read.
    """

    def __init__(self, text: str, source: str, allowed: Collection[str] = (), ignored: Collection[str] = ()) -> None:
        self.source = source
        self._ignored = ignored
        self._allowed = {*allowed, "timedelta"}
        try:
            self._tree = ast.parse(text)
        except SyntaxError as error:
            raise ScenarioError(f"is not Python source: {error.msg}", source, error.lineno or 1) from None
        except (ValueError, RecursionError, MemoryError):
            raise ScenarioError("is not Python source, or too deeply nested", source, 1) from None

    def calls(self, names: Collection[str]) -> list[Call]:
        """All calls of these names, in the order of the source."""
        found = [node for node in ast.walk(self._tree) if isinstance(node, ast.Call) and called(node.func) in names]
        found.sort(key=lambda node: (node.lineno, node.col_offset))
        return [self._call(node, 0) for node in found]

    def one(self, names: Collection[str]) -> Call:
        """The only call of one of these names. Raises ScenarioError."""
        found = self.calls(names)
        spelled = " or ".join(f"{name}(…)" for name in names)
        if not found:
            raise ScenarioError(f"has no {spelled}; valid: Python source with one", self.source, 1)
        if len(found) > 1:
            lines = ", ".join(str(each.line) for each in found)
            raise ScenarioError(
                f"has {len(found)} policies, on lines {lines}; valid: one {spelled}", self.source, found[1].line
            )
        return found[0]

    def settings(self, known: Collection[str], optional: Collection[str] = (), prefix: str = "") -> Values:
        """The values of some names wherever the source sets them: `app.conf.name = …`, an argument `name=…` of any
        call, or an entry of a mapping. Upper case and a prefix do not matter.

        A value that is not literal is refused, except those of `optional` names, which are left out. Raises
        ScenarioError, also for a name with two values.
        """
        data: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for given, node in self._set():
            name = given.lower().removeprefix(prefix)
            if name not in known:
                continue
            try:
                value = self._value(node, 0, given)
            except ScenarioError:
                if name in optional:
                    continue
                raise
            if name in data and data[name] != value:
                raise self.error(f"is {shown(data[name])} on line {lines[name]}; valid: one value", node.lineno, given)
            data[name], lines[name] = value, node.lineno
        return Values(self.source, data, lambda place: lines.get(str(place[0])) if place else 1)

    def _set(self) -> Iterator[tuple[str, ast.expr]]:
        """The names that are assigned, arguments of calls and constant keys of mappings, with their values."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Assign):
                yield from ((called(target), node.value) for target in node.targets)
            elif isinstance(node, ast.AnnAssign) and node.value is not None:
                yield called(node.target), node.value
            elif isinstance(node, ast.Call):
                yield from ((each.arg, each.value) for each in node.keywords if each.arg is not None)
            elif isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and isinstance(key.value, str):
                        yield key.value, value

    def check(self, found: Call, known: Collection[str], positional: int = 0) -> None:
        """Raise ScenarioError for an argument that the framework does not have."""
        for key, line in found.lines.items():
            if key not in known:
                raise ScenarioError(f"{found.name} has no such argument; {instead(key, known)}", self.source, line, key)
        if len(found.positional) > positional:
            raise ScenarioError(
                f"{found.name}: arguments without a name; valid: {', '.join(known)}", self.source, found.line
            )

    def error(self, problem: str, line: int, key: str = "") -> ScenarioError:
        """The error for a line of the source."""
        return ScenarioError(problem, self.source, line, key)

    def _call(self, node: ast.Call, depth: int) -> Call:
        name = called(node.func)
        keywords: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for each in node.keywords:
            if each.arg is None:
                raise self.error(f"{name}: ** is not read; valid: arguments with literal values", each.value.lineno)
            if each.arg in keywords:
                raise self.error(f"{name}: argument given twice", each.value.lineno, each.arg)
            is_read = each.arg not in self._ignored
            keywords[each.arg] = self._value(each.value, depth + 1, each.arg) if is_read else None
            lines[each.arg] = each.value.lineno
        return Call(name, node.lineno, tuple(self._value(each, depth + 1) for each in node.args), keywords, lines)

    def _value(self, node: ast.expr, depth: int, key: str = "") -> Any:
        if depth > DEEPEST:
            raise self.error("is too deeply nested", node.lineno, key)
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str | None):
            self._check_size(node.value, node.lineno, key)
            return node.value
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            value = self._value(node.operand, depth + 1, key)
            if is_number(value):
                return -value if isinstance(node.op, ast.USub) else value
        if isinstance(node, ast.BinOp):
            return self._combined(node, depth, key)
        if isinstance(node, ast.List | ast.Tuple):
            return [self._value(each, depth + 1, key) for each in node.elts]
        if isinstance(node, ast.Dict) and all(isinstance(each, ast.Constant) for each in node.keys):
            return {
                str(each.value): self._value(value, depth + 1, key)
                for each, value in zip(node.keys, node.values, strict=True)
                if isinstance(each, ast.Constant)
            }
        if isinstance(node, ast.Name | ast.Attribute) and called(node):
            return Name(called(node))
        if isinstance(node, ast.Call) and called(node.func) in self._allowed:
            made = self._call(node, depth + 1)
            return self._seconds(made) if made.name == "timedelta" else made
        raise self.error(
            f"{shown(ast.unparse(node))} is not read, because nothing is executed; valid: a literal value",
            node.lineno,
            key,
        )

    def _combined(self, node: ast.BinOp, depth: int, key: str) -> Any:
        left, right = (self._value(each, depth + 1, key) for each in (node.left, node.right))
        are_calls = all(isinstance(each, Call | Sum) for each in (left, right))
        if isinstance(node.op, ast.Add | ast.BitOr) and are_calls:
            return Sum((*parts_of(left), *parts_of(right)))
        compute = ARITHMETIC.get(type(node.op))
        if compute is None or not (is_number(left) and is_number(right)):
            raise self.error(
                f"{shown(ast.unparse(node))} is not read, because nothing is executed; valid: a literal value",
                node.lineno,
                key,
            )
        try:
            value = compute(left, right)
        except ArithmeticError:
            raise self.error(f"{shown(ast.unparse(node))} has no value", node.lineno, key) from None
        self._check_size(value, node.lineno, key)
        return value

    def _check_size(self, value: object, line: int, key: str) -> None:
        if is_number(value) and not abs(value) <= LARGEST:  # type: ignore[arg-type]  # it is a number
            raise self.error(f"{shown(value)} is too large a number", line, key)

    def _seconds(self, made: Call) -> float:
        names = ("days", "seconds", "microseconds", "milliseconds", "minutes", "hours", "weeks")
        self.check(made, names, len(names))
        given = {**dict(zip(names, made.positional, strict=False)), **made.keywords}
        for name, value in given.items():
            if not is_number(value):
                raise self.error(f"{shown(value)} is not a number", made.line, name)
        return float(round(sum(TIMEDELTA[name] * value for name, value in given.items()), 6))


def called(node: ast.expr) -> str:
    """The last part of a name: `RetryPolicy` of `temporalio.common.RetryPolicy`; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) and _is_dotted(node.value) else ""


def _is_dotted(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and _is_dotted(node.value))


def parts_of(value: Any) -> Iterator[Any]:
    """The parts of a sum, or the value itself."""
    yield from value.parts if isinstance(value, Sum) else (value,)


def is_number(value: object) -> bool:
    """Whether a value is a number and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def values_of(source: str, found: Call) -> Values:
    """The arguments of a call, to be checked and converted."""
    return Values(source, found.keywords, lambda place: found.lines.get(str(place[0])) if place else found.line)
