"""All events of a run."""

from __future__ import annotations

from enum import IntEnum


class Event(IntEnum):
    """All events. The value is stored in histories: numbers are never reused or changed."""

    # --- tasks: ground truth
    TASK_SUBMITTED = 1
    TASK_REJECTED = 2  # detail: why
    TASK_COMPLETED = 3  # agent, epoch; value: work-seconds of the effect that was accepted
    TASK_FAILED = 4  # given up; detail: reason
    TASK_FENCED = 5  # value: the highest fenced epoch

    # --- the queue
    QUEUE_ENTERED = 10  # enters the queue; detail: submitted, retry, reassigned, redelivery, replay
    QUEUE_DELIVERED = 11  # leaves the queue, sent to an agent; value: number of deliveries of this task so far
    QUEUE_WITHDRAWN = 12  # leaves the queue without a delivery; detail: reason
    QUEUE_ACKED = 13  # the queue releases a task whose effect is final
    QUEUE_SETTLED = 14  # the queue releases a task that the recovery core now owns
    QUEUE_ACK_LOST = 15
    QUEUE_DELIVERY_LOST = 16
    QUEUE_DUPLICATED = 17
    QUEUE_DEAD_LETTERED = 18
    QUEUE_BLOCKED = 19  # about: link
    QUEUE_UNBLOCKED = 20
    QUEUE_REPLAYED = 21  # value: number of replayed messages
    DELIVERY_PREFETCHED = 22  # waits in an agent without a free slot; value: number of the delivery
    DELIVERY_TAKEN = (
        23  # waits there no longer; detail: started, void (queued again since), or crashed (with its agent)
    )

    # --- attempts; value: progress of the task in work-seconds at that moment
    ATTEMPT_STARTED = 30
    ATTEMPT_SUCCEEDED = 31  # the work is done; a commit follows
    ATTEMPT_FAILED = 32  # detail: error code
    ATTEMPT_TIMED_OUT = 33
    ATTEMPT_INTERRUPTED = 34  # detail: agent_crash, agent_restart, resource_unavailable, stopped
    ATTEMPT_REFUSED = 35  # a commit or report under a fenced epoch, or a second commit; detail: which
    ATTEMPT_SKIPPED = 36  # delivered although already finished: acknowledged without work

    # --- checkpoints; value: progress in work-seconds
    CHECKPOINT_WRITTEN = 40
    CHECKPOINT_RESTORED = 41
    CHECKPOINT_REJECTED = 42  # value: sequence
    CHECKPOINT_CORRUPTED = 43  # ground truth of a fault; value: progress of the damaged checkpoint
    CHECKPOINT_FAILED = 45  # a failed write; value: progress that it would have stored
    CHECKPOINT_STALE = 46  # value: number of acknowledged checkpoints that the core could not read
    CHECKPOINT_LOADED = 44  # an attempt starts from a checkpoint; epoch: the attempt's
    CHECKPOINT_READ = 47  # the attempt has read it, and works from here
    CHECKPOINT_STARTED = 48  # a write begins, if it takes time

    # --- agents, in truth
    AGENT_CRASHED = 50
    AGENT_HUNG = 51
    AGENT_WOKE = 52
    AGENT_STOPPED = 53  # killed by a restart that the core asked for, while it was up
    AGENT_RESTARTED = 54
    # --- and according to the detector
    AGENT_SUSPECTED = 55
    AGENT_CLEARED = 56
    TASK_STALLED = 57  # the task, according to heartbeats; detail: its agent

    # --- resources; about: pool, value: units
    RESOURCE_ALLOCATED = 60
    RESOURCE_RELEASED = 61
    RESOURCE_UNAVAILABLE = 62
    RESOURCE_AVAILABLE = 63
    RESOURCE_AWAITED = 64  # an attempt waits for its needs; value: number of pools
    RESOURCE_LEAKED = 68  # leaked: in service without an owner
    RESOURCE_FOUND = 69
    # --- and according to the core's probes
    RESOURCE_SUSPECTED = 65
    RESOURCE_CLEARED = 66
    RESOURCE_PROBE_FAILED = 67

    # --- network; about: link
    LINK_CUT = 70
    LINK_HEALED = 71
    MESSAGE_LOST = 72  # detail: which kind of message
    SEND_FAILED = 73  # over a broken link: the sender notices

    # --- the core itself
    CORE_CRASHED = 75
    CORE_RESTARTED = 76
    CORE_ELECTED = 78  # about: which core; value: the epoch of its lease
    CORE_DEPOSED = 79  # in truth: another core leads from now on, or none; detail: unaware, if it acts as leader
    CORE_STARTED = 77  # when a core resumes the journal of an earlier one; value: recoveries

    # --- injected faults; detail: kind, about: target
    FAULT_INJECTED = 80  # value: number of active faults with which it unites; none: it starts an incident
    FAULT_CLEARED = 81  # value: number of faults that still affect the target; none: the incident is over
    FAULT_SKIPPED = 82  # no target; value: number of missing targets, if there are several

    # --- the recovery core's audit trail; about: subject
    RECOVERY_OPENED = 90
    RETRY_GRANTED = 91
    RETRY_EXHAUSTED = 92
    RECOVERY_STARTED = 93
    RECOVERY_ANALYZED = 94
    STEP_STARTED = 95
    STEP_COMPLETED = 96
    STEP_FAILED = 97
    RECOVERY_EXECUTED = 98
    RECOVERY_VERIFIED = 99
    RECOVERY_FAILED = 100
    RECOVERY_ESCALATED = 101
    RECOVERY_DISMISSED = 102
    RECOVERY_PACED = 103  # value: seconds
    RECOVERY_RESUMED = 104  # detail: command
    STEP_UNDONE = 105  # detail: command
    STEP_UNDO_FAILED = 106  # detail: command
    RECOVERY_TAKEN_UP = 107  # by a restarted core; detail: the phase reached before
    # --- clients, about the task that they wait for or waited for last
    CLIENT_TIMED_OUT = 110
    CLIENT_RETRIED = 111  # as a new task; value: number of the request
    CLIENT_ANSWERED = 112  # detail: in_time or late; value: seconds since the request was first made
    CLIENT_ABANDONED = 113
    ALERT_RAISED = 120
    ALERT_CLEARED = 121
    MONITOR_FAILED = 122
    ESCALATION_ACKNOWLEDGED = 123
    ESCALATION_RESOLVED = 124
    RUN_ERROR = 140  # an unexpected exception of the core, a policy or a command; detail: where, and its type
    # --- calls of attempts to downstream dependencies; about: which
    CALL_MADE = 150
    CALL_SERVED = 151  # its service begins; value: seconds that it waited
    CALL_ANSWERED = 152  # value: seconds since it was made
    CALL_REJECTED = 153  # detail: rate_limited, overloaded, dependency_down; value: Retry-After in seconds
    CALL_DROPPED = 154  # its attempt ended while it waited
    CALL_FAILED = 155  # while it was served; detail: dependency_down
    # --- its circuit breakers; about: failure kind
    BREAKER_OPENED = 130  # value: seconds
    BREAKER_HALF_OPENED = 131
    BREAKER_CLOSED = 132

    @property
    def label(self) -> str:
        """The name of the event in data frames and reports: `attempt.started`."""
        return self.name.lower().replace("_", ".", 1)
