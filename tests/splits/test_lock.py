import os
import subprocess
import sys

import pytest

from mulle.core.errors import ProjectError, StoreError
from mulle.splits.lock import Lock, changing, read_lock, write_lock
from mulle.splits.opening import confidence, open_seal
from mulle.splits.seal import Seal

NOW = "2026-11-22T10:00:00+00:00"


@pytest.fixture
def folder(tmp_path):
    write_lock(tmp_path, Lock(seal=Seal(by="content", inputs=("a", 'ü "b"'), salt="5eed", fraction=0.2, made=NOW)))
    return tmp_path


def test_what_is_written_is_read_back(folder):
    open_seal(folder, bundle="b1", run="r1", now=NOW)
    lock = read_lock(folder).count(12)
    lock = lock.reseal(Seal(by="time", time="at", cut=NOW, number=2))
    write_lock(folder, lock)
    assert read_lock(folder) == lock
    assert lock.opened() == []
    assert (folder / "mulle.lock").read_text("utf-8").startswith("# Which rows are sealed")


def test_there_is_no_lock_in_a_new_project(tmp_path):
    assert read_lock(tmp_path) is None
    with pytest.raises(ProjectError, match="mulle run"):
        open_seal(tmp_path, bundle="b", run="r", now=NOW)


@pytest.mark.parametrize("text", ["", "format = ", "format = 1", "format = 1\nseal = 3", "\x00", "[seal]\nby = 'x'"])
def test_a_broken_lock_is_never_taken_for_a_missing_one(tmp_path, text):
    (tmp_path / "mulle.lock").write_text(text)
    with pytest.raises(ProjectError, match="git checkout"):
        read_lock(tmp_path)


@pytest.mark.parametrize(
    ("written", "slipped"),
    [
        ("fraction = 0.2", 'fraction = "x"'),
        ("fraction = 0.2", "fraction = 20"),
        ("number = 1", "number = true"),
        ('by = "content"', 'by = "contents"'),
        ('salt = "5eed"', "salt = 5"),
        ("inputs = [", "inputs = [3, "),
        ("scored = 0", 'scored = "many"'),
    ],
)
def test_a_hand_that_slipped_in_the_lock_is_told_and_no_fault_of_ours(folder, written, slipped):
    path = folder / "mulle.lock"
    text = path.read_text("utf-8")
    assert written in text
    path.write_text(text.replace(written, slipped), "utf-8")
    with pytest.raises(ProjectError, match="git checkout"):
        read_lock(folder)


def test_a_lock_of_a_newer_mulle_is_refused(tmp_path):
    (tmp_path / "mulle.lock").write_text("format = 99")
    with pytest.raises(ProjectError, match="pip install -U mulle"):
        read_lock(tmp_path)


def test_an_opening_is_counted_once_a_bundle_and_widens_the_interval(folder):
    first = open_seal(folder, bundle="b1", run="r1", now=NOW)
    second = open_seal(folder, bundle="b2", run="r2", now=NOW)
    again = open_seal(folder, bundle="b1", run="r3", now=NOW)
    assert (first.again, first.confidence) == (False, 0.95)
    assert (second.opening.number, second.confidence) == (2, 0.975)
    assert (again.again, again.opening, again.confidence) == (True, first.opening, 0.95)
    assert len(read_lock(folder).openings) == 2
    assert confidence(3) == 0.9875


def test_a_fourth_bundle_needs_a_reason_that_stays_on_the_record(folder):
    for k in range(3):
        open_seal(folder, bundle=f"b{k}", run="r", now=NOW)
    with pytest.raises(ProjectError, match='mulle assess --again "REASON"'):
        open_seal(folder, bundle="b3", run="r", now=NOW, reason=" ")
    assert len(read_lock(folder).openings) == 3
    permit = open_seal(folder, bundle="b3", run="r", now=NOW, reason="the data had a fault")
    assert permit.opening.number == 4
    assert read_lock(folder).openings[-1].reason == "the data had a fault"


def test_a_new_seal_begins_to_count_anew(folder):
    open_seal(folder, bundle="b1", run="r", now=NOW)
    write_lock(folder, read_lock(folder).reseal(Seal(by="time", time="at", cut=NOW)))
    assert read_lock(folder).seal.number == 2
    assert open_seal(folder, bundle="b1", run="r", now=NOW).opening.number == 1
    assert len(read_lock(folder).openings) == 2


def test_a_seal_of_the_same_rows_is_the_same_seal_with_its_openings(folder):
    first = read_lock(folder).seal
    open_seal(folder, bundle="b1", run="r", now=NOW)
    lock = read_lock(folder).reseal(Seal(by="time", time="at", cut="2026-06-01"))
    lock = lock.reseal(Seal(by="time", time="at", cut="2026-07-01"))
    assert (lock.seal.number, len(lock.opened())) == (3, 0)
    back = lock.reseal(Seal(by="content", inputs=first.inputs, salt="5eed", fraction=0.2, made="later"))
    assert (back.seal, len(back.opened()), len(back.earlier)) == (first, 1, 2)
    assert back.reseal(Seal(by="none")).seal.number == 4


def test_a_bundle_of_another_seal_opens_nothing_and_is_not_counted(folder):
    first = read_lock(folder).seal
    assert open_seal(folder, bundle="b1", run="r", now=NOW, seal=first).opening.number == 1
    write_lock(folder, read_lock(folder).reseal(Seal(by="content", inputs=first.inputs, salt="5a17", fraction=0.2)))
    with pytest.raises(ProjectError, match=r"mulle run; or bring the lock of that run back: git checkout mulle\.lock"):
        open_seal(folder, bundle="b1", run="r", now=NOW, seal=first)
    assert read_lock(folder).opened() == []


def test_without_a_test_there_is_nothing_to_open(tmp_path):
    write_lock(tmp_path, Lock(seal=Seal(by="none")))
    with pytest.raises(ProjectError, match="remove the key"):
        open_seal(tmp_path, bundle="b", run="r", now=NOW)


def test_two_processes_that_open_at_once_are_both_counted(folder):
    code = (
        "import sys; from pathlib import Path; from mulle.splits.opening import open_seal; "
        "print(open_seal(Path(sys.argv[1]), bundle=sys.argv[2], run='r', now='now', reason='x').opening.number)"
    )
    running = [
        subprocess.Popen(  # our own code
            [sys.executable, "-c", code, str(folder), f"b{i}"], stdout=subprocess.PIPE
        )
        for i in range(3)
    ]
    numbers = sorted(int(p.communicate(timeout=60)[0]) for p in running)
    assert numbers == [1, 2, 3]
    assert len(read_lock(folder).openings) == 3


def test_a_second_process_is_told_who_is_in_the_way(folder):
    with (
        changing(folder),
        pytest.raises(StoreError, match="wait until it has ended"),
        changing(folder, seconds=0.05),
    ):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only_is_said(folder):
    folder.chmod(0o500)
    with pytest.raises(StoreError, match="make the folder writable"):
        write_lock(folder, read_lock(folder))
    folder.chmod(0o700)


def test_a_lock_that_cannot_be_written_leaves_the_old_one_whole(folder):
    before = (folder / "mulle.lock").read_bytes()
    with pytest.raises(StoreError, match="make the folder writable"):
        write_lock(folder / "gone", read_lock(folder))
    assert (folder / "mulle.lock").read_bytes() == before
    assert [p.name for p in folder.iterdir()] == ["mulle.lock"]
