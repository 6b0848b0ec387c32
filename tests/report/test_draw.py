"""The drawing of figures."""

import html
import math
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulle.core.figure import Axis, Figure, Mark
from mulle.report.draw import svg
from mulle.report.frame import laid_out
from mulle.report.marks import DRAW
from mulle.report.numbers import table_of

SVG = "{http://www.w3.org/2000/svg}"
KINDS = ("line", "step", "points", "bars", "area", "intervals", "cells", "rule", "images")
SCALES = ("linear", "log", "category", "time")
NASTY = (
    "<script>alert(1)</script>",
    "\"quoted\" & 'so'",
    "👩‍👩‍👧 emoji",
    "שם העמודה",
    "x" * 400,
    "a\x00b\u202ec",
    "a\nb",
)


def figure(*marks, x=None, y=None, **words):
    told = {"name": "f", "title": "A title", "says": "What to see."} | words
    return Figure(**told, x=x or Axis(label="x"), y=y or Axis(label="y"), marks=marks)


def parsed(drawn):
    return ET.fromstring(drawn)  # noqa: S314 - our own text


def words_of(root):
    return [t.text or "" for t in root.iter(f"{SVG}text")]


def coordinates(root):
    names = ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height", "r")
    for element in root.iter():
        yield from (float(element.get(n)) for n in names if element.get(n) is not None)
        for number in re.findall(r"-?[\d.]+", element.get("d", "")):
            yield float(number)


def test_every_kind_of_mark_of_the_contract_can_be_drawn():
    assert set(DRAW) == set(KINDS)


@pytest.mark.parametrize("width", [160, 252, 392, 820])
def test_real_figures_are_well_formed_and_stay_on_their_sheet(figures, width):
    for held in figures:
        root = parsed(svg(held, width=width))
        _, _, wide, tall = (float(v) for v in root.get("viewBox").split())
        assert wide == width
        for text in root.iter(f"{SVG}text"):
            assert -1 <= float(text.get("x")) <= wide + 1, (held.name, text.text)
            assert -1 <= float(text.get("y")) <= tall + 1, (held.name, text.text)


def test_every_figure_names_itself_for_those_who_cannot_see_it(figures):
    for held in figures:
        root = parsed(svg(held))
        assert root.get("role") == "img"
        assert held.title in root.get("aria-label")
        assert root.find(f"{SVG}title").text == held.title
        assert root.find(f"{SVG}desc").text == held.says


def test_the_same_figure_gives_the_same_text(figures):
    assert [svg(f) for f in figures] == [svg(Figure.from_json(f.to_json())) for f in figures]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("values", [[], [None], [math.nan], [math.inf, -math.inf], [3.0], [0.0, 0.0], [1e308, -1e308]])
def test_empty_missing_single_and_extreme_numbers_draw_without_error(kind, scale, values):
    mark = Mark(kind=kind, name="m", x=values, y=values, low=values, high=values, value=values)
    for drawn in (figure(mark, x=Axis(label="x", scale=scale)), figure(mark, y=Axis(label="y", scale=scale))):
        root = parsed(svg(drawn))
        assert all(math.isfinite(v) for v in coordinates(root))
        assert "nan" not in svg(drawn)
        assert table_of(drawn).columns


@pytest.mark.parametrize("kind", KINDS)
def test_lists_of_unequal_length_draw_what_they_share(kind):
    parsed(svg(figure(Mark(kind=kind, x=[1, 2, 3], y=[1], low=[0], high=[], value=[2], text=["a"]))))


def test_a_figure_without_numbers_says_so():
    assert "no numbers to draw" in words_of(parsed(svg(figure(Mark(kind="line", x=[None], y=[math.nan])))))


def test_a_line_breaks_where_a_number_is_missing():
    drawn = svg(figure(Mark(kind="line", x=[0, 1, 2, 3, 4], y=[0, 1, None, 1, 0])))
    assert drawn.count('class="mu-thread"') == 2


