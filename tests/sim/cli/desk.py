"""A store with an escalated task, and an operator who recovers it by commands."""

from recovery.stores.database import Database
from sim.cli import main
from sim.cli.recover.access import TOKEN
from tests.recovery.local.stories import failed, given_up

STORE = {}
"""The files of the store before it has operators, by name: the first desk writes them, and others copy them."""


class Desk:
    """A store with task.7, which was escalated, and alice, who has a token."""

    def __init__(self, folder, monkeypatch, capsys):
        self.folder = folder
        self.url = f"sqlite:///{folder}/store.db"
        self.capsys = capsys
        self.monkeypatch = monkeypatch
        self.operators = str(folder / "operators.json")
        monkeypatch.setenv("RECOVERY_BENCH_STORE", self.url)
        monkeypatch.setenv("RECOVERY_BENCH_OPERATORS", self.operators)
        monkeypatch.setenv("RECOVERY_BENCH_OPERATOR", "alice")
        for name, content in STORE.items():
            (folder / name).write_bytes(content)
        if not STORE:
            with self.database() as database:
                given_up(database)
                failed(database, "task.8")
            STORE.update((each.name, each.read_bytes()) for each in folder.iterdir())
        assert self.say("operator", "add", "alice")[0] == 0
        self.another_token()

    def database(self):
        return _Closing(Database(self.url))

    def another_token(self, *more):
        _, token, _ = self.say("operator", "token", "alice", *more)
        self.monkeypatch.setenv(TOKEN, token.strip())
        return token.strip()

    def say(self, *arguments):
        self.capsys.readouterr()
        status = main(["recover", *map(str, arguments)])
        out, err = self.capsys.readouterr()
        return status, out, err

    def refused(self, *arguments):
        status, _, err = self.say(*arguments)
        assert (status, err.count("\n")) == (2, 1)
        return err.strip()

    def refusals(self):
        _, out, _ = self.say("audit")
        return [line.partition("operator.refused ")[2] for line in out.splitlines() if "operator.refused" in line]


class _Closing:
    def __init__(self, database):
        self.it = database

    def __enter__(self):
        return self.it

    def __exit__(self, *_):
        self.it.close()
