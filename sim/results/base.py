"""The base class of all results."""

from __future__ import annotations

import os
from abc import abstractmethod
from importlib import import_module
from typing import Any

from sim.results.file import save
from sim.results.plain_data import content

TABLES = "sim.reports.notebook"
"""The module that renders results. It imports every result type, and so it is imported when a result is shown."""


class ResultBase:
    """A result can be saved, compared by content, and shown as a table. `sim.load` loads it again."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the whole result to a JSON file; `sim.load(path)` reads it. Raises ResultFileError."""
        save(self, path)

    def __eq__(self, other: object) -> bool:
        """Equal content. The wall time of runs, and whether they were read from a sweep's folder, are ignored."""
        if type(other) is not type(self):
            return NotImplemented
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
