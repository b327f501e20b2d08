"""Each field of the recovery core can be set in a scenario and has the same default there."""

import pytest

import scenarios
from recovery.config import DetectionConfig, RecoveryConfig
from recovery.leadership import LeaseConfig
from recovery.monitoring.alerts import AlertConfig, Storm
from recovery.monitoring.monitor import MetricsConfig
from recovery.policies.breaker import BreakerPolicy
from recovery.policies.budget import BudgetPolicy
from recovery.policies.load_limit import LoadLimit
from recovery.policies.retry import RetryPolicy
from recovery.policies.stale_reads import StaleReads
from scenarios.sections.cores import LeaseSettings
from scenarios.sections.detection import DetectionSettings
from scenarios.sections.monitoring import MonitorSettings, StormSettings
from scenarios.sections.policies import BreakerSettings, BudgetSettings, Policy
from scenarios.sections.recovery import LoadSettings, RecoverySettings, StaleReadSettings
from sim.core.build import PER_KIND, core_config, monitor_config

SECTIONS = [
    (BreakerSettings, BreakerPolicy),
    (BudgetSettings, BudgetPolicy),
    (DetectionSettings, DetectionConfig),
    (LeaseSettings, LeaseConfig),
    (LoadSettings, LoadLimit),
    (MonitorSettings, MetricsConfig),
    (Policy, RetryPolicy),
    (StaleReadSettings, StaleReads),
    (StormSettings, Storm),
]
STORY = """\
name: story
duration: 1h
tasks: {arrivals: {interval: {every: 1s}}, work: 1s}
agents: {count: 1}
"""


def default(model, name):
    """The default of a field as plain data; `required` for a field without one."""
    field = model.model_fields[name]
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return value.model_dump() if hasattr(value, "model_dump") else value


@pytest.mark.parametrize(("section", "core"), SECTIONS, ids=lambda model: model.__name__)
def test_a_section_derives_from_a_core_model_and_redeclares_its_fields(section, core):
    assert issubclass(section, core)
    declared = section.__annotations__
    assert [name for name in core.model_fields if name not in declared] == []


@pytest.mark.parametrize(("section", "core"), SECTIONS, ids=lambda model: model.__name__)
def test_a_field_has_the_default_of_the_core(section, core):
    differing = [name for name in core.model_fields if default(section, name) != default(core, name)]
    assert differing == (["retry_delay"] if section is Policy else [])  # in a file, what is not given takes no time


def test_every_field_of_the_core_configuration_can_be_set():
    shared = [name for name in RecoveryConfig.model_fields if name not in PER_KIND]
    assert [name for name in shared if name not in RecoverySettings.model_fields] == []
    for name in set(shared) - {"detection"}:
        assert default(RecoverySettings, name) == default(RecoveryConfig, name), name
    detection = default(RecoverySettings, "detection")
    assert {name: detection[name] for name in DetectionConfig.model_fields} == default(RecoveryConfig, "detection")


def test_a_section_without_values_gives_the_default_core_configuration():
    assert core_config(scenarios.loads(STORY)).model_dump(exclude={"by_error"}) == RecoveryConfig().model_dump(
        exclude={"by_error"}
    )
    assert monitor_config(MonitorSettings()).alerts.model_dump() == AlertConfig().model_dump()


def test_tries_without_a_condition_are_limited_by_the_scenario():
    story = scenarios.loads(STORY).with_values({"recovery.unconditional_tries": 7, "recovery.parallel": 2})
    made = core_config(story)
    assert (made.unconditional_tries, made.parallel) == (7, 2)
    with pytest.raises(scenarios.ScenarioError, match="valid: a whole number, 1 or more"):
        story.with_values({"recovery.unconditional_tries": 0})
