"""A scenario follows its runbook: an edited guide changes the behavior without Python code."""

import hashlib
import json
import pickle
from pathlib import Path

import pytest

import scenarios
import sim
from recovery.runbook import catalogue
from recovery.runbook.catalogue import documented
from scenarios import ScenarioError
from tests.sim.world.stories import recorded, values

TEXT = Path(catalogue.__file__).with_name("runbook.yaml").read_text(encoding="utf-8")
GUIDE = f"# How we recover\n\n```yaml\n{TEXT}```\n"
STORY = """\
name: story
duration: 100s
tasks: {arrivals: {interval: {every: 10s}}, count: 1, work: 3s, failure_probability: 1.0}
agents: {count: 1}
recovery:
  runbook: mine/guide.md
"""
"""Its task is submitted at 10 s and fails at 13 s, whenever it is tried again 3 s later, and so on."""


def story(tmp_path, *edits: tuple[str, str], more: str = "") -> scenarios.Scenario:
    """The story with an edited copy of the guide beside it."""
    text = GUIDE
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    (tmp_path / "mine").mkdir(exist_ok=True)
    (tmp_path / "mine" / "guide.md").write_text(text, encoding="utf-8")
    (tmp_path / "story.scenario.yaml").write_text(STORY + more, encoding="utf-8")
    return scenarios.load(tmp_path / "story.scenario.yaml")


def steps(run: sim.Run) -> list[str]:
    return [detail for _, _, _, _, detail in recorded(run, "step.started")]


CLEAN = "      - cleanup_resources: {command: release_resources, args: [task_id]}\n"
RESTORE = "      - restore_state: {command: restore_checkpoint, args: [task_id, latest_checkpoint]}\n"


def test_a_copy_of_the_guide_changes_nothing(tmp_path):
    followed, documented_one = story(tmp_path), scenarios.loads(STORY.replace("mine/guide.md", "null"))
    assert sim.run(followed).history_sha256 == sim.run(documented_one).history_sha256


def test_the_order_of_steps_comes_from_the_guide(tmp_path):
    assert steps(sim.run(story(tmp_path)))[:3] == ["release_resources", "restore_checkpoint", "retry_task"]
    edited = story(tmp_path, (CLEAN + RESTORE, RESTORE + CLEAN))
    assert steps(sim.run(edited))[:3] == ["restore_checkpoint", "release_resources", "retry_task"]


def test_delays_and_retries_come_from_the_guide(tmp_path):
    edited = story(tmp_path, ("max_retries: 3, retry_delay: 30s", "max_retries: 2, retry_delay: 5s"))
    run = sim.run(edited)
    assert values(run, "retry.granted") == [(13.0, 5.0), (21.0, 5.0)]
    assert recorded(run, "retry.exhausted") == [(29.0, "retry.exhausted", 0, -1, "task_failure")]


def test_symptoms_come_from_the_guide(tmp_path):
    edited = story(
        tmp_path,
        ("- task_status: failed\n      - error_code: present", "- task_status: lost\n      - error_code: absent"),
        ("- task_status: blocked", "- task_status: failed"),
    )
    run = sim.run(edited, seed=1)
    assert recorded(run, "recovery.analyzed")[0][4] == "task_failures.resource_failure"
    assert steps(run)[0] == "allocate_new_resources"


def test_conditions_of_other_kinds_come_from_the_guide(tmp_path):
    edited = story(
        tmp_path, ("  procedures:\n", "    - {type: agent_failure, max_retries: 1, retry_delay: 4s}\n  procedures:\n")
    )
    assert edited.recovery.conditions.agent_failure.retry_delay == 4
    assert edited.recovery.conditions.communication_failure is None


def test_a_kind_without_a_condition_in_the_guide_has_none(tmp_path):
    edited = story(tmp_path, ("    - {type: task_failure, max_retries: 3, retry_delay: 30s}\n", ""))
    assert edited.recovery.conditions.task_failure is None
    assert values(sim.run(edited), "retry.granted") == []
    assert scenarios.Scenario.model_validate(
        edited.resolved(), context={"folder": str(tmp_path)}
    ) == edited.with_values({})


def test_scenario_values_take_precedence_over_the_guide(tmp_path):
    edited = story(
        tmp_path,
        ("retry_delay: 30s", "retry_delay: 5s"),
        ("retry_delay: 15s", "retry_delay: 6s"),
        more="  conditions: {task_failure: {max_retries: 1}}\n",
    )
    task, resource = edited.recovery.conditions.task_failure, edited.recovery.conditions.resource_failure
    assert (task.max_retries, task.retry_delay) == (1, 5)
    assert (resource.max_retries, resource.retry_delay) == (2, 6)


