"""Pictures of runs: running and queued tasks over time, and a lane with the phases of each recovery.

Pure functions of histories. Figures are created without pyplot, so that no global state changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isinf

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from recovery.audit import RecoveryOutcome
from recovery.errors import argument
from scenarios.fields.quantities import is_number
from sim.history import History
from sim.measures.metrics.recovery_time import PHASES, measure_recovery
from sim.measures.tables.distribution import numbers
from sim.measures.tables.event_table import Tracks
from sim.presentation.axes import NoPicture
from sim.presentation.figure_style import FAINT, INK, PHASE_COLORS, VERMILION, styled
from sim.presentation.formatting import count, quantity
from sim.reports.timeline_data import (
    Lane,
    fault_labels,
    faults,
    in_line,
    in_service,
    interesting_window,
    readable,
    recoveries,
    within,
)

SERVICE_COLOR = "#A9B4C2"
QUEUE_COLOR = "#1F2937"

MOST_LANES = 6
NOT_VERIFIED = (RecoveryOutcome.ESCALATED, RecoveryOutcome.DISMISSED)
TICK_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
TICK_POINTS = 3.0
"""Width of the tick for a phase that took no time, in points."""
VISIBLE_POINTS = 1.0
"""Width from which a phase is drawn as a bar of its length, in points."""
LETTER_POINTS = 4.7
BOLD_LETTER_POINTS = 6.0
LANE_HEIGHT = 0.74


# ----------------------------------------------------------------------------- pictures
def timeline(history: History, window: tuple[float, float] | None = None, *, width: float = 9.0) -> Figure:
    """One run: load above, recoveries below, between two instants (left out: around the first faults).

    Raises NoPicture, a ValueError, for a window outside the run.
    """
    with styled():
        figure = Figure(figsize=(width, 4.7), dpi=120)
        body, foot = _rows(figure, [4.2, 0.5])
        _panel(body, history, window)
        _legend(foot, size=8)
    return figure


@dataclass(frozen=True)
class RunPlots:
    """`run.plot`."""

    history: History

    def timeline(self, window: tuple[float, float] | None = None, *, width: float = 9.0) -> Figure:
        """The function `timeline` of this run's history."""
        return timeline(self.history, window, width=width)


def timelines(
    histories: Sequence[History], title: str, subtitle: str = "", window: tuple[float, float] | None = None
) -> Figure:
    """Several runs side by side, two in a row, with one legend."""
    with styled():
        rows = (len(histories) + 1) // 2
        figure = Figure(figsize=(14.0, 1.4 + 4.2 * rows), dpi=130)
        head, body, foot = _rows(figure, [0.8, 4.2 * rows, 0.6])
        head.text(0.0175, 0.62, title, size=16, weight="bold", va="center")
        head.text(0.0175, 0.20, subtitle, size=10, color=FAINT, va="center")
        panels = np.asarray(body.subfigures(rows, 2, wspace=0.0, hspace=0.0)).reshape(-1)
        for place, history in zip(panels, histories, strict=False):
            _panel(place, history, window)
        _legend(foot, size=9)
    return figure


def _rows(figure: Figure, heights: list[float]) -> list[SubFigure]:
    return list(np.asarray(figure.subfigures(len(heights), 1, height_ratios=heights, hspace=0.0)))


def _checked(window: tuple[float, float], horizon: float) -> tuple[float, float]:
    """The begin and the end of a window (s). Raises NoPicture for one that is none or lies outside the run."""
    given, valid = argument("window", window), f"valid: two times in seconds, within 0 and {horizon:g}"
    if isinstance(window, str) or len(window) != 2 or not all(map(is_number, window)):
        raise NoPicture(f"{given}: is not a window; {valid}")
    begin, end = window
    if end <= begin:
        raise NoPicture(f"{given}: ends before it begins; {valid}")
    if begin >= horizon or end <= 0:
        raise NoPicture(f"{given}: is outside the run; {valid}")
    return float(begin), float(end)


# ------------------------------------------------------------------------------- a panel
def _panel(place: SubFigure, history: History, window: tuple[float, float] | None) -> None:
    tracks = Tracks.of(history)
    lanes = recoveries(history)
    begin, end = interesting_window(history) if window is None else _checked(window, tracks.horizon)
    shown = [lane for lane in lanes if lane.onset < end and lane.ended > begin]
    top, bottom = place.subplots(
        2,
        1,
        sharex=True,
        gridspec_kw={
            "height_ratios": [2.6, 1.0],
            "hspace": 0.10,
            "left": 0.125,
            "right": 0.975,
            "top": 0.835,
            "bottom": 0.10,
        },
    )
    place.text(0.035, 0.955, str(tracks.meta.get("scenario", "")), size=12, weight="bold", va="center")
    place.text(0.035, 0.895, caption(history), size=9, color=FAINT, va="center")
    bottom.set_xlim(begin, end)
    _load(top, tracks, begin, end)
    _faults(top, bottom, faults(history, shown[:MOST_LANES]), begin, end)
    _lanes(bottom, shown[:MOST_LANES], len(shown[MOST_LANES:]), begin, end)
    _time_axis(bottom, begin, end)
    top.tick_params(axis="x", length=0, labelbottom=False)


