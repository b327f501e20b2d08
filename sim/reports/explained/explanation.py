"""Scenarios as text: the faults, the affected parts, and the expected behavior. Nothing is run."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from math import inf
from typing import Any

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from scenarios import Scenario, path
from scenarios.consistency import inconsistencies
from scenarios.consistency.united import united_outages
from scenarios.fields.distributions import Constant
from scenarios.schema import ScenarioFields
from scenarios.sections.arrivals import Burst, Closed, Diurnal, Interval, Poisson, Trace
from scenarios.sections.detection import DetectionSettings
from scenarios.sections.policies import Policy
from scenarios.task_views import queue_of, views
from sim.presentation.formatting import UNICODE, Signs, count, duration, percent
from sim.presentation.phrases import capitalized, listed, spread
from sim.reports.explained.ascii_timeline import sketch
from sim.reports.explained.faults import in_words
from sim.reports.explained.presets import presets
from sim.reports.explained.settings import also_set

HEADINGS = {
    "documented": "Documented failures",
    "variants": "Variants of them",
    "compound": "Compound failures",
    "found": "Found by searches",
}
"""The folders of the shipped scenarios, in the order of `list`."""


def catalogue(found: Sequence[Scenario], width: int, style: Signs = UNICODE) -> Text:
    """One line per shipped scenario, grouped by folder: the name and a summary, cut at `width` columns."""
    text = Text(no_wrap=True)
    for folder, heading in HEADINGS.items():
        group = [scenario for scenario in found if path(scenario.name).parent.name == folder]
        names = max((len(scenario.name) for scenario in group), default=0)
        text.append(f"{heading}\n", "bold")
        for scenario in group:
            summary = shortened(summary_of(scenario.description), width - names - 4, style)
            text.append(f"  {scenario.name:{names}}  {summary}\n")
        text.append("\n")
    text.append("explain one: recovery-bench show NAME")
    return text


def summary_of(description: str) -> str:
    """The first sentence, without the name of the scenario that this one varies, because its name begins with it."""
    sentence = first_sentence(description)
    if variant := re.match(r"A variant of [\w-]+: ", sentence):
        return capitalized(sentence[variant.end() :])
    return re.sub(r"^The control of [\w-]+: ", "Control: ", sentence)


def shortened(text: str, width: int, style: Signs = UNICODE) -> str:
    """The text in at most `width` columns: cut after a clause, or after a word with an ellipsis."""
    if len(text) <= width:
        return text
    clauses = [text[: end.start()] + "." for end in re.finditer(r", |: ", text) if end.start() < width]
    if clauses and len(clauses[-1]) > width // 2:
        return clauses[-1]
    return textwrap.shorten(text, max(width, len(style.ellipsis)), placeholder=style.ellipsis)


def first_sentence(text: str) -> str:
    """Up to the first full stop that ends a sentence."""
    return " ".join(text.split()).partition(". ")[0].rstrip(".") + "."


def explanation(scenario: Scenario, style: Signs = UNICODE) -> Group:
    """The explanation of one scenario: text, a timeline, and the keys that neither contains."""
    title = Text(scenario.name, "bold")
    if scenario.documents:
        title.append(f"  {scenario.documents}", "dim not bold")
    parts: list[Any] = [title]
    if scenario.extends:
        title.append(f"  extends {scenario.extends}", "dim not bold")
    if scenario.description:
        parts.append(Text(" ".join(scenario.description.split())))
    if scenario.extends is not None:
        parts.append(Text(f"It extends {scenario.extends}.", "dim"))
    for heading, lines in (
        ("What is injected", injected(scenario)),
        ("When", sketch(scenario, style)),
        ("Whom it hits", list(hit(scenario))),
        ("What should happen", list(should_happen(scenario))),
        ("What is expected", [expectation.expression for expectation in scenario.expect] or ["Nothing."]),
        ("Warnings", [f"{found.kind}: {found}; see {found.page}" for found in inconsistencies(scenario)]),
        ("What else is set", also_set(scenario)),
    ):
        if not lines:
            continue
        parts += [Text(), Text(heading, "bold"), *(Padding(Text(line), (0, 0, 0, 2), expand=False) for line in lines)]
    return Group(*parts)


# ---------------------------------------------------------------------------- injected
def injected(scenario: Scenario) -> list[str]:
    """The faults and their times, one sentence per line."""
    return [*_injected(scenario), *_united(scenario), *_by_itself(scenario), *never_injected(scenario)] or ["Nothing."]


def _united(scenario: Scenario) -> Iterator[str]:
    """A sentence for each target that overlapping faults stop."""
    alike: dict[tuple[str, float, float], list[str]] = {}
    for outage in united_outages(scenario):
        what = listed([kind.replace("_", " ") for kind in outage.kinds])
        alike.setdefault((what, outage.begin, outage.end), []).append(outage.target.replace("|", " – "))
    for (what, begin, end), targets in alike.items():
        until = "the end" if end == inf else duration(end)
        yield f"Overlapping faults of {listed(targets)} unite: {what} from {duration(begin)} to {until}."


def never_injected(scenario: Scenario) -> list[str]:
    """A sentence about faults that the run is too short for; None if it is long enough for all."""
    late = [fault.at for fault in scenario.faults if fault.at is not None and fault.at > scenario.duration]
    if not late:
        return []
    moments = listed([duration(moment) for moment in dict.fromkeys(late)])
    return [f"The run ends at {duration(scenario.duration)}: what is due at {moments} never happens."]


def _injected(scenario: Scenario) -> Iterator[str]:
    grouped: dict[str, list[float]] = {}
    for fault in scenario.faults:
        if fault.at is not None and fault.at > scenario.duration:
            continue
        grouped.setdefault(in_words(fault), []).extend([] if fault.at is None else [fault.at])
    for what, moments in grouped.items():
        yield f"At {listed([duration(moment) for moment in moments])} {what}." if moments else f"{capitalized(what)}."


def _clients(scenario: Scenario) -> Iterator[str]:
    """How long clients wait, and how often they ask again: those of all tasks, then those of single kinds."""
    kinds = scenario.tasks.kinds.items()
    own = [(f" of a task of kind {name}", kind.client) for name, kind in kinds if kind.client is not None]
    for whose, client in [("", scenario.tasks.client), *own]:
        if not client.waits:
            continue
        long = "" if client.timeout is None else f" {duration(client.timeout)}"
        again = f"asks again {client.max_retries} times at most" if client.max_retries else "does not ask again"
        after = f", after {duration(client.retry_delay)}" if client.max_retries and client.retry_delay else ""
        yield f"A client{whose} waits{long} for its answer, and {again}{after}."


def _by_itself(scenario: Scenario) -> Iterator[str]:
    agents = scenario.agents
    for name, view in views(scenario):
        tasks, attempt = view.tasks, f"attempt at a task of kind {name}" if name else "attempt"
        if tasks.failure_probability:
            when = "at the end of its work" if tasks.failure_at == "end" else "somewhere in its work"
            yield f"Each {attempt} fails with probability {percent(tasks.failure_probability)}, {when}."
    if agents.mtbf is not None:
        while_ = "" if agents.failure_clock == "always" else " of busy time"
        yield f"Each agent crashes at random, {spread(agents.mtbf)}{while_} after it came up."
    for name, view in views(scenario):
        if view.tasks.timeout is not None:
            whose = f" at a task of kind {name}" if name else ""
            yield f"An attempt{whose} that takes longer than {duration(view.tasks.timeout)} is stopped."
    yield from _clients(scenario)
    queue, network = scenario.queue, scenario.network
    for share, what in (
        (queue.loss, "deliveries are lost"),
        (queue.ack_loss, "acknowledgements are lost"),
        (queue.duplication, "deliveries arrive twice"),
        (network.loss, "messages are lost"),
        (scenario.storage.failure, "checkpoints cannot be written"),
    ):
        if share:
            yield f"{percent(share)} of the {what}."


# ------------------------------------------------------------------------------- load
def hit(scenario: Scenario) -> Iterator[str]:
    """The load and the agents."""
    agents = scenario.agents
    kinds = views(scenario)
    busy = 0.0
    for name, view in kinds:
        load, rate = _arrivals(view)
        of_kind = f"Kind {name}: {load[0].lower()}{load[1:]}" if name else load
        yield f"{of_kind}; each takes {spread(view.tasks.work)} of work{_queued(scenario, name)}."
        busy += rate * view.tasks.work.mean
    slots = agents.count * agents.slots
    fleet = f"{count(agents.count, 'agent')} with {count(agents.slots, 'slot')} each"
    if busy:
        fleet += f": on average {busy:g} of {slots} slots are busy ({percent(busy / slots)})"
    yield f"{fleet}."
    for name, pool in agents.pools.items():
        takes = "all kinds of tasks" if pool.takes is None else listed(list(pool.takes))
        yield f"Pool {name}: {count(pool.count, 'agent')} for {takes}."
    for name, view in kinds:
        yield from (f"Kind {name}: {each[0].lower()}{each[1:]}" if name else each for each in _of_attempts(view))
    yield from _dependencies(scenario)
    warm = f", the first {duration(scenario.warmup)} of which are not measured" if scenario.warmup else ""
    yield f"The run lasts {duration(scenario.duration)}{warm}."
    if scenario.drain is not None:
        yield f"It goes on for up to {duration(scenario.drain)} until what was submitted has ended."


def _queued(scenario: Scenario, name: str) -> str:
    """Where tasks of a kind wait, and with which priority."""
    if not name:
        return ""
    queue, priority = queue_of(scenario, name), scenario.tasks.kinds[name].priority
    return (f", and waits in {queue}" if queue else "") + (f", with priority {priority}" if priority else "")


def _arrivals(scenario: ScenarioFields) -> tuple[str, float]:
    """The arrivals of one kind of tasks in words, and their mean rate; 0 where they have none."""
    match scenario.tasks.arrivals:
        case Poisson(rate=rate):
            return f"Tasks arrive at random, {rate:g} a second", rate
        case Interval(every=every):
            return f"A task arrives every {duration(every)}", 1 / every
        case Burst(size=size, at=at):
            return f"{count(size, 'task')} arrive at {duration(at)}", 0.0
        case Closed(clients=clients, think=think):
            asks = f"{count(clients, 'client')} each submit a task, wait for it, and think for {spread(think)}"
            return asks, 0.0
        case Diurnal() as diurnal:
            low, high = (diurnal.rate * (1 + sign * diurnal.amplitude) for sign in (-1, 1))
            period = duration(diurnal.period)
            return f"Tasks arrive at random, {low:g} to {high:g} a second with a period of {period}", diurnal.rate
        case Trace() as trace:
            within = int((trace.values <= scenario.duration).sum())
            return f"{count(within, 'task')} arrive as {trace.file} has it", within / scenario.duration


def _of_attempts(scenario: ScenarioFields) -> Iterator[str]:
    """What a running attempt holds and writes."""
    tasks = scenario.tasks
    if tasks.needs:
        needs = listed([f"{units} of {scenario.resources[pool].units} {pool}" for pool, units in tasks.needs.items()])
        yield f"A running task holds {needs}."
    if tasks.checkpoint is not None:
        yield f"A checkpoint is written after every {duration(tasks.checkpoint.every)} of work."
    if tasks.calls:
        yield f"An attempt calls {listed(list(tasks.calls), ', then ')} before its work."


def _dependencies(scenario: Scenario) -> Iterator[str]:
    for name, settings in scenario.downstream.items():
        limits = "" if settings.capacity is None else f", {settings.capacity} of them at once"
        limit = settings.rate_limit
        if limit is not None:
            limits += f", and at most {limit.rate:g} a second" + (
                f" ({limit.burst} at once after a quiet time)" if limit.burst > 1 else ""
            )
        yield f"A call to {name} takes {spread(settings.latency)}{limits}."


# ------------------------------------------------------------------------------- recovery
def should_happen(scenario: Scenario) -> Iterator[str]:
    """How failures are detected, how the core reacts, and when a recovery is complete."""
    yield from _recoveries(scenario)
    steady = scenario.steady_state
    if steady is not None:
        holds = listed([condition.expression for condition in steady.holds])
        yield f"The service is in steady state when over {duration(steady.window)} {holds}."


def _recoveries(scenario: Scenario) -> Iterator[str]:
    if scenario.recovery.runbook is not None:
        yield f"The core follows the runbook {scenario.recovery.runbook}."
    entry = dict(scenario.recovery.in_force.entries()).get(scenario.documents or "")
    if entry is not None:
        symptoms = listed([f"{name} {value}" for symptom in entry.symptoms for name, value in symptom.items()])
        yield f"The failure shows as {symptoms}."
        yield f"It is confirmed by {listed([step.command for step in entry.diagnosis])}."
        commands = [
            step.command + (f" ({duration(cost)})" if (cost := scenario.recovery.costs.get(step.command)) else "")
            for step in entry.recovery
        ]
        yield f"It is recovered by {listed(commands, ', then ')}."
    if scenario.agents.restart_time != Constant(value=0.0):
        yield f"A restart takes {spread(scenario.agents.restart_time)}."
    for name, condition in scenario.recovery.conditions:
        if condition is not None:
            end = "" if condition.max_retries is None else ", then an operator is called"
            article = "An" if name[0] in "aeiou" else "A"
            yield f"{article} {name.replace('_', ' ')} is retried {retries(condition)}{end}."
    for name, kind in scenario.tasks.kinds.items():
        if kind.retry is not None:
            end = "" if kind.retry.max_retries is None else ", then an operator is called"
            yield f"A failed task of kind {name} is retried {retries(kind.retry)}{end}."
    stale = scenario.recovery.stale_reads
    if stale.max_retries:
        times = "once" if stale.max_retries == 1 else f"up to {stale.max_retries} times"
        yield f"Checkpoints that are read and are behind are read again {times}, {duration(stale.retry_delay)} apart."
    yield from detectors(scenario.recovery.detection)
    yield from presets(scenario)
    cores = scenario.recovery.cores
    if cores.count > 1:
        without = f"after {duration(cores.lease.duration)} without a renewal another one takes over"
        yield f"Of {cores.count} cores one leads; {without}."
    load = scenario.recovery.load
    if load is not None:
        yield f"At most {count(load.burst, 'task')} at once, and {load.rate:g} a second, go back to work."


def detectors(detection: DetectionSettings) -> Iterator[str]:
    """The detectors."""
    interval, missed = detection.heartbeat_interval, detection.missed_heartbeats
    if detection.detector == "perfect":
        yield "The detector knows at once that an agent is down."
    elif detection.detector == "heartbeat":
        yield (
            f"Agents send a heartbeat every {duration(interval)}; after {count(missed, 'missed one')} "
            f"({duration(missed * interval)}) an agent counts as dead."
        )
    else:
        yield (
            f"Agents send a heartbeat every {duration(interval)}; one counts as dead when a silence as long is as "
            f"unlikely as 10 to the power of −{detection.phi_threshold:g}, by how it has been beating."
        )
    if detection.stalled_after is not None:
        yield f"An agent is looked at when its beats tell of no progress for {duration(detection.stalled_after)}."
    if detection.failed_deliveries > 1:
        yield f"A connection is looked at when {detection.failed_deliveries} sends have failed."
    if detection.resource_probe is not None:
        yield f"Pools are probed every {duration(detection.resource_probe)}."


def retries(condition: Policy) -> str:
    """`up to 3 times, 30s apart`."""
    if condition.max_retries == 0:
        return "never"
    limits = {None: "any number of times", 1: "once"}
    times = limits.get(condition.max_retries, f"up to {condition.max_retries} times")
    if not condition.retry_delay:
        return f"{times}, at once"
    delay = duration(condition.retry_delay)
    grows = {
        "fixed": f"after {delay} each",
        "linear": f"after {delay}, {duration(2 * condition.retry_delay)}, {duration(3 * condition.retry_delay)} …",
        "exponential": f"after {delay}, {duration(condition.multiplier * condition.retry_delay)} …",
    }[condition.backoff]
    cap = "" if condition.max_delay is None else f", at most {duration(condition.max_delay)}"
    jitter = "" if condition.jitter == "none" else f", with {condition.jitter} jitter"
    deadline = "" if condition.deadline is None else f", within {duration(condition.deadline)} of the first failure"
    budget = "" if condition.budget is None else f", on a budget of {condition.budget.tokens:g} that all tasks share"
    return f"{times}, {grows}{cap}{jitter}{deadline}{budget}"
