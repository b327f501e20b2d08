"""The table of a result."""

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

import scenarios
from sim.experiments.runs.replications import Result
from sim.experiments.runs.summary import RunSummary
from sim.presentation.formatting import ASCII
from sim.reports.demo import side_by_side
from sim.reports.diagnosis import wrong_diagnoses
from sim.reports.failures.replay import Replay
from sim.reports.table import failures, headline, packed, phases, summary
from sim.stats.samples import Sample

SCENARIO = scenarios.loads("""\
name: story
duration: 1h
tasks: {arrivals: {poisson: {rate: 2/s}}, work: 3s}
agents: {count: 10}
expect:
  - tasks.lost == 0
  - recovery.time.mean <= 40s
  - retries.delay.mean <= 5s
""")
METRICS = {
    "recovery.count": 5.0,
    "recovery.succeeded": 4.0,
    "recovery.failed": 0.0,
    "recovery.escalated": 1.0,
    "recovery.censored": 0.0,
    **{f"recovery.detect.{name}": 10.0 for name in ("mean", "p95")},
    **{f"recovery.wait.{name}": 0.0 for name in ("mean", "p95")},
    **{f"recovery.analyze.{name}": 0.1 for name in ("mean", "p95")},
    **{f"recovery.execute.{name}": 20.0 for name in ("mean", "p95")},
    **{f"recovery.verify.{name}": None for name in ("mean", "p95")},
    **{f"recovery.time.{name}": 30.1 for name in ("mean", "p95")},
    "tasks.submitted": 7200.0,
    "tasks.lost": 0.0,
    "tasks.rejected": 0.0,
    "retries.delay.mean": None,
    "consistency.violations": 0.0,
}


KINDS = {
    "agent_failure": Sample.of(np.array([30.0, 40.0])),
    "task_failure": Sample.of(np.array([5.0, 5.0]), np.array([3.0, 50.0])),
}


def of_kinds(*kinds):
    """A replication with recoveries of these kinds, two of each verified."""
    counts = {
        f"recovery.{kind}.{name}": value for kind in kinds for name, value in (("count", 4.0), ("succeeded", 2.0))
    }
    samples = {f"recovery.{kind}.time": KINDS[kind] for kind in kinds}
    run = RunSummary("7/0", "abc", 1000, 3600.0, 0.25, METRICS | counts, (), samples=samples)
    return Result(SCENARIO, "7", (run,))


def result(*changed, violations=()):
    """A replication for each mapping of metrics that differ from the story's."""
    runs = [
        RunSummary(f"7/{number}", "abc", 1000, 3600.0, 0.25, METRICS | changes, tuple(violations))
        for number, changes in enumerate(changed or ({},))
    ]
    return Result(SCENARIO, "7", tuple(runs))


def test_recoveries_are_listed_by_kind_when_there_are_several():
    lines = [
        " ".join(line.split()) for line in printed(summary(of_kinds("agent_failure", "task_failure"))).splitlines()
    ]
    begin = lines.index("by kind succeeded mean p95")
    assert lines[begin + 1 : begin + 3] == [
        "agent failure 2 of 4 35.0 s 39.5 s",
        "task failure 2 of 4 20.0 s beyond the horizon",
    ]
    assert "by kind" not in printed(summary(of_kinds("agent_failure")))


def test_a_restricted_mean_is_said_to_be_restricted():
    samples = {"tasks.sojourn": Sample.of(np.array([1.0, 2.0]), np.array([30.0, 40.0]))}
    run = RunSummary("7/0", "abc", 1000, 3600.0, 0.25, METRICS, (), samples=samples)
    cut = RunSummary("7/0", "abc", 1000, 3600.0, 0.25, METRICS | {"tasks.sojourn.mean": 1.0}, (), samples=samples)
    assert "tasks.sojourn.mean is restricted to 40s: 50 % cut off" in printed(summary(Result(SCENARIO, "7", (cut,))))
    complete = replace(run, samples={"tasks.sojourn": Sample.of(np.array([1.0, 2.0]), np.array([0.5]))})
    assert "restricted" not in printed(summary(Result(SCENARIO, "7", (complete,))))


def printed(renderable, width=80):
    console = Console(file=io.StringIO(), width=width, color_system=None, highlight=False)
    console.print(renderable)
    return console.file.getvalue()


def test_a_run_too_short_for_its_faults_is_reported():
    short = SCENARIO.with_values({"faults": "[{agent_crash: {at: 2h}}]"})
    told = "The run ends at 1h: what is due at 2h never happens."
    assert told in printed(summary(Result(short, "7", result().runs)))
    assert told not in printed(summary(result()))


def test_the_headline_names_the_scenario_and_seed():
    assert printed(headline(result())) == "story  seed 7/0: 1,000 events, 1h in 0.2 s\n"
    assert printed(headline(result({}, {}))) == "story  seed 7 × 2 replications: 2,000 events, 1h each in 0.5 s\n"
    stopped = Result(SCENARIO, "7", result().runs, interrupted=True)
    assert printed(headline(stopped)).endswith("(interrupted)\n")


