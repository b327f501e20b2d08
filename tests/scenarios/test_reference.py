"""The reference page matches the schema."""

import re
from pathlib import Path

import pytest

import scenarios
from scenarios import Scenario, faults
from scenarios.consistency.inconsistency import PAGE as RULES
from scenarios.consistency.page import page as rules_page
from scenarios.faults.trigger import MEANINGS
from scenarios.fields import distributions
from scenarios.fields.metric_rows import STATISTICS
from scenarios.fields.metrics import catalogue
from scenarios.reference import reference
from scenarios.sections import arrivals
from scenarios.sections.steady_state import WINDOWED

PAGE = Path(scenarios.__file__).with_name("README.md")


def test_the_page_matches_the_schema():
    assert PAGE.read_text(encoding="utf-8") == reference(), "run `python -m scenarios.reference > scenarios/README.md`"


def test_the_page_of_warnings_is_that_of_the_rules():
    written = Path(__file__).parents[2].joinpath(RULES).read_text(encoding="utf-8")
    assert written == rules_page(), f"run `python -m scenarios.consistency.page > {RULES}`"


def test_the_examples_on_the_page_are_valid_scenarios():
    example, fleet = map(scenarios.loads, re.findall(r"```yaml\n(.*?)```", reference(), re.DOTALL))
    assert (example.agents.count, example.faults[0].kind) == (10, "agent_crash")
    assert (fleet.agents.count, list(fleet.tasks.kinds)) == (12, ["chat", "report"])


def keys(data, place=""):
    for key, below in data.items():
        yield f"{place}{key}"
        if isinstance(below, dict):
            yield from keys(below, f"{place}{key}.")


def test_every_key_is_on_the_page():
    story = scenarios.load("execution-failure")
    resolved = story.with_values({"tasks.work": 0, "tasks.arrivals": "{interval: {every: 1s}}"}).resolved()
    page = reference()
    sections = {"tasks", "tasks.client", "agents", "queue", "network", "storage"}
    sections |= {
        "recovery",
        "recovery.detection",
        "recovery.stale_reads",
        "recovery.cores",
        "recovery.cores.lease",
        "recovery.conditions",
        "recovery.conditions.task_failure",
    }
    sections |= {"recovery.conditions.resource_failure"}
    for section in ("tasks.arrivals", "tasks.work", "agents.restart_time", "queue.latency", "network.latency"):
        node = resolved
        *way, last = section.split(".")
        for step in way:
            node = node[step]
        node[last] = None  # a form is described with all the others
    resolved["recovery"]["costs"] = resolved["resources"] = None
    named = [key for key in keys(resolved) if key not in sections and "resource_failure." not in key]
    assert [key for key in named if f"| `{key}` |" not in page] == []
    assert "| `recovery.conditions.resource_failure` |" in page
    assert len(named) > 50


@pytest.mark.parametrize("form", [*distributions.FORMS, *arrivals.FORMS, *faults.FORMS], ids=lambda form: form.kind)
def test_every_form_is_on_the_page_with_its_keys(form):
    lines = [line for line in reference().splitlines() if line.startswith(f"| `{form.kind}` |")]
    assert lines
    own = {field.alias or name for name, field in form.model_fields.items()}
    placed = {"at", "every", "when", "after"} if issubclass(form, faults.Fault) else set()
    assert any(all(f"`{key}`: " in line for key in sorted(own - placed)) for line in lines)


def test_every_metric_is_on_the_page():
    page = reference()
    unnamed = []
    for metric in catalogue(["NAME"]):
        group, _, last = metric.name.rpartition(".")
        names = {metric.name} | ({f"{group}.*"} if last in STATISTICS else set())
        if not any(f"| `{name}` |" in page for name in names):
            unnamed.append(metric.name)
    assert unnamed == []


def test_the_conditions_of_the_guide_are_on_the_page():
    page = reference()
    assert "| `recovery.conditions.task_failure.max_retries` | whole number, `null` | `3` |" in page
    assert "| `recovery.conditions.task_failure.retry_delay` | duration | `30s` |" in page
    assert "`max_retries: 2`, `retry_delay: 15s`" in page


def test_required_keys_are_marked():
    required = re.findall(r"^\| `([\w.]+)` \| [^|]* \| \*\*required\*\* \|", reference(), re.MULTILINE)
    assert required[:2] == ["name", "duration"]
    assert {"tasks.arrivals", "tasks.work", "agents.count"} <= set(required)
    assert [name for name in required if "." not in name] == [
        name for name, field in Scenario.model_fields.items() if field.is_required() and name in {"name", "duration"}
    ]


def test_every_metric_of_a_window_is_explained():
    page = reference().partition("## Steady state")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([\w.]+)` \| \w", page, re.MULTILINE) == list(WINDOWED)


def test_every_quantity_of_a_condition_is_explained():
    conditions = reference().partition("## Conditions")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([\w.]+)` \| \w", conditions, re.MULTILINE) == list(MEANINGS)
