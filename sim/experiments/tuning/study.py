"""The study of a search, kept by Optuna: what was tried, and what is tried next.

Optuna proposes settings with its TPE sampler. The sampler is made anew for each batch, seeded with the seed of the
search and the number of settings before it, so that a search that was interrupted and continued, and one on more
processes, propose the same settings as one that was not.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from scenarios import Scenario
from sim.experiments.sweeps.designs import Point, canonical
from sim.experiments.tuning.objectives import Objective
from sim.experiments.tuning.race import Judged
from sim.experiments.tuning.space import Dimension, TuneError, current

INSTALL = "tune needs Optuna: pip install 'recovery-bench[tune]'"
NAME = "recovery-bench"
ABOUT = "about"
JUDGED = "judged"
STARTUP = 10
"""Settings that are drawn at random before the sampler models them; more in a space of several dimensions."""


def optuna() -> Any:
    """The library. Raises TuneError if it is not installed."""
    try:
        found = import_module("optuna")
    except ModuleNotFoundError:
        raise TuneError(INSTALL) from None
    found.logging.set_verbosity(found.logging.ERROR)
    return found


class Study:
    """A study in memory, in an SQLite file, or at a storage URL of Optuna."""

    def __init__(
        self,
        storage: str | Path | None,
        about: Mapping[str, Any],
        space: Sequence[Dimension],
        objectives: Sequence[Objective],
        seed: str,
    ) -> None:
        self._optuna = optuna()
        self._space = space
        self._seed = seed
        self._count = len(objectives)
        directions = ["maximize" if each.maximize else "minimize" for each in objectives]
        where = None if storage is None else _url(storage)
        try:
            with _quiet():
                self._study = self._optuna.create_study(
                    storage=where, study_name=NAME, directions=directions, load_if_exists=True
                )
                self._check(about, storage)
                self._fail_unfinished()
        except TuneError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a database or its driver raises
            told = " ".join(str(error).split())[:200]
            raise TuneError(f"{_without_password(storage)}: cannot be used as a study: {told}") from None

    def _check(self, about: Mapping[str, Any], storage: object) -> None:
        """Raise TuneError for a study of something else."""
        text = json.dumps(about, sort_keys=True, ensure_ascii=False)
        there = self._study.user_attrs.get(ABOUT)
        if there is None:
            if self._study.trials:
                raise TuneError(f"{_without_password(storage)}: is a study of another program; valid: a new file")
            self._study.set_user_attr(ABOUT, text)
        elif there != text:
            before = json.loads(there)
            other = next(name for name in about if before.get(name) != about[name])
            raise TuneError(
                f"{_without_password(storage)}: is a study of another {other}; valid: a new file, or the search that "
                "began it"
            )

    def _fail_unfinished(self) -> None:
        """Settings that an earlier program had not finished are proposed again."""
        for trial in self._study.get_trials(deepcopy=False, states=(self._optuna.trial.TrialState.RUNNING,)):
            self._study.tell(trial.number, state=self._optuna.trial.TrialState.FAIL)

    @property
    def judged(self) -> list[Judged]:
        """The finished settings, in order."""
        states = (self._optuna.trial.TrialState.COMPLETE,)
        return [_judged(trial.user_attrs[JUDGED]) for trial in self._study.get_trials(deepcopy=False, states=states)]

    def propose(self, scenario: Scenario, count: int, finished: int) -> list[tuple[Any, Point]]:
        """The next settings, each with its trial. The first of all is the scenario's own, if it is in the space."""
        number = int.from_bytes(hashlib.sha256(f"{self._seed} {finished}".encode()).digest()[:4])
        with _quiet():
            self._study.sampler = self._optuna.samplers.TPESampler(
                seed=number,
                multivariate=True,
                constant_liar=True,
                n_startup_trials=max(STARTUP, 4 * len(self._space)),
                constraints_func=lambda trial: trial.user_attrs[JUDGED]["constraints"],
            )
            if finished == 0:
                self._enqueue_current(scenario)
            return [self._asked(scenario) for _ in range(count)]

    def _enqueue_current(self, scenario: Scenario) -> None:
        point = current(scenario, self._space)
        parameters = {each.path: each.parameter(point[each.path]) for each in self._space if each.path in point}
        if len(parameters) == len(self._space) and None not in parameters.values():
            self._study.enqueue_trial(parameters)

    def _asked(self, scenario: Scenario) -> tuple[Any, Point]:
        trial = self._study.ask()
        values = {each.path: each.suggest(trial) for each in self._space}
        return trial, {path: canonical(scenario, path, value) for path, value in values.items()}

    def tell(self, trial: Any, found: Judged) -> None:
        """Keep a finished setting. Values that were not observed are replaced by the worst ones so far, and count as
        infeasible.
        """
        with _quiet():
            missing = [value is None for value in found.values]
            constraints = [
                *found.distances,
                float(any(missing)),
                float(bool(found.failed) and not any(found.distances)),
            ]
            trial.set_user_attr(JUDGED, {**_attributes(found), "constraints": constraints})
            worst = self._worst() if any(missing) else [0.0] * self._count
            values = [worst[place] if value is None else value for place, value in enumerate(found.values)]
            self._study.tell(trial, values)

    def _worst(self) -> list[float]:
        values = [trial.values for trial in self._study.get_trials(deepcopy=False) if trial.values is not None]
        if not values:
            return [0.0] * self._count
        maximize = [direction.name == "MAXIMIZE" for direction in self._study.directions]
        columns = zip(*values, strict=True)
        return [min(each) if more else max(each) for more, each in zip(maximize, columns, strict=True)]

    def fail(self, trial: Any) -> None:
        """Give up a setting that was proposed and not finished."""
        self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)

    def importance(self) -> list[dict[str, float]]:
        """For each objective, the share of each path in its variation (PED-ANOVA, S. Watanabe et al., IJCAI 2023).

        Empty where there are too few settings, or where all are equal.
        """
        evaluator = self._optuna.importance.PedAnovaImportanceEvaluator()
        found: list[dict[str, float]] = []
        for place in range(self._count):
            try:
                with _quiet():
                    shares = self._optuna.importance.get_param_importances(
                        self._study, evaluator=evaluator, target=lambda trial, place=place: trial.values[place]
                    )
            except (RuntimeError, ValueError):
                shares = {}
            total = sum(shares.values())
            found.append({path: float(share / total) for path, share in shares.items()} if total > 0 else {})
        return found


def _url(storage: str | Path) -> str:
    text = str(storage)
    return text if "://" in text else f"sqlite:///{Path(text).absolute()}"


def _without_password(storage: object) -> str:
    """The storage for a message."""
    text = str(storage)
    scheme, sign, rest = text.partition("://")
    return f"{scheme}://…@{rest.rpartition('@')[2]}" if sign and "@" in rest else text


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's warnings that a feature is experimental."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="optuna")
        warnings.filterwarnings("ignore", category=import_module("optuna.exceptions").ExperimentalWarning)
        yield


def _attributes(found: Judged) -> dict[str, Any]:
    return {
        "point": dict(found.point),
        "objectives": list(found.values),
        "replications": found.replications,
        "stopped": found.is_stopped,
        "distances": list(found.distances),
        "failed": list(found.failed),
    }


def _judged(kept: Mapping[str, Any]) -> Judged:
    return Judged(
        kept["point"],
        tuple(kept["objectives"]),
        kept["replications"],
        kept["stopped"],
        tuple(kept["distances"]),
        tuple(kept["failed"]),
    )
