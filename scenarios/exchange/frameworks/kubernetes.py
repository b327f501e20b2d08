"""Kubernetes: a Job, as YAML.

Source: Kubernetes documentation, "Jobs: Pod backoff failure policy", "Pod failure policy" and "Job termination and
cleanup"; API reference of batch/v1 JobSpec: backoffLimit 6, the number of retries; "an exponential back-off delay (10s,
20s, 40s …) capped at six minutes", which cannot be set; activeDeadlineSeconds, from the start of the Job;
podFailurePolicy, whose rule with the action FailJob ends the Job at once for some exit codes, and needs
restartPolicy: Never.
"""

from __future__ import annotations

import re
from typing import Any

from scenarios.errors import instead
from scenarios.exchange.framework import Framework, Written
from scenarios.exchange.portable import NEVER, Portable
from scenarios.exchange.shapes import Numbers, Shape
from scenarios.exchange.values import Values, mapping, words, yaml_text

FIRST, FACTOR, CAP = 10.0, 2.0, 360.0
"""The fixed delays: the first one, their growth, and their cap, in seconds."""
DEFAULT_LIMIT = 6
INT32 = 2**31 - 1
CODE = re.compile(r"exit_([1-9]\d{0,2})")
"""The error code of an exit status: exit_42."""
SPEC = words(
    "activeDeadlineSeconds backoffLimit backoffLimitPerIndex completionMode completions managedBy "
    "manualSelector maxFailedIndexes parallelism podFailurePolicy podReplacementPolicy selector "
    "successPolicy suspend template ttlSecondsAfterFinished"
)
"""The keys of a JobSpec."""
RULE = ("action", "onExitCodes", "onPodConditions")
ACTIONS = ("FailJob", "FailIndex", "Ignore", "Count")


def write(portable: Portable, how: Written) -> str:
    """A Job without its containers."""
    policy = portable.policy
    spec: dict[str, Any] = {"backoffLimit": INT32 if policy.max_retries is None else policy.max_retries}
    if policy.deadline is not None:
        spec["activeDeadlineSeconds"] = int(policy.deadline)
    if portable.not_retried:
        codes = sorted(int(CODE.fullmatch(code)[1]) for code in portable.not_retried)  # type: ignore[index]  # fitted
        spec["podFailurePolicy"] = {
            "rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": codes}}],
        }
    spec["template"] = {"spec": {"restartPolicy": "Never", "containers": []}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": how.name}, "spec": spec}
    return yaml_text(job, how.comments)


def read(text: str, source: str) -> Portable:
    """The policy of a Job."""
    job = mapping(text, source, "a Job")
    job.check(("apiVersion", "kind", "metadata", "spec", "status"), "a Job")
    job.text("kind", "Job", ("Job",))
    job.text("apiVersion", "batch/v1", ("batch/v1",))
    spec = job.below("spec")
    spec.check(SPEC, "the spec of a Job")
    limit = spec.whole("backoffLimit", DEFAULT_LIMIT, 0, INT32)
    deadline = spec.whole("activeDeadlineSeconds", 0, 1, INT32) if spec.has("activeDeadlineSeconds") else None
    policy = spec.policy(
        max_retries=None if limit == INT32 else limit,
        retry_delay=FIRST,
        backoff="exponential",
        multiplier=FACTOR,
        max_delay=CAP,
        deadline=deadline,
    )
    return Portable(policy, dict.fromkeys(_failing(spec), NEVER))


def _failing(spec: Values) -> list[str]:
    """The error codes of the exit statuses that end the Job."""
    below = spec.below("podFailurePolicy")
    below.check(("rules",), "podFailurePolicy")
    rules = below.data.get("rules") or []
    found: list[str] = []
    for number, rule in enumerate(rules if isinstance(rules, list) else []):
        values = Values(
            spec.source, rule if isinstance(rule, dict) else {}, spec.line_of, (*below.place, "rules", number)
        )
        values.check(RULE, "a rule of podFailurePolicy")
        action = values.text("action", "", ACTIONS)
        on = values.below("onExitCodes")
        on.check(("containerName", "operator", "values"), "onExitCodes")
        if not on.data or action not in {"FailJob", "FailIndex"}:
            continue
        if on.text("operator", "", ("In", "NotIn")) == "NotIn":
            raise on.error(f"NotIn cannot be read as error codes; {instead('In', ('In',), 'valid')}", "operator")
        statuses = on.data.get("values")
        if not isinstance(statuses, list) or not all(isinstance(each, int) and 0 < each < 256 for each in statuses):
            raise on.error("is not a list of exit statuses; valid: 1 to 255", "values")
        found += [f"exit_{each}" for each in statuses]
    return list(dict.fromkeys(found))


KUBERNETES = Framework(
    name="kubernetes",
    title="Kubernetes Job; backoffLimit does not count the first attempt, the delays are fixed: 10 s × 2ⁿ up to 6 min",
    source="Kubernetes documentation, Jobs: Pod backoff failure policy; API reference, batch/v1 JobSpec",
    shapes=(
        Shape(
            backoffs=("exponential",),
            most_retries=INT32 - 1,
            delay=FIRST,
            multiplier=FACTOR,
            cap=CAP,
            deadline=Numbers(1, 1, INT32),
            errors=True,
            code=CODE,
        ),
    ),
    write=write,
    read=read,
    languages=("yaml",),
    hints={"by_error": "podFailurePolicy needs exit statuses: codes such as exit_42"},
    notes={"deadline": "activeDeadlineSeconds counts from the start of the Job"},
)
