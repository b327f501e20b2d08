"""Invalid input is rejected in one line: file, line, key, problem, and valid values."""

import pytest

import scenarios
from scenarios.errors import ScenarioError, nearest, shown, written
from tests.scenarios.refusals import STORY, message

DURATION = "valid: a number of seconds, or one with a unit: ms, s, m, h, d, as in 250ms, 30s, 5m"
RATE = "valid: a number per second, or one with a unit: /s, /m, /h, /d, as in 2/s, 90/m"
TOP = (
    "name, description, extends, tags, xfail, documents, found_by, seed, duration, warmup, drain, tasks, agents, "
    "queue, queues, resources, downstream, network, storage, recovery, faults, history, steady_state, cost, expect, "
    "tolerances"
)
NOTHING_SUBMITTED = "and nothing would be submitted; valid: less than duration, 3600s"
ARRIVALS = "poisson, interval, burst, closed, diurnal, trace"
DISTRIBUTIONS = (
    "constant, uniform, exponential, normal, lognormal, hyperexponential, weibull, erlang, pareto, empirical"
)


def test_the_base_scenario_is_valid():
    assert scenarios.loads(STORY, "story.yaml").name == "story"


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ("agent: {count: 3}", f"9: agent: unknown key; known: {TOP} (nearest: 'agents')"),
        ("zzz: 1", f"9: zzz: unknown key; known: {TOP}"),
        (
            "recovery:\n  detection:\n    heartbeat_intervall: 3s",
            (
                "11: recovery.detection.heartbeat_intervall: unknown key; known: preset, detector, heartbeat_interval, "
                "missed_heartbeats, poll, phi_threshold, phi_window, phi_min_deviation, phi_acceptable_pause, "
                "heartbeat_latency, stalled_after, failed_deliveries, resource_probe, phase "
                "(nearest: 'heartbeat_interval')"
            ),
        ),
        ("agents: {count: 3}", "9: agents: duplicate key; first defined on line 7"),
        ("documents: 3", "9: documents: 3 is not a string; put it in quotes"),
        ("faults: 3", "9: faults: 3 is not a list; valid: [a, b]"),
        ("steady_state: {window: 30s}", "9: steady_state.holds: is missing; it is required"),
        ("steady_state: {holds: []}", "9: steady_state.holds: is empty; valid: one expectation or more"),
        (
            "steady_state: {holds: [queue.depth.max <= 3]}",
            (
                "9: steady_state.holds[0]: queue.depth.max is not available for a window; valid: queue.depth.mean, "
                "tasks.in_system.mean, agents.up.mean, agents.availability, agents.utilization, tasks.throughput, "
                "tasks.sojourn.mean, tasks.wait.mean, tasks.failed, tasks.rejected, attempts.failed, client.goodput, "
                "client.timeouts, client.retries (nearest: 'queue.depth.mean')"
            ),
        ),
        (
            "steady_state: {holds: [client.goodput >= 1/s]}",
            "9: steady_state.holds[0]: client.goodput is never observed here; valid: with tasks.client",
        ),
        (
            "storage: {failure: 2}",
            "9: storage.failure: 2 is not a probability; valid: a number from 0 to 1, or a percentage",
        ),
        (
            "recovery: {runbook: mine.md}",
            (
                "9: recovery.runbook: mine.md: no such file; valid: a runbook in YAML, or a Markdown guide (*.md) with "
                "```yaml blocks"
            ),
        ),
        ("recovery: {runbook: 3}", "9: recovery.runbook: 3 is not a string; put it in quotes"),
        (
            "recovery: {detection: {detector: phi_accruel}}",
            (
                "9: recovery.detection.detector: 'phi_accruel' is not valid; valid: heartbeat, phi_accrual, perfect "
                "(nearest: 'phi_accrual')"
            ),
        ),
        (
            "recovery:\n  costs: {restart_agent: -3s}",
            "10: recovery.costs.restart_agent: '-3s' is a negative duration; valid: 0 or more",
        ),
        (
            "recovery:\n  conditions:\n    agent_failure: {retry_delay: 3s}",
            "11: recovery.conditions.agent_failure.max_retries: is missing; it is required",
        ),
        (
            "recovery:\n  conditions:\n    task_failure: {jitter: ful}",
            (
                "11: recovery.conditions.task_failure.jitter: 'ful' is not valid; "
                "valid: none, full, equal, decorrelated, proportional, compounding, additive (nearest: 'full')"
            ),
        ),
        (
            "recovery:\n  conditions:\n    task_failure: {multiplier: 0.5}",
            "11: recovery.conditions.task_failure.multiplier: 0.5 would make delays shrink; valid: 1 or more",
        ),
        (
            "recovery: {detection: {phi_threshold: 1.0e-300}}",
            "9: recovery.detection.phi_threshold: 1e-300 is not a threshold; valid: 1e-09 to 300",
        ),
        (
            "recovery: {detection: {detector: phi_accrual, heartbeat_interval: 1.0e+200}}",
            "9: recovery.detection.heartbeat_interval: 1e+200 is too long for phi_accrual; valid: up to 1e+100s",
        ),
        ("queue: {loss: 1.5}", "9: queue.loss: 1.5 is not a probability; valid: a number from 0 to 1, or a percentage"),
        ("warmup: 1h", "9: warmup: 3600s leaves nothing to measure; valid: less than duration, 3600s"),
    ],
)
def test_an_invalid_section_is_rejected(added, said):
    assert message(STORY + added + "\n") == f"story.yaml:{said}"


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("duration: 1h", "duration: 1 hour", f"2: duration: '1 hour' is not a duration; {DURATION} (nearest: '1h')"),
        ("work: 3s", "work: 3S", f"5: tasks.work: '3S' is not a duration; {DURATION} (nearest: '3s')"),
        ("rate: 2/s", "rate: 2s", f"4: tasks.arrivals.poisson.rate: '2s' is not a rate; {RATE}"),
        (
            "rate: 2/s",
            "rate: 2/min",
            f"4: tasks.arrivals.poisson.rate: '2/min' is not a rate; {RATE} (nearest: '2/m')",
        ),
        (
            "rate: 2/s",
            "rate: -2/s",
            "4: tasks.arrivals.poisson.rate: '-2/s' is a negative rate; valid: more than 0, as in 2/s",
        ),
        (
            "rate: 2/s",
            "rate: 1e-320/s",
            "4: tasks.arrivals.poisson.rate: 1e-320/s is not valid; valid: a larger rate",
        ),
        (
            "{poisson: {rate: 2/s}}",
            "{diurnal: {rate: 2/s, period: 1.0e-300}}",
            "4: tasks.arrivals.diurnal.period: 1e-300 is not a period; valid: 0.001 s to 1e+12 s",
        ),
        (
            "units: 12",
            "units: 1.0e+16",
            "8: resources.gpu.units: 10000000000000000 is too many units; valid: a whole number, 1 to 10,000,000",
        ),
        (
            "{poisson: {rate: 2/s}}",
            "{diurnal: {rate: 2/s, peak: 1.0e+300}}",
            "4: tasks.arrivals.diurnal.peak: 1e+300 is too late; valid: up to 1e+12 s",
        ),
        ("rate: 2/s", "rate: 0", "4: tasks.arrivals.poisson.rate: 0.0 is not valid; valid: more than 0"),
        ("work: 3s", "work: -3s", "5: tasks.work: '-3s' is a negative duration; valid: 0 or more"),
        ("count: 10", "count: 0", "7: agents.count: 0 is not valid; valid: a whole number, 1 or more"),
        ("count: 10", "count: 2.5", "7: agents.count: 2.5 is not valid; valid: a whole number, 1 or more"),
        (
            "count: 10",
            "counts: 10",
            (
                "7: agents.counts: unknown key; known: count, pools, slots, prefetch, mtbf, failure_clock, "
                "restart_time, restart_slots (nearest: 'count')"
            ),
        ),
        ("{gpu: 1}", "{gpu: 13}", "6: tasks.needs.gpu: 13 can never be allocated; valid: up to 12, the units of gpu"),
        ("{gpu: 1}", "{gpus: 1}", "6: tasks.needs.gpus: unknown resource 'gpus'; valid: gpu (nearest: 'gpu')"),
        ("{gpu: 1}", "[gpu]", "6: tasks.needs: ['gpu'] is not a mapping; valid: {name: value}"),
        ("name: story", "name: a story", "1: name: 'a story' is not a name; valid: letters, digits, - and _"),
        ("gpu: {units", "gpu.0: {units", "8: resources.gpu.0: 'gpu.0' is not a name; valid: letters, digits, - and _"),
        ("name: story\n", "", "1: name: is missing; it is required"),
        ("  work: 3s\n", "", "3: tasks.work: is missing; it is required"),
        ("agents: {count: 10}\n", "", "1: agents: is missing; it is required"),
        (
            "resources: {gpu: {units: 12}}\n",
            "",
            "6: tasks.needs.gpu: unknown resource 'gpu'; valid: one of resources, and there are none",
        ),
        (
            "{poisson: {rate: 2/s}}",
            "{poison: {rate: 2/s}}",
            f"4: tasks.arrivals.poison: unknown arrivals; known: {ARRIVALS} (nearest: 'poisson')",
        ),
        (
            "{poisson: {rate: 2/s}}",
            "2/s",
            f"4: tasks.arrivals: '2/s' is not a valid arrivals; valid: one of {ARRIVALS}, as in {{poisson: {{…}}}}",
        ),
        (
            "{poisson: {rate: 2/s}}",
            "{trace: {file: a.csv}}",
            "4: tasks.arrivals.trace.file: a.csv: no such file; valid: a CSV file",
        ),
        (
            "{poisson: {rate: 2/s}}",
            "{burst: {size: 3, at: 2h}}",
            "4: tasks.arrivals.burst.at: 7200s is after the end; valid: up to duration, 3600s",
        ),
        *(
            (
                "{poisson: {rate: 2/s}}",
                arrivals,
                f"4: tasks.arrivals.{key}: the first task would arrive at 3600s, {NOTHING_SUBMITTED}",
            )
            for arrivals, key in (
                ("{burst: {size: 3, at: 1h}}", "burst.at"),
                ("{interval: {every: 1h}}", "interval.every"),
                ("{closed: {clients: 3, think: 1h}}", "closed.think"),
            )
        ),
        (
            "{poisson: {rate: 2/s}}\n  work: 3s",
            "{closed: {clients: 3}}\n  work: 0s",
            "4: tasks.arrivals.closed.think: time would never advance; valid: think or work of more than 0",
        ),
        (
            "work: 3s",
            "work: {exponental: {mean: 2s}}",
            f"5: tasks.work.exponental: unknown distribution; known: {DISTRIBUTIONS} (nearest: 'exponential')",
        ),
        (
            "work: 3s",
            "work: {empirical: {file: a.csv}}",
            "5: tasks.work.empirical.file: a.csv: no such file; valid: a CSV file",
        ),
        ("work: 3s", "work: {exponential: {}}", "5: tasks.work.exponential.mean: is missing; it is required"),
        (
            "  needs:",
            "  retry_holds_agent: yes\n  needs:",
            "6: tasks.retry_holds_agent: 'yes' is not valid; valid: true, false (nearest: 'true')",
        ),
        (
            "  needs:",
            "  client: {timeout: 0s}\n  needs:",
            "6: tasks.client.timeout: 0.0 is not valid; valid: more than 0",
        ),
    ],
)
def test_an_invalid_value_is_rejected_with_its_position(right, wrong, said):
    assert right in STORY
    assert message(STORY.replace(right, wrong)) == f"story.yaml:{said}"