def test_overridden_values_take_precedence_over_the_guide(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    agents = ("  procedures:\n", "    - {type: agent_failure, max_retries: 7, retry_delay: 4s}\n  procedures:\n")
    edited = story(tmp_path, ("retry_delay: 30s", "retry_delay: 5s"), agents)
    new = edited.with_values(
        {"recovery.conditions.task_failure.max_retries": 1, "recovery.conditions.agent_failure.retry_delay": "2s"}
    )
    task, agent = new.recovery.conditions.task_failure, new.recovery.conditions.agent_failure
    assert (task.max_retries, task.retry_delay) == (1, 5)
    assert (agent.max_retries, agent.retry_delay) == (7, 2)
    (tmp_path / "other.yaml").write_text(TEXT.replace("30s", "9s"), encoding="utf-8")
    other = new.with_values({"agents.count": 2}).with_values({"recovery.conditions.agent_failure": None})
    other = other.with_values({"recovery.runbook": "other.yaml"})
    assert (other.recovery.conditions.task_failure.max_retries, other.recovery.conditions.task_failure.retry_delay) == (
        1,
        9,
    )
    assert other.recovery.conditions.agent_failure is None
    plain = edited.with_values({"recovery.runbook": None})
    assert plain.recovery.in_force == documented()
    assert plain.recovery.conditions == scenarios.loads(STORY.replace("mine/guide.md", "null")).recovery.conditions


def test_an_overridden_runbook_path_is_relative_to_the_working_directory(tmp_path, monkeypatch):
    story(tmp_path, ("retry_delay: 15s", "retry_delay: 5s"))
    monkeypatch.chdir(tmp_path / "mine")
    set_later = scenarios.load("agent-failure").with_values({"recovery.runbook": "guide.md"})
    assert set_later.recovery.conditions.resource_failure.retry_delay == 5
    assert set_later.recovery.runbook == str(tmp_path / "mine" / "guide.md")
    monkeypatch.chdir("/")
    assert set_later.with_values({"seed": 3}).recovery.in_force == set_later.recovery.in_force


@pytest.mark.long
def test_a_run_records_its_runbook(tmp_path):
    followed = story(tmp_path, ("retry_delay: 30s", "retry_delay: 5s"))
    content = (tmp_path / "mine" / "guide.md").read_bytes()
    assert followed.resolved()["recovery"]["runbook"] == "mine/guide.md"
    assert followed.resolved()["recovery"]["conditions"]["task_failure"]["retry_delay"] == 5
    assert sim.run(followed).record.meta["runbook_sha256"] == hashlib.sha256(content).hexdigest()
    result = json.loads(json.dumps(sim.replicate(followed).as_json()))
    assert result["runbook_sha256"] == hashlib.sha256(content).hexdigest()
    assert sim.run(scenarios.load("execution-failure")).record.meta["runbook_sha256"] is None


def test_a_scenario_keeps_the_loaded_runbook(tmp_path):
    followed = story(tmp_path, (CLEAN + RESTORE, RESTORE + CLEAN))
    (tmp_path / "mine" / "guide.md").unlink()
    assert steps(sim.run(pickle.loads(pickle.dumps(followed))))[0] == "restore_checkpoint"


def test_scenarios_with_different_runbooks_are_unequal(tmp_path):
    one = story(tmp_path)
    assert one == story(tmp_path)
    assert one != story(tmp_path, (CLEAN + RESTORE, RESTORE + CLEAN))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "command: retry_task",
            "command: retry_tusk",
            (
                "guide.md:19: task_failures.execution_failure.recovery.2: unknown command 'retry_tusk'; "
                "did you mean 'retry_task'?"
            ),
        ),
        (
            "max_retries: 3",
            "max_retries: null",
            "guide.md: its condition for task_failure has no bound; valid: max_retries of 0 or more",
        ),
    ],
)
def test_an_invalid_runbook_is_reported_with_both_positions(tmp_path, old, new, message):
    with pytest.raises(ScenarioError) as refused:
        story(tmp_path, (old, new))
    file = tmp_path / "story.scenario.yaml"
    assert str(refused.value) == f"{file}:6: recovery.runbook: {tmp_path / 'mine'}/{message}"


def test_show_explains_the_configured_runbook(tmp_path, capsys):
    from sim.cli import main

    edited = story(tmp_path, (CLEAN + RESTORE, RESTORE + CLEAN), more="documents: task_failures.execution_failure\n")
    assert edited.documents is not None
    assert main(["show", str(tmp_path / "story.scenario.yaml")]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "The core follows the runbook mine/guide.md." in out
    assert "It is recovered by restore_checkpoint, release_resources, then retry_task." in out


def test_a_preset_takes_precedence_over_the_delays_of_the_guide(tmp_path):
    more = "  conditions: {task_failure: {preset: dbos}}\n"
    assert values(sim.run(story(tmp_path, more=more)), "retry.granted") == [(13.0, 1.0), (17.0, 2.0)]
