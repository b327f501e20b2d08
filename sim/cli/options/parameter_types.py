"""Types of options: each parses the text of one option and says what would be valid.

An instance is the `parser` of a `typer.Option`: typer has no public class of parameter types in all supported versions.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Any, Generic, NamedTuple, TypeVar

import typer

from sim.cli.errors import BadInput

T = TypeVar("T")
MOST_DIGITS = 4300


class ParameterType(ABC, Generic[T]):
    """Parses the text of one option. `metavar` stands for the value in --help."""

    metavar: str

    def __init__(self, option: str) -> None:
        self.option = option
        self.__name__ = self.metavar  # older versions of typer read the name of a parser

    def __call__(self, given: str | T) -> T:
        """The value of an option; a default value is returned as it is. Raises BadInput."""
        if not isinstance(given, str):
            return given
        try:
            return self.parse(given)
        except ValueError:  # of `int`, for more digits than Python converts
            raise self.invalid(given, "too long a number", f"up to {MOST_DIGITS} digits") from None

    @abstractmethod
    def parse(self, text: str) -> T:
        """The value that a text stands for. Raises BadInput."""

    def invalid(self, text: str, problem: str, valid: str) -> BadInput:
        """The error for a text: one line that names the option, the problem and valid values."""
        return BadInput(f"{self.option} {text}: {problem}; valid: {valid}")


class Count(ParameterType[int]):
    """A whole number above 0, such as `20`. `least` and `of` only appear in the error message.

    A command checks a larger minimum itself, because its message says why there is one.
    """

    metavar = "N"

    def __init__(self, option: str, least: int = 1, of: str = "") -> None:
        super().__init__(option)
        self._least = least
        self._of = of or option.strip("-")

    def parse(self, text: str) -> int:
        """The number. Raises BadInput."""
        if not re.fullmatch(r"\s*\+?\d+\s*", text, re.ASCII) or int(text) < 1:
            raise self.invalid(text, f"not a number of {self._of}", f"a whole number, {self._least} or more")
        return int(text)


class Share(ParameterType[float]):
    """A share between 0 and 1: `0.05` or `5%`."""

    metavar = "SHARE"

    def parse(self, text: str) -> float:
        """The share as a number. Raises BadInput."""
        match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(%?)\s*", text, re.ASCII)
        found = 0.0 if match is None else float(match[1]) / (100 if match[2] else 1)
        if not 0 < found < 1:
            raise self.invalid(text, "must be between 0 and 1, or a percentage", "such as 0.05 or 5%")
        return found


class Duration(ParameterType[float]):
    """A duration above 0 in seconds: `30m`, `8h`."""

    metavar = "DURATION"

    def parse(self, text: str) -> float:
        """The duration in seconds. Raises BadInput."""
        from pydantic import TypeAdapter, ValidationError

        from recovery.policies.durations import PositiveSeconds

        try:
            return float(TypeAdapter(PositiveSeconds).validate_python(text))
        except ValidationError:
            raise self.invalid(text, "not a duration above 0", "such as 90s, 30m or 8h") from None


class Speed(ParameterType[float]):
    """A number of virtual seconds a second, above 0: `60`."""

    metavar = "N"

    def parse(self, text: str) -> float:
        """The number. Raises BadInput."""
        match = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{0,12})?|\.\d{1,12})\s*", text, re.ASCII)
        if match is None or not float(match[1]):
            raise self.invalid(text, "not a speed", "virtual seconds a second, such as 60 or 0.5")
        return float(match[1])


class SeedOrReplication(ParameterType[int | str]):
    """A seed, `7`; its replication 3, `7/3`; or a trajectory that branches off that replication, `7/3@1200:17`."""

    metavar = "N[/R]"

    def parse(self, text: str) -> int | str:
        """A seed as a number, a replication or a trajectory as a text. Raises BadInput."""
        match = re.fullmatch(r"\s*(\d+)\s*(?:/\s*(\d+)((?:@\d+:\d+)*)\s*)?", text, re.ASCII)
        if match is None:
            raise self.invalid(text, "not a seed", "a whole number such as 7, or 7/3 for its replication 3")
        number, replication, branches = match.groups()
        if replication is None:
            return int(number)
        name = f"{int(number)}/{int(replication)}{branches}"
        if not branches:
            return name
        from sim.randomness.branching import Trajectory

        try:
            Trajectory.parse(name)
        except ValueError as error:
            raise BadInput(f"{self.option} {error}") from None
        return name


class Seed(ParameterType[int]):
    """A seed of many replications: `7`."""

    metavar = "N"

    def parse(self, text: str) -> int:
        """The seed. Raises BadInput, also for one replication of a seed, such as `7/3`."""
        found = SeedOrReplication(self.option).parse(text)
        if isinstance(found, str):
            raise self.invalid(found, "is one replication", f"{self.option} {found.partition('/')[0]}")
        return found


class Change(NamedTuple):
    """Another value for a key of a scenario."""

    path: str
    value: str

    def __str__(self) -> str:
        return f"{self.path}={self.value}"


class PathValue(ParameterType[Change]):
    """Another value for a key of a scenario: `agents.count=20`."""

    metavar = "PATH=VALUE"

    def parse(self, text: str) -> Change:
        """The change. Raises BadInput."""
        path, sign, value = text.partition("=")
        if not sign or not path.strip():
            raise self.invalid(text, "not a change", "path=value, such as agents.count=20")
        return Change(path.strip(), value.strip())


def typed_option(parameter_type: ParameterType[Any], text: str) -> Any:
    """The option that a type parses, with its help text."""
    return typer.Option(parameter_type.option, parser=parameter_type, metavar=parameter_type.metavar, help=text)
