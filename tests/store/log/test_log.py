import stat
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.store.log.conftest import all_rows, keep, put, row, told

from mulle.core.errors import ProjectError, StoreError
from mulle.store.log import Answer, Change, Exposure, Feedback, Group, Log, LogFull, Promise, Row, tables
from mulle.store.log.history import Wanted
from mulle.store.log.place import Place
from mulle.store.log.writer import Writer


@pytest.mark.parametrize("promise", list(Promise))
def test_what_was_written_is_found_again(log, promise):
    one = row()
    keep(log, one, promise=promise)
    assert log.find(one.id) == one
    assert log.find("nobody") is None


def test_a_group_of_every_kind_is_kept_and_read_back(log):
    one, exposure = row(), Exposure("t1", "u1", "champion", 0.5, 1.0, "b6a1")
    change, answer = Change(2, 1.0, "b6a1", b"{}", "ann"), Answer("k", b"d", b"{}", 200, 1.0)
    feedback = told(one.id)
    group = Group(rows=[one], exposures=[exposure], feedback=[feedback], changes=[change], answers=[answer])
    assert put(log, group) == [None]
    assert all_rows(log) == [one]
    assert [list(log.read(kind)) for kind in (Exposure, Feedback, Change)] == [[[exposure]], [[feedback]], [[change]]]
    assert log.answer("k") == answer


def test_the_same_entries_sent_again_are_kept_once(log):
    one, exposure = row(), Exposure("t1", "u1", "champion", 0.5, 1.0, "b6a1")
    feedback = told(one.id)
    again = Group(rows=[one], exposures=[exposure], feedback=[feedback])
    assert put(log, again, again) == [None, None]
    assert put(log, again) == [None]
    assert all_rows(log) == [one]
    assert (list(log.read(Exposure)), log.feedback_of(one.id)) == ([[exposure]], [feedback])


def test_the_first_answer_under_a_key_stays(log):
    first, second = Answer("k", b"1", b"one", 200, 1.0), Answer("k", b"2", b"two", 200, 2.0)
    assert put(log, Group(answers=[first]), Group(answers=[second])) == [None, None]
    assert log.answer("k") == first
    assert log.answer("other") is None


def test_a_second_outcome_is_added_and_the_first_is_kept(log):
    one = row()
    first, second = told(one.id, b"0"), told(one.id, b"1")
    assert put(log, Group(feedback=[first]), Group(feedback=[second])) == [None, None]
    assert log.feedback_of(one.id) == [first, second]


def test_rows_are_read_in_the_order_in_which_they_came_whatever_the_clock_did(log):
    jumped = [row(at=5.0), row(at=1.0), row(at=3.0)]
    keep(log, *jumped)
    assert [r.at for r in all_rows(log)] == [5.0, 1.0, 3.0]
    assert all_rows(log, since=3.0, until=5.0) == [jumped[2]]


def test_rows_are_read_by_arm_trial_and_unit(log):
    keep(log, row("a", arm="new"), row("b", unit="u2"), row("c"))
    assert [r.id for r in all_rows(log, arm="new")] == ["a"]
    assert [r.id for r in all_rows(log, unit="u2", trial="t1")] == ["b"]
    assert all_rows(log, trial="t9") == []


@pytest.mark.parametrize(
    "bad",
    [row()._replace(unit="\ud800"), row()._replace(arm=None), row()._replace(version=2**70), ("too", "short"), 7],
    ids=["half a letter", "nothing", "too large", "too short", "no entry"],
)
def test_only_the_group_with_a_bad_entry_is_refused(log, bad):
    good = [row() for _ in range(7)]
    groups = [Group(rows=[one]) for one in good]
    errors = put(log, *groups[:3], Group(rows=[row("beside"), bad]), *groups[3:])
    assert [error is None for error in errors] == [True] * 3 + [False] + [True] * 4
    assert "store text, numbers and bytes" in str(errors[3])
    assert all_rows(log) == good
    assert log.fault is None


def test_who_waits_is_told_once_a_commit(tmp_path):
    calls, gate = [], threading.Event()

    def notify(done):
        calls.append(len(done))
        gate.wait(5)
        for tell, error in done:
            tell(error)

    with Log.open(tmp_path, notify=notify, tend=False) as log:
        log.append(Group(rows=[row()], done=lambda _: None))
        while not calls:
            time.sleep(0.001)
        heard = threading.Semaphore(0)
        for _ in range(100):
            log.append(Group(rows=[row()], done=lambda _: heard.release()))
        gate.set()
        assert all(heard.acquire(timeout=5) for _ in range(100))
    assert calls == [1, 100]


def test_a_listener_that_fails_ends_nothing(log, caplog):
    def fail(_):
        raise ZeroDivisionError("a listener")

    log.append(Group(rows=[row()], done=fail))
    keep(log, row("after"))
    assert log.find("after")
    assert "somebody who was told of a commit failed" in caplog.text


def test_no_more_may_wait_than_was_said(tmp_path):
    gate = threading.Event()
    with Log.open(tmp_path, max_pending=50, tend=False) as log:
        log.append(Group(rows=[row()], done=lambda _: gate.wait(10)))
        while log.pending:
            time.sleep(0.001)
        for _ in range(10):
            log.append(Group(rows=[row() for _ in range(5)]))
        with pytest.raises(LogFull, match="try again in a second"):
            log.append(Group(rows=[row()]))
        assert log.pending == 50
        gate.set()
    assert log.pending == 0


