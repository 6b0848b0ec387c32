"""One function a kind of mark: numbers and scales in, strokes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

from mulle.core.figure import Cell, Mark
from mulle.report import thin
from mulle.report.frame import SIZE, Frame, bar_label
from mulle.report.ink import Point, element, line, path, px, tip, word
from mulle.report.scales import bar_width, plain
from mulle.report.series import Series
from mulle.report.words import cell, clean, width

_MOST_TIPS = 300
"""Beyond that many marks, tips only make the file large; the table has the numbers."""


def drawn(held: Series, frame: Frame) -> str:
    """Return one series as strokes.

    Parameters
    ----------
    held
        The mark and its colour.
    frame
        Where things go.

    Returns
    -------
    str
        A group, or nothing when no point of it can be placed.
    """
    body = DRAW[held.mark.kind](held, frame)
    return element("g", body, css=f"mu-{held.colour}") if body else ""


def _points(held: Series, frame: Frame) -> list[Point | None]:
    """Return where the points lie; None where one has no place, so that a line breaks there."""
    pairs = zip(held.mark.x, held.mark.y, strict=False)
    places = ((frame.x.at(x), frame.y.at(y)) for x, y in pairs)
    return [None if x is None or y is None else (x, y) for x, y in places]


def _runs(points: list[Point | None]) -> Iterator[list[Point]]:
    run: list[Point] = []
    for point in (*points, None):
        if point is not None:
            run.append(point)
        elif run:
            yield run
            run = []


def _line(held: Series, frame: Frame) -> str:
    return "".join(_stroke(thin.curve(run), held) for run in _runs(_points(held, frame)))


def _step(held: Series, frame: Frame) -> str:
    runs = list(_runs(_points(held, frame)))
    if len(runs) == 1 and _is_histogram(runs[0]):
        return _stroke(_skyline(runs[0], frame.base), held)
    return "".join(_stroke(thin.curve(_stairs(run)), held) for run in runs)


def _is_histogram(run: list[Point]) -> bool:
    """Whether steps are the outline of a histogram: evenly apart, and going both up and down."""
    gaps = [b[0] - a[0] for a, b in pairwise(run)]
    rises = {b[1] > a[1] for a, b in pairwise(run) if a[1] != b[1]}
    return len(rises) > 1 and min(gaps) >= 2 and max(gaps) - min(gaps) < 0.01 * max(gaps)  # noqa: PLR2004


def _skyline(run: list[Point], base: float) -> list[Point]:
    """Return steps around the middles of bins, down to the base at both ends."""
    half = (run[1][0] - run[0][0]) / 2
    tops = [place for x, y in run for place in ((x - half, y), (x + half, y))]
    return [(tops[0][0], base), *tops, (tops[-1][0], base)]


def _stairs(run: list[Point]) -> list[Point]:
    found = run[:1]
    for (_, y), (x2, y2) in pairwise(run):
        found += [(x2, y), (x2, y2)]
    return found


def _stroke(points: list[Point], held: Series) -> str:
    if len(points) == 1:
        return element("circle", cx=points[0][0], cy=points[0][1], r=3.5, css="mu-dot")
    css = "mu-thread mu-thin" if held.mark.role in {"reference", "muted"} else "mu-thread"
    return element("path", d=path(points), css=css, stroke_dasharray=held.dash)


def _dots(held: Series, frame: Frame) -> str:
    placed = [(i, p) for i, p in enumerate(_points(held, frame)) if p is not None]
    kept = thin.cloud([p for _, p in placed])
    many = len(kept) > 120  # noqa: PLR2004
    css = "mu-dot mu-many" if many else "mu-dot"
    tips = len(kept) <= _MOST_TIPS
    return "".join(_dot(*placed[k], held.mark, frame, css=css, small=many, tips=tips) for k in kept)


def _dot(at: int, place: Point, mark: Mark, frame: Frame, *, css: str, small: bool, tips: bool) -> str:
    told = tip(_says(mark, at, frame)) if tips else ""
    return element("circle", told, cx=place[0], cy=place[1], r=2.4 if small else 4, css=css)


def _says(mark: Mark, at: int, frame: Frame) -> str:
    """Return the words of one point: its own, or its place in numbers."""
    if at < len(mark.text):
        return mark.text[at]
    figure = frame.body.figure
    x = cell(mark.x[at], percent=figure.x.percent)
    y = cell(mark.y[at], percent=figure.y.percent)
    pair = f"{y}: {x}" if frame.body.lying else f"{x}: {y}"
    return f"{mark.name}, {pair}" if mark.name else pair


def _bars(held: Series, frame: Frame) -> str:
    places = _points(held, frame)
    shown = [(i, p) for i, p in enumerate(places) if p is not None]
    if held.slot and overlays(held, frame):
        return _outline([p for _, p in shown], held, frame)
    tips = len(shown) <= _MOST_TIPS
    return "".join(_bar(i, p, held, frame, tips=tips) for i, p in shown) + _whiskers_on_bars(held, frame)


def _bar(at: int, place: Point, held: Series, frame: Frame, *, tips: bool) -> str:
    thick, shift = _thickness(held, frame)
    value = place[0] if frame.body.lying else place[1]
    start, long = min(frame.base, value), max(abs(value - frame.base), 0.0)
    told = tip(_says(held.mark, at, frame)) if tips else ""
    css = "mu-bar mu-over" if overlays(held, frame) else "mu-bar"
    if frame.body.lying:
        side = place[1] + shift - thick / 2
        return element("rect", told, x=start, y=side, width=long, height=thick, css=css)
    side = place[0] + shift - thick / 2
    return element("rect", told, x=side, y=start, width=thick, height=long, css=css)


def _outline(places: list[Point], held: Series, frame: Frame) -> str:
    """Draw a histogram over another as its outline, so that both can be read."""
    half, base, d = _thickness(held, frame)[0] / 2 + 0.5, frame.base, ""
    before: float | None = None
    for x, y in sorted(places):
        touches = before is not None and abs(before - (x - half)) < 1.5  # noqa: PLR2004
        if not touches:
            d += (f"L{px(before)} {px(base)}" if before is not None else "") + f"M{px(x - half)} {px(base)}"
        d += f"L{px(x - half)} {px(y)}L{px(x + half)} {px(y)}"
        before = x + half
    if before is None:
        return ""
    return element("path", d=f"{d}L{px(before)} {px(base)}", css="mu-outline")


def bar_words(frame: Frame) -> str:
    """Return the numbers at the ends of bars; drawn last, so that nothing runs through them."""
    if not frame.body.values:
        return ""
    held = next(s for s in frame.body.series if s.mark.kind == "bars")
    places = [(i, p) for i, p in enumerate(_points(held, frame)) if p is not None]
    told = [(bar_label(frame.body, held.mark.x[i]), p) for i, p in places]
    return "".join(word(text, (max(x, frame.base) + 6, y + 4), "mu-value") for text, (x, y) in told)


def overlays(held: Series, frame: Frame) -> bool:
    """Whether this is one of several histograms on the same numbers."""
    across = frame.y if frame.body.lying else frame.x
    return held.slots > 1 and across.kind != "category"


def _thickness(held: Series, frame: Frame) -> tuple[float, float]:
    """Return how thick a bar is and how far it stands off its category's middle, both in pixels."""
    across = frame.y if frame.body.lying else frame.x
    if across.kind == "category":
        whole = min(across.band * 0.68, 64.0 if not frame.body.lying else 60.0)
        one = whole / held.slots
        return one * (0.92 if held.slots > 1 else 1), (held.slot + 0.5) * one - whole / 2
    one = bar_width(held.mark, "y" if frame.body.lying else "x", frame.body.figure)
    pixels = one / (across.high - across.low) * abs(across.end - across.start)
    return max(pixels - (1 if pixels > 4 else 0), 0.8), 0.0  # noqa: PLR2004


