"""`make hunt`: thousands of schedules and orders against the sound core. A schedule is saved in scenarios/found.

The worlds differ in what can go wrong together: several cores, recoveries with long steps and time limits, kinds of
tasks with queues and pools of agents of their own, scarce resources, and clients, dependencies and a lossy network.
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import scenarios
import sim
from sim.experiments.search.search import search
from tests.gallery.core_orders import consistent, recoveries

EXAMPLES = 1000
SEEDS = (1, 2)
"""Examples of one seed are alike, because a search varies those that have reached most."""
ORDERS = 20_000
"""Orders of concurrent recoveries for each strategy."""
FOLDER = Path(scenarios.__file__).parent / "found"
WORLDS = (
    """
name: hunted
duration: 10m
tasks: {arrivals: {interval: {every: 20s}}, work: 8s, checkpoint: {every: 2s}, needs: {gpu: 1}}
agents: {count: 5, restart_time: 10s}
resources: {gpu: {units: 6}}
queue: {ack_timeout: 30s}
""",
    """
name: hunted-slow-steps
duration: 10m
tasks: {arrivals: {interval: {every: 10s}}, work: 20s, checkpoint: {every: 2s}, failure_probability: 5%}
agents: {count: 5, restart_time: 5s}
recovery:
  cores: {count: 2}
  conditions: {task_failure: {max_retries: 2, retry_delay: 5s}}
  costs: {restore_checkpoint: 2s, retry_task: 2s, reassign_agent_tasks: 2s}
""",
    """
name: hunted-cores
duration: 10m
tasks:
  arrivals: {interval: {every: 10s}}
  work: 12s
  checkpoint: {every: 3s}
  needs: {gpu: 1}
  failure_probability: 5%
agents: {count: 5, restart_time: 5s}
resources: {gpu: {units: 4}}
queue: {ack_timeout: 20s}
recovery:
  cores: {count: 3, lease: {duration: 6s, renew_every: 2s}}
  conditions: {task_failure: {max_retries: 2, retry_delay: 5s}}
  costs: {restore_checkpoint: 1s, retry_task: 1s, reassign_agent_tasks: 2s, release_resources: 1s}
""",
    """
name: hunted-one-core
duration: 10m
tasks:
  arrivals: {poisson: {rate: 0.15/s}}
  work: 10s
  checkpoint: {every: 2s}
  needs: {gpu: 1}
  failure_probability: 10%
agents: {count: 5, restart_time: 6s}
resources: {gpu: {units: 5}}
queue: {ack_timeout: 20s, max_deliveries: 4}
recovery:
  parallel: 2
  conditions:
    task_failure:
      max_retries: 3
      retry_delay: 5s
      deadline: 60s
      try_timeout: 6s
      breaker: {failures: 3, open_for: 20s, probes: 1, when_open: wait}
    agent_failure: {max_retries: 2, retry_delay: 4s, try_timeout: 8s}
    communication_failure: {max_retries: 2, retry_delay: 4s}
  costs: {restore_checkpoint: 2s, retry_task: 1s, reassign_agent_tasks: 2s, restart_agent: 1s}
""",
    """
name: hunted-kinds
duration: 10m
tasks:
  arrivals: {interval: {every: 8s}}
  work: 8s
  checkpoint: {every: 2s}
  kinds:
    chat: {share: 50%, work: 3s, priority: 2, queue: fast, timeout: 10s, retry: {max_retries: 1, retry_delay: 2s}}
    batch: {share: null, work: 20s, needs: {gpu: 2}}
    report: {arrivals: {interval: {every: 30s}}, count: 15, work: 12s, needs: {gpu: 1}, failure_probability: 20%}
agents:
  count: 6
  restart_time: 10s
  pools: {small: {count: 2, takes: [chat]}, large: {count: 4}}
queue: {ack_timeout: 40s}
queues: {fast: {ack_timeout: 15s, max_deliveries: 3}}
resources: {gpu: {units: 6}}
""",
    """