def test_a_single_point_of_a_line_is_a_dot():
    assert svg(figure(Mark(kind="line", x=[1], y=[1])), standalone=False).count("<circle") == 1


@pytest.mark.parametrize("text", NASTY)
def test_no_name_can_break_out_of_its_place(text):
    bars = Mark(kind="bars", name=text, x=[1, 2], y=[text, "b"], text=[text])
    line = Mark(kind="rule", name=text, x=[1])
    held = figure(bars, line, x=Axis(label=text), y=Axis(label=text, scale="category"), title=text, says=text)
    drawn = svg(held)
    parsed(drawn)
    assert "<script" not in drawn
    assert "\u202e" not in drawn
    assert "\x00" not in drawn


@given(text=st.text(max_size=60), other=st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_words_give_well_formed_xml(text, other):
    mark = Mark(kind="bars", name=text, x=[1, 2], y=[text, other])
    axis = Axis(label=other, scale="category")
    parsed(svg(figure(mark, Mark(kind="rule", name=other, x=[1]), x=Axis(label=text), y=axis, title=text, says=other)))


@given(
    pairs=st.lists(st.tuples(st.floats(width=64), st.floats(width=64) | st.none()), max_size=40),
    kind=st.sampled_from(KINDS),
    x_scale=st.sampled_from(SCALES),
    y_scale=st.sampled_from(SCALES),
    percent=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_any_numbers_draw_at_finite_places(*, pairs, kind, x_scale, y_scale, percent):
    x, y = [p[0] for p in pairs], [p[1] for p in pairs]
    mark = Mark(kind=kind, x=x, y=y, low=y, high=x, value=x)
    held = figure(mark, x=Axis(label="x", scale=x_scale), y=Axis(label="y", scale=y_scale, percent=percent))
    assert all(math.isfinite(v) for v in coordinates(parsed(svg(held))))


def test_names_that_do_not_fit_under_bars_lay_the_bars_down():
    names = [f"a rather long name {i}" for i in range(8)]
    upright = figure(Mark(kind="bars", x=names, y=range(8)), x=Axis(label="", scale="category"))
    drawn = parsed(svg(upright, width=320))
    longest = max(drawn.iter(f"{SVG}rect"), key=lambda r: float(r.get("width")))
    assert float(longest.get("width")) > 2 * float(longest.get("height"))


def test_short_names_stand_under_upright_bars():
    upright = figure(Mark(kind="bars", x=["a", "b"], y=[1, 2]), x=Axis(label="", scale="category"))
    tallest = max(parsed(svg(upright)).iter(f"{SVG}rect"), key=lambda r: float(r.get("height")))
    assert float(tallest.get("height")) > float(tallest.get("width"))


def test_hundreds_of_categories_are_cut_and_counted():
    names = [f"column {i}" for i in range(300)]
    held = figure(Mark(kind="bars", x=range(300), y=names), y=Axis(label="", scale="category"))
    drawn = svg(held)
    assert "and 260 more in the table" in drawn
    assert drawn.count("<rect") == 40
    assert len(table_of(held).rows) == 300


def test_a_hundred_thousand_points_make_a_small_drawing():
    n = 100_000
    y = [math.sin(i / 900) for i in range(n)]
    for kind in ("line", "step", "area", "points"):
        assert len(svg(figure(Mark(kind=kind, x=range(n), y=y)), standalone=False)) < 200_000


def test_few_clear_lines_are_named_at_their_ends_and_touching_ones_in_a_legend():
    clear = [Mark(kind="line", name=f"line {i}", x=[0, 1], y=[0, i]) for i in (1, 2)]
    touching = [replace(mark, y=[0, 1]) for mark in clear]
    for marks, keys in ((clear, 2), (touching, 4)):
        assert svg(figure(*marks), standalone=False).count('class="mu-thread') == keys


def test_series_differ_by_more_than_colour():
    lines = [Mark(kind="line", name=n, x=[0, 1], y=[0, i]) for i, n in enumerate("abcd")]
    dashes = set(re.findall(r'stroke-dasharray="([^"]+)"', svg(figure(*lines))))
    assert len(dashes) == 3


def test_a_log_axis_leaves_out_what_is_not_above_zero():
    drawn = svg(figure(Mark(kind="points", x=[0, -1, 10, 1000], y=[1, 1, 1, 1]), x=Axis(label="n", scale="log")))
    assert drawn.count("<circle") == 2


def test_axis_limits_are_kept():
    held = figure(Mark(kind="line", x=[0.4, 0.6], y=[0.4, 0.6]), y=Axis(label="y", low=0, high=1, percent=True))
    assert {"0%", "100%"} <= set(words_of(parsed(svg(held))))


def test_only_pictures_inside_the_figure_are_shown():
    texts = [
        "https://example.org/a.png",
        "data:image/svg+xml;base64,AAAA",
        "javascript:1",
        "data:image/png;base64,AAAA",
    ]
    root = parsed(svg(figure(Mark(kind="images", text=texts, x=["a", "b", "c", "d"]))))
    assert [i.get("href") for i in root.iter(f"{SVG}image")] == [texts[3]]


def test_bars_with_a_range_get_whiskers():
    bars = Mark(kind="bars", x=[1, 2], y=["a", "b"], low=[0.5, 1.5], high=[1.5, 2.5])
    assert svg(figure(bars, y=Axis(label="", scale="category"))).count('class="mu-whisker') == 2


def test_cells_write_their_number_and_grow_stronger_with_it():
    cells = Mark(kind="cells", x=["a", "b"], y=["c", "c"], value=[1.0, 4.0])
    category = Axis(label="", scale="category")
    root = parsed(svg(figure(cells, x=category, y=category)))
    weak, strong = (float(r.get("fill-opacity")) for r in root.iter(f"{SVG}rect"))
    assert weak < strong
    assert {"1", "4"} <= set(words_of(root))


def test_steps_of_a_histogram_stand_around_the_middle_of_their_bins_and_others_hold_until_the_next():
    for y, start in (([1, 3, 2], 0.5), ([1, 2, 3], 1.0)):
        held = figure(Mark(kind="step", x=[1, 2, 3], y=y), x=Axis(label="x", low=0, high=4), y=Axis(label="y", low=0))
        root = parsed(svg(held, width=440))
        first = float(re.search(r"M([\d.]+)", next(root.iter(f"{SVG}path")).get("d")).group(1))
        ticks = {t.text: float(t.get("x")) for t in root.iter(f"{SVG}text") if t.get("text-anchor") == "middle"}
        pixels = (ticks["4"] - ticks["0"]) / 4
        assert first == pytest.approx(ticks["0"] + start * pixels, abs=1)


def test_pictures_of_few_pixels_are_shown_as_squares(figures):
    gallery = next(f for f in figures if f.name == "letters")
    assert svg(gallery).count('mu-coarse"') == 9


@pytest.mark.parametrize(("width", "at_their_ends"), [(252, 0), (368, 0), (340, 0), (820, 2)])
def test_the_name_of_a_line_is_never_cut_and_stands_in_a_legend_where_its_end_has_no_room(width, at_their_ends):
    names = ["'<=50K' (5,926 rows)", "'>50K' (1,875 rows)"]
    marks = [Mark(kind="line", name=name, x=[0, 1], y=[0.2 + i, 0.4 + i]) for i, name in enumerate(names)]
    figure = Figure(name="f", title="t", says="s", x=Axis(label="x"), y=Axis(label="y"), marks=marks)
    assert len(laid_out(figure, width).across.ends) == at_their_ends
    drawn = html.unescape(svg(figure, width=width))
    assert "…" not in drawn
    assert all(name in drawn for name in names)
