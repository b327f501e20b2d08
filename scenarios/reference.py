"""The reference of scenario files, generated from the schema: `python -m scenarios.reference > scenarios/README.md`."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from recovery.policies.presets import PRESETS
from scenarios import faults
from scenarios.consistency.inconsistency import MEANINGS as WARNED
from scenarios.faults.base import PLACED
from scenarios.faults.trigger import MEANINGS
from scenarios.fields import distributions
from scenarios.fields.base import Form, Settings
from scenarios.fields.metric_rows import NO_DIRECTION, ROWS, STATISTICS, Row
from scenarios.fields.metrics import part_rows
from scenarios.fields.quantities import Quantity
from scenarios.scenario import Scenario
from scenarios.sections import arrivals
from scenarios.sections.policies import Condition, Policy
from scenarios.sections.presets import DETECTIONS, QUEUES
from scenarios.sections.steady_state import WINDOWED

INTRODUCTION = """\
# Scenarios

A scenario is one experiment in one YAML file, `NAME.scenario.yaml`: the load, the world, the recovery policies, the
faults and the expectations.

```yaml
name: one-crash
duration: 1h
tasks:
  arrivals: {poisson: {rate: 2/s}}
  work: {exponential: {mean: 3s}}
agents: {count: 10, restart_time: 20s}
faults:
  - agent_crash: {targets: 1, at: 10m}
expect:
  - tasks.lost == 0
```

A fleet with several kinds of tasks has them as a list. Each has a share of the arrivals or arrivals of its own; what it
does not have is as for all tasks. Kinds may wait in queues of their own, and pools of agents take some kinds only. A
path names the kind, `--set tasks.chat.work=4s`, and so do metrics, `tasks.chat.sojourn.p95`. A scenario that extends
this one may give single keys of a kind. `mixed-fleet` is a shipped one with three kinds, two pools and a rate limit.

```yaml
name: fleet
duration: 1h
tasks:
  arrivals: {poisson: {rate: 2/s}}
  kinds:
  - {name: chat, share: 80%, work: 3s, priority: 1, queue: fast}
  - {name: report, share: 20%, work: {exponential: {mean: 10s}}, retry: {max_retries: 1, retry_delay: 5s}}
queues:
  fast: {capacity: 100}
agents:
  pools:
    small: {count: 6, takes: [chat]}
    large: {count: 6, takes: [report, chat]}
expect:
  - tasks.chat.sojourn.p95 <= 10s
```

`recovery-bench list` prints the shipped scenarios, and `recovery-bench show NAME` explains one of them:

- `documented/`: a baseline, and four failures, each of which exercises one entry of the runbook.
- `variants/`: two variants of each documented failure.
- `compound/`: failures known from incidents, such as a poison task that crashes every agent that runs it, a zombie
  agent that commits late, a retry storm that outlasts its cause, or a core that crashes during a mass recovery. A
  scenario with a poor policy has a control with a better one: `mass-failure` and `mass-failure-paced`.
- `found/`: schedules of faults with which `make hunt` found a defect of Recovery Bench itself. The defect is mended.

A scenario that differs little from another starts with `extends: agent-failure` and contains only the different keys.
`recovery-bench schema` prints a JSON Schema for editors.

A feature that is not configured is disabled and has no cost. Files are YAML 1.2; nothing in them is executed. An
unknown key, a wrong unit, an impossible value or a contradiction is an error of one line with file, line, key and the
valid values.

A number without a unit is in seconds, or per second. With a unit: durations `250ms`, `30s`, `5m`, `2h`, `1d`; rates
`2/s`, `90/m`, `10/h`, `1/d`; fractions `0.02` or `2%`.

What takes exactly as long as allowed is in time. This holds for all time limits: of attempts, tries, clients,
acknowledgements and leases, of heartbeats and progress, for deadlines of retries and age limits of recoveries. Instants
are sums of floats: durations that differ by a billionth of a second are equal. A try (`try_timeout`) is the exception,
its limit is compared exactly. A run ends before what is due exactly at its `duration`.

In Python: `scenarios.load("agent-failure")`, `scenarios.loads(text)`, and
`scenario.with_values({"recovery.conditions.task_failure.retry_delay": "5s", "faults[0].at": "5m"})`.

