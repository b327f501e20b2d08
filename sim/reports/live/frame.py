"""A moment of a run as lines for a terminal of any width and height."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from recovery.audit import RecoveryOutcome, RecoveryPhase
from sim.measures.metrics.recovery_time import PHASES
from sim.measures.outcomes import Outcome
from sim.measures.tables.event_table import Floats
from sim.presentation.formatting import Signs, count, quantity, signs
from sim.presentation.visible_text import visible
from sim.reports.live.moment import CONDITIONS, CRASHED, HUNG, IDLE, STOPPED, SUSPECTED, Moment, Pool, Recovery, Replay
from sim.reports.table import PHASE_STYLES

LABEL = 12
"""Columns of the labels."""
WIDEST = 120
"""Columns that the view uses at most: longer lines are hard to read."""
TRAIL = 120.0
"""Seconds of wall time that the load shows, at most the time since the begin."""
MOST_AGENT_LINES = 4
MOST_POOLS = 6
MOST_FAULTS = 4
FEWEST_RECOVERIES = 3
FEWEST_EVENTS = 3
MOST_RECOVERIES = 10
MOST_EVENTS = 12
CONDITION_STYLES = ("bright_black", "green", "yellow", "magenta", "magenta", "bold red")
EVENT_STYLES = {
    "yellow": ("fault ", "link cut", "queue blocked", "resource unavailable"),
    "red": ("agent crashed", "agent hung", "core crashed", "recovery escalated", "task failed", "run error"),
    "green": ("recovery verified", "agent restarted"),
}
"""Styles of events by how their texts begin."""
CALLED = {RecoveryOutcome.VERIFIED: "succeeded", RecoveryOutcome.OPEN: "under way"}


@dataclass(frozen=True)
class Marks:
    """The characters of the view."""

    conditions: str = "○●?↻!✗"
    levels: str = " ▁▂▃▄▅▆▇"
    phases: str = "░·▒▇▓"
    used: str = "█"
    free: str = "░"
    out: str = "✗"
    past: str = "━"
    future: str = "─"
    instant: str = "▼"
    lasting: str = "▄"
    under_way: str = "…"


UNICODE = Marks()
ASCII = Marks(".#?s!x", " .:-=+*#@", "dwaev", "#", ".", "x", "=", "-", "v", "#", "...")


def marks_of(encoding: str | None) -> Marks:
    """The characters that an encoding supports."""
    try:
        "".join(vars(UNICODE).values()).encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


@dataclass(frozen=True)
class Verdict:
    """The outcome of the run: its expectations, and the number of violated invariants and of errors."""

    expectations: tuple[Outcome, ...]
    violations: int
    errors: int


@dataclass(frozen=True)
class Frame:
    """The view of a replay at a time (s), from `begin` to `end`, at `speed` virtual seconds a second.

    It fits the width and height of the console that prints it. With a `verdict`, it is the last one.
    """

    replay: Replay
    time: float
    begin: float
    end: float
    speed: float
    verdict: Verdict | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines of the view."""
        width = min(options.max_width, WIDEST)
        height = max(options.height or console.height, 2) - 1  # the last line stays free for the cursor
        for line in self.lines(width, height, options.encoding):
            line.truncate(width)
            line.no_wrap = True
            yield line

    def lines(self, width: int, height: int, encoding: str) -> list[Text]:
        """The lines of the view, at most `height`, for `width` columns. What matters least is left out first."""
        marks, style = marks_of(encoding), signs(encoding)
        content = max(width - LABEL, 8)
        since = max(self.begin, self.time - max(TRAIL * self.speed, 1.0))
        moment = self.replay.at(
            self.time, cells=content - 7, since=since, recoveries=MOST_RECOVERIES, events=MOST_EVENTS
        )
        head = [*self._head(width, marks), *self._agents(moment, content, marks)]
        body = [*_load(moment, marks), *_pools(moment.pools, content, marks, style), *self._faults(moment)]
        tail = [] if self.verdict is None else list(_judgement(self.verdict, style))
        free = height - len(head) - len(body) - len(tail)
        counts = _outcomes(moment)
        if free < 1 + FEWEST_RECOVERIES:  # too low for lists
            return [*head, *tail, *body, counts][: max(height, 1)]
        events = list(_events(moment, self.replay.end))
        under_way = list(_recoveries(moment, content, marks, style))
        for_events = max(FEWEST_EVENTS, free - 2 - len(under_way))
        shown = events[max(0, len(events) - for_events) :] if free >= 2 + FEWEST_RECOVERIES + FEWEST_EVENTS else []
        room = free - 1 - len(shown)
        return [*head, *body, counts, *under_way[max(0, len(under_way) - room) :], *_titled("events", shown), *tail]

    def _head(self, width: int, marks: Marks) -> Iterator[Text]:
        meta = self.replay.history.meta
        line = Text(visible(str(meta.get("scenario", ""))), "bold")
        line.append(f"  seed {meta.get('seed', '')}", "not bold")
        clock = f"{_clock(self.time, self.end)} of {_clock(self.end, self.end)}"
        right = Text(f"{clock}  {self.speed:g} s/s" if width >= 60 else clock, "cyan")
        line.truncate(max(width - len(right) - 2, 1), overflow="ellipsis" if marks is UNICODE else "crop")
        line.pad_right(max(width - len(line) - len(right), 1))
        yield line + right
        yield self._axis(width, marks)

    def _axis(self, width: int, marks: Marks) -> Text:
        """The shown part of the run as a line: what has passed, and the injected faults until now."""
        length = max(self.end - self.begin, 1e-9)
        passed = round((self.time - self.begin) / length * width)
        line = Text(marks.past * passed, "cyan")
        line.append(marks.future * (width - passed), "bright_black")
        for begin, end, _ in self.replay.faults:
            if begin > self.time or end < self.begin or begin >= self.end:
                continue
            first = min(max(int((begin - self.begin) / length * width), 0), width - 1)
            last = min(ceil((min(end, self.time) - self.begin) / length * width), width)
            mark = marks.instant if end == begin else marks.lasting
            cells = max(last - first, 1)
            line = line[:first] + Text(mark * cells, "yellow") + line[first + cells :]
        return line

    def _agents(self, moment: Moment, content: int, marks: Marks) -> Iterator[Text]:
        """A mark for each agent, or for several, the worst of them; and the number in each condition."""
        conditions, cells = moment.conditions, content * MOST_AGENT_LINES
        group = max(1, ceil(len(conditions) / cells))
        padded = np.concatenate((conditions, np.full(-len(conditions) % group, IDLE)))
        worst = padded.reshape(-1, group).max(axis=1) if len(padded) else padded
        numbers = np.bincount(conditions, minlength=len(CONDITIONS)).tolist()
        counted = _labeled("agents")
        down = sum(numbers[each] for each in (STOPPED, HUNG, CRASHED))
        counted.append(f"{len(conditions) - down:,} of {count(len(conditions), 'agent')} up")
        for condition in range(len(CONDITIONS)):
            if numbers[condition]:
                mark = marks.conditions[condition]
                called = "suspected, but up" if condition == SUSPECTED else CONDITIONS[condition]
                counted.append(f"  {mark} {numbers[condition]:,} {called}", CONDITION_STYLES[condition])
        yield counted
        for first in range(0, len(worst), content):
            line = _labeled("")
            for condition, alike in groupby(worst[first : first + content].tolist()):
                line.append(marks.conditions[condition] * len(list(alike)), CONDITION_STYLES[condition])
            yield line
        if group > 1:
            yield _labeled("") + Text(f"each mark: the worst of {group} agents", "dim")

    def _faults(self, moment: Moment) -> Iterator[Text]:
        for place, (begin, name) in enumerate(moment.faults[-MOST_FAULTS:]):
            line = _labeled("" if place else "faults")
            since = _clock(begin, self.end)
            yield line + Text(f"{visible(name)}, since {since}", "yellow")
        if not moment.faults and any(end > begin for begin, end, _ in self.replay.faults):
            yield _labeled("faults") + Text("none under way", "dim")  # the lines below keep their places
        more = len(moment.faults) - MOST_FAULTS
        if more > 0:
            yield _labeled("") + Text(f"{more} more", "yellow")