def test_phases_are_listed_in_order():
    lines = [line.rstrip() for line in printed(phases(result())).splitlines()]
    assert lines == [
        "recovery      mean      p95",
        "  detect    10.0 s   10.0 s  ██████████",
        "  wait         0 s      0 s",
        "  analyze  0.100 s  0.100 s            ▏",
        "  execute   20.0 s   20.0 s            ████████████████████",
        "  verify         –        –",
        "  total     30.1 s   30.1 s  5 opened, 4 succeeded, 1 escalated",
    ]


def test_several_replications_have_half_widths():
    text = printed(phases(result({}, {"recovery.time.mean": 32.1})))
    assert "mean ± 95 %" in text
    assert "31 [18, 47] s" in text  # t(1, 0.975) = 12.7: down to 31.1 - 12.7, up to 31.1 exp(12.7 / 31.1)


def test_without_recoveries_no_phases_are_listed():
    assert "execute" in printed(summary(result()))
    assert "execute" not in printed(summary(result({"recovery.count": 0.0})))


def test_wrong_diagnoses_are_listed_only_if_there_are_any():
    agent, link = "system_failures.agent_failure", "system_failures.communication_failure"
    found = {agent: {agent: 7, link: 2, f"ambiguous: {agent} or {link}": 1}, "nothing": {agent: 3}}
    lines = [line.rstrip() for line in printed(wrong_diagnoses(found)).splitlines()]
    assert lines == [
        "diagnosed wrongly  as                                                   times",
        "  agent_failure    communication_failure                              2 of 10",
        "  agent_failure    ambiguous: agent_failure or communication_failure  1 of 10",
        "  nothing          agent_failure                                       3 of 3",
    ]
    assert wrong_diagnoses({agent: {agent: 7}, link: {link: 1}}) is None
    (run,) = result().runs
    for diagnosis, told in ((found, True), ({}, False)):
        shown = printed(summary(Result(SCENARIO, "7", (replace(run, diagnosis=diagnosis),))))
        assert ("diagnosed wrongly" in shown) is told


def test_zero_counts_are_listed_only_where_informative():
    text = printed(summary(result()))
    assert "7,200 submitted, 0 lost" in text
    assert "rejected" not in text
    assert "3 rejected" in printed(summary(result({"tasks.rejected": 3.0})))


def test_clients_are_listed_only_if_there_are_any():
    assert "clients" not in printed(summary(result()))
    asked = {"client.timeouts": 9.0, "client.retries": 4.0, "client.goodput": 1.5, "client.response.mean": 2.0}
    text = printed(summary(result(asked)))
    assert "clients      9 timeouts, 4 retries, 1.50/s answered, mean response 2.00 s" in text


def test_a_failed_expectation_names_its_replication():
    bad = result({}, {"recovery.time.mean": 90.0})
    assert list(failures(bad, Replay("story.scenario.yaml", {"agents.count": "3"}))) == [
        "✗ recovery.time.mean <= 40s: observed 60 [0, 1,582] s; 1 of 2 runs fail",
        "  replay: recovery-bench run story.scenario.yaml --seed 7/1 --set agents.count=3",
        "✗ retries.delay.mean <= 5s: not observed",
        "  replay: recovery-bench run story.scenario.yaml --seed 7/0 --set agents.count=3",
    ]


def test_names_with_spaces_are_quoted():
    told = list(failures(result(), Replay("my story.scenario.yaml", {"description": "a b"}), ASCII))
    assert told[0].startswith("NO ")
    assert told[1].endswith("run 'my story.scenario.yaml' --seed 7/0 --set 'description=a b'")


def test_violations_name_their_replication():
    broken = result(violations=["no_lost_task at 12 s: task.3: nobody has it"])
    assert list(failures(broken, Replay("story")))[-2:] == [
        "✗ no_lost_task at 12 s: task.3: nobody has it",
        "  replay: recovery-bench run story --seed 7/0",
    ]


def test_a_failure_of_the_mean_repeats_all_replications(monkeypatch):
    """Each run alone is as expected of a maximum; their mean is held against something else."""
    bad = result({}, {})
    monkeypatch.setattr("sim.reports.failures.failed_expectations.failing_run", lambda *_: None)
    assert "  replay: recovery-bench run story --seed 7 --replications 2" in list(failures(bad, Replay("story")))


def test_side_by_side_has_a_column_per_scenario():
    text = printed(side_by_side([result(), result({"recovery.detect.mean": None})]))
    detect = next(line for line in text.splitlines() if "detect" in line)
    assert detect.split() == ["detect", "10.0", "s", "–"]
    assert text.count("2 of 3 ✗") == 2


@pytest.mark.parametrize(
    ("width", "lines"),
    [(80, ["one, two three, four"]), (14, ["one,", "two three,", "four"]), (3, ["one,", "two three,", "four"])],
)
def test_cells_are_not_wrapped(width, lines):
    assert packed(["one", "two three", "four"], width).splitlines() == lines
