"""What is written is written where it came in: the caller hears at once, and never waits for what is slow."""

import sqlite3
import threading
import time

import pytest
from tests.store.log.conftest import all_rows, keep, row
from tests.store.log.test_writer import Shaky, _writer

from mulle.core.errors import StoreError
from mulle.store.log import Group, Log, Promise
from mulle.store.log.book import BadEntry
from mulle.store.log.writer import SLOW_S


def asleep(log: Log) -> Log:
    """Return a log whose writer has nothing to do."""
    end = time.monotonic() + 5
    while not log._writer._asleep:
        assert time.monotonic() < end
        time.sleep(0.001)
    return log


class Heard:
    """Remembers what it was told, and by which thread."""

    def __init__(self) -> None:
        self.said: list[StoreError | None] = []
        self.threads: list[str] = []
        self.event = threading.Event()

    def __call__(self, error: StoreError | None) -> None:
        self.said.append(error)
        self.threads.append(threading.current_thread().name)
        self.event.set()


def test_a_lone_entry_is_there_before_the_call_returns(log):
    heard = Heard()
    asleep(log).write(Group(rows=[row("a")], done=heard))
    assert heard.said == [None]
    assert heard.threads == [threading.current_thread().name]
    assert log.find("a") is not None


def test_what_has_to_be_synced_is_left_to_the_writers_thread(log):
    heard = Heard()
    asleep(log).write(Group(rows=[row("a")], promise=Promise.SYNCED, done=heard))
    assert heard.event.wait(5)
    assert heard.threads == ["mulle-log"]
    assert heard.said == [None]


def test_a_locked_log_keeps_no_caller_waiting(tmp_path):
    with Log.open(tmp_path / "log", tend=False, busy_s=10.0) as log:
        other = sqlite3.connect(tmp_path / "log" / "log.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        heard = Heard()
        asleep(log).write(Group(rows=[row("a")], done=heard))
        assert heard.said == [], "the writer's thread waits, and nobody else"
        other.execute("ROLLBACK")
        other.close()
        assert heard.event.wait(5)
        assert heard.said == [None]
        assert [one.id for one in all_rows(log)] == ["a"]


def test_after_a_slow_write_the_next_ones_are_left_to_the_writers_thread(log, monkeypatch):
    book = asleep(log)._writer._book
    whole = type(book).write

    def slow(self, groups, **how):
        time.sleep(SLOW_S * 1.5)
        whole(self, groups, **how)

    monkeypatch.setattr(type(book), "write", slow)
    first, second = Heard(), Heard()
    log.write(Group(rows=[row("a")], done=first))
    monkeypatch.undo()
    log.write(Group(rows=[row("b")], done=second))
    assert second.event.wait(5)
    assert first.threads == [threading.current_thread().name]
    assert second.threads == ["mulle-log"]
    assert {one.id for one in all_rows(log)} == {"a", "b"}


def test_a_fault_is_told_at_once_and_counted_and_the_log_goes_on_by_itself():
    faults, books = set(), []
    writer = _writer(faults, books)
    while not writer._asleep:
        time.sleep(0.001)
    faults.add("disk")
    heard = Heard()
    writer.write(Group(rows=[row("a")], done=heard))
    assert [error.what for error in heard.said] == ["the disk is full"]
    assert (writer.dropped, writer.fault) == (1, "the disk is full")
    faults.clear()
    end = time.monotonic() + 5
    while not books[-1].held and time.monotonic() < end:
        writer.write(Group(rows=[row("b")]))
        time.sleep(0.02)
    assert set(books[-1].held) == {"b"}
    assert writer.close(5) is True


def test_a_bad_entry_is_told_and_ends_nothing(log):
    heard, next_ = Heard(), Heard()
    asleep(log).write(Group(rows=[row("a")._replace(unit="\ud800")], done=heard))
    assert isinstance(heard.said[0], BadEntry)
    log.write(Group(rows=[row("b")], done=next_))
    assert next_.event.wait(5)
    assert next_.said == [None]
    assert log.dropped == 1


def test_a_database_across_a_network_is_never_written_where_the_caller_waits():
    class Far(Shaky):
        quick = False

    books: list[Shaky] = []
    writer = _writer(set(), books, kind=Far)
    while not writer._asleep:
        time.sleep(0.001)
    heard = Heard()
    writer.write(Group(rows=[row("a")], done=heard))
    assert heard.event.wait(5)
    assert heard.threads == ["mulle-log"]
    assert writer.close(5) is True


def test_a_closed_log_takes_nothing(tmp_path):
    log = Log.open(tmp_path / "log", tend=False)
    log.close()
    with pytest.raises(StoreError, match="closed"):
        log.write(Group(rows=[row()]))


def test_both_ways_of_writing_at_once_lose_nothing_and_keep_each_callers_order(tmp_path):
    told, n = [], 400
    with Log.open(tmp_path / "log", tend=False) as log:

        def work(name: str) -> None:
            for i in range(n):
                group = Group(rows=[row(f"{name}{i:04d}", unit=name)], done=told.append)
                (log.append if i % 7 == 0 else log.write)(group)
                if i % 50 == 0:
                    time.sleep(0.002)

        threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        keep(log, row("last", unit="z"))
        held = all_rows(log)
    assert told == [None] * (3 * n)
    for name in "abc":
        assert [one.id for one in held if one.unit == name] == [f"{name}{i:04d}" for i in range(n)]


def test_what_was_written_here_is_moved_into_the_file_before_it_piles_up(tmp_path):
    large = b'{"text": "' + b"x" * 100_000 + b'"}'
    with Log.open(tmp_path / "log", tend=False) as log:
        for i in range(200):
            asleep(log).write(Group(rows=[row(f"a{i}")._replace(inputs=large)]))
        asleep(log)
        assert (tmp_path / "log" / "log.db-wal").stat().st_size < 16 << 20, "20 MB went through it"
