"""All backends give equal results and survive dead worker processes."""

import gc
import os
import signal
import socket
import subprocess
import sys
import threading
from importlib.util import find_spec
from types import ModuleType

import pytest
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import _ExecutorManagerThread

import scenarios
import sim
from sim.experiments.runs import backends
from sim.experiments.runs.backends import Backend, BackendError, WorkersDied
from sim.experiments.sweeps.designs import grid
from sim.experiments.sweeps.folder import RESULTS
from sim.experiments.sweeps.sweep import sweep
from tests.sim.experiments.clusters import ROOT, cluster
from tests.sim.experiments.crashing_worker import dies_while_it_sends

pytestmark = pytest.mark.long

VALUES = {"duration": "10m", "warmup": "0s", "agents.mtbf": "2m", "faults": []}


@pytest.fixture(scope="module")
def scenario():
    return scenarios.load("agent-failure").with_values(VALUES)


@pytest.fixture(scope="module")
def points(scenario):
    return grid(scenario, {"agents.count": [8, 10], "agents.restart_time": ["5s", "20s"]})


@pytest.fixture(scope="module")
def expected(scenario, points, tmp_path_factory):
    """The results in this process."""
    folder = tmp_path_factory.mktemp("expected")
    sweep(scenario, points, seed=7, replications=6, out=folder)
    return (folder / RESULTS).read_bytes()


def after(count, do):
    """An action after so many finished runs."""
    seen = []

    def heard(summary):
        seen.append(summary)
        if len(seen) == count:
            do()

    return heard


class Watched:
    """An executor that records the size of each batch."""

    def __init__(self, executor, given):
        self._executor, self._given = executor, given

    def submit(self, function, work, batch):
        self._given.append(len(batch))
        return self._executor.submit(function, work, batch)

    def __getattr__(self, name):
        return getattr(self._executor, name)


@pytest.fixture
def given(monkeypatch):
    sizes = []
    monkeypatch.setattr(
        backends, "get_reusable_executor", lambda **options: Watched(get_reusable_executor(**options), sizes)
    )
    return sizes


def test_short_runs_are_sent_in_batches_with_separate_results(given, monkeypatch):
    monkeypatch.setattr(backends, "BATCH_SECONDS", 1e6)  # however slow this machine is
    found = list(Backend(jobs=2).each(divmod, [(number, 7) for number in range(500)]))
    assert sorted(found) == [(number, divmod(number, 7)) for number in range(500)]
    assert sum(given) == 500
    assert given[0] == 1
    assert max(given) == backends.BATCH_MOST > 1
    assert given[-1] == 1  # at the end both processes have work


def test_long_runs_are_sent_one_by_one(given, monkeypatch):
    monkeypatch.setattr(backends, "BATCH_SECONDS", 1e-12)  # however fast
    assert len(list(Backend(jobs=2).each(divmod, [(number, 7) for number in range(20)]))) == 20
    assert given == [1] * 20


def test_the_number_of_runs_sent_ahead_is_limited(given, monkeypatch):
    monkeypatch.setattr(backends, "BATCH_SECONDS", 1e-12)
    stream = Backend(jobs=2).each(divmod, [(number, 7) for number in range(100)])
    next(stream)
    assert len(given) == 2 * backends.BATCHES_AHEAD
    stream.close()


@pytest.mark.parametrize(
    ("before", "seconds", "size"),
    [(1, 0.005, 2), (2, 0.005, 4), (8, 0.05, 4), (8, 3.0, 1), (1, 3.0, 1), (4, 0.0, 8), (8, 0.001, 8)],
)
def test_a_batch_grows_slowly_and_shrinks_at_once(before, seconds, size):
    """No longer than a fifth of a second, and no more than is sent at one go."""
    assert backends.batch_size(before, seconds) == size


def test_an_exception_of_a_run_is_raised(given):
    with pytest.raises(ZeroDivisionError):
        list(Backend(jobs=2).each(divmod, [(number, number) for number in range(3)]))


def kill_a_worker():
    """Between a death and the start of the next processes, the executor has none."""
    for process_id in list(get_reusable_executor()._processes):
        os.kill(process_id, signal.SIGKILL)
        break