@pytest.mark.parametrize(
    ("expectation", "said"),
    [
        ("tasks.losst == 0", "unknown metric 'tasks.losst'; valid: tasks.lost (nearest: 'tasks.lost')"),
        ("xyz == 0", "unknown metric 'xyz'; valid: a metric of the catalogue"),
        (
            "resources.gpus.utilization <= 50%",
            (
                "unknown metric 'resources.gpus.utilization'; valid: resources.gpu.utilization "
                "(nearest: 'resources.gpu.utilization')"
            ),
        ),
        ("tasks.lost = 0", "unknown operator '='; valid: ==, !=, <=, >=, <, > (nearest: '==')"),
        (
            "tasks.lost",
            (
                "'tasks.lost' is not an expectation; "
                "valid: metric operator value, as in tasks.lost == 0, recovery.time.p95 <= 90s, "
                "tasks.failed <= 2 in 95% of runs"
            ),
        ),
        ("recovery.time.p95 <= 90/s", f"recovery.time.p95: '90/s' is not a duration; {DURATION}"),
        ("tasks.lost <= 3s", "tasks.lost: '3s' is not a number of tasks; valid: a plain number"),
    ],
)
def test_an_invalid_expectation_is_rejected(expectation, said):
    assert message(f"{STORY}expect:\n  - tasks.failed == 0\n  - {expectation}\n") == f"story.yaml:11: expect[1]: {said}"