*This page is generated from the schema by `python -m scenarios.reference > scenarios/README.md`.*
"""
EXPECTATIONS = """\
`metric operator value`, with one of `==` `!=` `<=` `>=` `<` `>` and a value in the unit of the metric:
`recovery.time.p95 <= 90s`, `tasks.throughput >= 108/m`, `agents.availability >= 99%`. Values that differ by less than
a billionth are equal. An expectation about a metric without an observation does not hold.

An expectation on a count, a maximum or a `consistency.*` metric has to hold in every replication: more replications
make the test harder, never easier. Replications that do not observe a maximum are left out. An expectation on any other
metric has to hold for the estimate over all replications. The text can say otherwise: `mean(tasks.failed) <= 0.5` is
about the mean, `recovery.time.p95 <= 90s in all runs` and `tasks.failed <= 2 in 95% of runs` are about single runs. A
result shows in how many runs an expectation does not hold.
"""
METRICS = """\
- **Cohort.** A task belongs to the cohort when it was submitted at or after the warm-up, whenever it ends; one that was
  submitted in the warm-up and completed later is left out. A recovery belongs to it when it was opened at or after the
  warm-up, a fault when it happened then. The table below says which metrics are of a cohort.
- **Window.** The time from the warm-up to the end of the run. Rates, averages over time and counts of events are of the
  window, of whatever task: `tasks.throughput` also counts completions of tasks that were submitted in the warm-up, so
  that `tasks.completed` ÷ window differs from it.
- **Cut off.** Tasks, requests and recoveries that the end of the run cuts off are right-censored observations of their
  duration, not missing ones. The distribution is the Kaplan–Meier estimate over the observations of all replications.
  A percentile that it does not reach is infinite, shown as "beyond the horizon", and no upper bound on it holds. A mean
  with cut-off observations is restricted to the longest observation, and shown with the share that was cut off. Tasks
  that were given up or rejected have no sojourn time; `tasks.failed` and `tasks.rejected` count them.
- **`tasks.within(60s)`** is the share of the submitted tasks that were completed within 60 s of their submission. Tasks
  that were given up, rejected or lost were not. Any duration can be asked for.
- **Percentiles.** Any can be asked for: `tasks.sojourn.p90`, `recovery.time.p99.9`. They are of the observations of all
  replications together. Of more than 20,000 observations of one replication, each is rounded by at most 0.1 %.
- **Maximum.** The mean over the replications of the longest of each. It grows with the duration of the run and with the
  number of observations, so that it compares only runs of equal length, and it says nothing of longer runs. An
  observation that the end of the run cuts off may exceed it: then the maximum is infinite.
- **Restricted mean.** A mean or standard deviation with cut-off observations counts each of them as long as the longest
  observation at most. It is a lower bound of the mean, depends on the duration of the run, and is marked in tables.
  Percentiles and `tasks.within(…)` are not restricted.
- **Kinds of failure.** `recovery.*` (but `recovery.paced.*`), `retries.count`, `.exhausted`, `.delay.*`,
  `.per_failure.mean` and `diagnosis.accuracy` also exist for each kind of failure: `recovery.agent_failure.time.p95`,
  `retries.task_failure.count`. Metrics of all kinds together change when the mixture changes.
- **Kinds of tasks.** `tasks.*`, `attempts.*`, `retries.*`, `recovery.*` and `client.*`, but for those that have no
  kinds of failure either, also exist for each kind in `tasks.kinds`: `tasks.chat.sojourn.p95`,
  `tasks.chat.within(60s)`, `recovery.chat.time.p95` for recoveries of its tasks. They are of the tasks of that kind
  alone.
- **Pools and queues.** Every `agents.*` and `work.*` metric also exists for each pool in `agents.pools`,
  `agents.gpu.utilization`, `work.gpu.wasted`, and every `queue.*` metric for each queue in `queues`,
  `queue.fast.depth.mean`. Those without a name are of all agents and of all queues.
- **Per task.** `attempts.per_task.mean` is of the tasks of the cohort that were completed or given up: all attempts of
  such a task count, and tasks that are unfinished at the end are left out. `attempts.amplification` is all attempts of
  the cohort ÷ all of its tasks, also those that were rejected or not started yet.
