"""The base class of all results."""

from __future__ import annotations

import os
from abc import abstractmethod
from importlib import import_module
from typing import Any

from recovery.errors import RecoveryBenchError

FILES, CONTENT = "sim.results.file", "sim.results.plain_data"
"""The modules that store and compare results, imported then: they load pandas."""
TABLES = "sim.reports.notebook"
"""The module that renders results. It imports every result type, and so it is imported when a result is shown."""
FAILURES = "sim.reports.failure_message"
"""The module that explains what does not hold, imported when something does not."""


class DoesNotHold(RecoveryBenchError, AssertionError):
    """A scenario does not hold: expectations, observed values, violated invariants, and how to repeat the runs."""


class ResultBase:
    """A result can be saved, compared by content, and shown as a table. `sim.load` loads it again."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the whole result to a JSON file; `sim.load(path)` reads it. Raises ResultFileError."""
        import_module(FILES).save(self, path)

    def __eq__(self, other: object) -> bool:
        """Equal content. The wall time of runs, and whether they were read from a sweep's folder, are ignored."""
        if type(other) is not type(self):
            return NotImplemented
        content: Any = import_module(CONTENT).content
        return bool(content(self) == content(other))

    __hash__ = None  # type: ignore[assignment]  # holds mappings

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.title()}>"

    @abstractmethod
    def title(self) -> str:
        """A one-line summary: scenario and number of runs."""

    def _repr_html_(self) -> str:
        """The table of the command line, for notebooks."""
        html: Any = import_module(TABLES).html
        return str(html(self))


class JudgedResult(ResultBase):
    """A result of which a scenario states what is to hold."""

    @property
    @abstractmethod
    def holds(self) -> bool:
        """Whether every expectation holds, no invariant was violated and no run had errors."""

    def assert_holds(self) -> None:
        """Raise DoesNotHold, an AssertionError, unless everything holds: what does not, and how to repeat it."""
        __tracebackhide__ = True  # pytest shows the caller
        if not self.holds:
            raise DoesNotHold(f"{self.title()}\n{import_module(FAILURES).failure_message(self)}")
