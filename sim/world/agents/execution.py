"""How an attempt spends its time: restore, work, checkpoints, and the outcome that was drawn for it.

An attempt has one timer at a time, for its next event. It can be suspended and resumed (when its agent hangs), and
stopped at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from math import floor, inf

import numpy as np
import simpy
from numpy.typing import NDArray

from recovery.checkpoints import is_intact
from recovery.model import Checkpoint
from recovery.policies.time_limits import in_time
from recovery.stores import PlainTaskStore
from scenarios.sections.infrastructure import StorageSettings
from scenarios.sections.tasks import TaskSettings
from sim.history import Event, History
from sim.loop.callbacks import Timer, after, disarm
from sim.randomness.streams import STANDARD_UNIFORM, Repeated, Residual, Samplable, Streams
from sim.world.entities import Attempt, Callback, Task
from sim.world.listeners import CheckpointListener, Connection, ExecutionListener
from sim.world.task_store import checkpoint_appender

ROUNDING = 1e-9
"""Share of a checkpoint's interval that counts as zero: 3 × 0.7 is slightly less than 2.1."""


class Unfailed:
    """Work with which an attempt that may fail anywhere in it has not failed up to its present progress.

    Of the draws W, the share 1 − p·f is kept, f = (progress − base) / (W − base); the others are −∞.
    """

    constant: float | None = None

    def __init__(self, work: Samplable, p: float, base: float, progress: float) -> None:
        self._work = work
        self._p = p
        self._base = base
        self._passed = progress - base

    def sample(self, generator: np.random.Generator, size: int) -> NDArray[np.float64]:
        """Draw `size` independent values."""
        work, luck = self._work.sample(generator, size), generator.random(size)
        return np.where(luck * (work - self._base) < work - self._base - self._p * self._passed, work, -inf)


