"""Timelines: their contents, and reproducible bytes."""

import matplotlib as mpl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

import scenarios
import sim
from sim.history import Event, History
from sim.presentation.figure_style import save
from sim.reports.timeline import PHASE_COLORS, Mark, caption, clock, drawn, timeline, timelines
from tests.sim.reports.stories import META, agent_story, escalated_story, partition_story, quiet_story

NAMES = ("execution-failure", "resource-failure", "agent-failure", "communication-failure")


@pytest.fixture(scope="module")
def histories():
    return [sim.run(scenarios.load(name), seed=7).record for name in NAMES]


def bars(axes):
    """Bars by their color: the phase, where it begins, how long it is."""
    phases = {to_hex(color): phase for phase, color in PHASE_COLORS.items()}
    found = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    return [
        (phases[to_hex(bar.get_facecolor())], bar.get_x(), bar.get_width())
        for bar in found
        if to_hex(bar.get_facecolor()) in phases
    ]


def test_phases_are_drawn_at_their_times():
    figure = timeline(agent_story(), (20.0, 80.0))
    load, lanes = figure.axes
    found = bars(lanes)
    assert [phase for phase, _, _ in found] == ["detect", "wait", "analyze", "execute", "verify"]
    detect, wait, analyze, execute, verify = found
    assert detect[1:] == (30.0, 12.0)
    assert wait[1:] == (42.0, analyze[2]) == analyze[1:]
    assert 0 < wait[2] < 1  # took no time: a tick, so that it is seen
    assert execute[1:] == (42.0, 20.0)
    assert verify[1:] == (pytest.approx(62.0), pytest.approx(3.0))
    assert lanes.get_xlim() == load.get_xlim() == (20.0, 80.0)
    assert [label.get_text() for label in lanes.get_yticklabels()] == ["agent 1"]


def test_a_failed_recovery_is_marked():
    _, lanes = timeline(escalated_story(), (0.0, 100.0)).axes
    assert [text.get_text() for text in lanes.texts] == ["wait 15.0 s", "wait 25.0 s", "escalated"]
    assert [text.get_text() for text in timeline(agent_story(), (0.0, 100.0)).axes[1].texts] == [
        "detect 12.0 s",
        "execute 20.0 s",
    ]


@pytest.mark.parametrize(
    ("agents", "window", "label"),
    [
        ((1, 4), (20.0, 80.0), "agent crash: agent 1, agent 4"),
        (range(20), (20.0, 80.0), "20 × agent crash"),
        (range(20), (0.0, 33.5), "20 faults"),
    ],
)
def test_simultaneous_faults_have_one_label_with_all_names_or_their_number(agents, window, label):
    crashes = [{"time": 30.0, "event": Event.FAULT_INJECTED, "agent": n, "detail": "agent_crash"} for n in agents]
    load, _ = timeline(History.of(crashes, META), window).axes
    labels = [text.get_text() for text in load.texts if "slot" not in text.get_text()]
    assert labels == [label]


def test_an_outage_has_its_label_before_the_attempts_that_it_makes_fail():
    outage = {"event": Event.FAULT_INJECTED, "detail": "dependency_down", "about": "model"}
    failures = [
        {"time": 30.0 + n, "event": event, "task": n, "incident": n}
        for n in (1, 2)
        for event in (Event.ATTEMPT_FAILED, Event.RECOVERY_OPENED)
    ]
    ended = {"time": 80.0, "event": Event.FAULT_CLEARED, "detail": "dependency_down", "about": "model"}
    load, _ = timeline(History.of([{"time": 30.0} | outage, *failures, ended], META), (20.0, 90.0)).axes
    labels = [text.get_text() for text in load.texts if "slot" not in text.get_text()]
    assert labels == ["dependency down: model"]


def test_phases_that_took_no_time_are_ticks_that_move_nothing():
    stretches = [("detect", 0.0, 0.0), ("wait", 0.0, 30.0), ("analyze", 30.0, 30.0), ("verify", 30.0, 30.0)]
    assert drawn(stretches, 0.5, 1.0) == [
        Mark("detect", 0.0, 1.0, is_tick=True),
        Mark("wait", 0.0, 30.0),
        Mark("analyze", 30.0, 31.0, 0, 2, is_tick=True),
        Mark("verify", 30.0, 31.0, 1, 2, is_tick=True),
    ]


