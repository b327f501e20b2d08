"""A recording of the live view: its frames as one animated SVG, which needs no script and loads nothing."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME

from sim.presentation.visible_text import visible
from sim.reports.live.frame import Frame

COLUMNS, ROWS = 96, 30
"""The size of the recorded terminal."""
FRAMES = 25
"""Frames of a recording: with more, the file is larger than a page should load."""
SECONDS_PER_FRAME = 0.6
LAST_FRAME_SECONDS = 5.0
_ID = "live"
_CLASS = re.compile(rf'class="({_ID}-r\d+)"')
_RULE = re.compile(rf"\.({_ID}-r\d+) {{ (.*) }}")
_CLIP = re.compile(r' clip-path="[^"]*"')


class _Exported(NamedTuple):
    """The parts of a picture by rich."""

    width: str
    height: str
    terminal_x: str
    terminal_y: str
    char_height: str
    chrome: str
    styles: str
    backgrounds: str
    matrix: str


_SEPARATOR = "\x1d"
_FORMAT = _SEPARATOR.join(f"{{{name}}}" for name in _Exported._fields)
_SVG = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{title}">
<title>{title}</title>
<style>
text {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: {size}px }}
.{id}-title {{ font-weight: bold }}
{rules}
.frame {{ visibility: hidden; animation: {length:g}s step-end infinite }}
.last {{ visibility: visible }}
@media (prefers-reduced-motion: reduce) {{ .frame {{ animation: none !important }} }}
{keyframes}
</style>
{chrome}
<g transform="translate({x}, {y})">
{frames}
</g>
</svg>
"""


def recording(frames: Sequence[Frame], title: str) -> str:
    """The frames as an SVG picture that shows one after another, and the last one for longer.

    A viewer without animations, or with reduced motion, shows the last frame. Equal frames give equal text.
    """
    names: dict[str, str] = {}  # the class of each style rule
    length = (len(frames) - 1) * SECONDS_PER_FRAME + LAST_FRAME_SECONDS
    groups, keyframes = [], []
    for place, frame in enumerate(frames):
        found = _exported(frame, title)
        begin = place * SECONDS_PER_FRAME / length
        is_last = place == len(frames) - 1
        keyframes.append(_shown_between(place, begin, 1.0 if is_last else begin + SECONDS_PER_FRAME / length))
        groups.append(
            f'<g class="frame{" last" if is_last else ""}" style="animation-name: f{place}">'
            f"{_CLIP.sub('', found.backgrounds + _with_shared_styles(found, names))}</g>"
        )
    return _SVG.format(
        id=_ID,
        width=found.width,
        height=found.height,
        title=escape(visible(title), {'"': "&quot;"}),
        size=found.char_height,
        rules="\n".join(f".{name} {{ {rule} }}" for rule, name in names.items()),
        length=length,
        keyframes="\n".join(keyframes),
        chrome=found.chrome,
        x=found.terminal_x,
        y=found.terminal_y,
        frames="\n".join(groups),
    )


def _exported(frame: Frame, title: str) -> _Exported:
    console = Console(
        record=True,
        width=COLUMNS,
        height=ROWS,
        file=io.TextIOWrapper(io.BytesIO(), encoding="utf-8"),
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
        highlight=False,
        emoji=False,
        markup=False,
        _environ={},
    )
    console.print(frame)
    console.print("\n" * (ROWS - 2 - len(frame.lines(COLUMNS, ROWS - 1, console.encoding))))
    text = console.export_svg(title=visible(title), theme=SVG_EXPORT_THEME, code_format=_FORMAT, unique_id=_ID)
    return _Exported(*text.split(_SEPARATOR))


def _with_shared_styles(found: _Exported, names: dict[str, str]) -> str:
    """The text of a frame, whose classes are those of all frames: rich counts them anew for each."""
    shared = {}
    for name, rule in _RULE.findall(found.styles):
        shared[name] = names.setdefault(rule, f"s{len(names)}")
    return _CLASS.sub(lambda match: f'class="{shared[match[1]]}"', found.matrix)


def _shown_between(place: int, begin: float, end: float) -> str:
    """The keyframes of a frame that is visible between two shares of the animation."""
    steps = [] if place == 0 else ["0% { visibility: hidden }"]
    steps.append(f"{begin * 100:.3f}% {{ visibility: visible }}")
    if end < 1:
        steps.append(f"{end * 100:.3f}% {{ visibility: hidden }}")
    return f"@keyframes f{place} {{ {' '.join(steps)} }}"
