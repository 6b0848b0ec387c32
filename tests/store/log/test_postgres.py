"""The log in a real PostgreSQL server, started for these tests and stopped after them, where one is installed."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import polars as pl
import pytest
from tests.store.log.conftest import all_rows, keep, put, row, told

from mulle.core.errors import StoreError
from mulle.store.log import Answer, Exposure, Feedback, Group, Log, Promise
from mulle.store.log.export import export

pytest.importorskip("psycopg")


def program(name):
    """Return the newest program of that name, also where Debian keeps it."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return shutil.which(name) or (str(found[0]) if found else None)


class Server:
    """A cluster in a folder of its own, on loopback and a free port."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.process = folder, free_port(), None
        self.url = f"postgresql://mulle@127.0.0.1:{self.port}/postgres"

    def make(self) -> None:
        words = [program("initdb"), "-D", str(self.folder / "data"), "-U", "mulle", "-A", "trust", "-N"]
        subprocess.run(words, check=True, capture_output=True, **stranger())

    def start(self) -> None:
        words = [program("postgres"), "-D", str(self.folder / "data"), "-p", str(self.port), "-h", "127.0.0.1"]
        words += ["-k", str(self.folder), "-c", "fsync=off"]
        with (self.folder / "said").open("ab") as said:
            self.process = subprocess.Popen(words, stdout=said, stderr=said, cwd=self.folder, **stranger())
        end = time.monotonic() + 30
        while not self._answers():
            assert time.monotonic() < end, (self.folder / "said").read_text()
            time.sleep(0.05)

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url, connect_timeout=1).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # fast: ends all connections
            self.process.wait(30)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def stranger() -> dict:
    """PostgreSQL refuses to run as root."""
    return {"user": "nobody"} if os.geteuid() == 0 else {}


@pytest.fixture(scope="module")
def server():
    if program("initdb") is None or program("postgres") is None:
        pytest.skip("no PostgreSQL server is installed here")
    folder = Path(tempfile.mkdtemp(prefix="mulle-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
    made = Server(folder)
    try:
        made.make()
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def log(server):
    with Log.open(server.url, tend=False) as opened:
        opened._run(lambda book: book._do("TRUNCATE predictions, exposures, feedback, changes, answers"))
        yield opened


@pytest.mark.parametrize("promise", list(Promise))
def test_what_was_written_is_found_again(log, promise):
    one, feedback, answer = row(), told("p1"), Answer("k", b"\0d", b"{}", 200, 1.0)
    exposure = Exposure("t1", "u1", "champion", 0.5, 1.0, "b6a1")
    group = Group(rows=[one], feedback=[feedback], answers=[answer], exposures=[exposure], promise=promise)
    assert put(log, group, group) == [None, None]
    assert log.find(one.id) == one
    assert log.feedback_of("p1") == [feedback]
    assert log.said_of("p1") == {feedback.kind: (1, feedback)}
    assert log.answer("k") == answer
    assert list(log.read(Exposure)) == [[exposure]]


def test_rows_are_read_in_their_order_and_exported_with_their_feedback(server, log, tmp_path):
    rows = [row() for _ in range(10_000)]
    keep(log, *rows)
    keep(log, *rows[:10])
    assert all_rows(log) == rows
    assert put(log, Group(feedback=[told(rows[0].id, b"0")]), Group(feedback=[told(rows[0].id, b"1")])) == [None, None]
    assert export(server.url, tmp_path / "out.parquet") == 10_000
    assert pl.read_parquet(tmp_path / "out.parquet")["outcome"][0] == "1"


def test_only_the_group_with_a_bad_entry_is_refused(log):
    errors = put(log, Group(rows=[row("a")]), Group(rows=[row(unit="\0")]), Group(rows=[row("b")]))
    assert [error is None for error in errors] == [True, False, True]
    assert "store text, numbers and bytes" in str(errors[1])
    assert {one.id for one in all_rows(log)} == {"a", "b"}


def test_two_servers_write_one_log(server, log):
    with Log.open(server.url, tend=False) as second:
        keep(second, row("theirs"))
        keep(log, row("ours"), row("theirs"))
    assert {one.id for one in all_rows(log)} == {"ours", "theirs"}


def test_a_unit_is_forgotten(log):
    keep(log, row("a", unit="gone"), row("b"))
    answers = [Answer("k1", b"", b'{"id": "a"}', 200, 1.0), Answer("k2", b"", b'{"id": "b"}', 200, 1.0)]
    assert put(log, Group(feedback=[told("a"), told("b")], answers=answers)) == [None]
    gone = log.forget("gone")
    assert (gone.rows, gone.feedback, gone.answers) == (1, 1, 1)
    assert [one.id for one in all_rows(log)] == ["b"]
    assert [len(chunk) for chunk in log.read(Feedback)] == [1]


def test_old_answers_are_removed(log):
    assert put(log, Group(answers=[Answer("old", b"", b"", 200, 1.0), Answer("new", b"", b"", 200, 9.0)])) == [None]
    log._run(lambda book: book.prune(5.0))
    assert (log.answer("old"), log.answer("new") is None) == (None, False)


def test_a_database_that_goes_and_comes_back_is_told_and_written_again(server, log):
    keep(log, row("before"))
    server.stop()
    assert "the log goes on by itself" in str(put(log, Group(rows=[row()]))[0])
    assert (log.fault is None, log.dropped) == (False, 1)
    server.start()
    end = time.monotonic() + 20
    while put(log, Group(rows=[row("after")])) != [None]:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert {one.id for one in all_rows(log)} == {"before", "after"}


def test_a_database_that_is_not_there_is_told_without_its_password():
    with pytest.raises(StoreError, match="look at the database") as told_:
        Log.open(f"postgresql://ann:secret@127.0.0.1:{free_port()}/mulle")
    assert "secret" not in str(told_.value)
