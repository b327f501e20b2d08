"""The tolerance of each metric: of the scenario, of a file of tolerances, or the default."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic_core import PydanticCustomError

from recovery.bounded_yaml import MOST_BYTES
from recovery.input_file import InputFileError, read_text
from scenarios.documents import yaml_document
from scenarios.errors import ScenarioError, instead, line_of, written
from scenarios.fields.tolerances import Tolerance, parse_all, tolerance_of

KEY = "tolerances"
DEFAULT = Tolerance(relative=0.05)
NONE = Tolerance()
EXACT = ("consistency.*", "tasks.lost")
"""Metrics without a tolerance, unless one is given."""


def read_tolerances(file: str) -> dict[str, Tolerance]:
    """The tolerances of a YAML file with the key `tolerances`. Raises ScenarioError with file and line."""
    try:
        text = read_text(Path(file), MOST_BYTES)
    except InputFileError as error:
        raise ScenarioError(f"{error}; valid: a file with `tolerances: {{recovery.time.mean: 5%}}`", file) from None
    document = yaml_document.read(text, file)
    if not isinstance(document.data, dict) or KEY not in document.data:
        raise ScenarioError(f"has no key `{KEY}`; valid: tolerances: {{recovery.time.mean: 5%}}", file, 1)
    if others := [key for key in document.data if key != KEY]:
        problem = f"unknown key; {instead(others[0], [KEY])}"
        raise ScenarioError(problem, file, document.lines[(others[0],)], others[0])
    try:
        return parse_all(document.data[KEY])
    except PydanticCustomError as error:
        context = error.context or {}
        path = (KEY, *context.get("below", ()))
        raise ScenarioError(str(context.get("problem")), file, line_of(path, document.lines), written(path)) from None


def tolerance_asked(name: str, *given: Mapping[str, Tolerance]) -> Tolerance | None:
    """The tolerance of a metric in the first of several sources that has one; None: in none."""
    found = (tolerance_of(name, each) for each in given)
    return next((each for each in found if each is not None), None)


def tolerance_for(name: str, *given: Mapping[str, Tolerance]) -> Tolerance:
    """The tolerance of a metric in the first of several sources that has one, or by default 5 % of the baseline.

    By default, invariants and lost tasks have none.
    """
    found = tolerance_asked(name, *given)
    if found is not None:
        return found
    return NONE if tolerance_of(name, dict.fromkeys(EXACT, NONE)) is not None else DEFAULT
