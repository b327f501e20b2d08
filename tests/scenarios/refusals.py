"""A valid scenario, and the error after a change."""

import pytest

import scenarios
from scenarios.errors import ScenarioError

STORY = """\
name: story
duration: 1h
tasks:
  arrivals: {poisson: {rate: 2/s}}
  work: 3s
  needs: {gpu: 1}
agents: {count: 10}
resources: {gpu: {units: 12}}
"""


def message(text):
    with pytest.raises(ScenarioError) as caught:
        scenarios.loads(text, "story.yaml")
    return str(caught.value)