def _labeled(label: str) -> Text:
    """A line that begins with a label; what is appended is not dim."""
    line = Text()
    line.append(f"{label[: LABEL - 1]:<{LABEL}}", "dim")
    return line


def _clock(time: float, end: float) -> str:
    """A time of a run, as long as all others of it: `00:12:34.5`; short runs have no hours."""
    whole = int(time * 10 + 1e-6)
    minutes, tenths = divmod(whole, 600)
    hours, minutes = divmod(minutes, 60)
    text = f"{minutes:02d}:{tenths // 10:02d}.{tenths % 10}"
    return f"{hours:02d}:{text}" if end >= 3600 else text


def _load(moment: Moment, marks: Marks) -> Iterator[Text]:
    tasks = _labeled("tasks")
    shown = [f"{number:,} {name}" for name, number in moment.tasks.items() if number or name in _ALWAYS]
    tasks.append(", ".join([*shown, *([f"{moment.retries:,} retries"] if moment.retries else [])]))
    yield tasks
    for name, samples, color in (("in service", moment.service, "green"), ("queue", moment.queue, "cyan")):
        line = _labeled(name)
        line.append(_sparkline(samples, marks), color)
        line.append(f" {quantity(float(samples[-1]))}")
        yield line


_ALWAYS = ("submitted", "completed")