def caption(history: History) -> str:
    """`5 recoveries, 32.5 s on average: detect 12.5 s, execute 20.0 s`, over the whole run.

    Recoveries that were escalated, or not finished at the end of the run, are counted beside them.
    """
    measured = numbers(measure_recovery(history))
    number = int(measured["recovery.count"] or 0)
    if not number:
        return "no recoveries"
    text = count(number, "recovery", "recoveries")
    left = {"recovery.escalated": "escalated", "recovery.censored": "not finished"}
    if others := [f"{quantity(left_out)} {said}" for name, said in left.items() if (left_out := measured[name])]:
        text += f" ({', '.join(others)})"
    mean = measured["recovery.time.mean"]
    if mean is None or isinf(mean):  # infinite if no recovery was finished
        return text
    lengths = {phase: measured[f"recovery.{phase}.mean"] for phase in PHASES}
    parts = [f"{phase} {quantity(length, 's')}" for phase, length in lengths.items() if length]
    return f"{text}, {quantity(mean, 's')} on average" + (f": {', '.join(parts)}" if parts else "")


def _load(axes: Axes, tracks: Tracks, begin: float, end: float) -> None:
    times, levels = within(in_service(tracks), begin, end)
    axes.fill_between(times, levels, step="post", color=SERVICE_COLOR, alpha=0.75, linewidth=0)
    waiting = within(in_line(tracks), begin, end)
    axes.step(*waiting, where="post", color=QUEUE_COLOR, linewidth=1.5)
    slots = int(tracks.meta.get("agents", 0)) * int(tracks.meta.get("slots", 1))
    highest = max(float(levels.max(initial=1.0)), float(waiting[1].max(initial=1.0)), float(slots))
    if slots:
        axes.axhline(slots, color=FAINT, linewidth=0.8, linestyle=(0, (2, 3)))
        axes.annotate(
            count(slots, "slot"),
            (0.0, slots),
            xycoords=("axes fraction", "data"),
            xytext=(4, 2),
            textcoords="offset points",
            ha="left",
            va="bottom",
            size=7.5,
            color=FAINT,
            zorder=5,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5},
        )
    axes.set_ylim(0, highest * 1.22)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_ylabel("tasks")
    axes.grid(axis="y", color="#E5E7EB", linewidth=0.6)
    axes.set_axisbelow(True)


# -------------------------------------------------------------------------------- faults
def _faults(top: Axes, bottom: Axes, found: Sequence[tuple[float, float, str]], begin: float, end: float) -> None:
    """A line where each fault began, a tinted span while it lasted, and a label where there is room.

    Faults that begin at the same instant share a label: all of their names, or their number where there is less room.
    Faults that last have theirs first: an outage makes many attempts fail, one after the other, and is their cause.
    """
    second = _points(top) / (end - begin)
    shown = [fault for fault in found if fault[0] <= end and fault[1] >= begin]
    for left, right in _united((start, min(stop, end)) for start, stop, _ in shown if stop > start):
        for axes in (top, bottom):
            axes.axvspan(left, right, color=VERMILION, alpha=0.09, linewidth=0, zorder=0)
    for start, stop, _ in shown:
        for axes in (top, bottom) if stop > start else (top,):
            axes.axvline(start, color=VERMILION, linewidth=1.4, zorder=4)
    for start, stop, label in _labels(shown, second, end):
        is_crossed = any(start < other < stop for other, _, _ in shown)
        top.annotate(
            label,
            (start, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(5, -3),
            textcoords="offset points",
            color=VERMILION,
            size=8.5,
            weight="bold",
            va="top",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0} if is_crossed else None,
            zorder=5,
        )