def _whiskers_on_bars(held: Series, frame: Frame) -> str:
    return _whiskers(held, frame, css="mu-whisker mu-onbar") if held.mark.low and held.mark.high else ""


def _area(held: Series, frame: Frame) -> str:
    mark = held.mark
    low = mark.low or tuple(0.0 if frame.y.kind != "log" else None for _ in mark.x)
    tops = _edge(mark.x, mark.high or mark.y, frame)
    floors = _edge(mark.x, low, frame, otherwise=frame.bottom)
    body = ""
    pairs: list[Point | None] = [
        None if t is None or f is None else (i, 0.0) for i, (t, f) in enumerate(zip(tops, floors, strict=False))
    ]
    for run in _runs(pairs):
        at = [int(i) for i, _ in run]
        over = thin.curve([p for i in at if (p := tops[i]) is not None])
        under = thin.curve([p for i in at if (p := floors[i]) is not None])
        body += element("path", d=path([*over, *reversed(under)]) + "Z", css="mu-area")
    return body


def _edge(xs: object, ys: object, frame: Frame, otherwise: float | None = None) -> list[Point | None]:
    found: list[Point | None] = []
    for x, y in zip(_cells(xs), _cells(ys), strict=False):
        across, down = frame.x.at(x), frame.y.at(y)
        down = otherwise if down is None and frame.y.kind == "log" else down
        found.append(None if across is None or down is None else (across, down))
    return found


def _cells(held: object) -> list[Cell]:
    return list(held) if isinstance(held, tuple | list) else []


def _intervals(held: Series, frame: Frame) -> str:
    dots = ""
    for at, place in enumerate(_points(held, frame)):
        if place is None:
            continue
        x, y = _shifted(place, held, frame)
        dots += element("circle", tip(_interval_says(held.mark, at, frame)), cx=x, cy=y, r=4.5, css="mu-dot")
    return _whiskers(held, frame, css="mu-whisker") + dots


