"""Raw cells become wire values, one by one and column by column."""

# ruff: noqa: DTZ001  # moments without a zone are what is tested

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.core.errors import DataError
from mulle.runtime import encode


def entry(kind: str, **options: object) -> dict[str, object]:
    columns = ["lat", "lon"] if kind == "place" else ["it"]
    return {"name": "it", "kind": kind, "wire": "", "columns": columns, "options": options}


def reads(kind: str, value: object, **options: object) -> object:
    return encode.one(entry(kind, **options))([value])


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1,234,567.5", 1234567.5),
        ("1 234", 1234.0),
        ("1'234.5", 1234.5),
        ("12,34,567", 1234567.0),
        ("$5", 5.0),
        ("5 €", 5.0),
        ("USD 5", 5.0),
        ("₩1,000", 1000.0),
        ("-$5", -5.0),
        ("(1,000)", -1000.0),
        ("5-", -5.0),
        ("12.5%", 0.125),
        ("\u221212", -12.0),
        ("1.5e-3", 0.0015),
        ("1,23", None),
        ("1.2.3", None),
        ("--1", None),
        ("1_000", None),
        ("0x10", None),
        ("١٢", None),
        ("five", None),
        ("1,2345", None),
        ("%", None),
        ("$", None),
    ],
)
def test_dressed_numbers_are_read_and_others_refused(text, number):
    if number is None:
        with pytest.raises(DataError, match="not a number"):
            reads("number", text)
    else:
        assert reads("number", text) == number


@pytest.mark.parametrize(("text", "number"), [("1.234,5", 1234.5), ("0,5", 0.5), ("1.234", 1234.0), ("-3", -3.0)])
def test_a_decimal_comma_turns_the_marks_round(text, number):
    assert reads("number", text, decimal=",") == number


@pytest.mark.parametrize("value", [None, "", " ", "NA", "n/a", "?", "null", float("nan"), "inf", "-Infinity"])
def test_what_is_not_there_is_missing_and_not_bad(value):
    values, bad = encode.wire(entry("number"), [[value]])
    assert math.isnan(values[0, 0])
    assert not bad[0]


@pytest.mark.parametrize("value", [float("inf"), "1e400", Decimal("Infinity"), np.float32("-inf")])
def test_infinity_and_what_overflows_count_as_missing(value):
    assert math.isnan(reads("number", value))
    values, bad = encode.wire(entry("number"), [[value]])
    assert math.isnan(values[0, 0])
    assert not bad[0]


@pytest.mark.parametrize("value", [10**309, -(10**400), 10**5000], ids=["309", "400", "5000"])
def test_a_whole_number_that_no_float_holds_is_bad_and_never_silently_missing(value):
    values, bad = encode.wire(entry("number"), [[1, value]])
    assert values[0, 0] == 1
    assert bad.tolist() == [False, True]
    with pytest.raises(DataError, match="more than 300 digits"):
        encode.one(entry("number"))([value])


@pytest.mark.parametrize("value", [[1], {"a": 1}, b"\xff", object(), 1j, date(2020, 1, 1)])
def test_what_no_number_could_be_is_bad(value):
    _, bad = encode.wire(entry("number"), [[value]])
    assert bad.tolist() == [True]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_survives_being_written_as_text(number):
    assert reads("number", repr(number)) == number
    assert reads("number", f" {number!r}\t") == number


@given(st.integers(-(10**15), 10**15), st.integers(0, 99))
def test_thousands_separators_change_nothing(whole, cents):
    assert reads("number", f"{whole:,}.{cents:02d}") == float(f"{whole}.{cents:02d}")


@pytest.mark.parametrize(("value", "seconds"), [
    ("1970-01-02", 86400.0), ("1970-01-01 00:00:01", 1.0), ("1970-01-01T00:00:01.5Z", 1.5),
    ("1970-01-01T09:00:00+09:00", 0.0), ("1970-01-01T00:00:00-0130", 5400.0), ("19700102", 86400.0),
    ("2 Jan 1970", 86400.0), ("Jan 2, 1970", 86400.0), ("2.1.1970", 86400.0), ("1970년 1월 2일", 86400.0),
    ("January 2 1970 1:30 PM", 86400.0 + 13.5 * 3600), ("1970/1/2 12:00 am", 86400.0), ("1969-12-31T23:59:59", -1.0),
    (date(1970, 1, 2), 86400.0), (datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), 1.0),
    (datetime(1970, 1, 1, 9, tzinfo=timezone(timedelta(hours=9))), 0.0),
    (np.datetime64("1970-01-02"), 86400.0), (np.datetime64(1_500_000_000, "ns"), 1.5),
    (1_600_000_000, 1.6e9), (1_600_000_000_000, 1.6e9), (1_600_000_000_000_000_000, 1.6e9),
])  # fmt: skip
def test_moments_come_in_many_forms(value, seconds):
    assert reads("datetime", value) == seconds
    values, bad = encode.wire(entry("datetime"), [[value]])
    assert values[0, 0] == seconds
    assert not bad[0]


