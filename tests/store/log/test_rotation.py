# ruff: noqa: ARG001  # a fixture that only has to be there
import subprocess
import sys
import threading
from datetime import UTC, datetime

import polars as pl
import pytest
from tests.store.log.conftest import all_rows, keep, put, row, told

from mulle.core.errors import ProjectError, StoreError
from mulle.store.log import Answer, Exposure, Group, Log, Row
from mulle.store.log.export import export
from mulle.store.log.history import Wanted
from mulle.store.log.parquet import rotate
from mulle.store.log.place import Place

DAY = 86_400.0


def due(log, now):
    return log._rotation.due(datetime.fromtimestamp(now, UTC))


def test_rotated_rows_leave_the_file_and_are_read_as_before(tmp_path, log):
    rows = [row() for _ in range(500)]
    keep(log, *rows)
    made = log.rotate(everything=True)
    assert made is not None
    assert (made.n_rows, made.first, made.last) == (500, 1, 500)
    more = [row() for _ in range(20)]
    keep(log, *more)
    assert all_rows(log) == rows + more
    assert list(pl.read_parquet(tmp_path / "log" / "rotated" / made.file)["id"]) == [one.id for one in rows]
    log.close()
    with Log.open(tmp_path / "log", tend=False) as again:
        keep(again, row("last"))
        assert [one.id for one in all_rows(again)] == [one.id for one in rows + more] + ["last"]


def test_rotated_rows_are_removed_bit_by_bit_between_commits(log):
    keep(log, *(row() for _ in range(2500)))
    log.rotate(everything=True)
    left = [2500]
    while left[-1]:
        keep(log, row())
        left.append(log._reader.ask("SELECT count(*) FROM predictions WHERE seq <= 2500")[0][0])
        assert len(left) < 100_000
    assert len(all_rows(log)) == 2500 + len(left) - 1


def test_nothing_is_rotated_before_the_day_is_over(log):
    keep(log, *(row(at=10 * DAY + 5.0) for _ in range(3)))
    assert due(log, 10 * DAY + 80_000) is None
    assert due(log, 11 * DAY + 10) is None, "ten minutes late, for what was on its way"
    assert due(log, 11 * DAY + 700) == (1, 3)


def test_only_whole_days_are_rotated_and_rows_stay_in_one_piece(log):
    keep(log, row(at=DAY), row(at=2 * DAY), row(at=DAY + 1), row(at=2 * DAY))
    assert due(log, 2 * DAY + 700) == (1, 3)


def test_a_large_file_is_rotated_but_for_its_newest_rows(log):
    keep(log, *(row(at=10 * DAY) for _ in range(12_000)))
    assert due(log, 10 * DAY) is None
    log._rotation.limit_bytes = 100_000
    assert due(log, 10 * DAY) == (1, 2_000)


def test_a_file_that_was_not_recorded_is_not_read_and_is_written_anew(tmp_path, log):
    # Killed after the rename: the file stands, the log does not know it
    keep(log, *(row(f"r{n}") for n in range(10)))
    orphan = rotate(Place.of(tmp_path / "log"), 1, 10)
    assert len(all_rows(log)) == 10
    keep(log, row("r10"))
    made = log.rotate(everything=True)
    assert made is not None
    assert [one.id for one in all_rows(log)] == [f"r{n}" for n in range(11)]
    assert not (tmp_path / "log" / "rotated" / orphan.file).exists()


def test_killed_between_recording_and_removing_no_row_is_read_twice(tmp_path, log):
    keep(log, *(row(f"r{n}") for n in range(10)))
    made = rotate(Place.of(tmp_path / "log"), 1, 10)
    log._run(lambda book: book.record([made]))
    assert [one.id for one in all_rows(log)] == [f"r{n}" for n in range(10)]


