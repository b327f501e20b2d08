"""The metrics of a run: name, unit, better direction, meaning. `scenarios.fields.metrics` finds them by name."""

from __future__ import annotations

from typing import Literal

Direction = Literal["lower", "higher"] | None
STATISTICS = ("mean", "sd", "p50", "p95", "p99", "max")
"""The statistics that replace `.*` in the metrics of a distribution."""
STATISTIC_MEANING = {
    "mean": "mean",
    "sd": "standard deviation",
    "p50": "median",
    "p95": "95th percentile",
    "p99": "99th percentile",
    "max": "maximum",
}
INVARIANTS = {
    "no_lost_task": "every submitted task is completed, given up on record, or still in the system",
    "exactly_once_effect": "a task's effect is accepted at most once",
    "no_leaked_resource": "no units are held for a finished task",
    "no_double_allocation": "no unit is held twice, no pool allocates more than it has",
    "legal_transitions": "a task's status changes only as the model allows",
    "checkpoint_integrity": "no attempt starts from a damaged checkpoint",
    "fencing": "no action under a fenced epoch takes effect",
    "retry_bound": "no task is retried more often than its conditions allow",
    "audit_complete": "every recovery is recorded from its opening to its end, in order",
    "recovery_terminates": "every recovery ends: one that is open at the end waits as configured, or for what a fault "
    "took away, or has an event in the second half of the run; without a limit on retries, fewer than 20 failed tries",
}
"""The consistency invariants and the property that each guarantees."""


SIGNALS = {
    "agent": "silent agents",
    "progress": "tasks that are stalled according to heartbeats",
    "delivery": "connections with failed sends",
    "resource": "pools whose probe is unhealthy",
}
"""The signals of the detectors."""


