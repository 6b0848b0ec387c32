# ruff: noqa: ARG001  # our own script; a fixture that only has to be there
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mulle.core.errors import StoreError
from mulle.store.lock import Lock, Owner

HOLD = """
import sys, time
from pathlib import Path
from mulle.store.lock import Lock
lock = Lock(Path(sys.argv[1]), command="mulle run")
lock.acquire()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_second_is_told_whose_lock_it_is(tmp_path, other):
    with pytest.raises(StoreError, match=rf"is held by pid {other.pid} \(mulle run, since \d\d:\d\d\)") as caught:
        Lock(tmp_path, command="mulle assess").acquire()
    assert caught.value.fix == f"wait until it has ended, or end it: kill {other.pid}"


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path, other):
    other.send_signal(signal.SIGKILL)
    other.wait()
    with Lock(tmp_path, command="mulle run") as lock:
        assert lock.left_by is not None
        assert lock.left_by.pid == other.pid


def test_one_that_was_let_go_leaves_nobody_to_take_over_from(tmp_path):
    with Lock(tmp_path, command="mulle run"):
        pass
    with Lock(tmp_path, command="mulle run") as lock:
        assert lock.left_by is None


def test_it_is_held_within_one_process_too(tmp_path):
    with Lock(tmp_path, command="a"), pytest.raises(StoreError, match=rf"pid {os.getpid()} \(a, since"):
        Lock(tmp_path, command="b").acquire()
    Lock(tmp_path, command="b").acquire()


def test_one_who_was_refused_does_not_disturb_the_owner(tmp_path, other):
    for _ in range(2):
        with pytest.raises(StoreError, match=f"pid {other.pid}"):
            Lock(tmp_path, command="mulle assess").acquire()


@pytest.mark.parametrize("note", ["", "{", "[]", '{"pid": 1}'])
def test_a_note_that_can_not_be_read_still_gives_words(tmp_path, other, note):
    (tmp_path / "lock.json").write_text(note)
    with pytest.raises(StoreError, match="is held by another process"):
        Lock(tmp_path, command="mulle assess").acquire()


def test_an_owner_on_another_machine_is_named_and_not_to_be_killed_from_here(tmp_path, other):
    owner = Owner(pid=7, person="kim@elsewhere", command="mulle run", since="2020-01-02T03:04:05+00:00")
    (tmp_path / "lock.json").write_text(
        json.dumps({"pid": 7, "person": owner.person, "command": owner.command, "since": owner.since})
    )
    with pytest.raises(StoreError, match=r"since 2020-01-0\d \d\d:\d\d") as caught:
        Lock(tmp_path, command="mulle assess").acquire()
    assert "kim@elsewhere" in caught.value.where
    assert "kill" not in caught.value.fix


def test_a_folder_that_is_not_there_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="move that file away"):
        Lock(Path(tmp_path / "file"), command="mulle").acquire()