def test_one_who_reads_while_rows_are_rotated_reads_each_once(log):
    rows = [row() for _ in range(20_000)]
    keep(log, *rows)
    reading = log.read()
    first = next(reading)
    assert len(first) < len(rows)
    log.rotate(everything=True)
    keep(log, row("later"))
    rest = [one for chunk in reading for one in chunk]
    assert [one.id for one in first + rest] == [one.id for one in rows] + ["later"]


def test_a_rotation_that_fails_removes_nothing(tmp_path, log):
    rows = [row() for _ in range(10)]
    keep(log, *rows)
    folder = tmp_path / "log" / "rotated"
    folder.rmdir()
    folder.write_text("a file stands here")
    with pytest.raises(StoreError, match="they stay in the log"):
        log.rotate(everything=True)
    folder.unlink()
    folder.mkdir()
    assert all_rows(log) == rows


def test_after_a_damaged_file_the_rotated_rows_are_still_read(tmp_path, log):
    old = [row() for _ in range(10)]
    keep(log, *old)
    log.rotate(everything=True)
    log.close()
    (tmp_path / "log" / "log.db").write_bytes(b"damaged" * 1000)
    with Log.open(tmp_path / "log", tend=False) as again:
        new = row("new")
        keep(again, new)
        assert all_rows(again) == [*old, new]
        assert again.rotate(everything=True)
        assert all_rows(again) == [*old, new]


def test_of_two_files_left_behind_the_fuller_one_is_taken_over(tmp_path, log, caplog):
    keep(log, *(row(f"r{n}") for n in range(10)))
    rotate(Place.of(tmp_path / "log"), 1, 5)
    rotate(Place.of(tmp_path / "log"), 1, 10)
    log.close()
    (tmp_path / "log" / "log.db").unlink()
    with Log.open(tmp_path / "log", tend=False) as again:
        assert [one.id for one in all_rows(again)] == [f"r{n}" for n in range(10)]
    assert "is left alone" in caplog.text


def test_writing_goes_on_while_rows_are_rotated(log):
    keep(log, *(row() for _ in range(5_000)))
    rotation = threading.Thread(target=log.rotate, kwargs={"everything": True})
    rotation.start()
    n = 0
    while rotation.is_alive():
        keep(log, row())
        n += 1
    rotation.join()
    assert n > 20
    assert len(all_rows(log)) == 5_000 + n


# ------------------------------------------------------------------------------------------------- export


@pytest.fixture
def told_log(log):
    keep(log, row("a", at=1.0), row("b", at=2.0, arm="new"), row("c", at=3.0))
    log.rotate(everything=True)
    keep(log, row("d", at=4.0))
    first, second = told("a", b"0"), told("a", b"1")
    assert (
        put(log, Group(feedback=[first]), Group(feedback=[second, told("d", b"2.5", kind="value:money")])) == [None] * 2
    )
    return log


READ = {".parquet": pl.read_parquet, ".csv": pl.read_csv, ".jsonl": pl.read_ndjson}


@pytest.mark.parametrize("ending", sorted(READ))
def test_the_export_holds_old_and_new_rows_with_their_latest_feedback(tmp_path, told_log, ending):
    out = tmp_path / f"out{ending}"
    assert export(tmp_path / "log", out) == 4
    table = READ[ending](out)
    assert list(table["id"]) == ["a", "b", "c", "d"]
    assert [str(value) for value in table["outcome"]] == ["1", "None", "None", "None"]
    assert "2.5" in str(table["feedback"][3])
    assert "Norway" in str(table["inputs"][0])


def test_the_export_takes_moments_and_an_arm(tmp_path, told_log):
    out = tmp_path / "out.jsonl"
    assert export(tmp_path / "log", out, Wanted(since=2.0, until=4.0)) == 2
    assert export(tmp_path / "log", out, Wanted(arm="new")) == 1


def test_a_log_of_many_rows_is_exported_in_pieces(tmp_path, log):
    rows = [row() for _ in range(20_000)]
    keep(log, *rows)
    assert export(tmp_path / "log", tmp_path / "out.parquet") == 20_000
    assert list(pl.read_parquet(tmp_path / "out.parquet")["id"]) == [one.id for one in rows]