def _interval_says(mark: Mark, at: int, frame: Frame) -> str:
    percent = frame.body.figure.x.percent if frame.body.lying else frame.body.figure.y.percent
    said = _says(mark, at, frame)
    if at >= len(mark.low) or at >= len(mark.high) or mark.low[at] is None:
        return said
    return f"{said} ({cell(mark.low[at], percent=percent)} to {cell(mark.high[at], percent=percent)})"


def _shifted(place: Point, held: Series, frame: Frame) -> Point:
    """Stand series of one category side by side."""
    across = frame.y if frame.body.lying else frame.x
    if across.kind != "category" or held.slots == 1:
        return place
    off = ((held.slot + 0.5) / held.slots - 0.5) * min(across.band * 0.68, 60)
    return (place[0], place[1] + off) if frame.body.lying else (place[0] + off, place[1])


def _whiskers(held: Series, frame: Frame, *, css: str) -> str:
    mark, body = held.mark, ""
    positions = mark.y if frame.body.lying else mark.x
    for where, low, high in zip(positions, mark.low, mark.high, strict=False):
        ends = (frame.x.at(low), frame.x.at(high)) if frame.body.lying else (frame.y.at(low), frame.y.at(high))
        middle = frame.y.at(where) if frame.body.lying else frame.x.at(where)
        if middle is None or ends[0] is None or ends[1] is None:
            continue
        body += _whisker(middle, (ends[0], ends[1]), held, frame=frame, css=css)
    return body


def _whisker(middle: float, ends: Point, held: Series, *, frame: Frame, css: str) -> str:
    if frame.body.lying:
        y = _shifted((0, middle), held, frame)[1]
        return line((ends[0], y), (ends[1], y), css)
    x = _shifted((middle, 0), held, frame)[0]
    return line((x, ends[0]), (x, ends[1]), css)


def _squares(held: Series, frame: Frame) -> str:
    """Return a heat map: the more, the stronger the colour, and the number itself where it fits."""
    mark = held.mark
    values = [plain(v, "linear") for v in mark.value]
    strengths = _strengths(values)
    body = ""
    for at, place in enumerate(_points(held, frame)):
        value = values[at] if at < len(values) else None
        if place is not None:
            strong = strengths[at] if at < len(strengths) else None
            body += _square(at, place, value, strong=strong, mark=mark, frame=frame)
    return body


def _strengths(values: list[float | None]) -> list[float | None]:
    """Return how strong each colour is, 0 to 1: from zero, or from the least when all lie close together."""
    known = [v for v in values if v is not None]
    top, least = max(map(abs, known), default=0.0), min(known, default=0.0)
    floor = least - 0.15 * (top - least) if 0.5 * top < least < top else 0.0
    return [None if v is None else (abs(v) - floor) / ((top - floor) or 1.0) for v in values]


def _square(at: int, place: Point, value: float | None, *, strong: float | None, mark: Mark, frame: Frame) -> str:
    wide, tall = frame.x.band, frame.y.band
    told = clean(mark.text[at]) if at < len(mark.text) else cell(value)
    where = f"{cell(mark.y[at])}, {cell(mark.x[at])}: {told}"
    css = "mu-none" if value is None else "mu-cell2" if value < 0 else "mu-cell"
    box = element(
        "rect",
        tip(where),
        x=place[0] - wide / 2 + 1,
        y=place[1] - tall / 2 + 1,
        width=max(wide - 2, 1),
        height=max(tall - 2, 1),
        rx=2,
        css=css,
        fill_opacity=None if strong is None else f"{0.1 + 0.6 * strong:.2f}",
    )
    shown = next((t for t in _shorter(told, value) if width(t, SIZE) <= wide - 4), "")
    return box + word(shown, (place[0], place[1] + 4), "mu-incell", "middle")


def _shorter(told: str, value: float | None) -> Iterator[str]:
    """Yield what a cell says, then the same with fewer digits.

    Yields
    ------
    str
        Each not longer than the one before.
    """
    yield told
    if value is not None and told == cell(value):
        yield from (cell(round(value, places)) for places in (2, 1))


def _rule(held: Series, frame: Frame) -> str:
    mark = held.mark
    if mark.x:
        at = frame.x.at(mark.x[0])
        return "" if at is None else line((at, frame.top), (at, frame.bottom), "mu-rule", held.dash)
    at = frame.y.at(mark.y[0]) if mark.y else None
    return "" if at is None else line((frame.left, at), (frame.right, at), "mu-rule", held.dash)


def _nothing(_: Series, __: Frame) -> str:
    """Draw no pictures here: the gallery does."""
    return ""


DRAW: Mapping[str, Callable[[Series, Frame], str]] = {
    "line": _line,
    "step": _step,
    "points": _dots,
    "bars": _bars,
    "area": _area,
    "intervals": _intervals,
    "cells": _squares,
    "rule": _rule,
    "images": _nothing,
}
