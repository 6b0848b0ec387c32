import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from tests.store.conftest import disk  # noqa: F401  # a fixture
from tests.store.log.conftest import all_rows, keep, put, row

from mulle.core.errors import StoreError
from mulle.store.log import Group, Log, Promise

LARGE = b'"' + b"x" * 50_000 + b'"'


def until(true, seconds=10.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def fill(log):
    """Append until the log refuses; return what it acknowledged, and why it refused."""
    kept = []
    while True:
        one = row()._replace(inputs=LARGE)
        error = put(log, Group(rows=[one]))[0]
        if error is not None:
            return kept, error
        kept.append(one)


@pytest.fixture
def on_disk(disk):  # noqa: F811
    folder = disk.path / "log"
    with Log.open(folder, tend=False, busy_s=0.2) as log:
        yield disk, log


def test_a_full_disk_is_told_and_it_goes_on_by_itself_when_there_is_room(on_disk):
    disk, log = on_disk  # noqa: F811
    (disk.path / "ballast").write_bytes(b"0" * 100_000)
    kept, error = fill(log)
    assert "free some space" in str(error)
    assert log.fault
    assert put(log, Group(rows=[row()]), Group(rows=[row()], promise=Promise.SYNCED))[0].fix
    assert log.dropped == 2, "what asked for synced was refused, not dropped"
    disk.empty()
    until(lambda: put(log, Group(rows=[row("after")])) == [None])
    assert log.fault is None
    assert [one.id for one in all_rows(log)] == [one.id for one in kept] + ["after"]


def test_while_it_cannot_write_nobody_waits(on_disk):
    _, log = on_disk
    fill(log)
    began = time.perf_counter()
    for _ in range(50):
        assert put(log, Group(rows=[row()._replace(inputs=LARGE * 4)]))[0] is not None
    assert time.perf_counter() - began < 5
    assert log.pending == 0


def test_a_disk_that_becomes_read_only_is_told_and_mended(on_disk):
    disk, log = on_disk  # noqa: F811
    keep(log, row("before"))
    if not disk.remount("ro"):  # held open for writing: as a dying disk, it can't be asked for politely
        pytest.skip("this system does not remount a disk that is in use")
    assert "chmod" in str(put(log, Group(rows=[row()]))[0])
    disk.remount("rw")
    until(lambda: put(log, Group(rows=[row("after")])) == [None])
    assert [one.id for one in all_rows(log)] == ["before", "after"]


def test_a_read_only_folder_is_told_at_the_start(disk):  # noqa: F811
    with Log.open(disk.path / "log", tend=False) as log:
        keep(log, row("before"))
    assert disk.remount("ro")
    with pytest.raises(StoreError, match="on a disk that can be written"):
        Log.open(disk.path / "log", tend=False)


LIMITED = """
import resource, sys, threading
from mulle.store.log import Group, Log, Row
log = Log.open(sys.argv[1], tend=False)
heard, said = threading.Event(), []
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
n = 0
while not (said and said[-1]):
    heard.clear()
    row = Row(f"p{n}", 0.0, "b", 1, "a", 1.0, "", "u", b"x" * 20_000, b"{}")
    log.append(Group(rows=[row], done=lambda error: (said.append(error), heard.set())))
    heard.wait(10)
    n += 1
print(n - 1, said[-1].fix, flush=True)
"""


def test_a_write_that_the_system_refuses_loses_nothing_that_was_acknowledged(tmp_path):
    done = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=True)
    n, fix = done.stdout.split(" ", 1)
    assert "the log goes on by itself" in fix
    with Log.open(tmp_path, tend=False) as log:
        assert [one.id for one in all_rows(log)] == [f"p{k}" for k in range(int(n))]
    assert int(n) > 3


def test_a_log_that_another_program_locks_is_told_after_a_while_and_goes_on(tmp_path):
    with Log.open(tmp_path, tend=False, busy_s=0.1) as log:
        keep(log, row("before"))
        other = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        error = put(log, Group(rows=[row()]))[0]
        assert "another program has locked the log" in str(error)
        assert log.fault
        other.execute("ROLLBACK")
        other.close()
        until(lambda: put(log, Group(rows=[row("after")])) == [None])
        assert log.fault is None
        assert [one.id for one in all_rows(log)] == ["before", "after"]
        assert log.dropped >= 1