def test_a_dead_worker_process_is_reported_and_its_runs_repeated(scenario, points, expected, tmp_path):
    lost = []
    found = sweep(
        scenario,
        points,
        seed=7,
        replications=6,
        jobs=2,
        out=tmp_path,
        on_run=after(5, kill_a_worker),
        on_lost=lost.append,
    )
    assert (tmp_path / RESULTS).read_bytes() == expected
    assert len(lost) == 1
    assert 0 < lost[0] <= 19
    assert found.computed == 24


def test_repeated_worker_deaths_stop_and_keep_finished_results(scenario, points, expected, tmp_path):
    def kill(summary):
        kill_a_worker()

    with pytest.raises(WorkersDied, match=r"have died twice: .*; valid: fewer jobs"):
        sweep(scenario, points, seed=7, replications=6, jobs=2, out=tmp_path, on_run=kill)
    again = sweep(scenario, points, seed=7, replications=6, out=tmp_path)
    assert again.computed < 24
    assert (tmp_path / RESULTS).read_bytes() == expected


ON_DASK = """
import scenarios, sim
from distributed import LocalCluster
from sim.experiments.runs.backends import Backend

scenario = scenarios.load("agent-failure").with_values(VALUES)
with LocalCluster(1, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None) as cluster:
    found = sim.replicate(scenario, 7, 3, backend=Backend("dask", scheduler=cluster.scheduler_address))
print(*(run.history_sha256 for run in found.runs))
"""


def test_a_dask_cluster_gives_equal_replications(scenario):
    """The cluster is that of another process, and ends with it."""
    pytest.importorskip("distributed")
    command = [sys.executable, "-c", ON_DASK.replace("VALUES", repr(VALUES))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [sha256 for _, sha256 in hashes(sim.replicate(scenario, 7, 3))]


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    """A cluster of two workers, one of which a test kills."""
    with cluster(tmp_path_factory.mktemp("cluster"), 2) as (address, workers):
        yield Backend("dask", scheduler=address), workers


def test_a_dask_cluster_gives_equal_replications_comparisons_and_warm_ups(scenario, dask):
    there, _ = dask
    changed = {"agents.restart_time": "5s"}
    replicated = sim.replicate(scenario, 7, 4)
    found = sim.replicate(scenario, 7, 4, backend=there)
    assert hashes(found) == hashes(replicated)
    assert found.metrics == replicated.metrics
    precise = sim.replicate(scenario, 7, precision=0.05, backend=there)
    assert hashes(precise) == hashes(sim.replicate(scenario, 7, precision=0.05))
    compared = sim.compare(scenario, {}, changed, 7, 3, backend=there)
    assert compared.frame.equals(sim.compare(scenario, {}, changed, 7, 3).frame)
    warmed = sim.find_warmup(scenario, 7, 4, backend=there)
    assert warmed.series.equals(sim.find_warmup(scenario, 7, 4).series)


def test_a_dask_cluster_gives_equal_results_despite_a_dead_worker(scenario, points, expected, dask, tmp_path):
    there, workers = dask
    found = sweep(
        scenario,
        points,
        seed=7,
        replications=6,
        backend=there,
        out=tmp_path / "sweep",
        on_run=after(3, workers[0].kill),
    )
    assert found.computed == 24
    assert (tmp_path / "sweep" / RESULTS).read_bytes() == expected


def hashes(result):
    return [(run.seed, run.history_sha256) for run in result.runs]


def test_an_unreachable_scheduler_is_reported_with_its_address(scenario, points, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(backends, "ANSWER_SECONDS", 1)
    with pytest.raises(BackendError, match=r"tcp://127\.0\.0\.1:9: no Dask scheduler answers there within 1 s"):
        sweep(scenario, points, backend=Backend("dask", scheduler="tcp://127.0.0.1:9"))
    with pytest.raises(BackendError, match="nonsense: no Dask scheduler answers there"):
        sweep(scenario, points, backend=Backend("dask", scheduler="nonsense"))
    nowhere = Backend("dask", scheduler="tcp://127.0.0.1:9")
    with pytest.raises(BackendError, match=r"tcp://127\.0\.0\.1:9: no Dask scheduler answers there within 1 s"):
        sim.replicate(scenario, backend=nowhere)
    with pytest.raises(BackendError, match=r"tcp://127\.0\.0\.1:9: no Dask scheduler answers there within 1 s"):
        sim.compare(scenario, {}, {"agents.count": 8}, backend=nowhere)


def test_a_rejected_client_leaves_no_resources(scenario, monkeypatch):
    """It would close itself while the next one starts, which waits for the very lock that closing takes."""
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(backends, "ANSWER_SECONDS", 1)
    monkeypatch.setattr(backends, "_dask_refusal", lambda address: "")  # as if one had answered just before
    gc.collect()
    gc.disable()
    try:
        for address in ("nonsense", "tcp://127.0.0.1:9"):
            with pytest.raises(BackendError):
                sim.replicate(scenario, backend=Backend("dask", scheduler=address))
            assert not any(type(each) is distributed.Client for each in gc.get_objects())
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "what answers there is something else"),
        (bytes(4096), "what answers there is something else"),
        (b"", "it says nothing"),
    ],
)
def test_an_address_of_another_service_is_reported(scenario, monkeypatch, answers, message):
    pytest.importorskip("distributed")
    monkeypatch.setattr(backends, "ANSWER_SECONDS", 30 if answers else 1)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.sendall(answers)
                while connection.recv(1 << 16):
                    pass

        thread = threading.Thread(target=answer)
        thread.start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(BackendError, match=f"{address}: no Dask .*{message}"):
            sim.replicate(scenario, backend=Backend("dask", scheduler=address))
        thread.join()