Row = tuple[str, str, Direction, str]
ROWS: tuple[Row, ...] = (
    # tasks
    ("tasks.submitted", "tasks", None, "tasks submitted by clients, each request counted"),
    ("tasks.completed", "tasks", "higher", "tasks whose effect was accepted"),
    ("tasks.failed", "tasks", "lower", "tasks given up: escalated to an operator, or cancelled by their clients"),
    ("tasks.rejected", "tasks", "lower", "tasks rejected by a full queue"),
    ("tasks.lost", "tasks", "lower", "tasks without an owner, which will never finish"),
    ("tasks.unfinished", "tasks", None, "tasks still in the system at the end"),
    ("tasks.throughput", "1/s", "higher", "tasks completed per second"),
    ("tasks.wait.*", "s", "lower", "from submission to the first start"),
    ("tasks.sojourn.*", "s", "lower", "from submission to completion"),
    ("tasks.wait_probability", "fraction", "lower", "fraction of tasks that wait before their first start"),
    ("tasks.in_system.mean", "tasks", "lower", "unfinished tasks, averaged over time"),
    ("tasks.in_queue.mean", "tasks", "lower", "tasks that wait for an agent, averaged over time"),
    # attempts and retries
    ("attempts.started", "attempts", None, "attempts that began"),
    ("attempts.succeeded", "attempts", None, "attempts whose effect was accepted"),
    ("attempts.failed", "attempts", None, "attempts that ended in a failure"),
    ("attempts.interrupted", "attempts", None, "attempts that were interrupted"),
    ("attempts.timed_out", "attempts", None, "attempts that exceeded their timeout"),
    ("attempts.per_task.mean", "attempts", None, "attempts per task that was completed or given up"),
    ("attempts.amplification", "ratio", None, "attempts per task submitted"),
    ("retries.count", "retries", None, "retries granted"),
    ("retries.exhausted", "failures", "lower", "failures without a retry left"),
    ("retries.over_deadline", "failures", "lower", "of these, because the next retry would exceed the deadline"),
    ("retries.over_budget", "failures", "lower", "of these, because the retry budget was empty"),
    ("retries.held_back", "failures", "lower", "of these, because a circuit breaker was open"),
    ("breaker.openings", "openings", None, "openings of circuit breakers"),
    ("retries.delay.*", "s", None, "delay before a retry"),
    ("retries.per_failure.mean", "retries", None, "retries per failure"),
    # recovery, detection and diagnosis
    ("recovery.count", "recoveries", None, "recoveries opened"),
    ("recovery.succeeded", "recoveries", None, "recoveries verified"),
    ("recovery.failed", "tries", "lower", "failed tries at a recovery"),
    ("recovery.escalated", "recoveries", "lower", "recoveries escalated to an operator"),
    ("recovery.dismissed", "recoveries", None, "recoveries with nothing left to do"),
    ("recovery.censored", "recoveries", None, "recoveries still open at the end of the run"),
    ("escalations.open", "escalations", "lower", "escalated recoveries that no operator has resolved"),
    ("alerts.raised", "alerts", "lower", "alerts sent by the recovery monitor; not observed without a monitor"),
    ("alerts.warning", "alerts", "lower", "alerts sent with severity warning"),
    ("alerts.critical", "alerts", "lower", "alerts sent with severity critical, including storms"),
    ("recovery.time.*", "s", "lower", "from the fault to the verified recovery"),
    ("recovery.detect.*", "s", "lower", "from the fault to its detection"),
    ("recovery.wait.*", "s", "lower", "retry delay and queueing for a recovery slot"),
    ("recovery.analyze.*", "s", "lower", "diagnosis of the failure"),
    ("recovery.execute.*", "s", "lower", "the runbook's recovery commands"),
    ("recovery.verify.*", "s", "lower", "verification of the recovery"),
    ("recovery.paced.*", "s", None, "wait of tasks due to the load limit"),
    ("detection.latency.*", "s", "lower", "from an injected fault to its detection"),
    ("detection.false_positives", "alarms", "lower", "suspicions of healthy subjects"),
    ("detection.missed", "faults", "lower", "undetected faults"),
    *(
        row
        for signal, what in SIGNALS.items()
        for row in (
            (f"detection.{signal}.latency.*", "s", "lower", f"of this detector alone: {what}"),
            (f"detection.{signal}.false_positives", "alarms", "lower", f"of this detector alone: {what}"),
        )
    ),
    ("diagnosis.accuracy", "fraction", "higher", "fraction of recoveries whose diagnosis names the injected fault"),
    # work, agents, queue
    ("work.useful", "agent-s", None, "slot time of work on accepted effects, or not discarded at the end of the run"),
    ("work.wasted", "agent-s", "lower", "slot time of work that was discarded, or whose answer no client waited for"),
    ("work.checkpoint", "agent-s", None, "slot time of writes and reads of checkpoints, those cut short included"),
    ("work.idle", "agent-s", None, "slot time of agents that are up, without a started attempt"),
    ("work.down", "agent-s", "lower", "slot time of agents that are crashed, hung, stopped or restarting"),
    ("work.wasted_fraction", "fraction", "lower", "wasted ÷ (useful + wasted)"),
    ("agents.availability", "fraction", "higher", "true fraction of agent time up"),
    ("agents.availability_observed", "fraction", "higher", "fraction of agent time up according to the detector"),
    ("agents.up.mean", "agents", "higher", "agents up, averaged over time"),
    ("agents.all_up", "fraction", "higher", "fraction of time in which all agents are up"),
    ("agents.utilization", "fraction", None, "fraction of busy slots, averaged over time"),
    ("agents.restarts", "restarts", None, "restarts of agents"),
    ("queue.depth.mean", "tasks", "lower", "queued tasks, averaged over time"),
    ("queue.depth.max", "tasks", "lower", "maximum number of queued tasks"),
    ("queue.prefetched.mean", "deliveries", "lower", "deliveries that wait in agents for a slot, averaged over time"),
    ("queue.prefetched.max", "deliveries", "lower", "maximum number of deliveries that wait in agents for a slot"),
    ("queue.deliveries", "deliveries", None, "deliveries to agents"),
    ("queue.redeliveries", "deliveries", "lower", "deliveries after the first of a task"),
    ("queue.duplicates", "deliveries", "lower", "deliveries that arrived twice"),
    ("queue.dead_lettered", "tasks", "lower", "tasks that reached the maximum number of deliveries"),
    # faults and service
    ("faults.injected", "faults", None, "injected faults, each of their targets counted"),
    ("faults.skipped", "faults", None, "targets of faults that did not exist: no running task, no free unit"),
    ("service.availability", "fraction", "higher", "fraction of time in steady state"),
    ("restoration.time.*", "s", "lower", "from the end of a fault to steady state; infinite when it is never reached"),
    ("client.timeouts", "requests", "lower", "requests that timed out at their client"),
    ("client.retries", "requests", None, "requests that clients retried"),
    ("client.abandoned", "requests", "lower", "requests that clients gave up"),
    ("client.goodput", "1/s", "higher", "responses per second that came in time, or late and were accepted"),
    ("client.amplification", "ratio", None, "submissions per request"),
    ("client.response.*", "s", "lower", "from the first submission of a request to its response"),
    ("cost.total", "cost", "lower", "sum of the costs below, at the prices of `cost`; not observed without prices"),
    ("cost.agents", "cost", "lower", "cost of all agents for the window, whatever they do"),
    ("cost.retries", "cost", "lower", "cost of the retries granted"),
    ("cost.lost_tasks", "cost", "lower", "cost of the tasks that were given up, rejected or lost"),
    ("cost.late_tasks", "cost", "lower", "cost of the other tasks that took too long, also those that are unfinished"),
    # consistency: the violations of each invariant follow
    ("consistency.violations", "violations", "lower", "violations of all invariants"),
    *(
        (f"consistency.{name}", "violations", "lower", f"violated when not: {text}")
        for name, text in INVARIANTS.items()
    ),
    # the run
    ("run.events", "events", None, "events in the history"),
    ("run.virtual_seconds", "s", None, "virtual time that was simulated"),
)
"""Name, unit, better direction, meaning; `.*` expands to the statistics of a distribution."""
NO_DIRECTION = {
    "tasks.submitted": "the load, which a setting does not choose",
    "tasks.unfinished": "depends on the instant at which the run ends",
    "attempts.started": "follows the load",
    "retries.delay.*": "a longer delay is a price, and what it is paid for is elsewhere",
    "recovery.count": "follows the failures",
    "recovery.dismissed": "there was nothing to recover",
    "recovery.censored": "depends on the instant at which the run ends",
    "agents.utilization": "high when there is much to do, and low when it is done fast",
    "agents.restarts": "follows the failures",
    "queue.deliveries": "follows the load",
    "faults.injected": "about the experiment, not the system",
    "faults.skipped": "about the experiment, not the system",
    "run.events": "about the run, not the system",
    "run.virtual_seconds": "about the run, not the system",
    "*.sd": "less spread is not better by itself",
    "attempts.succeeded": "follows tasks.completed",
    "attempts.failed": "a policy that gives up early has fewer attempts of every kind",
    "attempts.interrupted": "a policy that gives up early has fewer attempts of every kind",
    "attempts.timed_out": "a policy that gives up early has fewer attempts of every kind",
    "attempts.per_task.mean": "a policy that gives up early has fewer attempts per task",
    "attempts.amplification": "below 1 when tasks wait without an attempt, as in a collapsed system",
    "retries.count": "a policy that gives up early grants fewer retries",
    "retries.per_failure.mean": "a policy that gives up early grants fewer retries",
    "breaker.openings": "an open breaker is what protects the system",
    "recovery.succeeded": "more recoveries may be due to more failures",
    "recovery.paced.*": "the load limit does what it is configured to do",
    "work.useful": "more work may be due to more demand, and its value is in tasks.completed",
    "work.idle": "high when there is little to do, and high when it is done fast",
    "work.checkpoint": "checkpoints cost time and save work; work.wasted has the other half",
    "client.retries": "clients that give up early retry less",
    "client.amplification": "clients that give up early retry less",
}
"""Why more or less of these metrics is not better. Comparisons call such a difference `different`."""

RESOURCE_ROWS: tuple[Row, ...] = (
    ("utilization", "fraction", None, "fraction of the pool's units that are held, averaged over time"),
    ("available", "fraction", "higher", "fraction of the pool's units in service, averaged over time"),
)
DOWNSTREAM_ROWS: tuple[Row, ...] = (
    ("calls", "calls", None, "calls made by attempts"),
    ("answered", "calls", None, "calls that were served"),
    ("rate_limited", "calls", "lower", "calls rejected by the rate limit"),
    ("overloaded", "calls", "lower", "calls rejected because too many waited"),
    ("failed", "calls", "lower", "calls that failed because the dependency was down"),
    ("rejected", "fraction", "lower", "fraction of the calls that were rejected, for either reason"),
    ("amplification", "ratio", None, "calls per task that made any"),
    ("in_service.mean", "calls", None, "calls that are served, averaged over time"),
    ("waiting.mean", "calls", "lower", "calls that wait for the capacity, averaged over time"),
    ("wait.*", "s", "lower", "from a call to the start of its service"),
    ("response.*", "s", "lower", "from a call to its answer"),
)
