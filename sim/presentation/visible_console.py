"""A console that shows the control characters of texts as escapes."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from sim.presentation.visible_text import visible


class VisibleConsole(Console):
    r"""Control and bidirectional characters of any text are printed as escapes such as `\x1b`.

    A description, an exception or a name of another person cannot change colors, the title or the direction of the
    terminal. The console's own colors and cursor movements are no text.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of an object, with visible texts."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else _visible(segment)


def _visible(segment: Segment) -> Segment:
    text = visible(segment.text)
    return segment if text is segment.text else Segment(text, segment.style)