@pytest.mark.parametrize("name", ["dask", "ray"])
def test_a_missing_backend_is_reported_with_the_package_to_install(scenario, points, monkeypatch, name):
    monkeypatch.setitem(sys.modules, {"dask": "distributed", "ray": "ray"}[name], None)
    with pytest.raises(
        BackendError, match=rf"{name}: is not installed; valid: after pip install 'recovery-bench\[{name}\]'"
    ):
        sweep(scenario, points, backend=Backend(name))


@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
def test_a_ray_cluster_gives_equal_results(scenario, points, expected, tmp_path):
    sweep(scenario, points, seed=7, replications=6, backend=Backend("ray", jobs=2), out=tmp_path)
    assert (tmp_path / RESULTS).read_bytes() == expected


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9"])
def test_an_unreachable_ray_cluster_is_reported_before_ray_retries(scenario, monkeypatch, address):
    """Ray itself retries for ever; a stand-in for it that must not be called."""
    stand_in = ModuleType("ray.util.joblib")
    stand_in.register_ray = None
    for name in ("ray", "ray.util"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "ray.util.joblib", stand_in)
    with pytest.raises(BackendError, match=rf"^{address}: no Ray cluster answers there within 10 s \(.+\)$"):
        sim.replicate(scenario, 7, 2, backend=Backend("ray", scheduler=address))


def test_an_interrupt_just_after_submission_leaves_no_failing_thread(monkeypatch):
    """loky's thread sees the calls no earlier than the shutdown."""
    threads, errors, overlooked = [], [], False
    see = _ExecutorManagerThread.add_call_item_to_queue

    def late(thread):
        threads.append(thread)
        if thread.executor_flags.shutdown or not overlooked:
            see(thread)

    monkeypatch.setattr(_ExecutorManagerThread, "add_call_item_to_queue", late)
    monkeypatch.setattr(threading, "excepthook", lambda told: errors.append(told.exc_value))
    results = Backend(jobs=2).each(pow, [(number, 1) for number in range(100)])
    next(results)
    while not get_reusable_executor()._work_ids.empty():  # otherwise they are never processed
        os.sched_yield()
    overlooked = True
    next(results)
    results.close()
    threads[0].join()
    assert errors == []


def test_a_worker_that_dies_while_sending_is_replaced(monkeypatch, tmp_path):
    monkeypatch.setattr(backends, "STUCK_SECONDS", 0.5)
    lost = []
    calls = [(number, str(tmp_path / "died")) for number in range(30)]
    found = list(Backend(jobs=2).each(dies_while_it_sends, calls, lost.append))
    assert sorted(found) == [(number, number) for number in range(30)]
    assert len(lost) == 1
