"""Warnings about faults that do not happen, are not measured, or cannot be detected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scenarios.consistency.attempt_times import longest
from scenarios.consistency.inconsistency import Inconsistency, InconsistencyKind, at_least, time
from scenarios.consistency.united import Outage, united_outages
from scenarios.faults import AgentFlap, AgentHang, AnyFault, Group, each
from scenarios.fields.distributions import AnyDistribution
from scenarios.schema import ScenarioFields


def about_faults(scenario: ScenarioFields) -> Iterator[Inconsistency]:
    """Faults after the end of the run or within the warm-up, and those that end before they are detected."""
    outages = [outage for outage in united_outages(scenario) if "agent_hang" in outage.kinds]
    for number, fault in enumerate(scenario.faults):
        path = f"faults[{number}].{fault.kind}"
        yield from _times(scenario, path, fault)
        for single in each([fault]):
            duration = fault.for_ if isinstance(fault, Group) and fault.for_ is not None else None
            yield from _undetected(scenario, path, single, duration, fault.at, outages)


def _times(scenario: ScenarioFields, path: str, fault: AnyFault | Group) -> Iterator[Inconsistency]:
    end, duration = scenario.duration, getattr(fault, "for_", None)
    if fault.at is not None and fault.at >= end:
        yield Inconsistency(
            InconsistencyKind.FAULT_AFTER_END,
            (f"{path}.at", "duration"),
            {"at": fault.at, "duration": end},
            f"the run ends at {time(end)}, before the fault at {time(fault.at)}",
            f"before {time(end)}",
        )
    elif fault.at is not None and duration is not None and fault.at + duration.mean >= end:
        yield Inconsistency(
            InconsistencyKind.FAULT_OUTLASTS_RUN,
            (f"{path}.for", "duration"),
            {"end of the fault": fault.at + duration.mean, "duration": end},
            f"the fault lasts from {time(fault.at)} for {time(duration.mean)}, and the run ends at {time(end)}: "
            "what happens after it is not observed",
            f"a duration of more than {time(fault.at + duration.mean)}",
        )
    elif fault.at is not None and fault.at < scenario.warmup and _is_over(scenario, fault):
        yield Inconsistency(
            InconsistencyKind.FAULT_IN_WARMUP,
            (f"{path}.at", "warmup"),
            {"at": fault.at, "warmup": scenario.warmup},
            f"the fault happens at {time(fault.at)}, within the warm-up of {time(scenario.warmup)}: its recoveries are "
            "not measured",
            f"at {time(scenario.warmup)} or later",
        )
    if fault.every is not None and fault.every.mean >= end:
        yield Inconsistency(
            InconsistencyKind.FAULT_AFTER_END,
            (f"{path}.every", "duration"),
            {"every": fault.every.mean, "duration": end},
            f"the fault happens every {time(fault.every.mean)} in the mean, and the run ends at {time(end)}",
            f"every below {time(end)}",
        )


def _is_over(scenario: ScenarioFields, fault: AnyFault | Group) -> bool:
    """Whether a fault that begins within the warm-up also ends there; one without a duration does at once."""
    if not any(single.lasts() for single in each([fault])):
        return True
    duration = getattr(fault, "for_", None)
    return duration is not None and (fault.at or 0.0) + duration.mean <= scenario.warmup


def _undetected(
    scenario: ScenarioFields,
    path: str,
    fault: AnyFault,
    of_group: AnyDistribution | None,
    at: float | None,
    outages: Sequence[Outage],
) -> Iterator[Inconsistency]:
    """Agents that are silent, or without progress, for less than their detector waits for.

    The last heartbeat comes up to one interval before the fault.
    """
    detection = scenario.recovery.detection
    keys: tuple[str, ...]
    if isinstance(fault, AgentFlap):
        key, silence = "down", fault.down
    elif isinstance(fault, AgentHang) and (hang := of_group or fault.for_) is not None:
        key, silence = "for", hang
    else:
        return
    lasts = longest(silence)
    if isinstance(fault, AgentHang) and at is not None:  # of a hang that unites with others, all of them together
        united = [outage.end - outage.begin for outage in outages if outage.begin <= at < outage.end]
        lasts = max([lasts, *united])
    if isinstance(fault, AgentHang) and fault.beating:
        if detection.stalled_after is None or detection.detector == "perfect":
            return
        keys, patience = ("recovery.detection.stalled_after",), detection.stalled_after
    elif detection.detector == "heartbeat":
        keys = ("recovery.detection.missed_heartbeats", "recovery.detection.heartbeat_interval")
        patience = detection.missed_heartbeats * detection.heartbeat_interval
    else:
        return
    if lasts + detection.heartbeat_interval <= patience:
        yield Inconsistency(
            InconsistencyKind.UNDETECTED,
            (f"{path}.{key}", *keys),
            {key: lasts, "detection": patience},
            f"it lasts {time(lasts)} at most, and agents are suspected after {time(patience)}: it is never detected",
            f"{time(at_least(patience))} or more, or a faster detection",
        )
