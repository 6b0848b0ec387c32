import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulle.core.errors import DataError, ProjectError
from mulle.splits.moments import moments
from mulle.splits.seal import make_seal
from mulle.splits.sides import across, sides

NOW = "2026-11-22T10:00:00+00:00"


def people(n=400, n_groups=60, seed=0):
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "who": [f"p{i}" for i in rng.integers(0, n_groups, n)],
            "a": rng.integers(0, 10, n),
            "b": [[None, "x", "y"][i] for i in rng.integers(0, 3, n)],
            "at": [dt.date(2026, 1, 1) + dt.timedelta(int(d)) for d in rng.integers(0, 300, n)],
        }
    )


def test_known_units_stand_on_known_sides_for_ever():
    units = np.arange(12, dtype=np.uint64)
    assert sides(units, salt="5eed", fraction=0.5).astype(int).tolist() == [
        1,
        0,
        0,
        0,
        0,
        1,
        0,
        1,
        0,
        0,
        1,
        0,
    ]
    assert sides([f"u{i}" for i in range(8)], salt="5eed", fraction=0.5).astype(int).tolist() == [
        0,
        1,
        0,
        1,
        0,
        0,
        1,
        1,
    ]


@settings(deadline=None)
@given(
    units=st.lists(st.integers(0, 2**64 - 1), max_size=60),
    more=st.lists(st.integers(0, 99)),
    seed=st.integers(0, 9),
)
def test_a_side_depends_on_nothing_but_the_unit(units, more, seed):
    rows = np.array(units, np.uint64)
    order = np.random.default_rng(seed).permutation(len(rows))
    first = sides(rows, salt="aa", fraction=0.3)
    again = sides(np.concatenate([rows[order], np.array(more, np.uint64)]), salt="aa", fraction=0.3)
    assert (again[: len(rows)] == first[order]).all()
    assert (sides(rows, salt="aa", fraction=0.5) | ~first).all()


def test_the_share_is_that_which_was_asked_and_salts_are_independent():
    units = np.arange(100_000, dtype=np.uint64)
    a, b = (sides(units, salt=salt, fraction=0.2) for salt in ("a", "b"))
    assert a.mean() == pytest.approx(0.2, abs=0.005)
    assert (a & b).mean() == pytest.approx(0.04, abs=0.003)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), by=st.sampled_from(["group", "key", "content"]))
def test_no_unit_stands_on_both_sides_and_no_row_moves(seed, by):
    frame = people(seed=seed)
    named = {"group": {"group": "who"}, "key": {"key": ["who", "a"]}, "content": {}}[by]
    seal = make_seal(frame, inputs=["a", "b"], now=NOW, **named)
    test, units = seal.test(frame), seal.units(frame)
    assert seal.by == by
    assert not set(units[test].tolist()) & set(units[~test].tolist())
    assert 0.05 < test.mean() < 0.4
    order = np.random.default_rng(seed).permutation(frame.height)
    grown = pl.concat([frame[order], people(n=50, seed=seed + 1)])
    assert (seal.test(grown)[: frame.height] == test[order]).all()


def test_twins_are_one_unit_when_content_decides():
    frame = people()
    seal = make_seal(frame, inputs=["a", "b"], now=NOW)
    test, twins = seal.test(frame), seal.twins(frame)
    assert frame.select("a", "b").is_duplicated().sum() > 300
    assert not across(twins, test).any()


