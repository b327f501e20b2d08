"""The worlds in which the gallery is searched. The sound core breaks nothing in them."""

from __future__ import annotations

PLAIN = """
name: plain
duration: 3m
tasks: {arrivals: {interval: {every: 10s}}, work: 8s, checkpoint: {every: 2s}}
agents: {count: 5, restart_time: 10s}
drain: 5m
expect: [tasks.unfinished == 0]
"""
SKEWED = PLAIN.replace("name: plain", "name: skewed").replace("tasks.unfinished", "detection.false_positives")
LIMITED = PLAIN.replace("name: plain", "name: limited") + "recovery: {parallel: 2}\n"
LEASED = """
name: leased
duration: 3m
tasks: {arrivals: {interval: {every: 10s}}, work: 20s, checkpoint: {every: 2s}}
agents: {count: 5}
queue: {ack_timeout: 10s}
recovery:
  detection: {missed_heartbeats: 6}
  conditions: {task_failure: {max_retries: 9, retry_delay: 1s}}
"""
REDELIVERED = """
name: redelivered
duration: 3m
tasks: {arrivals: {interval: {every: 2s}}, work: 8s, checkpoint: {every: 2s}}
agents: {count: 5, restart_time: 1s}
queue: {ack_timeout: 20s}
drain: 5m
expect: [tasks.unfinished == 0]
"""
POOLED = """
name: pooled
duration: 3m
tasks:
  arrivals: {interval: {every: 20s}}
  work: 60s
  needs: {gpu: 2}
  retry_holds_resources: true
agents: {count: 5, restart_time: 10s}
resources: {gpu: {units: 10}}
recovery:
  conditions:
    resource_failure: {max_retries: 4, retry_delay: 2s, try_timeout: 3s}
    task_failure: {max_retries: 1, retry_delay: 5s}
  costs: {release_resources: 1s, restore_checkpoint: 1s, allocate_new_resources: 1s}
drain: 5m
expect: [tasks.unfinished == 0]
"""
SLOW_STEPS = """
name: slow-steps
duration: 3m
tasks: {arrivals: {interval: {every: 5s}}, work: 20s, checkpoint: {every: 2s}}
agents: {count: 5, restart_time: 2s}
drain: 5m
expect: [tasks.unfinished == 0]
recovery:
  detection: {detector: perfect}
  conditions: {task_failure: {max_retries: 1, retry_delay: 5s}}
  costs: {restore_checkpoint: 2s, retry_task: 2s, reassign_agent_tasks: 2s}
"""
BUDGET = """
name: budget
duration: 3m
tasks: {arrivals: {burst: {size: 20}}, work: 1s, failure_probability: 100%}
agents: {count: 5}
recovery:
  conditions:
    task_failure:
      max_retries: null
      retry_delay: 5s
      budget: {tokens: 10, refill: 0}
expect: [attempts.started <= 30]
"""
BREAKER = """
name: breaker
duration: 3m
tasks: {arrivals: {burst: {size: 20}}, work: 1s, failure_probability: 100%}
agents: {count: 5}
recovery:
  conditions:
    task_failure:
      max_retries: null
      retry_delay: 5s
      breaker: {failures: 3, open_for: 60s, probes: 1, when_open: wait}
expect: [attempts.started <= 30]
"""
