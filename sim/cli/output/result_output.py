"""Output of a comparison: the terminal, a picture, JSON, and the exit status."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sim.cli.interrupts import INTERRUPTED
from sim.cli.output.console import console, say
from sim.cli.output.files import STDOUT, check_apart, check_picture, check_writable, draw, write_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

    from sim.presentation.formatting import Signs


class Outcome(Protocol):
    """The result of a comparison or selection."""

    @property
    def interrupted(self) -> bool:
        """Whether the user stopped it."""

    @property
    def holds(self) -> bool:
        """Whether no invariant was violated."""

    def as_json(self) -> dict[str, Any]:
        """The result as plain data."""


@dataclass(frozen=True)
class Outlets:
    """`out` is the file of a picture, which the option `picture` gives; `json` the file of the plain data, `-` for
    stdout; None: no output.
    """

    out: str | None
    json: str | None
    quiet: bool
    no_color: bool
    picture: str = "--out"

    def check(self) -> None:
        """Raise BadInput for a file that cannot be written."""
        check_writable("--json", self.json)
        check_picture(self.picture, self.out)
        check_apart({"--json": self.json, self.picture: self.out})

    def tell(
        self,
        found: Outcome,
        table: Callable[[Signs], RenderableType],
        picture: Callable[[], Figure],
        violations: Iterable[str],
        more: Mapping[str, Any] | None = None,
    ) -> int:
        """Write all outputs and return the exit status: 1 when an invariant is violated. `more` is for the JSON."""
        shown = None if self.quiet or self.json == STDOUT else console(self.no_color)
        if shown is not None:
            from sim.presentation.formatting import signs

            shown.print(table(signs(shown.encoding)))
        if self.out is not None:
            draw(picture(), self.out)
            if shown is not None:
                shown.print(f"\npicture: {Path(self.out)}", soft_wrap=True)
        if self.json is not None:
            write_json(self.json, {**found.as_json(), **(more or {})})
        for line in violations:
            say(line)
        if found.interrupted:
            return INTERRUPTED
        return 0 if found.holds else 1