@pytest.mark.parametrize(
    "value", ["2024-02-30", "2024-13-01", "24:00", "2024-01-01 25:00:00", "0000-01-01", "soon", True]
)
def test_what_is_no_moment_is_refused(value):
    with pytest.raises(DataError, match="moment"):
        reads("datetime", value)


def test_an_ambiguous_date_needs_its_format():
    with pytest.raises(DataError, match="moment"):
        reads("datetime", "3/4/2024")
    day_first, month_first = (reads("datetime", "3/4/2024", formats=[f]) for f in ("%d/%m/%Y", "%m/%d/%Y"))
    assert (day_first - month_first) / 86_400 == 30


def test_mixed_formats_are_read_in_one_column():
    texts = ["2024-01-05", "05/01/2024", "5 Jan 2024", "20240105", None, ""]
    values, bad = encode.wire(entry("datetime", formats=["%d/%m/%Y"]), [texts])
    assert len(set(values[:4, 0])) == 1
    assert np.isnan(values[4:, 0]).all()
    assert not bad.any()


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)))
def test_iso_dates_are_read_as_the_standard_library_reads_them(moment):
    seconds = (moment - datetime(1970, 1, 1)) / timedelta(microseconds=1) / 1e6
    for text in (moment.isoformat(), moment.isoformat(" "), f"{moment.isoformat()}Z"):
        assert reads("datetime", text) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (7, "7"),
        (7.0, "7"),
        (7.5, "7.5"),
        (True, "true"),
        (" a ", "a"),
        (None, ""),
        (np.int64(3), "3"),
        (b"x", "x"),
        (Decimal("2.0"), "2"),
        (date(2024, 1, 5), "2024-01-05"),
        ("7.0", "7.0"),
        ("cafe\u0301", "café"),
        ("\ud800", "?"),
    ],
)
def test_categories_are_words(value, word):
    assert reads("category", value) == word


def test_numbers_as_categories_are_one_level_however_written():
    held = [reads("category", v, numbers=True) for v in (7, 7.0, "7", "7.0", " 7.00")]
    assert set(held) == {"7"}


def test_folded_categories_ignore_case_and_missing_words_are_missing():
    assert reads("category", " YES ", fold=True) == "yes"
    assert reads("category", "?", missing=["?"]) == ""
    assert reads("category", "NA") == "NA"


@pytest.mark.parametrize(
    ("value", "items"),
    [
        (["a", " b", None, ""], ["a", "b"]),
        ('["a", "b"]', ["a", "b"]),
        ("a|b", ["a", "b"]),
        ("a; b", ["a", "b"]),
        ((1, 2.0), ["1", "2"]),
        (np.array(["x"]), ["x"]),
        ("", []),
        (None, []),
        ("['p', 'q']", ["p", "q"]),
        ("[]", []),
    ],
)
def test_lists_come_in_many_forms(value, items):
    assert reads("list", value) == "\x1f".join(items)


def test_deeply_nested_json_does_not_break_the_reader():
    assert isinstance(reads("list", "[" * 100_000 + "]" * 100_000), str)


def test_places_beyond_the_poles_are_bad_in_every_form():
    for columns in ([[91.0, 45.0], [0.0, 0.0]], [np.array([91.0, 45.0]), np.array([0.0, 0.0])]):
        values, bad = encode.wire(entry("place"), columns)
        assert bad.tolist() == [True, False]
        assert np.isnan(values[0, 0])
    with pytest.raises(DataError, match="within ±90 degrees"):
        encode.one(entry("place"))([91, 0])


@pytest.mark.parametrize("word", ["yes", "Yes ", "TRUE", "1", 1, 1.0, True, "on", "예"], ids=repr)
def test_true_has_many_words(word):
    assert reads("boolean", word) == 1.0


def test_an_unknown_kind_says_that_a_newer_version_is_needed():
    with pytest.raises(DataError, match="can't read values of the kind 'smell'"):
        encode.one(entry("smell"))


def test_pandas_missing_marks_and_masked_arrays_are_missing():
    pandas = pytest.importorskip("pandas")
    values, bad = encode.wire(entry("number"), [[pandas.NA, 1, pandas.NaT]])
    assert np.isnan(values[[0, 2], 0]).all()
    assert not bad.any()
    values, _ = encode.wire(entry("number"), [np.ma.masked_array([1.0, 2.0], mask=[True, False])])
    assert np.isnan(values[0, 0])
    assert math.isnan(reads("datetime", pandas.NaT))


@pytest.mark.parametrize(
    "value", [10**5000, "1" * 5000, -(10**400), "1e" + "9" * 400], ids=["int", "text", "less", "power"]
)
@pytest.mark.parametrize("kind", ["number", "boolean", "datetime", "category", "list", "text", "id", "image", "place"])
@pytest.mark.parametrize("options", [{}, {"numbers": True, "epoch": "s"}], ids=["plain", "numbers"])
def test_numbers_of_thousands_of_digits_break_nothing(kind, value, options):
    held = entry(kind, **options)
    values, bad = encode.wire(held, [[value]] * len(held["columns"]))
    assert values.shape == (1, len(held["columns"]))
    if bad[0]:
        with pytest.raises(DataError, match="fix:"):
            encode.one(held)([value] * len(held["columns"]))
