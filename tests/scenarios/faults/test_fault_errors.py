"""Invalid faults are rejected in one line: fault, key, and valid values."""

import pytest

from tests.scenarios.refusals import STORY, message

TARGETS = "valid: a count, a fraction above 0 and up to 1 (0.2 or 20%), all, or a list of names (agent.3)"
FAULTS = (
    "agent_crash, agent_hang, agent_slow, agent_flap, execution_failure, poison_task, resource_unavailable, "
    "resource_degraded, resource_leak, partition, message_loss, message_delay, message_reorder, message_duplicate, "
    "queue_blocked, checkpoint_corrupt, checkpoint_torn, checkpoint_stale, storage_failure, storage_slow, load_surge, "
    "core_crash, core_hang, core_slow, clock_skew, dependency_down, dependency_slow, group"
)


def fault(line):
    return f"faults:\n  - {line}\n"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            "agent_crash: {targets: [agent.3, agent.10], at: 10m}",
            ".agent_crash.targets[1]: 'agent.10' does not exist; valid: agent.0 … agent.9 (nearest: 'agent.9')",
        ),
        (
            "agent_hang: {targets: agent.10, at: 10m}",
            ".agent_hang.targets[0]: 'agent.10' does not exist; valid: agent.0 … agent.9 (nearest: 'agent.9')",
        ),
        (
            "agent_crash: {targets: 11, at: 10m}",
            ".agent_crash.targets: 11 exceeds the number of agents; valid: up to 10",
        ),
        ("agent_crash: {targets: 0, at: 10m}", f".agent_crash.targets: 0 are not targets; {TARGETS}"),
        ("agent_crash: {targets: [], at: 10m}", f".agent_crash.targets: [] are not targets; {TARGETS}"),
        ("agent_crash: {targets: 120%, at: 10m}", f".agent_crash.targets: '120%' are not targets; {TARGETS}"),
        (
            "agent_crash: {targets: [agent.1٢], at: 10m}",
            ".agent_crash.targets[0]: 'agent.1٢' is not a valid agent; valid: agent.0, agent.1, …",
        ),
        (
            "execution_failure: {targets: [agent.1], at: 10m}",
            ".execution_failure.targets[0]: 'agent.1' is not a valid task; valid: task.0, task.1, …",
        ),
        (
            "partition: {between: [agents, qeue], at: 10m}",
            (
                ".partition.between[1]: 'qeue' is not an endpoint; valid: agents, queue, core, agent.0, agent.1, … "
                "(nearest: 'queue')"
            ),
        ),
        (
            "partition: {between: [agent.12, queue], at: 10m}",
            ".partition.between[0]: 'agent.12' does not exist; valid: agent.0 … agent.9 (nearest: 'agent.9')",
        ),
        (
            "partition: {between: [queue, queue], at: 10m}",
            (
                ".partition.between[1]: 'queue' cannot be disconnected from itself; "
                "valid: two of agents, queue, core, agent.0, agent.1, …"
            ),
        ),
        (
            "partition: {between: [agents, agent.1], at: 10m}",
            ".partition.between: agents do not exchange messages; valid: queue and core, or agents and one of them",
        ),
        (
            "partition: {between: [queue], at: 10m}",
            (
                ".partition.between: ['queue'] are not two endpoints; "
                "valid: two of agents, queue, core, agent.0, agent.1, …, as in [agents, queue]"
            ),
        ),
        (
            "partition: {between: [core.2, store], at: 10m}",
            ".partition.between[0]: 'core.2' does not exist; valid: core.0, as recovery.cores says",
        ),
        (
            "partition: {between: [store, agents], at: 10m}",
            (
                ".partition.between[1]: 'agents' is not a core, and only cores use the store; valid: agents, queue, "
                "core, agent.0, agent.1, …; or a core (core.0, core.1, … or all of them: core) and store"
            ),
        ),
        (
            "partition: {between: [core.0, agents], at: 10m}",
            ".partition.between[0]: 'core.0' can be disconnected only from the store; valid: core, or store",
        ),
        (
            "message_loss: {between: [core, store], probability: 1, at: 10m}",
            (
                ".message_loss.between[1]: 'store' is not an endpoint; valid: agents, queue, core, agent.0, agent.1, … "
                "(nearest: 'core')"
            ),
        ),
        ("partition: {at: 10m}", ".partition.between: is missing; it is required"),
        (
            "resource_unavailable: {resource: cpu, units: 1, at: 10m}",
            ".resource_unavailable.resource: unknown resource 'cpu'; valid: gpu (nearest: 'gpu')",
        ),
        (
            "resource_unavailable: {resource: gpu, units: 13, at: 10m}",
            ".resource_unavailable.units: 13 exceeds the size of the pool; valid: up to 12, the units of gpu",
        ),
        (
            "agent_crash: {at: 10m, every: 5m}",
            ".agent_crash: has at and every; valid: exactly one of at, every, when",
        ),
        ("agent_crash: {targets: 1}", ".agent_crash: has no time; valid: exactly one of at, every, when"),
        (
            "agent_crash: {at: 10m, when: queue.depth > 5}",
            ".agent_crash: has at and when; valid: exactly one of at, every, when",
        ),
        (
            "agent_crash: {at: 10m, for: 30s}",
            ".agent_crash.for: this fault has no duration; valid: omit 'for'",
        ),
        ("agent_crash: {every: 0s}", ".agent_crash.every: has a mean of 0; valid: a mean of more than 0"),
        (
            "agent_crash:",
            ".agent_crash: null is not valid; valid: a mapping with the keys at, every, when, after, targets",
        ),
        ("agent_crsh: {at: 10m}", f".agent_crsh: unknown fault; known: {FAULTS} (nearest: 'agent_crash')"),
        ("group: {at: 10m}", ".group.faults: is missing; it is required"),
        ("group: {at: 10m, faults: []}", ".group.faults: is empty; valid: at least one fault"),
        (
            "group: {at: 10m, faults: [{agent_crash: {at: 5m}}]}",
            ".group.faults[0].agent_crash.at: the group sets this for all its faults; valid: omit it here",
        ),
        (
            "group: {at: 10m, faults: [{agent_slow: {factor: 2, for: 5m}}]}",
            ".group.faults[0].agent_slow.for: the group sets this for all its faults; valid: omit it here",
        ),
        (
            "group: {at: 10m, for: 5s, faults: [{agent_crash: {}}]}",
            ".group.for: none of these faults has a duration; valid: omit 'for'",
        ),
        (
            "group: {at: 10m, faults: [{agent_crash: {targets: 99}}]}",
            ".group.faults[0].agent_crash.targets: 99 exceeds the number of agents; valid: up to 10",
        ),
        (
            "agent_crash: {at: 10m, after: 5s}",
            ".agent_crash.after: 'after' starts at a condition, not at at; valid: with when only",
        ),
        ("core_slow: {at: 10m}", ".core_slow.delay: is missing; it is required"),
        (
            "clock_skew: {at: 10m}",
            ".clock_skew: is a correct clock; valid: a rate other than 1, a drift, or an offset other than 0",
        ),
        (
            "clock_skew: {offset: -5s, at: 10m}",
            ".clock_skew.offset: agents measure only durations; valid: offset for the queue and for cores only",
        ),
        ("clock_skew: {rate: 0, at: 10m}", ".clock_skew.rate: 0.0 is not valid; valid: more than 0"),
        (
            "clock_skew: {targets: network, rate: 2, at: 10m}",
            (
                ".clock_skew.targets: 'network' are not targets; valid: a count, a fraction above 0 and up to 1 "
                "(0.2 or 20%), all, or a list of names (agent.3), or queue"
            ),
        ),
        (
            "clock_skew: {targets: 99, rate: 2, at: 10m}",
            ".clock_skew.targets: 99 exceeds the number of agents; valid: up to 10",
        ),
        ("agent_slow: {at: 10m}", ".agent_slow.factor: is missing; it is required"),
        (
            "agent_slow: {factor: 1, at: 10m}",
            ".agent_slow.factor: 1.0 is not valid; valid: more than 1",
        ),
        (
            "agent_slow: {factor: 2, targets: agent.77, at: 10m}",
            ".agent_slow.targets[0]: 'agent.77' does not exist; valid: agent.0 … agent.9 (nearest: 'agent.9')",
        ),
        (
            "agent_flap: {down: 0s, up: 0s, at: 10m}",
            ".agent_flap.up: time would never advance; valid: down or up of more than 0",
        ),
        (
            "message_loss: {probability: 0, at: 10m}",
            ".message_loss.probability: 0.0 is not valid; valid: more than 0",
        ),
        (
            "message_loss: {probability: 1, one_way: true, at: 10m}",
            ".message_loss.one_way: requires two endpoints; valid: with between only",
        ),
        (
            "message_delay: {delay: 1s, between: [agent.1, agent.2], at: 10m}",
            (
                ".message_delay.between: agents do not exchange messages; "
                "valid: queue and core, or agents and one of them"
            ),
        ),
        (
            "resource_degraded: {resource: gpus, factor: 2, at: 10m}",
            ".resource_degraded.resource: unknown resource 'gpus'; valid: gpu (nearest: 'gpu')",
        ),
        (
            "resource_leak: {resource: gpu, units: 99, at: 10m}",
            ".resource_leak.units: 99 exceeds the size of the pool; valid: up to 12, the units of gpu",
        ),
        (
            "storage_slow: {factor: 2, at: 10m}",
            ".storage_slow: no task writes checkpoints; valid: with tasks.checkpoint only",
        ),
        ("agent_crash", f": 'agent_crash' is not a valid fault; valid: one of {FAULTS}, as in {{agent_crash: {{…}}}}"),
        (
            "{agent_crash: {at: 10m}, agent_hang: {at: 1m}}",
            (
                ": needs exactly one form of fault, not 2 (agent_crash, agent_hang); "
                f"valid: one of {FAULTS}, as in {{agent_crash: {{…}}}}"
            ),
        ),
        (
            "checkpoint_corrupt: {at: 10m}",
            ".checkpoint_corrupt: no task writes checkpoints; valid: with tasks.checkpoint only",
        ),
    ],
)
def test_an_invalid_fault_is_rejected(entry, said):
    assert message(STORY + fault(entry)) == f"story.yaml:10: faults[0]{said}"