- **Agent time.** `work.useful` + `.wasted` + `.checkpoint` + `.idle` + `.down` = slots × the window, exactly: every
  instant of a slot is in one of them. `.down` has all slots of an agent that is crashed, hung, stopped or restarting,
  and `.checkpoint` the writes and reads of checkpoints, also those that were cut short. `.wasted` has work that failed,
  timed out, was interrupted or came too late, from the last checkpoint that a later attempt continued from; work of
  tasks that were given up; and work for clients that have left. Work of unfinished tasks that is not discarded at the
  end of the run is `.useful`. Slots that are kept for a retry or wait for resources are `.idle`. On a slow agent work
  takes more time, and all of it counts. A run in which the sum is another ends with an error.

"""


SCOPES = (
    ("`tasks.*`, except those below", "the tasks of the cohort"),
    ("`cost.*`", "the tasks of the cohort and their retries; agents in the window"),
    ("`tasks.throughput`, `tasks.in_system.mean`, `tasks.in_queue.mean`", "the window"),
    ("`attempts.*`, `retries.*`", "the tasks of the cohort: their attempts and retries at any time"),
    (
        "`recovery.*`, `diagnosis.*`, `detection.*`, `escalations.open`, except those below",
        "the recoveries of the cohort, with all of their tries",
    ),
    ("`detection.missed`", "the faults of the cohort that are over, or that the detector had the time to detect"),
    ("`recovery.paced.*`, `detection.false_positives`, `breaker.*`, `alerts.*`", "the window"),
    ("`work.*`, `agents.*`, `resources.*`, `queue.*`, `downstream.*`, `service.*`, `faults.*`", "the window"),
    ("`restoration.time.*`", "the faults that end in the window"),
    ("`client.*`, except `client.response.*`", "the window: timeouts, retries, answers and submissions in it"),
    ("`client.response.*`", "the answers in the window, and the requests of the cohort that are open at the end"),
    ("`consistency.*`, `run.*`", "the whole run, with the warm-up"),
)
"""The metrics, and the tasks, recoveries or times that they are of."""


PRESETS_OF = """\
`preset` stands for the defaults of a broker or an engine. A key beside it takes precedence; `--set queue.preset=sqs`
replaces the keys that presets set. `recovery-bench show` has what the presets of a scenario stand for, and
`policy import` reads the settings of an application of yours. The presets of Celery also set the prefetch of each slot:
`worker_prefetch_multiplier` is 4, which is `agents.prefetch` 3 for an agent with one slot, and 4 where tasks are
acknowledged before they are executed (`celery`). Settings that have no key are not simulated. The source of each is in
the docstring of its function, in `scenarios/sections/presets.py` and `recovery/policies/presets.py`.

"""


CONDITIONS = """\
A fault with `when` happens once: the first time that its condition is true, which may be at time 0. The condition is
evaluated whenever its quantity has changed, at the end of that instant: a value that exists only within an instant (a
task enters an empty queue and is delivered immediately) does not count. Steps and faults are events and count even when
they take no time. All faults whose conditions are true at one evaluation happen together. Their `targets` select what
they affect: `task.progress` does not select the task that made the progress.

`quantity operator value`: `==` `!=` `<=` `>=` `<` `>` and a whole number; `>` or `>=` and a fraction of the work
(`0.5`, `50%`) for `task.progress`; `==` and a word for steps and faults. A cascade is, for example,
`agent_crash: {when: fault.partition == cleared}`. With `after: 30s` the fault happens 30 s after its condition became
true, even if the condition no longer holds. A fault can follow a member of a group, or the group itself
(`fault.group == injected`).

"""


UNITED = """\
Faults that overlap in time on one target unite: none of them is skipped, and each ends at its own time. Faults that
touch (`every: 10s` and `for: 10s`) overlap. What holds while several are active:

"""


INCIDENTS = """\

- **Incidents.** Faults of one kind that unite on one target, and crashes, hangs and flaps of one agent, are one
  incident: from the first start to the last end. A gap between them makes two. `restoration.time.*` is measured once
  for each incident, from its end; a crash of an agent that is up or hung ends at its instant. The recovery times of an
  agent count from the start of its incident.