name: hunted-pools
duration: 10m
tasks:
  arrivals: {interval: {every: 12s}}
  work: 30s
  needs: {gpu: 2, mem: 1}
  checkpoint: {every: 5s, final: true}
  retry_holds_resources: true
  interrupted: restart
agents: {count: 5, slots: 2, restart_time: 8s, restart_slots: 1}
resources: {gpu: {units: 8}, mem: {units: 5}}
queue: {ack_timeout: 45s, max_deliveries: 5}
recovery:
  detection: {resource_probe: 5s}
  conditions:
    resource_failure: {max_retries: 4, retry_delay: 3s, try_timeout: 4s, backoff: exponential, jitter: full}
    task_failure: {max_retries: 3, retry_delay: 4s, jitter: full}
  costs: {release_resources: 1s, allocate_new_resources: 2s, migrate_task: 1s}
""",
    """
name: hunted-prefetch
duration: 10m
tasks:
  arrivals: {interval: {every: 4s}}
  work: {exponential: {mean: 8s}}
  timeout: 60s
  checkpoint: {every: 3s}
  needs: {gpu: 1}
  failure_probability: 5%
agents: {count: 5, slots: 2, prefetch: 2, restart_time: 8s}
resources: {gpu: {units: 9}}
queue: {ack_timeout: 30s, max_deliveries: 6, duplication: 2%, ack_loss: 2%}
recovery:
  cores: {count: 2}
  conditions: {task_failure: {max_retries: 2, retry_delay: 4s}}
  costs: {reassign_agent_tasks: 2s, retry_task: 1s}
""",
    """
name: hunted-clients
duration: 10m
tasks:
  arrivals: {interval: {every: 6s}}
  work: {exponential: {mean: 6s}}
  timeout: 25s
  calls: [llm]
  checkpoint: {every: 2s, cost: 100ms, restore: 50ms}
  client:
    timeout: 40s
    max_retries: 2
    retry_delay: 2s
    backoff: exponential
    jitter: full
    cancel: true
    late_answer: accept
downstream: {llm: {latency: 200ms, capacity: 3, waiting: 2}}
agents: {count: 5, restart_time: 10s, mtbf: 5m}
queue: {ack_timeout: 30s, latency: 10ms, loss: 2%, ack_loss: 2%, duplication: 2%}
network: {latency: 5ms, loss: 1%}
recovery:
  detection: {detector: phi_accrual, heartbeat_interval: 2s, stalled_after: 30s, failed_deliveries: 2}
  conditions:
    task_failure: {max_retries: 3, retry_delay: 3s, jitter: full, budget: {tokens: 10, refill: 0.2}}
    agent_failure: {max_retries: 2, retry_delay: 5s}
""",
)


def main() -> int:
    """The number of searches, and of strategies of an exploration, that find something."""
    broken = 0
    for scenario, seed in product(map(scenarios.loads, WORLDS), SEEDS):
        result = search(scenario, EXAMPLES, seed, invariants_only=True, command="python -m tests.gallery.hunt")
        found, missed = result.found, result.coverage.missed
        print(f"{scenario.name}, seed {seed}: {result.examples} examples, {len(result.coverage.cells)} cells", end="")  # noqa: T201
        print(f"; not reached: {', '.join(missed)}" if missed else "; all marks reached", flush=True)  # noqa: T201
        if found is not None:
            broken += 1
            print(f"  breaks {found.name}: {found.breaks[0].message}; saved: {found.save(FOLDER)}")  # noqa: T201
    return broken + broken_orders()


def broken_orders() -> int:
    """The number of strategies that find an order of concurrent recoveries that breaks."""
    reports = [sim.explore(recoveries, consistent, strategy, ORDERS) for strategy in ("random", "pct", "bounded")]
    for report in reports:
        print(report, flush=True)  # noqa: T201
    return sum(not report.holds for report in reports)


if __name__ == "__main__":
    sys.exit(main())
