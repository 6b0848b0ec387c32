import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulle.core.errors import DataError
from mulle.splits.dealing import deal
from mulle.splits.folds import Folds, make_folds


def rng(seed=0):
    return np.random.default_rng(seed)


def hold(folds, units=None, time=None, gap=0.0):
    """What must be true of any folds."""
    for train, valid in zip(folds.train, folds.valid, strict=True):
        assert len(train)
        assert len(valid)
        assert (np.diff(train) > 0).all()
        assert (np.diff(valid) > 0).all()
        assert not np.intersect1d(train, valid).size
        if units is not None:
            assert not np.intersect1d(units[train], units[valid]).size
        if time is not None:
            assert time[train].max() < time[valid].min() - gap or gap == 0
            assert time[train].max() < time[valid].min()


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(2, 700),
    n_units=st.integers(2, 300),
    n_classes=st.integers(1, 6),
    protocol=st.sampled_from(["auto", "holdout", "kfold", "repeated"]),
    seed=st.integers(0, 9999),
)
def test_every_row_is_validated_once_and_units_stay_whole(n, n_units, n_classes, protocol, seed):
    draw = rng(seed)
    units = draw.integers(0, n_units, n).astype(np.uint64)
    units[:2] = [0, 1]
    target = draw.integers(0, n_classes, n).astype(float)
    folds = make_folds(n, rng=rng(1), target=target, classes=True, units=units, protocol=protocol)
    hold(folds, units)
    times = np.bincount(np.concatenate(folds.valid), minlength=n)
    expected = {"holdout": {0, 1}, "kfold": {1}, "repeated": {3}}[folds.protocol]
    assert set(times.tolist()) == expected
    again = make_folds(n, rng=rng(1), target=target, classes=True, units=units, protocol=protocol)
    assert all((a == b).all() for a, b in zip(folds.valid, again.valid, strict=True))


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(4, 400),
    n_units=st.integers(3, 400),
    n_moments=st.integers(2, 60),
    protocol=st.sampled_from(["auto", "holdout"]),
    seed=st.integers(0, 9999),
)
def test_training_lies_strictly_before_validation_and_units_stay_whole(n, n_units, n_moments, protocol, seed):
    draw = rng(seed)
    time = draw.integers(0, n_moments, n).astype(float)
    time[:2] = [0, n_moments]
    units = draw.integers(0, n_units, n).astype(np.uint64)
    units[:2] = [0, 1]
    try:
        folds = make_folds(n, rng=rng(1), units=units, time=time, protocol=protocol)
    except DataError as error:
        if "early enough" not in error.what:
            raise
        return
    hold(folds, units, time)


@pytest.mark.parametrize(
    ("n", "protocol", "n_folds"), [(499, "repeated", 15), (500, "kfold", 5), (20_001, "holdout", 1)]
)
def test_the_protocol_follows_from_the_number_of_rows(n, protocol, n_folds):
    folds = make_folds(n, rng=rng())
    assert (folds.protocol, len(folds)) == (protocol, n_folds)
    assert str(n)[:2] in folds.why


def test_a_hold_out_is_a_fifth_and_never_more_than_50_000_rows():
    assert len(make_folds(30_000, rng=rng()).valid[0]) == 6_000
    assert len(make_folds(1_000_000, rng=rng()).valid[0]) == 50_000


def test_classes_are_spread_evenly_over_folds_with_and_without_groups():
    draw = rng(3)
    target = (draw.random(5_000) < 0.03).astype(float)
    alone = make_folds(5_000, rng=rng(), target=target, classes=True)
    counts = [int(target[v].sum()) for v in alone.valid]
    assert max(counts) - min(counts) <= 1
    assert {len(v) for v in alone.valid} == {1_000}
    units = draw.integers(0, 800, 5_000).astype(np.uint64)
    grouped = make_folds(5_000, rng=rng(), target=target, classes=True, units=units)
    counts = [int(target[v].sum()) for v in grouped.valid]
    assert max(counts) - min(counts) <= 3
    assert max(abs(len(v) - 1_000) for v in grouped.valid) < 30


def test_numbers_are_spread_evenly_over_folds():
    target = rng(0).normal(size=600) ** 3
    folds = make_folds(600, rng=rng(), target=target)
    means = [np.median(target[v]) for v in folds.valid]
    assert np.std(means) < 0.1


def test_three_repeats_differ():
    folds = make_folds(100, rng=rng())
    assert not (folds.valid[0] == folds.valid[5]).all()


def test_fewer_units_than_folds_give_as_many_folds_and_say_so():
    folds = make_folds(600, rng=rng(), units=np.arange(600, dtype=np.uint64) % 3)
    assert len(folds) == 3
    assert "no more units" in folds.why


def test_a_group_that_holds_all_rows_is_refused():
    with pytest.raises(DataError, match="name a group with several values"):
        make_folds(50, rng=rng(), units=np.zeros(50, np.uint64))


def test_one_row_or_one_moment_is_refused():
    with pytest.raises(DataError, match="bring more rows"):
        make_folds(1, rng=rng())
    with pytest.raises(DataError, match="bring rows of more moments"):
        make_folds(50, rng=rng(), time=np.ones(50))


