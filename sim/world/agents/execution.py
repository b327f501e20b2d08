"""How an attempt spends its time: restore, work, checkpoints, and the outcome that was drawn for it.

An attempt has one timer at a time, for its next event. It can be suspended and resumed (when its agent hangs), and
stopped at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from math import floor

import simpy

from recovery.checkpoints import is_intact
from recovery.model import Checkpoint
from recovery.stores import PlainTaskStore
from scenarios.sections.infrastructure import StorageSettings
from scenarios.sections.tasks import TaskSettings
from sim.history import Event, History
from sim.loop.callbacks import Timer, after, disarm
from sim.randomness.streams import Repeated, Residual, Streams
from sim.world.entities import Attempt, Callback, Task
from sim.world.listeners import CheckpointListener, Connection, ExecutionListener

ROUNDING = 1e-9
"""Share of a checkpoint's interval that counts as zero: 3 × 0.7 is slightly less than 2.1."""


class Execution:
    """Runs attempts."""

    listener: Connection[ExecutionListener]

    def __init__(
        self,
        env: simpy.Environment,
        history: History,
        streams: Streams,
        store: PlainTaskStore,
        tasks: TaskSettings,
        storage: StorageSettings,
    ) -> None:
        self._env = env
        self._history = history
        self._store = store
        self._settings = tasks
        self._checkpoint = tasks.checkpoint
        if tasks.checkpoint is not None:
            self._write_time = tasks.checkpoint.cost + storage.write
            self._restore_time = tasks.checkpoint.restore + storage.read
        self._work = streams.indexed("task.work", tasks.work)
        self._constant_work = tasks.work.constant
        self._redrawn_work = Repeated(streams, "task.work.redrawn", tasks.work)
        self._retried_work = Repeated(streams, "task.work.retried", tasks.work)
        self._failure_luck = Repeated(streams, "task.failure")
        self._failure_point = Repeated(streams, "task.failure_point")
        self._write_luck = Repeated(streams, "storage.failure")
        self.write_failure = storage.failure
        self.storage_slowness = 1.0
        self.slowness_of: Callable[[Attempt], float] | None = None  # called once something is slow
        self.checkpoint_listener: CheckpointListener | None = None

    def work_of(self, number: int) -> float:
        """The work of a task in work-seconds. It depends on the task's number alone."""
        return self._work[number] if self._constant_work is None else self._constant_work

    def redraw_work(self, task: Task, residual: Residual) -> None:
        """Draws a task's work again if no attempt was started, or the first one runs: then the work is not yet
        observed.
        """
        name, work = f"task.{task.number}.work", self._settings.work
        if not task.deliveries:
            task.work = residual(name, work, 0.0) or task.work
            return
        first = next((attempt for attempt in task.attempts if attempt.epoch == 1 and attempt.started), None)
        if first is None or len(task.attempts) > 1 or first.working_since is None or first.frozen or first.fails:
            return
        found = residual(name, work, self.progress_of(first))
        if found is not None:
            self._note_progress(first)
            disarm(first.timer)
            task.work = first.end = found
            self._go_on(first)

    # -------------------------------------------------------------------------- start
    def start(self, attempt: Attempt) -> None:
        """Starts the work, from the task's restore point or where resumed work continues."""
        task, settings = attempt.task, self._settings
        checkpoint = self._restore_point(attempt) if self._checkpoint is not None else None
        attempt.progress = task.progress
        if checkpoint is not None and checkpoint.progress > attempt.progress:
            attempt.progress = checkpoint.progress
        attempt.started = True
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
            self._arm(attempt, self._restore_time * self.storage_slowness, self._go_on)
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
            attempt.end = attempt.progress + share * (attempt.task.work - attempt.progress)

    # --------------------------------------------------------------------- along the way
    def _go_on(self, attempt: Attempt) -> None:
        target = attempt.end
        if self._checkpoint is not None:
            every = self._checkpoint.every
            next_one = (floor(attempt.progress / every + ROUNDING) + 1) * every  # a sum of steps would drift
            if target - next_one > ROUNDING * every:
                target = next_one
        attempt.target = target
        attempt.working_since = self._env.now
        self._arm(attempt, (target - attempt.progress) * attempt.slowness, self._reach)

    def _reach(self, attempt: Attempt) -> None:
        attempt.progress = attempt.target
        attempt.working_since = None
        if attempt.progress < attempt.end:
            self._arm(attempt, self._write_time * self.storage_slowness, self._save)
        elif attempt.fails:
            self.listener.attempt_failed(attempt, "execution_error")
        elif self._checkpoint is not None and self._checkpoint.final:
            self._arm(attempt, self._write_time * self.storage_slowness, self._save)
        else:
            self.listener.attempt_succeeded(attempt)

    def _save(self, attempt: Attempt) -> None:
        task = attempt.task
        task.writes += 1
        if self.write_failure > 0 and self._write_luck.draw(task.number, task.writes) < self.write_failure:
            self._history.record(
                Event.CHECKPOINT_FAILED, task.number, attempt.agent.number, attempt.epoch, attempt.progress
            )
            self._after_save(attempt)
            return
        saved = self._store.save_checkpoint(task.name, attempt.epoch, attempt.progress)
        if saved is None:
            self.listener.attempt_fenced(attempt)
            return
        if self.checkpoint_listener is not None:
            self.checkpoint_listener.saved(saved)
        self._history.record(
            Event.CHECKPOINT_WRITTEN, task.number, attempt.agent.number, attempt.epoch, attempt.progress
        )
        self._after_save(attempt)

    def _after_save(self, attempt: Attempt) -> None:
        if attempt.progress < attempt.end:
            self._go_on(attempt)
        else:
            self.listener.attempt_succeeded(attempt)

    def _time_out(self, attempt: Attempt) -> None:
        self._note_progress(attempt)
        self.listener.attempt_failed(attempt, "timeout")

    # ------------------------------------------------------------------------------ timer
    def _arm(self, attempt: Attempt, delay: float, then: Callback) -> None:
        now = self._env.now
        if now + delay > attempt.deadline:
            delay, then = max(0.0, attempt.deadline - now), self._time_out
        if delay > 0:
            attempt.due, attempt.then = now + delay, then
            attempt.timer = after(self._env, delay, self._fire, attempt)
        else:
            then(attempt)

    def _fire(self, event: Timer) -> None:
        attempt: Attempt = event._value
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
        self.listener.attempt_failed(attempt, error)

    def keep_for_next(self, attempt: Attempt) -> None:
        """Keeps the progress of an interrupted attempt for the next one, as `tasks.interrupted` specifies."""
        task = attempt.task
        if self._settings.interrupted == "resume":
            task.progress = max(task.progress, attempt.progress)
        elif self._settings.interrupted == "redraw":
            task.redraws += 1
            task.work = self._redrawn_work.draw(task.number, task.redraws)

    def prepare_retry(self, attempt: Attempt) -> None:
        """Draws the work of the attempt after a failed one, if `tasks.retried` specifies it."""
        if self._settings.retried == "redraw":
            task = attempt.task
            task.progress = 0.0
            task.work = self._retried_work.draw(task.number, attempt.epoch)

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
