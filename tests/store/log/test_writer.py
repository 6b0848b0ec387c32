"""The writer's thread outlives every fault: who waits hears of it, and when the fault is gone it writes again."""

import subprocess
import sys
import threading

import pytest
from tests.store.log.conftest import row

from mulle.core.errors import StoreError
from mulle.store.log import Group, Promise
from mulle.store.log.book import Book
from mulle.store.log.writer import Writer


class Shaky(Book):
    """A database of which each step can be told to fail in a way that nobody foresaw."""

    quick = True
    due = False

    def __init__(self, faults: set[str]) -> None:
        self.faults = faults
        self.held: list[str] = []

    def _may(self, step: str) -> None:
        if step in self.faults:
            raise ZeroDivisionError(step)

    def write(self, groups, *, synced, waits=True):  # noqa: ARG002
        self._may("write")
        if "disk" in self.faults:
            raise StoreError("the disk is full", fix="free some space")
        self.held += [one.id for group in groups for one in group.rows]

    def tidy(self, *, idle):  # noqa: ARG002
        self._may("tidy")
        return False

    def prune(self, before):  # noqa: ARG002
        self._may("prune")

    def close(self):
        self._may("close")


def _writer(faults: set[str], books: list[Shaky], *, kind: type[Shaky] = Shaky) -> Writer:
    def opened() -> Shaky:
        if "open" in faults:
            raise ZeroDivisionError("open")
        if "stat" in faults:
            raise OSError(5, "Input/output error")
        books.append(kind(faults))
        return books[-1]

    def notify(told):
        for done, error in told:
            done(error)

    made = Writer(opened, notify, 1000, lambda: None)
    made.start()
    return made


def _put(writer: Writer, id_: str) -> StoreError | None:
    heard, said = threading.Event(), []
    done = lambda error: (said.append(error), heard.set())  # noqa: E731
    writer.append(Group(rows=[row(id_)], promise=Promise.SYNCED, done=done))
    assert heard.wait(5), "whoever waits hears"
    return said[0]


@pytest.mark.parametrize("then", ["open", "stat"])
def test_a_fault_while_it_opens_again_is_told_and_the_thread_lives(then):
    faults, books = {"disk"}, []
    writer = _writer(faults, books)
    assert _put(writer, "a").what == "the disk is full"
    faults.add(then)
    for i in range(20):
        assert _put(writer, f"b{i}") is not None
        threading.Event().wait(0.01)
    assert writer.fault
    faults.clear()
    for _ in range(100):
        if _put(writer, "c") is None:
            break
        threading.Event().wait(0.05)
    assert books[-1].held == ["c"]
    assert writer.fault is None
    assert writer.close(5) is True


@pytest.mark.parametrize("step", ["write", "tidy"])
def test_a_fault_of_ours_between_two_commits_ends_nothing(step):
    faults, books = {step}, []
    writer = _writer(faults, books)
    _put(writer, "a")
    faults.clear()
    for _ in range(100):
        if _put(writer, "b") is None:
            break
        threading.Event().wait(0.05)
    assert "b" in books[-1].held
    assert writer.close(5) in {True, False}


def test_a_job_that_fails_ends_nothing():
    books: list[Shaky] = []
    writer = _writer(set(), books)
    writer.ask(lambda _: 1 // 0)
    assert _put(writer, "a") is None
    assert writer.close(5) is True


def test_when_the_thread_ends_all_the_same_nobody_waits_for_it():
    class Odd(BaseException):
        pass

    books: list[Shaky] = []
    writer = _writer(set(), books)
    hook, threading.excepthook = threading.excepthook, lambda _: None

    def end(_: object) -> None:
        writer.append(Group(rows=[row("late")], promise=Promise.SYNCED, done=told.append))
        raise Odd

    told: list[StoreError | None] = []
    try:
        writer.ask(end)
        writer._thread.join(5)
    finally:
        threading.excepthook = hook
    assert "has ended" in told[0].what
    with pytest.raises(StoreError, match="open it again"):
        writer.append(Group(rows=[row("later")]))


STARVED = """
import os, resource, sqlite3, sys, threading, time
from mulle.store.log import Group, Log, Row
log = Log.open(sys.argv[1], tend=False, busy_s=.05)
def put(id_):
    heard, said = threading.Event(), []
    row = Row(id_, 0.0, "b", 1, "a", 1.0, "", "u", b"{}", b"{}")
    log.append(Group(rows=[row], done=lambda error: (said.append(error), heard.set())))
    assert heard.wait(10), "nobody was told"
    return said[0]
assert put("first") is None
whole = resource.getrlimit(resource.RLIMIT_NOFILE)
for spare in range(10):
    other = sqlite3.connect(os.path.join(sys.argv[1], "log.db"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert put(f"locked{spare}") is not None
    other.execute("ROLLBACK")
    other.close()
    n = max(int(name) for name in os.listdir("/proc/self/fd")) + spare
    resource.setrlimit(resource.RLIMIT_NOFILE, (n, whole[1]))
    end = time.monotonic() + .3
    while time.monotonic() < end:
        put(f"starved{spare}-{time.monotonic()}")
    resource.setrlimit(resource.RLIMIT_NOFILE, whole)
    end = time.monotonic() + 5
    while put(f"fed{spare}-{time.monotonic()}") is not None:
        assert time.monotonic() < end, "it never wrote again"
print(log.close())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="counts open files in /proc")
def test_a_process_without_a_file_to_spare_writes_again_when_it_has_some(tmp_path):
    done = subprocess.run([sys.executable, "-c", STARVED, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stdout == "True\n", done.stderr


def test_who_doubts_makes_the_writer_look_once_a_while_and_nothing_is_lost():
    books: list[Shaky] = []
    writer = _writer(set(), books)
    said: list[StoreError | None] = []
    for _ in range(200):  # as often as a reader meets the same damage, which the look does not find
        writer.doubt()
        writer.write(Group(rows=[row()], done=said.append))
    assert writer.close(10)
    assert said == [None] * 200
    assert len(books) == 2
    assert writer.dropped == 0


def test_a_doubt_that_comes_late_leaves_the_next_database_alone():
    books: list[Shaky] = []
    writer = _writer(set(), books)
    writer.ask(lambda _: writer._look_at(Shaky(set())))
    assert writer.close(10)
    assert len(books) == 1