def test_twins_across_sides_are_found_when_a_key_decides():
    frame = pl.DataFrame({"id": range(200), "a": [i // 2 for i in range(200)]})
    seal = make_seal(frame, inputs=["a"], key=["id"], now=NOW)
    test, twins = seal.test(frame), seal.twins(frame)
    found = across(twins, test)
    assert found.sum() > 10
    assert not (found & test).any()
    assert not set(twins[test].tolist()) & set(twins[~test & ~found].tolist())


def test_a_row_without_a_group_stands_alone():
    frame = pl.DataFrame({"who": ["a", None, "", None, "b"], "x": [1, 2, 3, 4, 5]})
    seal = make_seal(frame, inputs=["x"], group="who", now=NOW)
    assert len(set(seal.units(frame).tolist())) == 5


def test_few_groups_still_give_two_sides():
    frame = pl.DataFrame({"who": ["a", "b", "c"] * 30, "x": range(90)})
    for salt in ["", *(f"{i:032x}" for i in range(20))]:
        test = make_seal(frame, inputs=["x"], group="who", now=NOW, salt=salt).test(frame)
        assert test.mean() == pytest.approx(1 / 3)


def test_one_salt_always_ends_at_one_seal():
    frame = pl.DataFrame({"who": ["a", "b", "c"] * 30, "x": range(90)})
    made = [make_seal(frame, inputs=["x"], group="who", now=NOW, salt="5eed") for _ in range(2)]
    assert made[0] == made[1]
    many = people(n=2000, n_groups=1000)
    assert make_seal(many, inputs=["a"], group="who", now=NOW, salt="5eed").salt == "5eed"


def test_a_fraction_that_no_row_can_meet_is_refused():
    frame = pl.DataFrame({"x": [1, 2]})
    with pytest.raises(DataError, match="choose a fraction nearer to a half"):
        make_seal(frame, inputs=["x"], now=NOW, fraction=1e-9)


def test_time_seals_the_newest_rows_and_keeps_its_cut():
    frame = people()
    seal = make_seal(frame, inputs=["a"], time="at", now=NOW)
    test = seal.test(frame)
    assert frame["at"].filter(~test).max() < frame["at"].filter(test).min()
    assert test.mean() == pytest.approx(0.2, abs=0.02)
    later = frame.with_columns(pl.col("at") + dt.timedelta(1000))
    assert seal.test(later).all()


def test_time_may_be_text_or_a_number_and_a_cut_may_be_named():
    frame = people().with_columns(text=pl.col("at").cast(pl.String), year=pl.lit(2000) + pl.col("a"))
    cut = "2026-06-01"
    a = make_seal(frame, inputs=["a"], time="at", test_from=cut, now=NOW).test(frame)
    b = make_seal(frame, inputs=["a"], time="text", test_from=cut, now=NOW).test(frame)
    assert (a == b).all()
    assert a.any()
    years = make_seal(frame, inputs=["a"], time="year", now=NOW)
    assert years.cut == "#2008.0"
    assert (years.test(frame) == (frame["year"] >= 2008).to_numpy()).all()
    assert make_seal(frame, inputs=["a"], time="year", test_from="2008", now=NOW).cut == "#2008"


def test_a_row_without_a_time_is_never_sealed():
    frame = pl.DataFrame({"at": [1.0, 2.0, None, float("nan"), 3.0], "x": range(5)})
    assert make_seal(frame, inputs=["x"], time="at", now=NOW).test(frame).tolist() == [False] * 4 + [True]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"group": "same"}, "name a group with several values"),
        ({"time": "same"}, "name another column as time"),
        ({"time": "x", "test_from": "2031-01-01"}, "no times"),
        ({"time": "at", "test_from": "2031-01-01"}, "choose a moment between 2026-01-01"),
        ({"time": "gone"}, "name a column of the data"),
    ],
)
def test_a_seal_that_would_leave_a_side_empty_is_refused(options, match):
    frame = people().with_columns(same=pl.lit(7), x=pl.lit("no time"))
    with pytest.raises(DataError, match=match):
        make_seal(frame, inputs=["same"] if "group" in options else ["a"], now=NOW, **options)


def test_a_cut_that_is_no_moment_is_refused():
    with pytest.raises(ProjectError, match="write it as 2026-01-31"):
        make_seal(people(), inputs=["a"], time="at", test_from="soon", now=NOW)


def test_a_named_source_or_no_test_seals_no_row():
    frame = people()
    assert not make_seal(frame, inputs=["a"], test="none", now=NOW).test(frame).any()
    seal = make_seal(frame, inputs=["a"], test="test.csv", now=NOW)
    assert (seal.by, seal.source) == ("source", "test.csv")


def test_a_page_that_asks_for_another_seal_is_noticed():
    frame = people()
    seal = make_seal(frame, inputs=["a"], now=NOW)
    assert seal.differs(make_seal(frame, inputs=["a", "b"], now="later")) == []
    assert "by is 'content' in mulle.lock, 'group' on the page" in seal.differs(
        make_seal(frame, inputs=["a"], group="who", now=NOW)
    )
    assert seal.differs(make_seal(frame, inputs=["a"], fraction=0.3, now=NOW)) == [
        "test_fraction is '0.2' in mulle.lock, '0.3' on the page"
    ]


def test_text_that_is_no_time_is_shown():
    with pytest.raises(DataError, match="'yesterday'"):
        moments(pl.Series("at", ["2026-01-01", "yesterday"]))


def dated(n: int = 100) -> pl.DataFrame:
    """Return one row a day."""
    return pl.DataFrame({"a": range(n), "at": [dt.date(2026, 1, 1) + dt.timedelta(days=i) for i in range(n)]})


def test_another_moment_on_the_page_is_noticed_and_the_same_one_in_other_words_is_not():
    frame = dated()
    seal = make_seal(frame, inputs=["a"], time="at", test_from="2026-03-01", now=NOW)
    same = make_seal(frame, inputs=["a"], time="at", test_from="2026-03-01T00:00:00", now=NOW)
    other = make_seal(frame, inputs=["a"], time="at", test_from="2026-03-15", now=NOW)
    assert seal.differs(same, test_from="2026-03-01T00:00:00") == []
    told = "test_from is '2026-03-01' in mulle.lock, '2026-03-15' on the page"
    assert seal.differs(other, test_from="2026-03-15") == [told]


def test_rows_that_come_in_later_move_no_seal_by_time_and_another_share_is_noticed():
    seal = make_seal(dated(), inputs=["a"], time="at", now=NOW)
    assert seal.differs(make_seal(dated(150), inputs=["a"], time="at", now=NOW)) == []
    (told,) = seal.differs(make_seal(dated(), inputs=["a"], time="at", fraction=0.4, now=NOW))
    assert told == "test_fraction is '0.2' in mulle.lock, '0.4' on the page"