- **Events.** Each fault has its own `fault.injected` and `fault.cleared`. The `value` of the first is the number of
  active faults with which it unites, and of the second the number of faults that still affect the target; without a
  value an incident starts or ends. `agent.hung`, `agent.woke`, `link.cut`, `link.healed`, `queue.blocked` and
  `queue.unblocked` are recorded once for each incident.
- **Restarts.** A restart of an agent by the recovery ends all crashes, hangs and `down` times of this agent, whenever
  they began. They have no `fault.cleared`.
- **Counts and fractions** take agents first that no such fault affects already, and the others only if there are too
  few.
- **Skipped.** A target that does not exist when the fault is due is skipped: a named task that does not run, more
  targets than running tasks, checkpoints when there is none intact, a leak when no unit is free. `fault.skipped` is in
  the history, and the table of a run shows the number as `without a target` (`faults.skipped`).
"""


STEADY_STATE = """\
The service is in steady state at an instant when all conditions of `holds` are true over the `window` before it, which
is what an operator would see. `service.availability` is the fraction of such instants; ten per window are evaluated.
`restoration.time.*` is the time from the end of a fault to the start of a steady state that lasts at least one window,
and is infinite when there is none. A fault without a duration, such as a crash, ends when it is injected. A fault that
lasts until the end of the run, or ends less than a window before it, has no restoration time.

Without `steady_state` the limits are learned from consecutive windows of 30 s between the warm-up and the first fault:
the mean of `queue.depth.mean`, `tasks.throughput` and, with `tasks.client`, `client.goodput`. A window is steady when
it is not worse than that mean by more than three standard deviations (somewhat more when there are few windows). With
fewer than five windows nothing is learned, and the metrics are not measured.

"""


WARNINGS = """\
Valid settings can contradict each other in effect. `recovery-bench show` and `policy check` print a warning for each,
with the keys, the compared figures and what would be consistent; `recovery-bench run` prints the first three on
stderr, except for a shipped scenario whose settings were not changed. A warning prevents nothing. In Python,
`scenarios.inconsistencies(scenario)` returns them as values. An attempt is the work of a task on a healthy agent and
the checkpoints that it writes.