def test_the_fault_is_named_and_its_duration_shaded():
    load, _ = timeline(partition_story(healed=True)).axes
    assert "partition: agents – queue" in [text.get_text() for text in load.texts]
    assert [(patch.get_x(), patch.get_width()) for patch in load.patches if isinstance(patch, Rectangle)] == [
        (40.0, 20.0)
    ]


def test_faults_that_overlap_are_shaded_once():
    faults = [(10.0, 30.0), (10.0, 20.0), (20.0, 40.0), (60.0, 70.0)]
    rows = [
        {"time": at, "event": event, "agent": number, "detail": "agent_hang"}
        for number, span in enumerate(faults)
        for at, event in zip(span, (Event.FAULT_INJECTED, Event.FAULT_CLEARED), strict=True)
    ]
    load, lanes = timeline(History.of(sorted(rows, key=lambda row: row["time"]), META), (0.0, 80.0)).axes
    for axes in (load, lanes):
        shades = [(patch.get_x(), patch.get_width()) for patch in axes.patches if isinstance(patch, Rectangle)]
        assert shades == [(10.0, 30.0), (60.0, 10.0)]


def test_a_run_without_recoveries_has_a_picture(tmp_path):
    figure = timeline(quiet_story())
    assert bars(figure.axes[1]) == []
    save(figure, tmp_path / "quiet.png")
    assert caption(quiet_story()) == "no recoveries"


def test_the_caption_gives_the_recovery_time():
    assert caption(agent_story()) == "1 recovery, 35.0 s on average: detect 12.0 s, execute 20.0 s, verify 3.00 s"
    assert caption(escalated_story()) == "1 recovery (1 escalated)"
    assert caption(partition_story(healed=True)) == "1 recovery (1 not finished)"


def test_no_two_labels_overlap(histories):
    figure = timelines(histories, "Title", "Subtitle")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in seen(figure) if text.get_text()]
    assert len(boxes) > 60
    overlapping = [
        (one, other)
        for number, (one, box) in enumerate(boxes)
        for other, other_box in boxes[number + 1 :]
        if box.overlaps(other_box)
    ]
    assert overlapping == []
    width, height = canvas.get_width_height()
    assert [text for text, box in boxes if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height] == []


def seen(figure):
    """Every text in sight. Ticks beyond the end of an axis have labels too, which are not drawn."""
    for part in [figure, *figure.findobj(mpl.figure.SubFigure)]:
        yield from part.texts
        for legend in part.legends:
            yield from legend.get_texts()
    for axes in figure.axes:
        yield from [*axes.texts, axes.yaxis.label]
        for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            for tick in axis.get_major_ticks():
                if tick.label1.get_visible() and min(limits) <= tick.get_loc() <= max(limits):
                    yield tick.label1


@pytest.mark.long
def test_equal_histories_give_equal_bytes_despite_user_settings(histories, tmp_path):
    save(timelines(histories, "Title"), tmp_path / "one.png")
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "red", "savefig.dpi": 10}):
        save(timelines(histories, "Title"), tmp_path / "two.png")
        assert mpl.rcParams["font.size"] == 20
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    save(timelines(histories, "Another"), tmp_path / "three.png")
    assert (tmp_path / "one.png").read_bytes() != (tmp_path / "three.png").read_bytes()


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (75, "1:15"), (3599.6, "1:00:00"), (3725, "1:02:05")])
def test_clock_times_are_formatted(seconds, shown):
    assert clock(seconds) == shown


@pytest.mark.parametrize(
    ("window", "said"),
    [
        ((9999.0, 10000.0), "is outside the run"),
        ((-5.0, 0.0), "is outside the run"),
        ((5.0, 1.0), "ends before it begins"),
        ((float("nan"), 3.0), "is not a window"),
        (("1m", "2m"), "is not a window"),
        ((1.0,), "is not a window"),
    ],
)
def test_a_window_outside_the_run_is_refused(window, said):
    with pytest.raises(ValueError, match=rf"^window=\(.*\): {said}; valid: two times in seconds, within 0 and \d+"):
        timeline(agent_story(), window)