def _sparkline(samples: Floats, marks: Marks) -> str:
    """A mark for each sample, relative to the highest; the lowest mark only for zero."""
    highest, steps = float(samples.max()), len(marks.levels) - 1
    if not highest:
        return marks.levels[0] * len(samples)
    heights = np.ceil(np.maximum(samples, 0.0) / highest * steps).astype(int)
    return "".join(marks.levels[height] for height in heights.tolist())


def _pools(pools: Sequence[Pool], content: int, marks: Marks, style: Signs) -> Iterator[Text]:
    for pool in pools[:MOST_POOLS]:
        line = _labeled(_short(visible(pool.name), LABEL - 1, style))
        cells = min(int(pool.units), content // 2, 40)
        per_cell = cells / pool.units if pool.units else 0.0
        used = round(max(pool.in_use, 0.0) * per_cell)
        out = min(round(pool.out_of_service * per_cell), cells)
        line.append(marks.used * min(used, cells - out), "blue")
        line.append(marks.free * max(cells - out - used, 0), "bright_black")
        line.append(marks.out * out, "red")
        line.append(f" {quantity(pool.in_use)} of {quantity(pool.units)} in use")
        if pool.out_of_service:
            line.append(f", {quantity(pool.out_of_service)} out of service", "red")
        yield line
    if len(pools) > MOST_POOLS:
        yield _labeled("") + Text(f"{len(pools) - MOST_POOLS} more pools", "dim")


def _outcomes(moment: Moment) -> Text:
    line = _labeled("recoveries")
    opened = sum(moment.outcomes.values())
    parts = [f"{opened:,} opened"]
    parts += [
        f"{moment.outcomes[outcome]:,} {CALLED.get(outcome, str(outcome))}"
        for outcome in RecoveryOutcome
        if outcome in moment.outcomes
    ]
    line.append(", ".join(parts))
    return line


def _recoveries(moment: Moment, content: int, marks: Marks, style: Signs) -> Iterator[Text]:
    """A line for each recovery: subject, kind, its phases as a bar, and how long it has taken."""
    if not moment.recoveries:
        return
    names = max(12, min(34, content // 2))
    length = max(content - names - 14, 6)
    longest = max(*(each.until - each.began for each in moment.recoveries), 1e-9)
    used = {phase for each in moment.recoveries for phase, begin, end in each.stretches if end > begin}
    for each in moment.recoveries:
        is_open = each.outcome == RecoveryOutcome.OPEN
        line = _labeled("")
        name = visible(f"{each.subject}, {each.kind}" if each.kind else each.subject)
        line.append(f"{_short(name, names - 1, style):<{names}}", "" if is_open else "dim")
        bar = _bar(each, longest, length, marks)
        line.append_text(bar)
        line.append(" " * (length + 1 - len(bar)))
        taken = quantity(each.until - each.began, "s", style)
        if is_open:
            line.append(f"{taken} {marks.under_way}", "bold")
        else:
            is_good = each.outcome == RecoveryOutcome.VERIFIED
            sign = style.holds if is_good else f"{style.fails} {each.outcome}"
            line.append(f"{taken} {sign}", "green" if is_good else "red")
        yield line
    legend = _labeled("")
    for phase, mark in zip(PHASES, marks.phases, strict=True):
        if RecoveryPhase(phase) in used:
            legend.append(f"{mark * 2} {phase}  ", PHASE_STYLES[phase])
    yield legend


def _bar(recovery: Recovery, longest: float, length: int, marks: Marks) -> Text:
    """The phases of a recovery; each cell shows the phase at its middle."""
    mark_of: Mapping[str, str] = dict(zip(PHASES, marks.phases, strict=True))
    cells = max(1, round((recovery.until - recovery.began) / longest * length))
    step = (recovery.until - recovery.began) / cells
    bar = Text()
    for phase, alike in groupby(_phase_at(recovery, recovery.began + (cell + 0.5) * step) for cell in range(cells)):
        bar.append((mark_of[phase] if phase else " ") * len(list(alike)), PHASE_STYLES[phase] if phase else "")
    return bar


def _phase_at(recovery: Recovery, time: float) -> str:
    phase = next((phase for phase, begin, end in recovery.stretches if begin <= time < end), None)
    if phase is not None or not recovery.stretches:
        return str(phase or "")
    return str(recovery.stretches[-1][0])


def _short(text: str, most: int, style: Signs) -> str:
    """A text that is cut to so many characters."""
    return text if len(text) <= most else text[: max(most - len(style.ellipsis), 0)] + style.ellipsis


def _events(moment: Moment, end: float) -> Iterator[Text]:
    for time, text in moment.events:
        line = Text()
        line.append(f"{_clock(time, end)}  ", "dim")
        line.append(visible(text), _style_of(text))
        yield line


def _titled(label: str, lines: Sequence[Text]) -> Iterator[Text]:
    for place, line in enumerate(lines):
        yield _labeled("" if place else label) + line


def _style_of(event: str) -> str:
    return next((style for style, begins in EVENT_STYLES.items() if event.startswith(begins)), "")


def _judgement(verdict: Verdict, style: Signs) -> Iterator[Text]:
    """The expectations that do not hold, or that all hold; violations and errors."""
    total, failed = len(verdict.expectations), [each for each in verdict.expectations if not each.holds]
    good = not failed and not verdict.violations and not verdict.errors
    line = _labeled("verdict")
    parts = [f"{total - len(failed)} of {total} as expected"] if total else []
    parts += [count(verdict.violations, "violated invariant")] if verdict.violations else []
    parts += [count(verdict.errors, "error")] if verdict.errors else []
    text = ", ".join(parts) or "no invariant violated, and nothing expected"
    yield line + Text(f"{style.holds if good else style.fails} {text}", "bold green" if good else "bold red")
    for each in failed[:3]:
        yield _labeled("") + Text(f"{style.fails} {visible(each.expression)}", "red")
