"""Reports of power cuts and of orders as results: files, equality, copies, pictures and pages."""

import asyncio
import copy
import pickle
import warnings

import pandas as pd
import pytest
from matplotlib.figure import Figure

import sim
from sim.presentation.axes import NoPicture
from sim.reports.page.render import Part, page
from sim.reports.stored.reading import stored_of
from tests.sim.programs.exploration.racy_programs import DeadlockByOrder, LostUpdate

HOSTILE = "<script>alert(1)</script>\x1b\u202e"


class Refusal(Exception):
    """Cannot be pickled or copied: it takes two arguments."""

    def __init__(self, one, other):
        super().__init__(one)


async def charge_twice(durable):
    for order in "ab":
        if not await durable.store().get(order):
            await durable.request(HOSTILE)
            file = durable.file(order)
            await file.write("paid")
            await file.fsync()
            await durable.store().put(order, True)


def charged(durable):
    assert durable.effects[HOSTILE] == 2, HOSTILE


async def refuse():
    await LostUpdate.racy()
    raise Refusal(1, 2)


async def leak_a_slot():
    slot = asyncio.Semaphore(1)

    async def work():
        await slot.acquire()
        await asyncio.sleep(1)
        slot.release()

    await asyncio.wait([asyncio.ensure_future(work()), asyncio.ensure_future(work())])


@pytest.fixture(scope="module")
def reports():
    return {
        "sweep": sim.crash_sweep(sim.Durable, charge_twice, None, charged),
        "orders": sim.explore(DeadlockByOrder.racy, DeadlockByOrder.holds, keep_going=True, runs=30, seed="a seed"),
        "exception": sim.explore(refuse),
        "cancel": sim.explore(leak_a_slot, None, "cancel"),
    }


@pytest.fixture(params=["sweep", "orders", "exception", "cancel"])
def report(request, reports):
    return reports[request.param]


def test_a_report_is_the_same_after_a_file_a_pickle_or_a_copy(report, tmp_path, monkeypatch):
    assert not report.holds
    report.save(tmp_path / "report.json")
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]
    loaded = sim.load(tmp_path / "report.json")
    shown = str(report), report._repr_html_(), report.token
    monkeypatch.setattr("linecache.getline", lambda *_: "changed since")  # the text of the program is stored
    for other in (loaded, pickle.loads(pickle.dumps(report)), copy.deepcopy(report), copy.copy(report)):
        assert type(other) is type(report)
        assert other == report
        assert (str(other), other._repr_html_(), other.token) == shown
        pd.testing.assert_frame_equal(other.frame, report.frame)
        assert other.as_json() == report.as_json()
    assert len(repr(report)) < 120


def test_reports_of_other_programs_differ(reports):
    assert reports["orders"] != reports["exception"] != reports["sweep"]
    assert sim.crash_sweep(sim.Durable, charge_twice, None, charged) == reports["sweep"]
    assert sim.crash_sweep(sim.Durable, charge_twice, None, charged, 2) != reports["sweep"]


def test_an_invalid_file_is_a_one_line_error(report, tmp_path):
    file = tmp_path / "report.json"
    report.save(file)
    text = file.read_text()
    for damaged in (text[:-40], text.replace('"seed": ', '"seed":  1'), text.replace('"version": 1', '"version": 9')):
        file.write_text(damaged)
        with pytest.raises(sim.ResultFileError, match=r"report\.json: (is|has)") as raised:
            sim.load(file)
        assert "\n" not in str(raised.value)
    for path in (tmp_path, tmp_path / "none" / "report.json"):
        with pytest.raises(sim.ResultFileError, match="cannot be written"):
            report.save(path)


def test_pictures_name_the_awaits_and_the_lanes_of_tasks(reports):
    cuts = reports["sweep"].plot.cuts()
    assert [text.get_text().partition("  ")[0] for text in cuts.get_yticklabels()][
        1
    ] == "await durable.request(HOSTILE)"
    bars = reports["sweep"].plot.effects()
    assert "\x1b" not in bars.get_yticklabels()[0].get_text()
    lanes = {text.get_text() for text in reports["orders"].plot.interleaving().texts}
    assert {"transfer#2", "transfer#3"} <= lanes
    assert any("canceled at" in text.get_text() for text in reports["cancel"].plot.interleaving().texts)
    assert reports["orders"].plot.runs().get_legend().get_texts()[0].get_text().startswith("holds: ")
    for each in (reports["sweep"], reports["orders"]):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            figure = each.plot.figure()
            assert isinstance(figure, Figure)
            figure.draw_without_rendering()
    with pytest.raises(NoPicture, match="over='place': is unknown; valid: 'steps', 'time'"):
        reports["sweep"].plot.cuts(over="place")
    with pytest.raises(NoPicture, match="failure=7: there is no such failure; valid: 0"):
        reports["orders"].plot.interleaving(failure=7)


def test_a_page_shows_cuts_effects_and_interleavings_with_texts_made_harmless(reports):
    html = page([Part(stored_of(each)) for each in reports.values()])
    assert "<script>alert" not in html
    assert not set(html) & {"\x1b", "\u202e"}
    for said in ("await durable.request(HOSTILE)", reports["sweep"].token, reports["orders"].token, "is held back"):
        assert said in html
    assert "sim.replay(main, &#34;" + reports["orders"].token in html
    assert "The program recovers from every cut" in page([Part(stored_of(_sound()))])


def _sound():
    async def start(durable):
        await durable.store().put("done", True)

    return sim.crash_sweep(sim.Durable, start, None, lambda durable: None)
