"""The page in headless Chromium: no errors, nothing loaded, filters and zoom, keyboard, and the width of a phone."""

import json
import re
from pathlib import Path

import pytest

import scenarios
import sim
from sim.experiments.runs.warmup import Warmup
from sim.reports.page import render
from sim.reports.page.render import Part, page
from sim.reports.stored.reading import read_stored, stored_of
from sim.reports.stored.shown_run import ShownRun
from tests.sim.reports.browser import CHROMIUM, WHY_NOT, Browser
from tests.sim.reports.stored_results import BASIS, SEARCH, SUITE
from tests.sim.test_results import SCENARIO

pytestmark = [pytest.mark.long, pytest.mark.skipif(CHROMIUM is None, reason=WHY_NOT)]
SCRIPT = (Path(render.__file__).parent / "templates" / "page.js").read_text(encoding="utf-8")
TITLE = "document.querySelector('.range').textContent"
ROWS = "document.querySelectorAll('.waterfall .row').length"


@pytest.fixture(scope="module")
def run():
    return sim.run(scenarios.loads(SCENARIO))


@pytest.fixture(scope="module")
def file(run, tmp_path_factory):
    """A page of a run and of each other kind of result."""
    scenario = scenarios.loads(SCENARIO)
    stored = stored_of(run)
    others = [
        sim.compare(scenario, {}, {"agents.count": 6}, replications=2),
        sim.select(
            scenario, [{"agents.count": 4}, {"agents.count": 6}], "tasks.sojourn.mean", 1.0, first=3, most=3, judged=2
        ),
        sim.sweep(scenario, {"agents.count": [4, 6], "agents.restart_time": ["5s", "9s"]}, replications=2),
    ]
    folder = tmp_path_factory.mktemp("page")
    path = folder / "page.html"
    parts = [Part(stored, ShownRun(run.seed, stored.history)), *(Part(stored_of(each)) for each in others)]
    for data in (SEARCH, SUITE):
        (folder / "result.json").write_text(json.dumps(data), encoding="utf-8")
        parts += [Part(each) for each in read_stored(str(folder / "result.json"))]
    parts.append(Part(stored_of(Warmup(scenario, 60.0, BASIS, "tasks.in_system.mean", 10))))
    path.write_text(page(parts), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def choose(browser, name, value):
    browser.evaluate(
        f"(() => {{ const field = document.querySelector('.filters').elements[{json.dumps(name)}];"
        f"field.value = {json.dumps(value)};"
        "field.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_page_opens_without_errors_and_fits(file, browser, width, theme):
    browser.open(file, width=width, theme=theme)
    assert browser.console == []
    assert {url for url in browser.requests if not url.startswith(("file:", "about:"))} == set()
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    assert browser.evaluate("document.querySelectorAll('.charts svg path').length") > 3
    lightness = browser.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]")
    assert (lightness > 128) == (theme == "light")
    low = browser.evaluate(CONTRASTS)
    assert low == [], low


CONTRASTS = """
(() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const channel = (value) => (value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const found = parse(getComputedStyle(at).backgroundColor);
      if (found.length === 3 || found[3] > 0.99) return found;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const element of document.querySelectorAll("body *:not(option):not(script)")) {
    if (![...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())) continue;
    if (element.closest("svg, .heat, .hidden, [hidden]")) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push(`${element.tagName}.${element.className} ${ratio.toFixed(2)}`);
  }
  return low;
})()
"""
"""Texts whose contrast with their ground is below 4.5, which WCAG's level AA asks for."""


def test_filters_and_zoom_show_a_part(file, browser, run):
    browser.open(file)
    every = int(run.metrics["recovery.count"])
    assert browser.evaluate(ROWS) == min(50, every)
    choose(browser, "kind", "agent failure")
    assert browser.evaluate(ROWS) == 1
    choose(browser, "kind", "")
    choose(browser, "text", "no such task")
    assert browser.evaluate(ROWS) == 0
    assert browser.evaluate("document.querySelector('.count').textContent") == f"0 of {every} recoveries"
    choose(browser, "text", "")
    choose(browser, "order", "longest")
    browser.evaluate("document.querySelector('.waterfall .row').click()")
    assert "wait" in browser.evaluate("document.querySelector('.detail').textContent")

    assert browser.evaluate(TITLE) == "0:00 to 3:20 (200 s)"
    browser.evaluate("document.querySelector('.detail button').click()")
    assert browser.evaluate(TITLE) != "0:00 to 3:20 (200 s)"
    browser.evaluate("document.querySelector('[data-zoom=all]').click()")
    browser.evaluate("document.querySelector('.filters').elements.view.click()")
    browser.evaluate("document.querySelector('.charts').focus()")
    for _ in range(3):
        browser.key("+", "+")
    assert browser.evaluate(TITLE) == "1:27.5 to 1:52.5 (25 s)"
    assert 0 < browser.evaluate(ROWS) < every
    browser.key("ArrowLeft")
    assert browser.evaluate(TITLE).startswith("1:19")
    browser.key("0", "0")
    browser.paint()
    place = browser.evaluate("(() => { const at = document.querySelector('.charts'); at.scrollIntoView();"
                             " return at.getBoundingClientRect().top + 80; })()")  # fmt: skip
    browser.drag(500, 700, place)
    assert browser.evaluate("document.querySelector('.range').textContent.includes('0:00 to')") is False
    assert browser.console == []


def test_the_theme_and_the_metric_of_a_sweep_are_chosen(file, browser):
    browser.open(file)
    browser.evaluate("document.querySelector('#theme').click()")
    assert browser.evaluate("document.documentElement.dataset.theme") == "dark"
    assert browser.evaluate("[...document.querySelectorAll('.choice')].filter((each) => !each.hidden).length") == 1
    browser.evaluate("(() => { const field = document.querySelector('.metric-choice'); field.selectedIndex = 2;"
                     " field.dispatchEvent(new Event('change')); })()")  # fmt: skip
    shown = browser.evaluate("[...document.querySelectorAll('.choice')].find((each) => !each.hidden).dataset.choice")
    assert shown == "2"
    assert browser.console == []


def test_a_phase_that_took_no_time_is_a_tick_that_moves_no_other_phase(browser):
    """`marks` of the script, on a scale of one pixel a second."""
    method = re.search(r"^    marks\(phases\) \{.*?^    \}$", SCRIPT, re.MULTILINE | re.DOTALL)[0]
    phases = [["detect", 0, 10], ["wait", 10, 10], ["analyze", 10, 10.4], ["execute", 10.4, 30], ["verify", 30, 30]]
    browser.evaluate("document.title")
    marks = browser.evaluate(f"({{x: (at) => at, {method}}}).marks({json.dumps(phases)})")
    bars = [(each["phase"], each["from"], each["to"]) for each in marks if each["of"] == 1 and each["to"] > 2]
    assert bars[:2] == [("detect", 0, 10), ("execute", 10.4, 30)]
    ticks = [(each["phase"], each["from"], each["to"], each["nth"], each["of"]) for each in marks[2:]]
    assert ticks == [("wait", 10, 12, 0, 2), ("analyze", 10, 12, 1, 2), ("verify", 30, 32, 0, 1)]
