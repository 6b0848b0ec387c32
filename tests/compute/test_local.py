# our own scripts
"""What worker processes promise beyond that: nothing that a unit does harms the driver."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from mulle.compute.local import LocalWorkshop
from mulle.compute.process import worker_environment
from mulle.core.errors import DataError, NotFittedError, ProjectError, WorkError
from mulle.core.work import Order, unit

UNITS = Path(__file__).parent / "units_for_tests.py"
posix = pytest.mark.skipif(os.name != "posix", reason="signals")


def squares(n, **more):
    return [Order(unit="test.square", params={"n": i, **more}) for i in range(n)]


def children():
    """Return the workers below this process; other tests may have servers running beside it."""
    held = psutil.Process().children(recursive=True)
    return [child for child in held if child.is_running() and "mulle.compute" in _words(child)]


def _words(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def until(claim, seconds=5.0):
    end = time.perf_counter() + seconds
    while not claim() and time.perf_counter() < end:
        time.sleep(0.02)
    return claim()


def gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@posix
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("test.segfault", r"was killed by signal 11 \(SIGSEGV\)"),
        ("test.abort", r"was killed by signal 6 \(SIGABRT\)"),
        ("test.killed", r"was killed by signal 9 \(SIGKILL\)[\s\S]*memory ran out"),
        ("test.leave", "ended by itself with status 3"),
    ],
)
def test_a_process_that_dies_fails_its_order_in_words_and_another_takes_over(local, name, says):
    with pytest.raises(WorkError, match=says):
        local.work(Order(unit=name))
    assert local.work(squares(4)[3]).json("answer.json") == 9


@posix
def test_a_dying_process_does_not_hold_up_the_others(local):
    orders = [Order(unit="test.segfault"), *squares(6), Order(unit="test.abort")]
    done = list(local.work_all(orders))
    assert sorted(d.ref.json("answer.json") for d in done if d.ref) == [0, 1, 4, 9, 16, 25]
    assert {d.order.unit for d in done if d.error} == {"test.segfault", "test.abort"}


@posix
def test_a_crash_leaves_its_stack_in_the_log(local):
    with pytest.raises(WorkError) as caught:
        local.work(Order(unit="test.segfault"))
    log = Path(caught.value.where.removeprefix("what it printed is in "))
    assert "in segfault" in log.read_text()


def test_what_a_unit_prints_goes_to_the_log_and_it_hears_nothing(local):
    assert local.work(Order(unit="test.print")).json("answer.json") == {"heard": ""}
    local.close()
    logged = "".join(path.read_text() for path in (local.folder / "workers").glob("worker-*.log"))
    assert all(line in logged for line in ("to stdout", "by number", "to stderr"))


def test_a_unit_that_ignores_its_time_is_killed_soon_after_it(local):
    started = time.perf_counter()
    (done,) = local.work_all([Order(unit="test.deaf", seconds=0.2)])
    assert (done.late, done.ref, done.error) == (True, None, None)
    assert time.perf_counter() - started < 0.2 + local.grace_s + 5.0
    assert not any((local.memory.home / "tmp").iterdir())


def test_work_says_that_time_ran_out(local):
    with pytest.raises(WorkError, match=r"its time had run out[\s\S]*budget"):
        local.work(Order(unit="test.deaf", seconds=0.1))


def test_a_deadline_holds_for_running_and_waiting_units(local):
    started = time.perf_counter()
    orders = [Order(unit="test.deaf", params={"n": n}) for n in range(6)]
    done = list(local.work_all(orders, deadline=started + 0.6))
    assert [d.late for d in done] == [True] * 6
    assert time.perf_counter() - started < 0.6 + local.grace_s + 5.0


def test_a_kill_reaches_what_the_unit_started(local, tmp_path):
    if os.name != "posix":
        pytest.skip("process groups")
    list(local.work_all([Order(unit="test.child", params={"tally": str(tmp_path / "pid")}, seconds=0.5)]))
    assert until(lambda: gone(int((tmp_path / "pid").read_text())))


def test_workers_work_side_by_side(local, tmp_path):
    orders = [Order(unit="test.meet", params={"me": me, "folder": str(tmp_path)}) for me in (0, 1)]
    assert [done.ref.json("answer.json") for done in local.work_all(orders)] == [True, True]


def test_no_more_workers_start_than_there_is_work(space):
    with LocalWorkshop(space, space.home, workers=8, files=[UNITS]) as workshop:
        list(workshop.work_all(squares(2)))
        assert len(children()) <= 2
        list(workshop.work_all(squares(2)))
    assert not children()


def test_what_is_found_done_starts_no_worker(local, serial):
    serial.work(squares(4)[3])
    (done,) = local.work_all([squares(4)[3]])
    assert done.cached
    assert not children()


def test_workers_live_over_many_orders(local, tmp_path):
    for n in range(5):
        local.work(Order(unit="test.square", params={"n": n, "tally": str(tmp_path / "tally")}))
    pids = {line.split()[1] for line in (tmp_path / "tally").read_text().splitlines()}
    assert len(pids) == 1


def test_a_batch_left_early_ends_what_it_had_begun(local, tmp_path):
    orders = [*squares(1), Order(unit="test.deaf", params={"tally": str(tmp_path / "tally")})]
    for done in local.work_all(orders):
        assert done.ref.json("answer.json") == 0
        assert until((tmp_path / "tally").exists)
        break
    assert until(lambda: len(children()) <= 1)
    assert local.work(squares(3)[2]).json("answer.json") == 4


def test_other_work_may_be_done_in_the_midst_of_a_batch(local):
    sums = [local.work(Order(unit="test.sum", inputs={"a": done.ref})) for done in local.work_all(squares(5))]
    assert sorted(ref.json("answer.json") for ref in sums) == [0, 1, 4, 9, 16]


def test_the_same_order_asked_in_two_batches_at_once_is_done_once(local, tmp_path):
    tally = str(tmp_path / "tally")
    slow = squares(3, sleep=0.2, tally=tally)
    outer = local.work_all(slow)
    first = next(outer)
    inner = list(local.work_all(slow))
    assert len([first, *outer]) == len(inner) == 3
    assert len(Path(tally).read_text().splitlines()) == 3


def test_a_worker_has_one_thread_and_quiet_pools_and_imports_only_what_the_unit_needs(local):
    answer = local.work(Order(unit="test.environment")).json("answer.json")
    assert answer["set"] == {
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "GOMP_SPINCOUNT": "10000",
        "POLARS_MAX_THREADS": "1",
        "PYTHONHASHSEED": "0",
    }
    assert answer["imported"] == []


def test_the_number_of_threads_can_be_raised():
    assert worker_environment(4)["OPENBLAS_NUM_THREADS"] == "4"


def test_a_unit_that_no_other_process_can_import_is_refused(local):
    @unit("test.inside")
    def inside(job):
        job.write("answer.json", 1)

    with pytest.raises(NotFittedError, match=r"\[code\] files"):
        local.work(Order(unit="test.inside"))


def test_code_that_changes_during_a_run_is_refused(space, tmp_path):
    mine = tmp_path / "units_for_tests.py"
    shutil.copy(UNITS, mine)
    with LocalWorkshop(space, space.home, files=[mine]) as workshop:
        mine.write_text(mine.read_text() + "\n# edited\n")
        with pytest.raises(ProjectError, match="run the command again"):
            workshop.work(squares(1)[0])


def test_a_user_file_that_fails_in_the_worker_is_told(space, tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text("import nothing_of_that_name\n")
    with (
        LocalWorkshop(space, space.home, files=[mine]) as workshop,
        pytest.raises(ProjectError, match="nothing_of_that_name"),
    ):
        workshop.work(squares(1)[0])


def test_a_file_named_like_a_library_beside_the_project_does_no_harm(space, tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise RuntimeError('not me')")
    monkeypatch.chdir(tmp_path)
    with LocalWorkshop(space, space.home, workers=1, files=[UNITS]) as workshop:
        assert workshop.work(squares(3)[2]).json("answer.json") == 4


DRIVER = """
import sys
from pathlib import Path
from mulle.compute.local import LocalWorkshop
from mulle.core.registry import import_file
from mulle.core.work import Order
from mulle.store.workspace import Workspace