@pytest.mark.parametrize("how", ["garbage", "header", "middle", "truncated"])
def test_a_damaged_file_is_moved_aside_and_a_new_log_begins(tmp_path, how, caplog):
    with Log.open(tmp_path, tend=False) as log:
        keep(log, *(row() for _ in range(3000)))
    file = tmp_path / "log.db"
    spoilt = spoil(file.read_bytes(), how)
    file.write_bytes(spoilt)
    with Log.open(tmp_path, tend=False) as log:
        assert all_rows(log) == []
        keep(log, row("after"))
    aside = list(tmp_path.glob("log.corrupt-*.db"))
    assert [path.read_bytes() for path in aside] == [spoilt], "nothing is deleted or changed"
    assert "moved to" in caplog.text


def spoil(whole, how):
    half = len(whole) // 2
    return {
        "garbage": b"this is no database" * 1000,
        "header": b"\0" * 100 + whole[100:],
        "middle": whole[: half - 30_000] + os.urandom(60_000) + whole[half + 30_000 :],
        "truncated": whole[:half],
    }[how]


def test_an_empty_file_is_a_new_log(tmp_path):
    (tmp_path / "log.db").touch()
    with Log.open(tmp_path, tend=False) as log:
        keep(log, row("first"))
        assert all_rows(log)
    assert not list(tmp_path.glob("*corrupt*"))


def test_a_file_damaged_while_it_is_served_is_moved_aside_too(tmp_path):
    with Log.open(tmp_path, tend=False) as log:
        keep(log, *(row() for _ in range(3000)))
        words = "import pathlib, sys; p = pathlib.Path(sys.argv[1]); f = p.open('r+b'); f.write(b'no database' * 5000)"
        for name in ("log.db", "log.db-wal"):  # another process: closing a file here would let its locks go
            subprocess.run([sys.executable, "-c", words, str(tmp_path / name)], check=True)
        put(log, *(Group(rows=[row()]) for _ in range(50)))
        until(lambda: put(log, Group(rows=[row()])) == [None])
        until(lambda: kept_and_found(log))
        assert list(tmp_path.glob("*corrupt*")), "moved aside, and not deleted"


def kept_and_found(log: Log) -> bool:
    """Say whether a row is kept, and found again; who finds damage makes the writer look."""
    last = row()
    with suppress(StoreError):
        return put(log, Group(rows=[last])) == [None] and log.find(last.id) == last
    return False


def test_a_file_that_was_removed_under_a_killed_server_is_begun_again(tmp_path):
    words = (
        "import os, signal, sys; from mulle.store.log import Log; log = Log.open(sys.argv[1], tend=False); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", words, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    with Log.open(tmp_path, tend=False) as log:  # the lock of a dead process holds nobody up
        keep(log, row())


@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_is_synced_into_a_file_that_was_deleted_is_not_acknowledged(tmp_path, what):
    folder = tmp_path / "log"
    with Log.open(folder, tend=False) as log:
        keep(log, row("before"), promise=Promise.SYNCED)
        shutil.rmtree(folder) if what == "folder" else (folder / "log.db").unlink()
        (error,) = put(log, Group(rows=[row("lost")], promise=Promise.SYNCED))
        assert isinstance(error, StoreError)
        assert "deleted" in error.what
        assert "deleted" in log.fault
        until(lambda: put(log, Group(rows=[row()], promise=Promise.SYNCED)) == [None])
        assert log.fault is None
        keep(log, row("after"), promise=Promise.SYNCED)
    with Log.open(folder, tend=False) as log:
        assert log.find("after") is not None
        assert log.find("lost") is None


@pytest.mark.parametrize("idle", [True, False])
def test_a_file_that_was_deleted_is_noticed_without_a_sync(tmp_path, idle):
    folder = tmp_path / "log"
    with Log.open(folder, tend=False) as log:
        keep(log, row())
        shutil.rmtree(folder)
        until(lambda: (idle or put(log, Group(rows=[row()]))) and (folder / "log.db").is_file())
        until(lambda: put(log, Group(rows=[row("after")])) == [None])
        assert log.find("after") is not None


def test_who_comes_into_a_folder_that_was_deleted_under_a_server_keeps_the_server_out(tmp_path):
    folder = tmp_path / "log"
    with Log.open(folder, tend=False) as first:
        keep(first, row())
        shutil.rmtree(folder)
        with Log.open(folder, tend=False, command="the second") as second:
            (error,) = put(first, Group(rows=[row()], promise=Promise.SYNCED))
            assert isinstance(error, StoreError)
            time.sleep(0.2)
            assert put(first, Group(rows=[row()], promise=Promise.SYNCED)) != [None]
            keep(second, row("theirs"), promise=Promise.SYNCED)
            assert "the second" in (folder / "lock.json").read_text()
        until(lambda: put(first, Group(rows=[row()], promise=Promise.SYNCED)) == [None])


def test_limits_of_this_test_run_are_its_own():
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
