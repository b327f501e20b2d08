"""What the words of a status column mean, and which errors are the loss of an agent or a time limit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import IntEnum

from scenarios.errors import nearest, shown
from sim.experiments.fitting.logs.errors import FitError


class Ending(IntEnum):
    """How an attempt ended. The texts of the members are what `--word WORD=…` takes."""

    SUCCESS = 0
    FAILED = 1
    TIMEOUT = 2
    INTERRUPTED = 3
    """Cut short from outside: its agent was lost."""
    CANCELED = 4
    RUNNING = 5
    WAITING = 6
    """Submitted, and not started."""
    REJECTED = 7
    IGNORED = 8
    """No attempt: a task that was skipped."""

    @property
    def word(self) -> str:
        """The name in lower case."""
        return self.name.lower()


WORDS: Mapping[str, Ending] = {
    word: ending
    for ending, words in {
        Ending.SUCCESS: "success succeeded successful successfully complete completed ok done finished passed true "
        "status_code_ok status_code_unset unset",
        Ending.FAILED: "failed fail failure error errored err exception retry retried retrying up_for_retry "
        "false status_code_error failing broken",
        Ending.TIMEOUT: "timeout timed_out timedout timeouted deadline_exceeded time_limit_exceeded expired",
        Ending.INTERRUPTED: "interrupted crashed crash lost worker_lost zombie killed preempted evicted aborted oom "
        "oom_killed oomkilled node_lost node_fail up_for_reschedule restarting shutdown",
        Ending.CANCELED: "canceled cancelled revoked terminated stopped cancel",
        Ending.RUNNING: "running started active in_progress inprogress executing processing start deferred",
        Ending.WAITING: "waiting pending queued received scheduled submitted enqueued created new sent none no_status "
        "ready",
        Ending.REJECTED: "rejected dropped refused discarded overflow",
        Ending.IGNORED: "skipped removed upstream_failed skip ignored",
    }.items()
    for word in words.split()
}
"""The words that are known, as Celery, Temporal, Airflow, Kubernetes, Slurm and OpenTelemetry write them."""
_AGENT_LOST = re.compile(
    r"worker_?lost|agent_(crash|restart)|heartbeat|zombie|oom_?killed|out of memory|sigkill|signal 9|evict|preempt"
    r"|node_?(lost|fail)|exited prematurely|worker.?(crash|died|shut|offline)|lost agent",
    re.IGNORECASE,
)
_TIME_LIMIT = re.compile(r"time_?limit_?exceeded|deadline_?exceeded|start_?to_?close", re.IGNORECASE)


def is_agent_lost(error: str) -> bool:
    """Whether an error says that the agent was lost, and not that the work failed."""
    return _AGENT_LOST.search(error) is not None


def is_time_limit(error: str) -> bool:
    """Whether an error says that a time limit of the attempt was exceeded."""
    return _TIME_LIMIT.search(error) is not None


def ending_of(word: str, own: Mapping[str, Ending]) -> Ending | None:
    """What a word of a status column means; None for an unknown word. `own` are words that the user explains."""
    if word in own:
        return own[word]
    plain = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word).lower()).strip("_")
    if plain in own:
        return own[plain]
    plain = re.sub(r"^(task|attempt|job|run|activity|workflow|state|status|event_type)_(?=[a-z])", "", plain)
    known = WORDS[plain] if plain in WORDS else WORDS.get(plain.replace("_", ""))
    if known is not None:
        return known
    return Ending.INTERRUPTED if is_agent_lost(word) else Ending.TIMEOUT if is_time_limit(word) else None


def own_words(given: Mapping[str, str]) -> dict[str, Ending]:
    """The words that a user explains. Raises FitError for one that is explained by an unknown word."""
    found = {}
    for word, meaning in given.items():
        ending = next((each for each in Ending if each.word == meaning.lower()), None) or WORDS.get(meaning.lower())
        if ending is None:
            known = [each.word for each in Ending]
            near = nearest(meaning, known)
            raise FitError(
                f"word {shown(word)}: {shown(meaning)} is no ending of an attempt; valid: {', '.join(known)}"
                + (f" (nearest: '{near}')" if near else "")
            )
        found[word] = ending
    return found


def short_error(text: str) -> str:
    """An error without what differs from one to the next: its type, or its first words without numbers."""
    first = re.split(r"[(:\n{\[]", text.strip(), maxsplit=1)[0].strip() or text.strip()
    plain = re.sub(r"\b(0x[0-9a-f]+|[0-9a-f]{8}-[0-9a-f-]{27,}|\d+)\b", "#", first, flags=re.IGNORECASE)
    return plain[:40].strip() or "error"