def _united(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The same instants as spans that do not overlap: a tint that is drawn once is equally dark everywhere."""
    found: list[tuple[float, float]] = []
    for start, stop in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], stop)
        else:
            found.append((start, stop))
    return found


def _labels(shown: Sequence[tuple[float, float, str]], second: float, end: float) -> Iterator[tuple[float, float, str]]:
    """The labels of faults for which there is room, each from where to where; a second is so many points wide."""
    lasting = sorted({start for start, stop, _ in shown if stop > start})
    others = sorted({start for start, _, _ in shown} - set(lasting))
    taken: list[tuple[float, float]] = []
    for starts, rivals in ((lasting, lasting), (others, sorted({*lasting, *others}))):
        for start in starts:
            following = next((each for each in rivals if each > start), end)
            letters = (following - start) * second / BOLD_LETTER_POINTS
            labels = fault_labels([name for begun, _, name in shown if begun == start])
            label = next((each for each in labels if len(each) < letters), None)
            if label is None or any(left <= start < right for left, right in taken):
                continue
            taken.append((start, start + (len(label) + 1) * BOLD_LETTER_POINTS / second))
            yield *taken[-1], label


# --------------------------------------------------------------------------------- lanes
def _lanes(axes: Axes, lanes: Sequence[Lane], more: int, begin: float, end: float) -> None:
    second = _points(axes) / (end - begin)
    for level, lane in enumerate(lanes):
        marks = drawn(lane.stretches, VISIBLE_POINTS / second, TICK_POINTS / second)
        for mark in marks:
            height = LANE_HEIGHT / mark.of
            place = level + (mark.nth - (mark.of - 1) / 2) * height
            above = 3 if mark.is_tick else 2
            axes.barh(
                place,
                mark.right - mark.left,
                height,
                mark.left,
                color=PHASE_COLORS[mark.phase],
                edgecolor="white",
                linewidth=0.3 if mark.is_tick else 0.6,
                zorder=above,
            )
            text = f"{mark.phase} {quantity(mark.right - mark.left, 's')}"
            seen = max(mark.left, begin), min(mark.right, end)
            if not mark.is_tick and (seen[1] - seen[0]) * second > LETTER_POINTS * len(text):
                axes.text(sum(seen) / 2, level, text, ha="center", va="center_baseline", size=8, color=INK, zorder=5)
        reached = max((mark.right for mark in marks), default=begin)
        if lane.outcome in NOT_VERIFIED and reached < end:
            _after(axes, lane.outcome, reached, level)
        axes.vlines(lane.onset, level - LANE_HEIGHT / 2, level + LANE_HEIGHT / 2, VERMILION, linewidth=2.2, zorder=5)
    axes.set_yticks(range(len(lanes)), [readable(lane.subject) for lane in lanes])
    axes.tick_params(axis="y", length=0)
    room = max(len(lanes), 2) / 2
    middle = (len(lanes) - 1) / 2
    axes.set_ylim(middle + room, middle - room)
    axes.spines["left"].set_visible(False)
    if more > 0:
        axes.text(1.0, 0.03, f"and {more} more", transform=axes.transAxes, ha="right", va="bottom", size=8, color=FAINT)


@dataclass(frozen=True)
class Mark:
    """Where a phase is drawn: from `left` to `right` in seconds, in the part `nth` of `of` of its lane's height.

    A phase that is too short to be seen is a tick (`is_tick`) at the instant at which it begins.
    """

    phase: str
    left: float
    right: float
    nth: int = 0
    of: int = 1
    is_tick: bool = False


def drawn(stretches: Sequence[tuple[str, float, float]], visible: float, tick: float) -> list[Mark]:
    """The marks of the phases of a recovery, in order.

    Phases of at least `visible` seconds are bars at their exact times. A shorter one is a tick, `tick` seconds wide,
    which moves nothing else; those of one instant share the height of the lane.
    """
    marks: list[Mark] = []
    ticks: list[tuple[str, float]] = []

    def end_ticks() -> None:
        marks.extend(
            Mark(phase, instant, instant + tick, nth, len(ticks), is_tick=True)
            for nth, (phase, instant) in enumerate(ticks)
        )
        ticks.clear()

    for phase, begins, ends in stretches:
        if ticks and (ends - begins >= visible or begins - ticks[0][1] >= visible):
            end_ticks()
        if ends - begins >= visible:
            marks.append(Mark(phase, begins, ends))
        else:
            ticks.append((phase, begins))
    end_ticks()
    return marks


def _after(axes: Axes, text: str, instant: float, level: int) -> None:
    """A word after a lane: the outcome, if the recovery was not verified."""
    axes.annotate(
        text,
        (instant, level),
        xytext=(4, 0),
        textcoords="offset points",
        va="center_baseline",
        size=8,
        color=VERMILION,
        annotation_clip=True,
    )


def _points(axes: Axes) -> float:
    """Width of axes in points."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return float(axes.get_window_extent().width / figure.dpi * 72)


# ---------------------------------------------------------------------------------- axes
def _time_axis(axes: Axes, begin: float, end: float) -> None:
    step = next((seconds for seconds in TICK_SECONDS if (end - begin) / seconds <= 9), TICK_SECONDS[-1])
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds)))
    axes.grid(axis="x", color="#E5E7EB", linewidth=0.6)
    axes.set_axisbelow(True)


def clock(seconds: float) -> str:
    """Virtual time as minutes and seconds, `10:15`, and with hours from one hour on."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def _legend(place: SubFigure, size: float) -> None:
    handles = [
        Patch(facecolor=SERVICE_COLOR, alpha=0.75, label="tasks in service"),
        Line2D([], [], color=QUEUE_COLOR, linewidth=1.5, label="queued tasks"),
        Line2D([], [], color=VERMILION, linewidth=1.8, label="fault"),
        *(Patch(facecolor=PHASE_COLORS[phase], label=phase) for phase in PHASES),
    ]
    place.legend(
        handles=handles,
        loc="upper center",
        ncols=len(handles),
        frameon=False,
        fontsize=size,
        handlelength=1.4,
        columnspacing=1.5,
    )
    note = "ticks: phases that took no time, or next to none"
    place.text(0.5, 0.12, note, size=size - 1, color=FAINT, ha="center")
