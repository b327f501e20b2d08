"""A folder of a sweep with a single changed bit is refused, and so is one whose rows contradict each other."""

import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scenarios
from sim.experiments.sweeps.digests import SUFFIX, WrongDigest, digest_file, read_with_digest, write_with_digest
from sim.experiments.sweeps.folder import ABOUT, PARTS, RESULTS, SweepFolder, SweepFolderError, read_about
from sim.experiments.sweeps.sweep import load_sweep, sweep

RESTART = "agents.restart_time"
VALUES = {"duration": "1m", "warmup": "0s", "faults": [], "expect": []}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A folder with a merged file, and a part of the same content."""
    folder = tmp_path_factory.mktemp("swept")
    scenario = scenarios.load("agent-failure").with_values(VALUES)
    sweep(scenario, {RESTART: ["5s", "10s"]}, seed=7, out=folder)
    write_with_digest(folder / PARTS / "0.parquet", (folder / RESULTS).read_bytes())
    return folder


@pytest.fixture
def folder(swept, tmp_path):
    return shutil.copytree(swept, tmp_path / "sweep")


def flipped(content, bit):
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize(
    ("file", "read"),
    [
        (RESULTS, lambda folder: SweepFolder(folder).table()),
        (RESULTS, lambda folder: SweepFolder(folder).finished()),
        (f"{PARTS}/0.parquet", lambda folder: SweepFolder(folder).table()),
        (ABOUT, read_about),
    ],
)
def test_a_flipped_bit_is_refused_with_the_file(folder, file, read):
    target = folder / file
    content = target.read_bytes()
    bits = 8 * len(content)
    for bit in range(0, bits, max(1, bits // 97)):
        target.write_bytes(flipped(content, bit))
        with pytest.raises(
            SweepFolderError, match=rf"{file}: is damaged: its SHA-256 is not that in \S+\.sha256; valid: "
        ):
            read(folder)
    target.write_bytes(content)
    read(folder)


def test_a_flipped_bit_of_a_digest_is_refused(folder):
    beside = digest_file(folder / RESULTS)
    content = beside.read_bytes()
    for bit in range(8 * (len(content) - 1)):  # the end of the line has no meaning
        beside.write_bytes(flipped(content, bit))
        with pytest.raises(SweepFolderError, match=rf"{RESULTS}: is damaged: "):
            SweepFolder(folder).table()


def test_a_missing_digest_is_refused(folder):
    digest_file(folder / RESULTS).unlink()
    with pytest.raises(SweepFolderError, match=rf"{RESULTS}: is damaged: {RESULTS}\.sha256 is missing; valid: without"):
        load_sweep(folder)


def test_two_rows_for_a_metric_of_a_run_are_refused(folder):
    table = SweepFolder(folder).table()
    for rows, problem in (
        (pa.concat_tables([table, table.slice(3, 1)]), "it has two rows for a metric of the same run"),
        (table.drop_columns("value"), "it has no column 'value'"),
        (table.set_column(3, "value", table["metric"]), "its column 'value' is of type string"),
    ):
        sink = pa.BufferOutputStream()
        pq.write_table(rows, sink)
        write_with_digest(folder / RESULTS, sink.getvalue().to_pybytes())
        with pytest.raises(SweepFolderError, match=rf"{RESULTS}: is damaged: {problem}"):
            SweepFolder(folder).table()


class Killed(BaseException):
    pass


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_a_file_agrees_with_its_digest_wherever_its_replacement_stops(tmp_path, monkeypatch, writes):
    from sim.experiments.sweeps import digests

    target = tmp_path / "file"
    write_with_digest(target, b"old")
    write, left = digests._write, [writes]

    def stopping(path, content):
        if not left[0]:
            raise Killed
        left[0] -= 1
        write(path, content)

    monkeypatch.setattr(digests, "_write", stopping)
    with pytest.raises(Killed):
        write_with_digest(target, b"new")
    assert read_with_digest(target, 10) == (b"new" if writes == 2 else b"old")
    monkeypatch.undo()
    write_with_digest(target, b"third")
    assert read_with_digest(target, 10) == b"third"
    target.write_bytes(b"old")
    with pytest.raises(WrongDigest):
        read_with_digest(target, 10)


def test_a_digest_whose_part_was_not_written_is_removed(folder):
    stray = folder / PARTS / f"5.parquet{SUFFIX}"
    stray.write_text("")
    about = read_about(folder)
    with SweepFolder(folder).opened(about):
        assert not stray.exists()
