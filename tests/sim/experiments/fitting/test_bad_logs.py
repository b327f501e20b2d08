"""Logs that are wrong: one line that names the row and what is valid; and logs that only look wrong."""

import os

import numpy as np
import pandas as pd
import pytest

import scenarios
import sim
from tests.sim.experiments.fitting.logs import rows

HEADER = "submitted,started,ended,status,agent\n"


def row(second, status="success"):
    at = f"2026-03-01T10:00:{second:02d}"
    return f"{at}Z,{at}Z,{at}.5Z,{status},w1\n"


GOOD = HEADER + "".join(row(second) for second in (0, 1, 5, 9, 20, 31, 40))
"""Seven rows; another one below is row 9."""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (HEADER, "has no rows below the names of the columns"),
        (HEADER + row(1), "there are no two arrivals at different times; valid: a log of two tasks or more"),
        (
            "a,b\n1,2\n",
            "has no column of when attempts started; valid: columns={'started': COLUMN}, or columns={'duration': ",
        ),
        (
            GOOD + row(50).replace(":50Z", ":58Z", 1),
            "row 9: started is 8 s before submitted (started, submitted); valid: in",
        ),
        (
            GOOD + row(50).replace(":50.5Z", ":49Z"),
            "row 9: ended is 1 s before started (ended, started); valid: in order",
        ),
        (GOOD + "1,2,3\n", "row 9: has 3 columns, fewer than the 5 names of the first row"),
        (
            GOOD + row(50).strip() + ",x\n",
            "row 9: has 6 columns, more than the 5 names of the first row; valid: as many",
        ),
        (GOOD + "5,5,6,success,w1\n", "row 9: submitted: '5' is a number, where row 2 has a date and time; valid: one"),
        (
            GOOD + row(50).replace("Z", "", 1),
            "row 9: submitted: '2026-03-01T10:00:50' has no time zone, where row 2 has",
        ),
        (GOOD + row(50, "kaputt"), "row 9: status: unknown status 'kaputt'; valid: success, failed, timeout"),
        (GOOD + row(50).replace("2026-03-01", "2026-02-30", 1), "row 9: submitted: '2026-02-30T10:00:50Z' is no date"),
        (
            GOOD + row(50).replace("2026-03-01", "0026-03-01", 1),
            "row 9: submitted: is a time before 1970 or after 2100",
        ),
        (GOOD + '"2026', "a quote does not end"),
        ("started;ended\n1,5;2,5\n", "row 2: started: '1,5' has a decimal comma; valid: a decimal point"),
        ("started,ended\n1,1\n2,2\n3,3\n", "every attempt ends when it starts; valid: durations above 0"),
        ("started,ended,started\n1,2,3\n", "2 columns are called 'started'; valid: a name once"),
        ("started,duration\n1,2\n2,-1\n", "row 3: duration: '-1' is a negative duration; valid: 0 or more"),
        (
            "started,ended\n1772359200,1772359201\n1772359200000,1772359200001\n1772359205,1772359206\n",
            "would be milli",
        ),
        ("started,ended,status\n1,2,failed\n3,4,failed\n", "no attempt has succeeded"),
        ('{"a": 1', "is not JSON"),
    ],
)
def test_what_is_wrong_is_said_with_its_row(text, message, tmp_path):
    (tmp_path / "log.csv").write_text(text)
    with pytest.raises(sim.FitError) as error:
        sim.fit(tmp_path / "log.csv")
    assert message in str(error.value)
    assert str(error.value).startswith(f"{tmp_path}/log.csv: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD.encode("utf-16"), "is UTF-16 text; valid: UTF-8"),
        (GOOD.encode() + b"\xe9,,,,\n", "row 9 is not UTF-8 text"),
        (b"PAR1 and nothing else", "is not a Parquet file, or is damaged"),
        (b"\x1f\x8b\x08", "is compressed; valid: decompress it first"),
    ],
)
def test_a_file_that_is_no_text_is_refused(content, message, tmp_path):
    (tmp_path / "log.csv").write_bytes(content)
    with pytest.raises(sim.FitError, match=message):
        sim.fit(tmp_path / "log.csv")


def test_only_regular_files_of_limited_size_are_read(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(sim.FitError, match="is a named pipe, and not a regular file"):
        sim.fit(tmp_path / "pipe")
    (tmp_path / "log.csv").write_text(GOOD)
    monkeypatch.setattr("sim.experiments.fitting.logs.files.MOST_BYTES", 100)
    with pytest.raises(sim.FitError, match=r"is too large: .* bytes, where at most 100 are read"):
        sim.fit(tmp_path / "log.csv")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace(",", ";"),
        lambda text: text.replace(",", "\t"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace(",", " , "),
        lambda text: text + HEADER,
        lambda text: text.replace("T", " ").replace("Z", "+00"),
        lambda text: text.replace("T10:", "T12:").replace("Z", "+02:00"),
        lambda text: text.replace(".5Z", ",5Z").replace(",5Z", ".500Z"),
        lambda text: text.replace("success", "SUCCEEDED"),
    ],
)
def test_usual_ways_to_write_a_log_give_the_same_scenario(change, tmp_path):
    (tmp_path / "log.csv").write_text(GOOD)
    expected = sim.fit(tmp_path / "log.csv").figures
    (tmp_path / "log.csv").write_text(change(GOOD))
    assert sim.fit(tmp_path / "log.csv").figures == expected