def test_a_flood_of_feedback_is_bounded_and_what_was_taken_is_kept(tmp_path):
    taken = refused = 0
    with Log.open(tmp_path, max_pending=500, tend=False) as log:
        for _ in range(20_000):
            try:
                log.append(Group(feedback=[told("p1")]))
                taken += 1
            except LogFull:
                refused += 1
            assert log.pending <= 500
        assert log.close(20)
    with Log.open(tmp_path, tend=False) as log:
        assert len(log.feedback_of("p1")) == taken
    assert taken + refused == 20_000


def test_closing_writes_what_waits(tmp_path):
    log = Log.open(tmp_path, tend=False)
    for n in range(3000):
        log.append(Group(rows=[row(f"r{n}")], promise=Promise.MEMORY))
    assert log.close(20)
    with Log.open(tmp_path, tend=False) as again:
        assert len(all_rows(again)) == 3000


def test_a_closed_log_takes_nothing(tmp_path):
    log = Log.open(tmp_path, tend=False)
    log.close()
    with pytest.raises(StoreError, match="open it again"):
        log.append(Group(rows=[row()]))


def test_many_threads_append_and_nothing_is_lost(log):
    def work(thread):
        for n in range(200):
            log.append(Group(rows=[row(f"{thread}-{n}")]))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keep(log, row("last"))
    assert {r.id for r in all_rows(log)} == {f"{k}-{n}" for k in range(8) for n in range(200)} | {"last"}
    assert (log.pending, log.dropped) == (0, 0)


def test_a_second_writer_is_told_whose_log_it_is(tmp_path, log):
    words = "import sys; from mulle.store.log import Log; Log.open(sys.argv[1], command='mulle serve')"
    second = subprocess.run(
        [sys.executable, "-c", words, str(tmp_path / "log")], capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert "is held by pid" in second.stderr
    keep(log, row())


def test_the_lock_goes_with_the_log_from_whichever_thread_closes_it(tmp_path):
    log = Log.open(tmp_path, tend=False)
    closer = threading.Thread(target=log.close)
    closer.start()
    closer.join()
    with Log.open(tmp_path, tend=False) as again:
        keep(again, row())


def test_nobody_else_on_the_machine_may_read_what_was_asked(tmp_path):
    with Log.open(tmp_path / "log", tend=False) as log:
        keep(log, row())
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "log").iterdir()}
    assert {name: modes[name] for name in ("log.db", "log.db-wal", "log.db-shm")} == dict.fromkeys(
        ("log.db", "log.db-wal", "log.db-shm"), 0o600
    )
    assert modes["rotated"] == 0o700


def test_another_process_reads_while_one_writes(tmp_path, log):
    keep(log, row("seen"))
    words = (
        "import sys; from mulle.store.log.place import Place; from mulle.store.log.reading import SQLiteReader; "
        "print(SQLiteReader(Place.of(sys.argv[1])).find('seen').id)"
    )
    found = subprocess.run([sys.executable, "-c", words, str(tmp_path / "log")], capture_output=True, check=True)
    assert found.stdout == b"seen\n"


def test_a_newer_log_is_refused(tmp_path, log):
    log.close()
    import sqlite3

    with sqlite3.connect(tmp_path / "log" / "log.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match="pip install --upgrade mulle"):
        Log.open(tmp_path / "log")


@pytest.mark.parametrize("address", ["mysql://there/log", "redis://there"])
def test_an_address_of_another_kind_is_refused(address):
    with pytest.raises(ProjectError, match="a folder, a file that ends in"):
        Log.open(address)


def test_a_file_and_a_folder_are_told_apart(tmp_path):
    assert Place.of(tmp_path).file == tmp_path / "log.db"
    assert Place.of(tmp_path / "other.db").file == tmp_path / "other.db"
    assert Place.of(f"sqlite://{tmp_path}").folder == tmp_path


def test_importing_the_log_imports_no_heavy_library():
    words = (
        "import sys, mulle.store.log; "
        "print(sorted({'sqlalchemy', 'polars', 'scipy', 'numpy', 'psycopg', 'pydantic'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_appending_costs_the_caller_a_few_microseconds():
    # The whole of the caller's part, on a writer whose thread never runs: what is left is our own code
    writer = Writer(lambda: None, lambda _: None, 10**9, lambda: None)
    group = Group(rows=[row() for _ in range(32)])
    best = min(_timed(writer, group) for _ in range(20))
    assert best < 10e-6, f"{best * 1e6:.1f} µs"


def _timed(writer, group):
    began = time.perf_counter()
    for _ in range(1000):
        writer.append(group)
    return (time.perf_counter() - began) / 1000


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.floats(allow_nan=False)
rows_of_any_kind = st.builds(
    Row,
    words,
    numbers,
    words,
    st.integers(-(2**63), 2**63 - 1),
    words,
    numbers,
    words,
    words,
    st.binary(max_size=50),
    st.binary(max_size=50),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(rows_of_any_kind, max_size=150, unique_by=lambda one: one.id))
def test_whatever_a_row_holds_comes_back_as_it_was(tmp_path_factory, rows):
    with Log.open(tmp_path_factory.mktemp("any"), tend=False) as log:
        keep(log, *rows)
        assert all_rows(log) == rows


def test_a_unit_is_looked_up_by_its_index(log):
    words, values = Wanted(unit="u1").sql(tables.ROWS)
    plan = log._reader.ask(f"EXPLAIN QUERY PLAN SELECT id FROM predictions WHERE seq > 0{words}", values)  # noqa: S608
    assert "predictions_of_unit" in str(plan)