class Execution:
    """Runs attempts. `stream` is the base name of the random streams of its tasks."""

    listener: Connection[ExecutionListener]

    def __init__(
        self,
        env: simpy.Environment,
        history: History,
        streams: Streams,
        store: PlainTaskStore,
        tasks: TaskSettings,
        storage: StorageSettings,
        stream: str = "task",
    ) -> None:
        self._env = env
        self._history = history
        self._store = store
        self._append_checkpoint = checkpoint_appender(store)
        self._settings = tasks
        self._checkpoint = tasks.checkpoint
        if tasks.checkpoint is not None:
            self._every = tasks.checkpoint.every
            self._write_time = tasks.checkpoint.cost + storage.write
            self._restore_time = tasks.checkpoint.restore + storage.read
        self._work = streams.indexed(f"{stream}.work", tasks.work)
        self._constant_work = tasks.work.constant
        self._redrawn_work = Repeated(streams, f"{stream}.work.redrawn", tasks.work)
        self._retried_work = Repeated(streams, f"{stream}.work.retried", tasks.work)
        self._failure_luck = Repeated(streams, f"{stream}.failure")
        self._failure_point = Repeated(streams, f"{stream}.failure_point")
        self._write_luck = Repeated(streams, "storage.failure")
        self.write_failure = storage.failure
        self.storage_slowness = 1.0
        self.slowness_of: Callable[[Attempt], float] | None = None  # called once something is slow
        self.checkpoint_listener: CheckpointListener | None = None

    def work_of(self, draw: int, kind: str = "") -> float:
        """The work of a task in work-seconds. It depends on the number of its draw and on its kind alone."""
        return self._work[draw] if self._constant_work is None else self._constant_work

    # ------------------------------------------------------------------------ branches
    def redraw(self, task: Task, residual: Residual, *, keeps_work: bool) -> None:
        """Draws again what is not yet observed of a task: its work, and whether and where its attempts fail.

        Work is drawn given that it exceeds what the attempts have shown of it, and that the current attempt has not
        failed so far. It is kept if it is known, or if several attempts share it.
        """
        started = [attempt for attempt in task.attempts if attempt.started]
        open_ = [attempt for attempt in started if not self._is_decided(attempt)]
        if not keeps_work and task.observed < inf and len(task.attempts) <= 1 and len(open_) == len(started):
            self._redraw_work(task, open_[0] if open_ else None, residual)
        if self._settings.failure_probability > 0:
            for attempt in open_:
                self._redraw_failure(attempt, residual)

    def _is_decided(self, attempt: Attempt) -> bool:
        """Whether the attempt has done its work, so that its outcome is known."""
        if attempt.working_since is None:
            return attempt.target > 0 and attempt.progress >= attempt.end
        return self._settings.failure_at == "uniform" and self.progress_of(attempt) >= attempt.end

    def _redraw_work(self, task: Task, attempt: Attempt | None, residual: Residual) -> None:
        shown, work = task.observed, self._settings.work
        begun = attempt is not None and attempt.target > 0
        unfailed: Samplable = work
        if attempt is not None and begun:
            progress = self.progress_of(attempt)
            if progress >= attempt.end:
                return
            shown = max(shown, progress)
            if self._settings.failure_at == "uniform" and self._settings.failure_probability > 0:
                unfailed = Unfailed(work, self._settings.failure_probability, attempt.base, progress)
        found = None if work.constant is not None else residual(f"task.{task.number}.work", unfailed, shown)
        if found is None:
            return
        task.work = found
        if attempt is not None and self._settings.failure_probability == 0:
            self._end_at(attempt, max(found, attempt.base))

    def _redraw_failure(self, attempt: Attempt, residual: Residual) -> None:
        """Whether and where it fails, given that it has not failed so far.

        A failure at the end does not show before. A uniform one has survived the share f of its range with probability
        1 − p·f, so that it is still to come with probability p·(1 − f)/(1 − p·f), uniform over the rest.
        """
        p, name = self._settings.failure_probability, f"{attempt.task.name}.{attempt.epoch}"
        end, base = max(attempt.task.work, attempt.base), attempt.base
        uniform = self._settings.failure_at == "uniform" and end > base
        passed = (self.progress_of(attempt) - base) / (end - base) if uniform and attempt.target > 0 else 0.0
        luck = residual(f"{name}.failure", STANDARD_UNIFORM, -1.0)
        place = residual(f"{name}.failure_point", STANDARD_UNIFORM, -1.0)
        assert luck is not None, "every draw is above −1"
        assert place is not None, "every draw is above −1"
        attempt.fails = luck * (1 - p * passed) < p * (1 - passed)
        if attempt.fails and uniform:
            end = base + (passed + place * (1 - passed)) * (end - base)
        self._end_at(attempt, end)

    def _end_at(self, attempt: Attempt, end: float) -> None:
        """Changes the work-seconds at which an attempt ends."""
        if end == attempt.end:
            return
        working = attempt.working_since is not None
        if working and not attempt.frozen:
            self._note_progress(attempt)
            disarm(attempt.timer)
        attempt.end = end
        if not working:
            return  # it reads or writes a checkpoint
        if attempt.frozen:
            attempt.target = self._next_target(attempt)
            attempt.due, attempt.then = (attempt.target - attempt.progress) * attempt.slowness, self._reach
        else:
            self._go_on(attempt)

    # -------------------------------------------------------------------------- start
    def start(self, attempt: Attempt) -> None:
        """Starts the work, from the task's restore point or where resumed work continues."""
        task, settings = attempt.task, self._settings
        checkpoint = self._restore_point(attempt) if self._checkpoint is not None else None
        attempt.progress = task.progress
        if checkpoint is not None and checkpoint.progress > attempt.progress:
            attempt.progress = checkpoint.progress
        attempt.started = True
        attempt.base = attempt.progress
        attempt.end = max(task.work, attempt.progress)  # redrawn work may be less than a checkpoint's progress
        if self.slowness_of is not None:
            attempt.slowness = self.slowness_of(attempt)
        if settings.failure_probability > 0:
            self._draw_failure(attempt)
        if settings.timeout is not None:
            attempt.deadline = self._env.now + settings.timeout / attempt.agent.clock_rate
        self._history.record(Event.ATTEMPT_STARTED, task.number, attempt.agent.number, attempt.epoch, attempt.progress)
        if checkpoint is not None and self._checkpoint is not None:
            self._history.record(
                Event.CHECKPOINT_LOADED, task.number, attempt.agent.number, attempt.epoch, checkpoint.progress
            )
            self._arm(attempt, self._restore_time * self.storage_slowness, self._have_read)
        else:
            self._go_on(attempt)
        if task.poison is not None:
            task.poison(attempt)

    def _restore_point(self, attempt: Attempt) -> Checkpoint | None:
        """The checkpoint to start from; None if it was damaged after it was chosen."""
        name = attempt.task.name
        chosen = self._store.restore_point(name)
        if chosen is None:
            return None
        for stored in self._store.checkpoints(name):
            if stored.sequence == chosen.sequence and not is_intact(stored):
                self._history.record(
                    Event.CHECKPOINT_REJECTED,
                    attempt.task.number,
                    attempt.agent.number,
                    attempt.epoch,
                    float(stored.sequence),
                    "checksum",
                )
                return None
        return chosen

    def _draw_failure(self, attempt: Attempt) -> None:
        number, nth = attempt.task.number, attempt.epoch
        attempt.fails = self._failure_luck.draw(number, nth) < self._settings.failure_probability
        if attempt.fails and self._settings.failure_at == "uniform":
            share = self._failure_point.draw(number, nth)
            attempt.end = attempt.progress + share * (attempt.end - attempt.progress)

    # --------------------------------------------------------------------- along the way
    def _have_read(self, attempt: Attempt) -> None:
        self._history.record(
            Event.CHECKPOINT_READ, attempt.task.number, attempt.agent.number, attempt.epoch, attempt.progress
        )
        self._go_on(attempt)

    def _go_on(self, attempt: Attempt) -> None:
        attempt.target = target = self._next_target(attempt)
        attempt.working_since = self._env.now
        self._arm(attempt, (target - attempt.progress) * attempt.slowness, self._reach)

    def _next_target(self, attempt: Attempt) -> float:
        """Progress at which the attempt writes its next checkpoint, or ends."""
        if self._checkpoint is not None:
            every = self._every
            next_one = (floor(attempt.progress / every + ROUNDING) + 1) * every  # a sum of steps would drift
            if attempt.end - next_one > ROUNDING * every:
                return next_one
        return attempt.end

    def _reach(self, attempt: Attempt) -> None:
        attempt.progress = attempt.target
        attempt.working_since = None
        if attempt.progress < attempt.end:
            self._write(attempt)
        elif attempt.fails:
            attempt.task.observed = inf
            self.listener.attempt_failed(attempt, "execution_error")
        elif self._checkpoint is not None and self._checkpoint.final:
            self._write(attempt)
        else:
            self.listener.attempt_succeeded(attempt)

    def _write(self, attempt: Attempt) -> None:
        seconds = self._write_time * self.storage_slowness
        if seconds == 0 and attempt.deadline == inf:
            self._save(attempt)
            return
        if seconds > 0:
            self._history.record(
                Event.CHECKPOINT_STARTED, attempt.task.number, attempt.agent.number, attempt.epoch, attempt.progress
            )
        self._arm(attempt, seconds, self._save)

    def _save(self, attempt: Attempt) -> None:
        task = attempt.task
        task.writes += 1
        event = Event.CHECKPOINT_WRITTEN
        if self.write_failure > 0 and self._write_luck.draw(task.number, task.writes) < self.write_failure:
            event = Event.CHECKPOINT_FAILED
        elif not self._append_checkpoint(task.name, attempt.epoch, attempt.progress):
            self.listener.attempt_fenced(attempt)
            return
        elif self.checkpoint_listener is not None:
            self.checkpoint_listener.saved(task.name)
        self._history.record(event, task.number, attempt.agent.number, attempt.epoch, attempt.progress)
        if attempt.progress < attempt.end:
            self._go_on(attempt)
        else:
            self.listener.attempt_succeeded(attempt)

    def _time_out(self, attempt: Attempt) -> None:
        self._note_progress(attempt)
        self._observe(attempt)
        self.listener.attempt_failed(attempt, "timeout")

    # ------------------------------------------------------------------------------ timer
    def _arm(self, attempt: Attempt, delay: float, then: Callback) -> None:
        now = self._env.now
        if attempt.deadline < inf and not in_time(now + delay, attempt.deadline):
            delay, then = max(0.0, attempt.deadline - now), self._time_out
        if delay > 0:
            attempt.due, attempt.then = now + delay, then
            attempt.timer = after(self._env, delay, self._fire, attempt)
        else:
            then(attempt)

    def _fire(self, event: Timer) -> None:
        attempt: Attempt = event._value
        attempt.timer = None  # else each attempt that ends here is part of a cycle, and left to the garbage collector
        then = attempt.then
        assert then is not None
        then(attempt)

    def _note_progress(self, attempt: Attempt) -> None:
        if attempt.working_since is not None:
            attempt.progress += (self._env.now - attempt.working_since) / attempt.slowness
            attempt.working_since = None

    def progress_of(self, attempt: Attempt) -> float:
        """Progress of a started attempt at this instant, in work-seconds."""
        if attempt.working_since is None or attempt.frozen:
            return attempt.progress
        return attempt.progress + (self._env.now - attempt.working_since) / attempt.slowness

    def stop(self, attempt: Attempt) -> None:
        """Ends the attempt now; its progress is in `attempt.progress`."""
        if not attempt.frozen:
            self._note_progress(attempt)
        disarm(attempt.timer)
        attempt.timer = None

    def fail_now(self, attempt: Attempt, error: str) -> None:
        """Ends the attempt with an injected failure."""
        self.stop(attempt)
        self._observe(attempt)
        self.listener.attempt_failed(attempt, error)

    def _observe(self, attempt: Attempt) -> None:
        """An attempt that ends before its work shows that there is more work than its progress.

        If it might have failed on the way, it shows more than that.
        """
        task = attempt.task
        fails_on_the_way = self._settings.failure_probability > 0 and self._settings.failure_at == "uniform"
        task.observed = inf if fails_on_the_way else max(task.observed, attempt.progress)

    def keep_for_next(self, attempt: Attempt) -> None:
        """Keeps the progress of an interrupted attempt for the next one, as `tasks.interrupted` specifies."""
        task = attempt.task
        self._observe(attempt)
        if self._settings.interrupted == "resume":
            task.progress = max(task.progress, attempt.progress)
        elif self._settings.interrupted == "redraw":
            task.redraws += 1
            task.observed = 0.0
            task.work = self._redrawn_work.draw(task.number, task.redraws)

    def prepare_retry(self, attempt: Attempt) -> None:
        """Draws the work of the attempt after a failed one, if `tasks.retried` specifies it."""
        if self._settings.retried == "redraw":
            task = attempt.task
            task.progress = 0.0
            task.work = self._retried_work.draw(task.number, attempt.epoch)
            task.observed = 0.0

    def change_pace(self, attempt: Attempt, slowness: float) -> None:
        """Sets the seconds that a work-second of a started attempt takes from now on."""
        if slowness == attempt.slowness:
            return
        working = attempt.working_since is not None
        if working and not attempt.frozen:
            self._note_progress(attempt)
            disarm(attempt.timer)
        attempt.slowness = slowness
        if not working:
            return  # it reads or writes a checkpoint
        left = (attempt.target - attempt.progress) * slowness
        if attempt.frozen:
            attempt.due, attempt.then = left, self._reach
        else:
            attempt.working_since = self._env.now
            self._arm(attempt, left, self._reach)

    # ------------------------------------------------------------------------- freeze, thaw
    def freeze(self, attempt: Attempt) -> None:
        """Suspends a started attempt while its agent hangs."""
        was_working = attempt.working_since is not None
        self._note_progress(attempt)
        disarm(attempt.timer)
        attempt.timer = None
        attempt.frozen = True
        attempt.due -= self._env.now  # the rest, until it is resumed
        attempt.working_since = 0.0 if was_working else None

    def thaw(self, attempt: Attempt) -> None:
        """Resumes a suspended attempt."""
        attempt.frozen = False
        if attempt.working_since is not None:
            attempt.working_since = self._env.now
        assert attempt.then is not None
        self._arm(attempt, attempt.due, attempt.then)