def test_wrong_rows_are_left_out_up_to_a_number_and_clocks_may_differ(tmp_path):
    (tmp_path / "log.csv").write_text(GOOD + row(50, "kaputt") + row(51).replace(":51Z", ":52Z", 1))
    with pytest.raises(sim.FitError, match=r"row 9: .*2 rows are wrong, skip=1"):
        sim.fit(tmp_path / "log.csv", skip=1)
    found = sim.fit(tmp_path / "log.csv", skip=2)
    assert found.attempts == 7
    assert any(note.startswith("2 wrong rows left out; the first: row 9") for note in found.notes)
    assert sim.fit(tmp_path / "log.csv", words={"kaputt": "failed"}, tolerance=1).attempts == 9


def test_times_without_a_zone_are_of_the_given_one_and_peaks_are_local():
    """Berlin is an hour ahead of UTC in winter: the same log has its busiest hour an hour later."""
    draws = np.random.default_rng(1)
    at = np.sort(draws.uniform(0, 86_400, 4_000))
    at = at[draws.random(len(at)) < (1 + 0.7 * np.cos(2 * np.pi * (at / 3600 - 14) / 24)) / 1.7]
    local = pd.Timestamp("2026-01-15") + pd.to_timedelta(at, "s")
    frame = pd.DataFrame({"started": local, "ended": local + pd.Timedelta(seconds=2)})
    berlin = sim.fit(frame, zone="Europe/Berlin")
    assert berlin.arrivals.parameters["peak"] / 3600 == pytest.approx(14, abs=0.5)
    utc = sim.fit(
        frame.assign(started=local.tz_localize("Europe/Berlin"), ended=frame["ended"].dt.tz_localize("Europe/Berlin"))
    )
    assert utc.arrivals.parameters["peak"] / 3600 == pytest.approx(13, abs=0.5)


def test_names_of_the_log_cannot_change_the_scenario(tmp_path):
    error = "x\n# faults:\n  - agent_crash: {targets: all, at: 1s}\nname: other"
    frame = rows(60).assign(status="success", error=None, agent="a\u2028b: [")
    frame.loc[::3, ["status", "error"]] = ["failed", error]
    frame.to_csv(tmp_path / "a: b\n- c.csv", index=False)
    found = sim.fit(tmp_path / "a: b\n- c.csv")
    loaded = scenarios.loads(found.text)
    assert not loaded.faults
    assert loaded.name == "a-b-c"


def test_a_scenario_with_recorded_times_is_written_with_its_files_and_runs(tmp_path):
    draws = np.random.default_rng(2)
    at = np.sort(np.concatenate([start + draws.exponential(1, 40) for start in draws.uniform(0, 4_000, 20)]))
    work = np.where(draws.random(800) < 0.5, draws.normal(0.5, 0.01, 800), draws.normal(9, 0.1, 800))
    found = sim.fit(pd.DataFrame({"submitted": at, "started": at, "ended": at + work}), name="bursts")
    assert sorted(found.files) == ["bursts.arrivals.csv", "bursts.work.csv"]
    with pytest.raises(sim.FitError, match=r"valid: write\(path\)"):
        _ = found.scenario
    scenario = found.write(tmp_path / "bursts.scenario.yaml")
    run = sim.run(scenario.with_values({"duration": "10m"}))
    assert run.metrics["tasks.submitted"] == (at - at[0] < 600).sum()


@pytest.mark.parametrize(
    "change",
    [
        lambda of: of.assign(status=pd.Categorical(["ok"] * len(of))),
        lambda of: of.assign(duration=pd.to_timedelta(of["ended"] - of["started"], "s")).drop(columns="ended"),
        lambda of: ((of + 1_772_359_200) * 1e9).astype("int64"),
        lambda of: of.apply(lambda times: pd.Timestamp("2026-03-01", tz="Europe/Berlin") + pd.to_timedelta(times, "s")),
    ],
)
def test_the_types_of_parquet_give_the_same_work(change, tmp_path):
    frame = rows(50).round(6)
    change(frame).to_parquet(tmp_path / "log.parquet")
    found, expected = sim.fit(tmp_path / "log.parquet"), sim.fit(frame)
    assert found.work.parameters["mean"] == pytest.approx(expected.work.parameters["mean"], rel=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": {"finish": "ended"}}, "columns: 'finish' is no meaning; valid: task, submitted"),
        ({"columns": {"ended": "endet"}}, r"--ended endet: the log has no such column; .*nearest: 'ended'"),
        ({"zone": "Europe/Berln"}, r"zone='Europe/Berln': is no time zone; .*nearest: 'Europe/Berlin'"),
        ({"work": "gama"}, "work='gama': valid: auto, constant"),
        ({"work": "erlang", "arrivals": "daily"}, "arrivals='daily': valid: auto, poisson"),
        ({"format": "celery"}, "format='celery': is not such an export"),
        ({"spans": "process"}, "spans='process': the log is no export of OpenTelemetry"),
        ({"words": {"x": "nothing"}}, "word 'x': 'nothing' is no ending of an attempt; valid: success"),
        ({"tolerance": -1}, "tolerance=-1: is not a duration"),
    ],
)
def test_options_that_the_log_does_not_meet_are_refused(options, message):
    with pytest.raises(sim.FitError, match=message):
        sim.fit(rows(20), **options)
