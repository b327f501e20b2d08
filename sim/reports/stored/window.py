"""A part of a run: `10m..20m`."""

from __future__ import annotations

from pydantic_core import PydanticCustomError

from recovery.errors import argument
from scenarios.fields.quantities import seconds
from sim.presentation.formatting import duration
from sim.presentation.visible_text import visible
from sim.reports.stored.reading import StoredResultError

Window = tuple[float, float]
"""Begin and end in seconds."""
VALID = "valid: BEGIN..END, such as 10m..20m"


def window_of(text: str) -> Window:
    """The instants of a text. Raises StoredResultError."""
    begin, dots, end = text.partition("..")
    if not dots:
        raise StoredResultError(f"{argument('window', visible(text))}: not a window; {VALID}")
    try:
        found = seconds(begin.strip()), seconds(end.strip())
    except PydanticCustomError as error:
        raise StoredResultError(f"{argument('window', visible(text))}: {visible(str(error))}; {VALID}") from None
    if found[1] <= found[0]:
        raise StoredResultError(f"{argument('window', visible(text))}: ends before it begins; {VALID}")
    return found


def check_window(window: Window | None, horizon: float) -> None:
    """Raise StoredResultError for a window outside a run that lasts until `horizon` (s)."""
    if window is not None and window[0] >= horizon:
        asked = f"{duration(window[0])}..{duration(window[1])}"
        end = duration(round(horizon, 3))
        raise StoredResultError(
            f"{argument('window', asked)}: is outside the run, which ends at {end}; valid: within 0s..{end}"
        )
