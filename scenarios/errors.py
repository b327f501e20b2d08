"""One-line errors: the problem, its position, and the valid values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from re import findall
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from recovery.errors import RecoveryBenchError, argument

Path = tuple[str | int, ...]
"""The position of a value in a scenario: `("faults", 0, "agent_crash", "at")`."""

SCENARIO_ERROR = "scenario"
LONGEST_VALUE = 60
_TASK_FAILURE = "recovery.conditions.task_failure"
MEANT: Mapping[str, str] = {
    **dict.fromkeys(("workers", "nodes", "servers", "machines"), "agents"),
    **dict.fromkeys(("jobs", "requests"), "tasks"),
    **{key: f"{_TASK_FAILURE}.{key}" for key in ("retry_delay", "max_retries", "backoff", "jitter")},
}
"""Words of other systems, and keys without their section, with the key that has the meaning."""


class ScenarioError(RecoveryBenchError, ValueError):
    """An invalid scenario. The message is one line: `file:line: key.path: problem; valid values`.

    `line` (from 1) is None and `path` is empty where they do not apply. `change` is the override (`--set`,
    `with_values`) that caused the error, if any; the message has it after `--set` on the command line.
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
        changed = argument("set", change, python=change) if change else None
        parts = [place, changed, path if path != change.partition("=")[0] else None, problem]
        super().__init__(_printable(" ".join(": ".join(part for part in parts if part).split())))


def _printable(text: str) -> str:
    """The text with non-printable characters escaped: a key of a file may contain terminal control characters."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def invalid(problem: str, *below: str | int) -> PydanticCustomError:
    """The error to raise in a validator; `below` is the path from the validated value to the invalid one."""
    return PydanticCustomError(SCENARIO_ERROR, "{problem}", {"problem": problem, "below": below})


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word with the meaning of `word`, or else the closest one in spelling, or None."""
    spelled = {_plain(name): name for name in known}
    if (meant := MEANT.get(_plain(word))) in spelled:
        return spelled[meant]
    close = get_close_matches(_plain(word), list(spelled), n=1)
    return spelled[close[0]] if close else None


def _plain(word: str) -> str:
    return word.lower().replace("-", "_").replace(" ", "_")


def instead(word: str, known: Iterable[str], say: str = "known") -> str:
    """`known: a, b, c (nearest: 'b')`: the end of a message about an unknown word."""
    names = list(known)
    near = nearest(word, names)
    return f"{say}: {', '.join(names)}" + (f" (nearest: '{near}')" if near else "")


def shown(value: object) -> str:
    """A value formatted for a message: one line, limited in length."""
    text = "null" if value is None else repr(value).lower() if isinstance(value, bool) else _repr(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _repr(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # Python does not format integers of more than 4300 digits
        return "a huge number"
    except RecursionError:
        return "a value that is nested too deeply"


def written(path: Path) -> str:
    """A path in file notation: `faults[0].agent_crash.at`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def line_of(path: Path, lines: Mapping[Path, int]) -> int | None:
    """The line of a key, or of the innermost enclosing key that the file contains."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path)


def first_problem(error: ValidationError, lines: Mapping[Path, int] | None = None) -> tuple[Path, str]:
    """Position and message of the first pydantic error, in the order of the file."""
    known = lines or {}
    findings = [_finding(details) for details in error.errors(include_url=False)]
    return min(findings, key=lambda finding: line_of(finding[0], known) or 0)


def _finding(details: ErrorDetails) -> tuple[Path, str]:
    context: dict[str, Any] = details.get("ctx", {})
    path: Path = tuple(details["loc"])
    kind = details["type"]
    if kind == SCENARIO_ERROR:
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
        return path, f"{value} is not a string; put it in quotes"
    return path, f"{value}: {details['msg'][0].lower()}{details['msg'][1:]}"