folder, units = sys.argv[1:]
import_file(Path(units))
with Workspace.open(folder, write=True) as space:
    shop = LocalWorkshop(space, space.home, workers=2, files=[Path(units)])
    orders = [Order(unit="test.deaf", params={"n": n, "tally": folder + "/tally"}) for n in range(2)]
    list(shop.work_all(orders))
"""


@posix
@pytest.mark.parametrize("name", ["SIGKILL", "SIGINT", "SIGTERM"])
def test_workers_die_with_their_driver(tmp_path, name):
    driver = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(DRIVER), str(tmp_path), str(UNITS)],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    tally = tmp_path / "tally"
    assert until(lambda: tally.exists() and len(tally.read_text().splitlines()) == 2, 20)
    pids = [int(line.split()[1]) for line in tally.read_text().splitlines()]
    driver.send_signal(getattr(signal, name))
    driver.wait(10)
    assert until(lambda: all(gone(pid) for pid in pids), 3)


def test_a_workshop_that_is_closed_in_the_midst_says_so_and_can_go_on(local, tmp_path):
    tally = tmp_path / "tally"
    going = local.work_all([*squares(1), Order(unit="test.deaf", params={"tally": str(tally)})])
    assert next(going).ref is not None
    assert until(tally.exists)
    local.close()
    (last,) = going
    assert last.error is not None
    assert "closed" in last.error.what
    assert local.work(squares(3)[2]).json("answer.json") == 4


def test_workers_that_printed_nothing_leave_no_log(local):
    local.work(squares(1)[0])
    local.close()
    assert not list((local.folder / "workers").iterdir())


@pytest.mark.slow
def test_killed_at_random_moments_nothing_finished_is_done_twice():
    script = Path(__file__).parents[2] / "benchmarks" / "kill.py"
    told = subprocess.run(
        [sys.executable, str(script), "--kills", "6", "--seed", "3"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert "6 kills, 0 faults" in told.stdout


def test_what_will_be_asked_for_is_done_by_workers_that_would_be_idle(local, tmp_path):
    """Two units that wait for one another end only side by side: one was asked for, one was ordered ahead."""
    meeting = [Order(unit="test.meet", params={"me": me, "folder": str(tmp_path)}) for me in (0, 1)]
    local.ahead([meeting[1]])
    assert local.work(meeting[0]).json("answer.json") is True
    assert local.work(meeting[1]).json("answer.json") is True


def test_what_was_ordered_ahead_is_done_once_and_found(local, tmp_path):
    tally = tmp_path / "tally"
    orders = squares(3, tally=str(tally))
    local.ahead(orders)
    assert sorted(d.ref.json("answer.json") for d in local.work_all(orders)) == [0, 1, 4]
    local.ahead(orders)
    assert local.work(orders[2]).json("answer.json") == 4
    assert len(tally.read_text("ascii").splitlines()) == 3


def test_whoever_asks_goes_before_what_was_only_ordered_ahead(space, tmp_path):
    tally = tmp_path / "tally"
    orders = squares(3, tally=str(tally))
    with LocalWorkshop(space, space.home, workers=1, files=[UNITS]) as alone:
        alone.ahead(orders)
        alone.work(orders[2])
        alone.work(squares(4)[3])
    done = [int(line.split()[0]) for line in tally.read_text("ascii").splitlines()]
    assert done[0] == 2


def test_a_fault_in_what_was_ordered_ahead_is_told_to_whoever_asks_for_it(local):
    local.ahead([Order(unit="test.refuse")])
    local.work(squares(1)[0])
    with pytest.raises(DataError, match="leave it out"):
        local.work(Order(unit="test.refuse"))


def test_what_was_cut_short_ahead_is_not_done_a_second_time_for_whoever_asks(local, tmp_path):
    tally = tmp_path / "tally"
    early = Order(unit="test.patient", params={"steps": 1000, "tally": str(tally)}, seconds=0.2)
    local.ahead([early])
    local.work(squares(1, sleep=1.5)[0])
    (done,) = local.work_all([early])
    assert done.late
    assert done.ref is not None
    assert len(tally.read_text("ascii").splitlines()) == 1


def test_what_nobody_asked_for_ends_with_the_workshop(local):
    local.ahead(squares(4, sleep=30))
    assert until(lambda: children() != [])
    local.close()
    assert until(lambda: children() == [])