"""


def reference() -> str:
    """The whole page, in Markdown."""
    sections = [
        INTRODUCTION,
        "## Keys\n\n" + _table(("key", "value", "default", "meaning"), _rows(Scenario)),
        "## Distributions\n\nA bare duration is a constant.\n\n" + _forms(distributions.FORMS),
        "## Arrivals\n\n" + _forms(arrivals.FORMS),
        "## Presets\n\n" + PRESETS_OF + _table(("preset", "of", "stands for"), _presets()),
        "## Faults\n\nEach has exactly one of `at`, `every` and `when`. With `when`, `after` is a delay, a "
        "distribution. Targets are a count, a fraction (`0.2`, `20%`), `all`, or a list of names. Those of one "
        "part of a fleet are `{pool: gpu, count: 2}` for agents and `{kind: chat, share: 50%}` for tasks; without "
        "`count` and `share`, all of it.\n\n" + _forms(faults.FORMS),
        "### Overlapping faults\n\n"
        + UNITED
        + _table(("fault", "several on one target"), ((f"`{form.kind}`", form.unites) for form in faults.SINGLE))
        + INCIDENTS,
        "## Conditions\n\n" + CONDITIONS + _table(("quantity", "meaning"), _conditions()),
        "## Expectations\n\n" + EXPECTATIONS,
        "## Warnings\n\n" + WARNINGS + _table(("warning", "appears when"), _warnings()),
        "## Steady state\n\n" + STEADY_STATE + _table(("metric", "of a window"), _windowed()),
        f"## Metrics\n\n`.*` is one of {', '.join(f'`{name}`' for name in STATISTICS)}.\n\n"
        + METRICS
        + _table(("metrics", "are of"), SCOPES)
        + "\n"
        + _table(
            ("metric", "unit", "better", "meaning"),
            _metrics((*ROWS, *part_rows("resources", "NAME"), *part_rows("downstream", "NAME"))),
        ),
    ]
    return "\n".join(sections)


def _presets() -> Iterator[tuple[str, ...]]:
    for section, known in (("a condition", PRESETS), ("`queue`", QUEUES), ("`recovery.detection`", DETECTIONS)):
        for name, preset in known.items():
            yield f"`{name}`", section, (preset.__doc__ or "").partition("\n")[0]


def _warnings() -> Iterator[tuple[str, ...]]:
    return ((f"[`{kind}`](consistency/README.md#{kind})", meaning) for kind, meaning in WARNED.items())


def _windowed() -> Iterator[tuple[str, ...]]:
    return ((f"`{name}`", meaning) for name, meaning in WINDOWED.items())


def _conditions() -> Iterator[tuple[str, ...]]:
    return ((f"`{name}`", meaning) for name, meaning in MEANINGS.items())


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def _rows(model: type[Settings], path: str = "") -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        key = f"{path}{field.alias or name}"
        section, nullable = _section(field.annotation)
        value = _described(field)
        if section is None or (get_origin(field.annotation) is dict and issubclass(section, Policy)):
            yield f"`{key}`", value, _default(field), field.description or ""
        elif issubclass(section, Condition) and not key.endswith("task_failure"):
            yield f"`{key}`", "as `task_failure`", _condition(section, nullable), field.description or ""
        else:
            below = f"{key}.NAME." if get_origin(field.annotation) is dict else f"{key}."
            if nullable or below.endswith("NAME."):
                yield f"`{key}`", value, _default(field), field.description or ""
            yield from _rows(section, below)


def _section(annotation: Any) -> tuple[type[Settings] | None, bool]:
    """The model of a section, and whether it may be null; None for a plain value."""
    candidates = get_args(annotation) if get_origin(annotation) in {dict, Union, types.UnionType} else (annotation,)
    models = [item for item in candidates if isinstance(item, type) and issubclass(item, Settings)]
    if len(models) != 1 or issubclass(models[0], Form):
        return None, False
    return models[0], type(None) in candidates


def _condition(section: type[Settings], nullable: bool) -> str:
    if nullable and section is Condition:
        return "`null`"
    return ", ".join(
        f"`{name}: {_default(section.model_fields[name])[1:-1]}`" for name in ("max_retries", "retry_delay")
    )


def _described(field: FieldInfo) -> str:
    marks = [mark.name for mark in field.metadata if isinstance(mark, Quantity)]
    return marks[-1] if marks else _type(field.annotation)


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        marks = [mark.name for mark in arguments[1:] if isinstance(mark, Quantity)]
        return marks[-1] if marks else _type(arguments[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in {Union, types.UnionType}:
        return ", ".join(_type(argument) for argument in arguments)
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if annotation is type(None):
        return "`null`"
    return {str: "text", dict: "mapping"}.get(origin or annotation, "mapping")


def _default(field: FieldInfo) -> str:
    if field.is_required() or (field.default is None and "null" not in _described(field) and not _nullable(field)):
        return "**required**"
    value = field.default
    if isinstance(value, distributions.Constant):
        return f"`{value.value:g}s`"
    if isinstance(value, Condition):
        return "the runbook's"
    if isinstance(value, float):
        is_duration = _described(field).startswith("duration")
        return f"`{value:g}s`" if is_duration else f"`{value:g}`"
    words = {"None": "null", "True": "true", "False": "false", "()": "[]", "": '""'}
    return f"`{words.get(str(value), str(value))}`"


def _nullable(field: FieldInfo) -> bool:
    return type(None) in get_args(field.annotation)


def _forms(forms: Iterable[type[Form]]) -> str:
    def line(form: type[Form]) -> tuple[str, ...]:
        keys = [
            f"`{field.alias or name}`: {_described(field)}"
            + ("" if field.is_required() else f" (default {_default(field)})")
            for name, field in form.model_fields.items()
            if name not in PLACED or not issubclass(form, faults.Fault)
        ]
        return f"`{form.kind}`", "; ".join(keys), " ".join((form.__doc__ or "").split("\n\n")[0].split())

    return _table(("form", "keys", "meaning"), map(line, forms))


def _metrics(rows: Iterable[Row]) -> Iterator[tuple[str, ...]]:
    for name, unit, direction, meaning in rows:
        reason = NO_DIRECTION.get(name)
        yield f"`{name}`", unit, direction or (f"none: {reason}" if reason else "none"), meaning


if __name__ == "__main__":
    sys.stdout.write(reference())
