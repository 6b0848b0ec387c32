"""Tables beside figures, ticks, words and colours."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.core.figure import Axis, Figure, Mark, Table
from mulle.report import palette, ticks
from mulle.report.numbers import table_of
from mulle.report.scales import Scale
from mulle.report.thin import cloud, curve
from mulle.report.words import cut, cut_apart, number, width


def test_every_figure_has_a_table_with_rows_as_wide_as_its_columns(figures):
    for figure in figures:
        table = table_of(figure)
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.columns)}


def test_a_figures_own_table_is_kept():
    own = Table(title="t", columns=["a"], rows=[[1]])
    assert table_of(Figure(name="f", title="", says="", x=Axis(label=""), y=Axis(label=""), table=own)) is own


def test_a_heat_map_is_told_as_it_is_seen():
    cells = Mark(kind="cells", x=["call", "let be"] * 2, y=["leaves"] * 2 + ["stays"] * 2, value=[1, 2, 3, 4])
    axis = Axis(label="", scale="category")
    table = table_of(Figure(name="f", title="", says="", x=axis, y=axis, marks=[cells]))
    assert table.columns[1:] == ["call", "let be"]
    assert table.rows == [["leaves", "1", "2"], ["stays", "3", "4"]]


def test_series_on_the_same_categories_stand_side_by_side():
    marks = [Mark(kind="bars", name=n, x=["a", "b"], y=[i, 2]) for i, n in enumerate(["one", "two"])]
    figure = Figure(name="f", title="", says="", x=Axis(label="k", scale="category"), y=Axis(label="v"), marks=marks)
    assert table_of(figure).columns == ["k", "one", "two"]
    assert table_of(figure).rows == [["a", 0, 1], ["b", 2, 2]]


@given(low=st.floats(-1e9, 1e9), span=st.floats(1e-6, 1e9), count=st.integers(1, 10))
def test_linear_ticks_lie_within_and_are_evenly_apart(low, span, count):
    found = ticks.linear(low, low + span, count)
    slack = 1e-6 * max(abs(low), span) + 1e-9
    assert all(low - slack <= t <= low + span + slack for t in found)
    assert len(found) <= count + 2
    gaps = [b - a for a, b in itertools.pairwise(found)]
    assert all(math.isclose(g, gaps[0], rel_tol=1e-3, abs_tol=slack) for g in gaps)


@given(low=st.floats(-6e10, 2e11), span=st.floats(1, 1e10), count=st.integers(2, 8))
def test_time_ticks_lie_within_and_have_words(low, span, count):
    found = ticks.time(low, low + span, count)
    assert all(low - 1 <= t <= low + span + 1 for t in found)
    assert len(ticks.time_labels(found)) == len(found)
    assert len(found) <= 3 * count + 2


@given(st.floats(-1e12, 1e12, allow_nan=False), st.booleans())
def test_no_tick_shows_a_minus_zero_or_an_e(value, percent):
    told = ticks.labels([0.0, value], percent=percent)[1]
    assert told not in {"-0", "−0", "-0%"}


def test_ticks_of_one_axis_have_the_same_decimals():
    assert ticks.labels([0, 0.25, 0.5]) == ["0.00", "0.25", "0.50"]
    assert ticks.labels([0, 2.5e6, 5e6]) == ["0", "2.5M", "5.0M"]


@given(st.lists(st.tuples(st.floats(0, 600), st.floats(0, 300)), min_size=1, max_size=900))
def test_a_thinned_curve_keeps_its_ends_and_never_leaves_the_points(points):
    points.sort()
    kept = curve(points)
    assert kept[0] == points[0]
    assert kept[-1] == points[-1]
    assert set(kept) <= set(points)


def test_a_thinned_curve_is_nowhere_off_by_more_than_a_hair():
    points = [(i / 4, 100 * math.sin(i / 200)) for i in range(2000)]
    kept = curve(points)
    assert len(kept) < 200
    for x, y in points:
        (x1, y1), (x2, y2) = next((a, b) for a, b in itertools.pairwise(kept) if a[0] <= x <= b[0])
        assert abs(y1 + (y2 - y1) * (x - x1) / (x2 - x1) - y) < 0.5


def test_a_cloud_is_thinned_to_what_can_be_seen():
    assert len(cloud([(i % 500 + 0.1, i % 7 * 1.0) for i in range(10_000)])) <= 2000


@given(st.text(max_size=80), st.floats(20, 300))
def test_cut_words_fit_their_room(text, room):
    assert width(cut(text, room)) <= room or len(cut(text, room)) <= 2


def test_names_that_differ_only_at_their_end_still_differ_when_cut():
    names = [f"average_spend_over_the_last_days_{i}" for i in range(9)]
    assert len(set(cut_apart(names, 120))) == 9


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0, "0"),
        (1234567, "1,234,567"),
        (0.05, "0.05"),
        (2.4e-7, "2.4e−7"),
        (math.inf, "∞"),
        (-0.5, "−0.5"),
        (99.999, "100"),
    ],
)
def test_numbers_are_told_in_few_digits(value, told):
    assert number(value) == told


@pytest.mark.parametrize("sheet", [palette.LIGHT, palette.DARK])
@pytest.mark.parametrize("name", palette.TEXT)
def test_words_can_be_read_on_every_ground(sheet, name):
    for ground in ("paper", "surface", "wash"):
        assert palette.contrast(sheet[name], sheet[ground]) >= 4.5, ground


@pytest.mark.parametrize("sheet", [palette.LIGHT, palette.DARK])
@pytest.mark.parametrize("name", [*palette.ROLES, *palette.EXTRA])
def test_marks_stand_out_from_the_paper(sheet, name):
    assert palette.contrast(sheet[name], sheet["paper"]) >= 3


@pytest.mark.parametrize("sheet", [palette.LIGHT, palette.DARK])
@pytest.mark.parametrize("cell", ["cell", "cell2"])
def test_words_in_the_strongest_cell_can_be_read(sheet, cell):
    mixed = [round(0.7 * int(sheet[cell][i : i + 2], 16) + 0.3 * int(sheet["paper"][i : i + 2], 16)) for i in (1, 3, 5)]
    assert palette.contrast(sheet["ink"], "#" + "".join(f"{v:02x}" for v in mixed)) >= 4.5


def test_both_sheets_name_the_same_colours():
    assert palette.LIGHT.keys() == palette.DARK.keys()


def test_a_value_outside_its_categories_has_no_place():
    scale = Scale(kind="category", low=0, high=1, names=("a",), start=0, end=10)
    assert scale.at("a") == 5
    assert scale.at("b") is None
