"""The columns of a log: which ones mean what, by the user's options or by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from recovery.errors import argument
from scenarios.errors import instead, shown
from sim.experiments.fitting.logs.errors import FitError

MEANINGS: Mapping[str, str] = {
    "task": "name of the task that the row is an attempt at",
    "submitted": "when the task was submitted",
    "started": "when the attempt started",
    "ended": "when the attempt ended; empty: it still runs",
    "duration": "how long the attempt took, in seconds, in place of started or ended",
    "status": "how the attempt ended",
    "agent": "the worker, host or pod that ran it",
    "error": "why it failed",
    "attempt": "its number, from 0 or 1",
    "pool": "resource that it held",
    "units": "how many units of it",
    "kind": "the kind of the task, as a type or the name of a function; each kind is fitted for itself",
}
"""The columns that a log may have."""
ONE_KIND = "none"
"""In place of the name of a column of kinds: all tasks are of one kind."""
_NAMES: Mapping[str, str] = {
    "task": "task task_id taskid task_uuid uuid id job job_id jobid task_instance message_id request_id activity_id",
    "submitted": "submitted submit_time submitted_at submit_date submission_time queued queued_at queued_dttm enqueued "
    "enqueued_at enqueue_time received received_at created created_at creation_time scheduled scheduled_at arrival "
    "arrived arrived_at arrival_time sent sent_at",
    "started": "started start start_time starttime started_at start_date begin begin_time start_ts",
    "ended": "ended end end_time endtime ended_at end_date finished finished_at finish_time completed completed_at "
    "completion_time stopped stopped_at date_done close_time end_ts",
    "duration": "duration runtime run_time elapsed duration_s duration_seconds duration_ms runtime_ms elapsed_ms",
    "status": "status state outcome result_status status_code",
    "agent": "agent worker worker_id worker_name hostname host pod pod_name node instance executor agent_id identity",
    "error": "error exception error_type exception_type error_code reason failure error_message",
    "attempt": "attempt attempts try try_number attempt_number retry retries attempt_id",
    "pool": "pool resource resource_pool",
    "units": "units pool_slots resource_units gpus",
    "kind": "kind task_kind task_type job_type",
}
"""The names, in lower case with underscores, by which a column is found; those further left come first."""


def find_columns(names: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    """The column of each meaning, by the given names and else by the known ones. Raises FitError."""
    is_one_kind = given.get("kind") == ONE_KIND and ONE_KIND not in names
    if is_one_kind:
        given = {meaning: name for meaning, name in given.items() if meaning != "kind"}
    for meaning, name in given.items():
        if meaning not in MEANINGS:
            raise FitError(f"columns: {shown(meaning)} is no meaning; {instead(str(meaning), MEANINGS, 'valid')}")
        if name not in names:
            raise FitError(f"--{meaning} {name}: the log has no such column; {instead(name, _listed(names))}")
        if list(names).count(name) > 1:
            raise FitError(f"--{meaning} {name}: {list(names).count(name)} columns have this name; valid: a name once")
    plain: dict[str, str] = {}
    for name in names:
        plain.setdefault(re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_"), name)
    found = dict(given)
    for meaning, known in _NAMES.items():
        if meaning in found or (is_one_kind and meaning == "kind"):
            continue
        taken = found.values()
        here = [plain[each] for each in known.split() if each in plain and plain[each] not in taken]
        if not here:
            continue
        if list(names).count(here[0]) > 1:
            raise FitError(f"{list(names).count(here[0])} columns are called {shown(here[0])}; valid: a name once")
        found[meaning] = here[0]
    _check_enough(found, names)
    return found


def _check_enough(found: Mapping[str, str], names: Sequence[str]) -> None:
    has = [meaning for meaning in ("started", "ended", "duration") if meaning in found]
    if len(has) >= 2:
        return
    missing = "ended" if "started" in has else "started"
    by_name = (argument(each, "COLUMN", python=f"columns={{{each!r}: COLUMN}}") for each in (missing, "duration"))
    raise FitError(
        f"has no column of when attempts {missing}; valid: {', or '.join(by_name)}; "
        f"columns: {', '.join(_listed(names))}"
    )


def _listed(names: Sequence[str], most: int = 20) -> list[str]:
    shown_names = [name[:40] for name in names[:most]]
    return [*shown_names, "…"] if len(names) > most else shown_names
