"""Private names of asyncio and SimPy that the event loop uses, and a check that this version of them has them.

Both libraries may change such a name in any release. A missing one is reported when `sim.loop` is imported, instead of
as an AttributeError in the middle of a run.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import format_helpers, mixins
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import simpy
from simpy.resources.base import BaseResource

from recovery.errors import RecoveryBenchError

TESTED = {"Python": "3.11 to 3.14", "simpy": "4.1.1 to 4.1.2"}
ASYNCIO: Mapping[str, Sequence[str]] = {
    "asyncio": ("_get_running_loop", "_set_running_loop"),
    "asyncio.tasks": ("_GatheringFuture",),
    "asyncio.futures": ("_set_result_unless_cancelled",),
    "asyncio.format_helpers": ("_format_callback_source",),
    "BaseEventLoop": (
        *("_ready", "_closed", "_debug", "_stopping", "_thread_id", "_task_factory"),
        *("_check_callback", "_check_closed", "_check_default_executor", "_check_thread", "_run_once"),
        *("_asyncgen_firstiter_hook", "_asyncgen_finalizer_hook", "_default_executor", "_executor_shutdown_called"),
        "_asyncgens",
    ),
    "Handle": ("_context", "_callback", "_args", "_cancelled", "_loop", "_source_traceback", "_repr", "_run"),
    "TimerHandle": ("_scheduled", "_when"),
    "asyncio.mixins": ("_LoopBoundMixin",),
    "Future": ("_callbacks", "_log_traceback"),
    "Task": ("_fut_waiter", "_log_destroy_pending"),
    "sys": ("_getframe",),
}
SIMPY: Mapping[str, Sequence[str]] = {
    "Environment": ("_now", "_queue", "_eid"),
    "Event": ("_ok", "_value"),
    "BaseResource": ("_trigger_get",),
    "Container": ("_level",),
}


class IncompatibleLibrary(RecoveryBenchError, ImportError):
    """An installed library no longer has a private name that the event loop uses."""


def _owners() -> dict[str, Any]:
    """The objects that have these names: instances where a name is an attribute of an instance."""
    loop = asyncio.BaseEventLoop()
    loop.close()
    environment = simpy.Environment()
    event = environment.event()
    event.succeed()  # an event has `_ok` when it is triggered
    return {
        "asyncio": asyncio,
        "asyncio.tasks": asyncio.tasks,
        "asyncio.mixins": mixins,
        "asyncio.futures": asyncio.futures,
        "asyncio.format_helpers": format_helpers,
        "BaseEventLoop": loop,
        "Handle": asyncio.Handle,
        "TimerHandle": asyncio.TimerHandle,
        "Future": asyncio.Future,
        "Task": asyncio.Task,
        "sys": sys,
        "Environment": environment,
        "Event": event,
        "BaseResource": BaseResource,
        "Container": simpy.Container(environment),
    }


def check_private_names(
    asyncio_names: Mapping[str, Sequence[str]] = ASYNCIO, simpy_names: Mapping[str, Sequence[str]] = SIMPY
) -> None:
    """Raise IncompatibleLibrary for the first of these names, by owner, that the installed library does not have."""
    owners = _owners()
    for library, names in (("Python", asyncio_names), ("simpy", simpy_names)):
        for owner, attributes in names.items():
            for name in attributes:
                if not hasattr(owners[owner], name):
                    installed = ".".join(map(str, sys.version_info[:3])) if library == "Python" else version(library)
                    raise IncompatibleLibrary(
                        f"{library} {installed}: {owner} has no {name}, which sim.loop uses; valid: {library} "
                        f"{TESTED[library]}"
                    )