def test_an_unknown_command_is_rejected_with_all_known_commands():
    said = message(STORY + "recovery:\n  costs: {restart_agnt: 3s}\n")
    assert said.startswith("story.yaml:10: recovery.costs.restart_agnt: unknown command; known: ")
    assert said.endswith("(nearest: 'restart_agent')")


def test_of_several_errors_the_first_in_the_file_is_reported():
    resources, queue = "resources: {gpu: {units: 0}}\n", "queue: {loss: 3}\n"
    start = STORY.replace("resources: {gpu: {units: 12}}\n", "")
    assert message(start + resources + queue).startswith("story.yaml:8: resources.gpu.units: ")
    assert message(start + queue + resources).startswith("story.yaml:8: queue.loss: ")


def test_an_error_has_structured_fields():
    with pytest.raises(ScenarioError) as caught:
        scenarios.loads(STORY.replace("2/s", "-2/s"), "story.yaml")
    error = caught.value
    assert (error.source, error.line, error.path) == ("story.yaml", 4, "tasks.arrivals.poisson.rate")
    assert error.problem == "'-2/s' is a negative rate; valid: more than 0, as in 2/s"


def test_an_error_is_one_line_for_any_key():
    assert message(STORY + '"a\\nb": 1\n').startswith("story.yaml:9: a b: unknown key")


