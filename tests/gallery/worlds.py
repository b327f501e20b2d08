"""The worlds in which the gallery is searched. The sound core breaks nothing in them."""

from __future__ import annotations

import scenarios

PLAIN = """
name: plain
duration: 10m
tasks:
  arrivals: {interval: {every: 10s}}
  work: 8s
  checkpoint: {every: 2s}
agents: {count: 5, restart_time: 10s}
"""
POOLED = """
name: pooled
duration: 10m
tasks:
  arrivals: {interval: {every: 10s}}
  work: 8s
  needs: {gpu: 2}
  retry_holds_resources: true
agents: {count: 5, restart_time: 10s}
resources: {gpu: {units: 10}}
recovery:
  conditions:
    resource_failure: {max_retries: 4, retry_delay: 2s, try_timeout: 3s}
    task_failure: {max_retries: 2, retry_delay: 5s}
  costs: {release_resources: 1s, restore_checkpoint: 1s, allocate_new_resources: 1s}
"""
SLOW_STEPS = """
name: slow-steps
duration: 10m
tasks:
  arrivals: {interval: {every: 10s}}
  work: 8s
  checkpoint: {every: 2s}
agents: {count: 5, restart_time: 10s}
recovery:
  conditions: {task_failure: {max_retries: 2, retry_delay: 5s}}
  costs: {restore_checkpoint: 2s, retry_task: 2s, reassign_agent_tasks: 2s}
"""
BREAKER = """
name: breaker
duration: 10m
tasks:
  arrivals: {burst: {size: 20}}
  work: 1s
  failure_probability: 100%
agents: {count: 5}
recovery:
  conditions:
    task_failure:
      max_retries: null
      retry_delay: 5s
      breaker: {failures: 3, open_for: 60s, probes: 1, when_open: wait}
expect:
  - attempts.started <= 60
"""


def world(text: str) -> scenarios.Scenario:
    """The scenario of a world."""
    return scenarios.loads(text)
