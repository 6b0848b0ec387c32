"""What every workshop promises, in this process or in others."""

import importlib
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

from mulle.compute.turn import Nobody
from mulle.core.errors import DataError, ProjectError, StoreError, UnknownName, WorkError
from mulle.core.work import Order


def squares(n, tally="", **more):
    return [Order(unit="test.square", params={"n": i, "tally": str(tally), **more}) for i in range(n)]


def test_a_unit_is_done_once_and_found_afterwards(workshop, tmp_path):
    tally = tmp_path / "tally"
    first = {done.order.params["n"]: done for done in workshop.work_all(squares(4, tally))}
    again = {done.order.params["n"]: done for done in workshop.work_all(squares(4, tally))}
    assert {n: done.ref.json("answer.json") for n, done in first.items()} == {0: 0, 1: 1, 2: 4, 3: 9}
    assert not any(done.cached for done in first.values())
    assert all(done.cached for done in again.values())
    assert {n: done.ref for n, done in first.items()} == {n: done.ref for n, done in again.items()}
    assert len(tally.read_text().splitlines()) == 4


def test_a_finished_unit_is_kept_before_it_is_given_back(workshop):
    for n, _ in enumerate(workshop.work_all(squares(3)), 1):
        assert len(workshop.memory.ledger.units()) >= n


def test_inputs_reach_the_unit(workshop):
    one, two = workshop.work(squares(3)[1]), workshop.work(squares(3)[2])
    assert workshop.work(Order(unit="test.sum", inputs={"a": one, "b": two})).json("answer.json") == 5


def test_an_error_of_ours_keeps_its_type_and_words(workshop):
    with pytest.raises(DataError, match="leave it out") as caught:
        workshop.work(Order(unit="test.refuse"))
    assert (caught.value.what, caught.value.where) == ("the column 'age' is empty", "people.csv")


def test_several_faults_stay_several(workshop):
    with pytest.raises(ProjectError, match=r"1\. one") as caught:
        workshop.work(Order(unit="test.faults"))
    assert [type(fault) for fault in caught.value.faults] == [ProjectError, DataError]


def test_an_error_in_a_file_of_the_users_own_is_theirs_and_keeps_its_trace_in_a_file(workshop):
    with pytest.raises(
        ProjectError, match=r"failed in stumble: ZeroDivisionError: a fault of ours(.|\n)*mend it there"
    ) as caught:
        workshop.work(Order(unit="test.stumble"))
    assert caught.value.exit_code == 2
    assert caught.value.where.endswith("units_for_tests.py, line 63")
    trace = Path(caught.value.fix.partition("the whole trace is in ")[2])
    assert "in stumble" in trace.read_text()


def test_an_error_of_ours_that_nobody_foresaw_keeps_its_trace_in_a_file(workshop):
    importlib.import_module("mulle.stages.data")  # brings the unit
    with pytest.raises(WorkError, match=r"the unit 'data\.folds' failed: KeyError") as caught:
        workshop.work(Order(unit="data.folds"))
    assert caught.value.exit_code == 3
    trace = Path(caught.value.where.removeprefix("the whole trace is in "))
    assert "mulle/stages/data.py" in trace.read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_within_a_unit_is_told_as_such(workshop):
    with pytest.raises(StoreError, match="the disk is full"):
        workshop.work(Order(unit="test.full"))


def test_one_that_fails_does_not_hold_up_the_others(workshop):
    orders = [Order(unit="test.stumble"), *squares(3)]
    done = {done.order.unit + str(done.order.params.get("n", "")): done for done in workshop.work_all(orders)}
    assert done["test.stumble"].error is not None
    assert done["test.square2"].ref.json("answer.json") == 4


def test_a_failed_unit_is_not_kept_and_leaves_nothing(workshop):
    list(workshop.work_all([Order(unit="test.stumble")]))
    assert workshop.memory.ledger.units() == []
    assert not any((workshop.memory.home / "tmp").iterdir())


def test_an_unknown_unit_is_told_with_the_nearest_name(workshop):
    with pytest.raises(UnknownName, match=r"did you mean 'test.square'"):
        workshop.work(Order(unit="test.sqare"))


def test_orders_not_begun_by_the_deadline_come_back_late_and_empty(workshop):
    done = list(workshop.work_all(squares(5), deadline=perf_counter() - 1))
    assert [(d.late, d.ref, d.error) for d in done] == [(True, None, None)] * 5


def test_what_is_found_done_is_given_back_even_after_the_deadline(workshop):
    workshop.work(squares(1)[0])
    (done,) = workshop.work_all(squares(1), deadline=perf_counter() - 1)
    assert done.cached
    assert not done.late


def test_a_unit_that_stops_early_is_late_has_its_part_and_is_done_again(workshop):
    order = Order(unit="test.patient", params={"steps": 1000}, seconds=0.2)
    (done,) = workshop.work_all([order])
    assert done.late
    assert 0 < done.ref.json("answer.json") < 1000
    (again,) = workshop.work_all([order])
    assert not again.cached


def test_seconds_are_not_part_of_the_key(workshop):
    workshop.work(Order(unit="test.patient", params={"steps": 1}))
    (done,) = workshop.work_all([Order(unit="test.patient", params={"steps": 1}, seconds=5)])
    assert done.cached


def test_equal_orders_in_one_batch_are_done_once(workshop, tmp_path):
    tally = tmp_path / "tally"
    done = list(workshop.work_all([*squares(2, tally), *squares(2, tally), *squares(2, tally)]))
    assert len(done) == 6
    assert sorted(d.ref.json("answer.json") for d in done) == [0, 0, 0, 1, 1, 1]
    assert len(tally.read_text().splitlines()) == 2


def test_an_empty_batch_gives_nothing(workshop):
    assert list(workshop.work_all([])) == []


def test_progress_is_told(workshop):
    seen = []

    class Listener(Nobody):
        def progress(self, label, done, total):
            seen.append((label, done, total))

    workshop.watch = Listener()
    workshop.work(Order(unit="test.progress"))
    assert ("test.progress", 0.5, 1) in seen


def test_random_numbers_hang_on_seed_and_parameters_only(workshop):
    one = workshop.work(Order(unit="test.draw", params={"fold": 1})).json("answer.json")
    two = workshop.work(Order(unit="test.draw", params={"fold": 2})).json("answer.json")
    assert one != two
    assert (one, two) == pytest.approx((0.7241634770512786, 0.525936043133326))  # the same in every process, for ever


def test_a_damaged_folder_is_done_again(workshop):
    ref = workshop.work(squares(3)[2])
    (ref.path / "answer.json").unlink()
    assert workshop.work(squares(3)[2]).json("answer.json") == 4


def test_numpy_values_and_tuples_in_parameters_are_plain_json_for_the_unit(workshop):
    ref = workshop.work(Order(unit="test.square", params={"n": np.int64(7), "pair": (1, 2)}))
    assert ref.json("answer.json") == 49
