# ruff: noqa: PT012  # our own script; the disk is full at some later call
import shutil
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from mulle.core.errors import StoreError
from mulle.core.work import CUT_SHORT, Order
from mulle.store.ledger import EventKind
from mulle.store.workspace import Workspace

ORDER = Order(unit="test.unit", params={"n": 1})


def done(space, content="42", *, cut=False):
    folder = space.scratch()
    (folder / "answer.json").write_text(content)
    if cut:
        (folder / CUT_SHORT).touch()
    return folder


@pytest.fixture
def space(tmp_path):
    with Workspace.open(tmp_path, write=True) as opened:
        yield opened


def test_finished_work_is_found_by_its_key(space):
    assert space.find("k") is None
    ref = space.keep("k", ORDER, done(space), seconds=0.1)
    assert space.find("k") == ref
    assert ref.json("answer.json") == 42


def test_work_that_was_cut_short_is_kept_but_not_found(space):
    ref = space.keep("k", ORDER, done(space, cut=True), seconds=0.1)
    assert ref.json("answer.json") == 42
    assert space.find("k") is None


def test_damaged_work_is_not_found_and_can_be_kept_again(space):
    ref = space.keep("k", ORDER, done(space), seconds=0.1)
    shutil.rmtree(ref.path)
    assert space.find("k") is None
    other = space.keep("k", ORDER, done(space, "43"), seconds=0.1)
    assert space.find("k") == other


def test_finished_units_and_events_are_recorded_under_the_run(space):
    run = space.begin({"data": {"target": "y"}}, seed=7)
    space.keep("k", ORDER, done(space), seconds=0.5)
    space.record(EventKind.END, {"exit_code": 0}, at=datetime(2026, 1, 1, tzinfo=UTC))
    (row,) = space.ledger.units(run_id=run)
    assert (row.key, row.unit, row.seconds, row.params) == ("k", "test.unit", 0.5, {"n": 1})
    assert [event.kind for event in space.ledger.events(run_id=run)] == ["end"]
    assert (space.home / "runs" / run).is_dir()


def test_it_stays_out_of_git(space):
    assert (space.home / ".gitignore").read_text() == "*\n"


def test_a_second_writer_is_refused_and_a_reader_is_not(space, tmp_path):
    space.begin({})
    with pytest.raises(StoreError, match=r"\.mulle is held by pid \d+ \(mulle, since"):
        Workspace.open(tmp_path, write=True)
    with Workspace.open(tmp_path, write=False) as reader:
        assert len(reader.ledger.runs()) == 1


def test_a_reader_of_a_folder_where_nothing_was_run_is_told_and_leaves_nothing(tmp_path):
    with pytest.raises(StoreError, match="mulle run"):
        Workspace.open(tmp_path, write=False)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_run_left_half_written_is_cleaned_up(tmp_path):
    with Workspace.open(tmp_path, write=True) as space:
        kept = space.keep("k", ORDER, done(space), seconds=0.1)
    half = tmp_path / ".mulle" / "tmp" / "half"
    half.mkdir(parents=True)
    (half / "big").write_text("x")
    with Workspace.open(tmp_path, write=True) as space:
        assert not half.exists()
        assert space.find("k") == kept


def test_one_who_died_is_named(tmp_path):
    code = (
        "import os, sys; from mulle.store.workspace import Workspace;"
        "Workspace.open(sys.argv[1], write=True, command='mulle run'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    with Workspace.open(tmp_path, write=True) as space:
        assert space.taken_over is not None
        assert space.taken_over.command == "mulle run"


def test_a_reader_brings_an_older_ledger_up_to_date_when_nobody_writes(tmp_path):
    (tmp_path / ".mulle").mkdir()
    (tmp_path / ".mulle" / "ledger.db").touch()
    with Workspace.open(tmp_path, write=False) as space:
        assert space.ledger.runs() == []


def test_a_ledger_that_can_not_be_opened_lets_the_lock_go(tmp_path):
    (tmp_path / ".mulle").mkdir()
    (tmp_path / ".mulle" / "ledger.db").write_text("no database, as one can see in this text")
    for _ in range(2):
        with pytest.raises(StoreError, match="move the file away"):
            Workspace.open(tmp_path, write=True)


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path):
    (tmp_path / ".mulle").write_text("")
    with pytest.raises(StoreError, match=r"\.mulle"):
        Workspace.open(tmp_path, write=True)


def test_the_folder_may_be_deleted_and_everything_is_new(tmp_path):
    with Workspace.open(tmp_path, write=True) as space:
        space.keep("k", ORDER, done(space), seconds=0.1)
    shutil.rmtree(tmp_path / ".mulle")
    with Workspace.open(tmp_path, write=True) as space:
        assert space.find("k") is None


def test_a_full_disk_is_told_and_what_was_kept_stays(disk):
    with Workspace.open(disk.path, write=True) as space:
        ref = space.keep("k", ORDER, done(space), seconds=0.1)
        run = space.begin({})
        disk.fill()
        with pytest.raises(StoreError, match="free some space"):
            for n in range(1000):
                space.record("scored", {"n": n, "words": "x" * 1000})
        disk.empty()
        space.record("end", {})
        assert space.find("k") == ref
        assert space.ledger.events(run_id=run, kind="end")


def test_a_full_disk_at_the_start_is_told(disk):
    disk.fill()
    with pytest.raises(StoreError, match="free some space"):
        Workspace.open(disk.path, write=True)
    disk.empty()
    Workspace.open(disk.path, write=True).close()


def test_a_read_only_disk_can_be_read_and_a_writer_is_told(disk):
    with Workspace.open(disk.path, write=True) as space:
        ref = space.keep("k", ORDER, done(space), seconds=0.1)
    assert disk.remount("ro")
    with Workspace.open(disk.path, write=False) as space:
        assert space.find("k") == ref
    with pytest.raises(StoreError, match="the disk there is read-only") as caught:
        Workspace.open(disk.path, write=True)
    assert str(disk.path) in caught.value.where
    assert disk.remount("rw")


def test_an_empty_read_only_folder_is_told(disk):
    assert disk.remount("ro")
    with pytest.raises(StoreError, match="the disk there is read-only") as caught:
        Workspace.open(disk.path, write=True)
    assert caught.value.where == str(disk.path / ".mulle")