def test_control_characters_in_keys_are_escaped():
    assert message(STORY + '"\\e[31mred": 1\n').startswith("story.yaml:9: \\x1b[31mred: unknown key")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        ("30s", "'30s'"),
        ([1, 2], "[1, 2]"),
        ("a" * 100, "'" + "a" * 58 + "…"),
    ],
)
def test_a_value_is_shown_on_one_short_line(value, text):
    assert shown(value) == text


def test_a_number_too_long_to_print_is_shown_as_huge():
    assert shown(10**5000) == "a huge number"


def test_suggestions_ignore_case_and_dashes():
    assert nearest("Retry-Delay", ["max_retries", "retry_delay"]) == "retry_delay"
    assert nearest("qqq", ["max_retries", "retry_delay"]) is None


def test_a_path_is_written_with_dots_and_brackets():
    assert written(("faults", 0, "agent_crash", "targets", 1)) == "faults[0].agent_crash.targets[1]"


def test_an_interval_longer_than_the_run_is_accepted_where_only_recoveries_are_of_interest():
    alone = """
name: recoveries-alone
duration: 110s
tasks: {arrivals: {interval: {every: 1000s}}, work: 1s}
agents: {count: 10, restart_time: {exponential: {mean: 100s}}}
"""
    assert scenarios.loads(alone + "faults: [{agent_crash: {targets: all, at: 60s}}]").faults
    with pytest.raises(ScenarioError, match="nothing would be submitted"):
        scenarios.loads(alone)
