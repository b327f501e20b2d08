"""The plot of a rare event: each splitting and the estimate."""

from dataclasses import replace

import pytest
from matplotlib.figure import Figure

import scenarios
import sim
from sim.presentation.axes import NoPicture

QUEUE = scenarios.loads("""
name: queue
duration: 30s
tasks: {arrivals: {poisson: {rate: 0.5/s}}, work: {exponential: {mean: 1s}}}
agents: {count: 1}
recovery: {detection: {detector: perfect}}
""")


@pytest.fixture(scope="module")
def found():
    return sim.rare(QUEUE, "queue.depth.max >= 7", 7, replications=3, particles=10)


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_each_splitting_is_a_line_to_its_estimate(found):
    axes = found.plot.levels(Figure().add_subplot())
    ways = [line for line in axes.lines if len(line.get_xdata()) > 2]
    assert [float(way.get_ydata()[-1]) for way in ways] == [each.steps[-1][1] for each in found.splittings]
    assert all(float(way.get_ydata()[0]) == 1 for way in ways)
    assert axes.get_yscale() == "log"
    assert axes.get_xlabel() == "queue.depth: queued tasks (tasks)"
    assert labels(axes) == ["a splitting each", "queue.depth.max >= 7", "95 % interval"]
    assert axes.get_title(loc="left") == "queue: queue.depth.max >= 7 in a run of 30s"


def test_without_hits_the_bound_is_drawn(found):
    never = replace(found, splittings=tuple(replace(each, probability=0.0) for each in found.splittings), plain_hits=0)
    axes = never.plot.levels(Figure().add_subplot())
    assert labels(axes)[-1] == "below (95 %)"
    bound = next(line for line in axes.lines if line.get_label() == "below (95 %)")
    assert float(bound.get_ydata()[0]) == pytest.approx(1 - 0.05 ** (1 / 30))


def test_plain_replications_have_no_levels_to_draw():
    plain = sim.rare(QUEUE, "queue.depth.max >= 3", 7, level=None, replications=2)
    with pytest.raises(NoPicture, match="nothing was split; valid: with a level"):
        plain.plot.levels()