def test_an_export_that_cannot_be_written_leaves_nothing(tmp_path, told_log):
    with pytest.raises(StoreError, match="look at that file or folder"):
        export(tmp_path / "log", tmp_path / "nowhere" / "out.csv")
    with pytest.raises(ProjectError, match=r"use \.parquet, \.csv, \.jsonl"):
        export(tmp_path / "log", tmp_path / "out.xlsx")
    with pytest.raises(StoreError, match="mulle serve"):
        export(tmp_path / "other", tmp_path / "out.csv")


# ------------------------------------------------------------------------------------------------- forgetting


def everything_of(folder):
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_what_is_forgotten_stands_in_no_file_of_the_log(tmp_path, log):
    name = "customer-4711-by-name"
    mine = [row(f"mine{n}", unit=name) for n in range(40)]
    keep(log, *mine[:20], *(row() for _ in range(300)))
    log.rotate(everything=True)
    keep(log, *mine[20:], row("other"))
    answers = [Answer("k1", b"", b'{"id": "mine3"}', 200, 1.0), Answer("k2", b"", b'{"id": "other"}', 200, 1.0)]
    exposures = [Exposure("t1", name, "new", 0.5, 1.0, "b"), Exposure("t1", "u2", "new", 0.5, 1.0, "b")]
    feedback = [told("mine1", b'"words-of-mine"'), told("mine30", b'"words-of-mine"'), told("other", b'"others"')]
    assert put(log, Group(answers=answers, exposures=exposures, feedback=feedback)) == [None]
    assert name.encode() in everything_of(tmp_path / "log")
    gone = log.forget(name)
    assert (gone.rows, gone.feedback, gone.exposures, gone.answers, gone.files) == (40, 2, 1, 1, 1)
    assert gone.left == ()
    left = everything_of(tmp_path / "log")
    assert name.encode() not in left
    assert b"words-of-mine" not in left
    assert len(all_rows(log)) == 301
    assert (log.answer("k1"), log.answer("k2")) == (None, answers[1])
    assert log.find("other")


def test_forgetting_twice_or_nobody_changes_nothing(log):
    keep(log, row(unit="a"), row(unit="b"))
    log.rotate(everything=True)
    assert log.forget("a").rows == 1
    assert (log.forget("a").rows, log.forget("nobody").files) == (0, 0)
    assert [one.unit for one in all_rows(log)] == ["b"]


def test_forgetting_goes_on_while_rows_are_written(log):
    keep(log, *(row(unit="a") for _ in range(50)))
    stop = threading.Event()

    def write():
        while not stop.is_set():
            keep(log, row(unit="b"))

    writer = threading.Thread(target=write)
    writer.start()
    gone = log.forget("a")
    stop.set()
    writer.join()
    assert gone.rows == 50
    assert {one.unit for one in all_rows(log)} == {"b"}


def test_a_damaged_log_that_was_not_searched_is_named(tmp_path):
    (tmp_path / "log.db").write_bytes(b"damaged" * 100)
    with Log.open(tmp_path, tend=False) as log:
        assert "was not searched: delete it" in log.forget("a").left[0]


def test_answers_are_kept_for_a_day(log):
    old, new = Answer("old", b"", b"{}", 200, 1.0), Answer("new", b"", b"{}", 200, 100.0)
    assert put(log, Group(answers=[old, new])) == [None]
    log._run(lambda book: book.prune(50.0))
    assert (log.answer("old"), log.answer("new")) == (None, new)


def test_the_program_that_rotates_says_what_it_refuses(tmp_path):
    words = [sys.executable, "-m", "mulle.store.log.parquet", str(tmp_path / "log.db"), "1", "2"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "the log can't be opened" in done.stderr


def test_a_row_is_a_tuple_of_plain_values():
    assert all(type(value) in (str, float, int, bytes) for value in Row(*row("a")))