def test_customers_who_come_back_each_month_never_stand_on_both_sides():
    units = np.tile(np.arange(50, dtype=np.uint64), 12)
    time = np.repeat(np.arange(12.0), 50)
    folds = make_folds(600, rng=rng(), units=units, time=time)
    hold(folds, units, time)
    assert "one third" in folds.why
    assert len(folds) == 5


def test_a_gap_keeps_targets_that_were_not_known_yet_out_of_training():
    time = np.arange(600.0)
    folds = make_folds(600, rng=rng(), time=time, gap=30.0)
    hold(folds, time=time, gap=30.0)
    assert len(folds) == 5


def test_rows_whose_time_is_not_known_are_left_out():
    time = np.arange(600.0)
    time[::10] = np.nan
    folds = make_folds(600, rng=rng(), time=time)
    assert not np.isnan(time[folds.validated]).any()
    assert not np.isnan(time[folds.train[-1]]).any()


def test_folds_are_read_back_as_they_were_written(tmp_path):
    folds = make_folds(60, rng=rng())
    folds.save(tmp_path / "folds.npz")
    read = Folds.load(tmp_path / "folds.npz")
    assert (read.protocol, read.why, read.n_rows) == (folds.protocol, folds.why, 60)
    assert all((a == b).all() for a, b in zip(read.train, folds.train, strict=True))


@settings(deadline=None)
@given(n_parts=st.integers(2, 6), seed=st.integers(0, 500), n=st.integers(6, 200))
def test_parts_of_single_rows_are_equal_to_one_row_a_stratum(n_parts, seed, n):
    spread = rng(seed).integers(0, 4, n)
    part = deal(np.arange(n), spread, n_parts, rng=rng(seed))
    for s in range(4):
        held = np.bincount(part[spread == s], minlength=n_parts)
        assert held.max() - held.min() <= 1 + (n < 30)


# ------------------------------------------------------------------------------------------ where to stop


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(4, 400),
    n_units=st.integers(3, 400),
    timed=st.booleans(),
    seed=st.integers(0, 9999),
)
def test_one_fold_alone_has_two_halves_of_whole_units_of_its_validation_rows(n, n_units, timed, seed):
    draw = rng(seed)
    time = draw.integers(0, 50, n).astype(float)
    time[:2] = [0, 50]
    units = draw.integers(0, n_units, n).astype(np.uint64)
    units[:2] = [0, 1]
    try:
        folds = make_folds(n, rng=rng(1), units=units, time=time if timed else None, protocol="holdout")
    except DataError:
        return
    (valid,), (half,) = folds.valid, folds.half
    assert np.isin(half, valid).all()
    rest = np.setdiff1d(valid, half)
    assert len(rest)
    assert not np.intersect1d(units[half], units[rest]).size
    assert len(half) or len(np.unique(units[valid])) == 1


def test_either_half_of_a_hold_out_has_as_many_of_each_class():
    target = (rng().random(30_000) < 0.03).astype(float)
    folds = make_folds(30_000, rng=rng(), target=target, classes=True)
    (valid,), (half,) = folds.valid, folds.half
    assert len(half) == 3_000
    assert target[half].sum() == pytest.approx(target[valid].sum() / 2, abs=1)
    assert len(folds.train[0]) == 24_000


def test_along_time_the_later_validation_rows_are_one_half():
    time = rng().random(1_000)
    folds = make_folds(1_000, rng=rng(), time=time, protocol="holdout")
    (valid,), (half,) = folds.valid, folds.half
    assert len(half) == len(valid) / 2
    assert time[half].min() > time[np.setdiff1d(valid, half)].max()


def test_where_customers_come_back_half_of_them_are_one_half():
    time, units = np.repeat(np.arange(20.0), 50), np.tile(np.arange(50, dtype=np.uint64), 20)
    folds = make_folds(1_000, rng=rng(), time=time, units=units, protocol="holdout")
    rest = np.setdiff1d(folds.valid[0], folds.half[0])
    assert len(np.unique(time[folds.valid[0]])) > 1
    assert len(folds.half[0]) == pytest.approx(len(rest), abs=20)
    assert not np.intersect1d(units[folds.half[0]], units[rest]).size


def test_where_most_rows_have_one_time_a_half_is_dealt():
    time = np.concatenate([np.arange(800.0), np.full(180, 900.0), np.arange(901.0, 921.0)])
    folds = make_folds(1_000, rng=rng(), time=time, protocol="holdout")
    assert len(folds.half[0]) == pytest.approx(len(folds.valid[0]) / 2, abs=1)


@pytest.mark.parametrize("timed", [True, False])
def test_where_there_are_other_folds_nothing_is_parted(timed):
    folds = make_folds(600, rng=rng(), time=np.arange(600.0) if timed else None, protocol="kfold")
    assert not len(folds.half)
    assert folds.peers(2) == [0, 1, 3, 4]


def test_a_half_is_kept_with_the_folds(tmp_path):
    folds = make_folds(60, rng=rng(), protocol="holdout")
    folds.save(tmp_path / "folds.npz")
    assert np.array_equal(Folds.load(tmp_path / "folds.npz").half[0], folds.half[0])
