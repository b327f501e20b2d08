"""One-line errors for people: what is wrong, where, and what would be valid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from re import findall
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from recovery.errors import RecoveryBenchError

Path = tuple[str | int, ...]
"""Where a value stands in a scenario: `("faults", 0, "agent_crash", "at")`."""

TOLD = "scenario"
LONGEST_VALUE = 60


class ScenarioError(RecoveryBenchError, ValueError):
    """A scenario that cannot be used. Its text is one line: `file:line: key.path: what is wrong; what would be valid`.

    `line` (from 1) and `path` are None and empty where they do not apply. `change` names the value that was set over
    the file's, as `--set` and `with_values` do.
    """

    def __init__(
        self, problem: str, source: str | None = None, line: int | None = None, path: str = "", change: str = ""
    ) -> None:
        self.problem = problem
        self.source = source
        self.line = line
        self.path = path
        self.change = change
        place = f"{source}:{line}" if source and line is not None else source
        changed = f"--set {change}" if change else None
        parts = [place, changed, path if path != change.partition("=")[0] else None, problem]
        super().__init__(_printable(" ".join(": ".join(part for part in parts if part).split())))


def _printable(text: str) -> str:
    """A key of a file may hold anything, and what a terminal would obey or cannot show is spelled out."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def invalid(problem: str, *below: str | int) -> PydanticCustomError:
    """The error to raise in a validator; `below` is the way from the validated value down to the one that is wrong."""
    return PydanticCustomError(TOLD, "{problem}", {"problem": problem, "below": below})


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was probably meant to be."""
    spelled = {_plain(name): name for name in known}
    close = get_close_matches(_plain(word), list(spelled), n=1)
    return spelled[close[0]] if close else None


def _plain(word: str) -> str:
    return word.lower().replace("-", "_").replace(" ", "_")


def instead(word: str, known: Iterable[str], say: str = "known") -> str:
    """`known: a, b, c (nearest: 'b')`, the end of a message about an unknown word."""
    names = list(known)
    near = nearest(word, names)
    return f"{say}: {', '.join(names)}" + (f" (nearest: '{near}')" if near else "")


def shown(value: object) -> str:
    """A value as a message shows it: on one line, not too long."""
    text = "null" if value is None else repr(value).lower() if isinstance(value, bool) else _repr(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _repr(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # Python does not write whole numbers of more than 4300 digits
        return "a huge number"


def written(path: Path) -> str:
    """A path as people write it: `faults[0].agent_crash.at`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def line_of(path: Path, lines: Mapping[Path, int]) -> int | None:
    """The line of a key, or of the innermost one around it that the file has."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path)


def first_problem(error: ValidationError, lines: Mapping[Path, int] | None = None) -> tuple[Path, str]:
    """Where the first of pydantic's findings is, in the order of the file, and what it says in our words."""
    known = lines or {}
    findings = [_finding(details) for details in error.errors(include_url=False)]
    return min(findings, key=lambda finding: line_of(finding[0], known) or 0)


def _finding(details: ErrorDetails) -> tuple[Path, str]:
    context: dict[str, Any] = details.get("ctx", {})
    path: Path = tuple(details["loc"])
    kind = details["type"]
    if kind == TOLD:
        return path + tuple(context["below"]), str(context["problem"])
    if kind == "missing":
        return path, "is missing; it is required"
    value = shown(details["input"])
    if kind == "literal_error":
        options = findall(r"'([^']*)'", str(context["expected"]))
        return path, f"{value} is not valid; {instead(str(details['input']), options, 'valid')}"
    if kind in {"tuple_type", "list_type"}:
        return path, f"{value} is not a list; valid: [a, b]"
    if kind == "dict_type":
        return path, f"{value} is not a mapping; valid: {{name: value}}"
    if kind == "string_type":
        return path, f"{value} is not a text; put it in quotes"
    return path, f"{value}: {details['msg'][0].lower()}{details['msg'][1:]}"
