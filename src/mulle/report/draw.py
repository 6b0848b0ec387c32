"""The drawing of a figure: numbers, axes and words in, one accessible SVG out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from mulle.core.figure import Figure
from mulle.report import palette
from mulle.report.frame import SIZE, Frame, Label, laid_out, tick_span, tilt_room
from mulle.report.gallery import gallery, is_gallery
from mulle.report.ink import Anchor, Point, cut_word, element, line, word, word_in
from mulle.report.marks import bar_words, drawn, overlays
from mulle.report.scales import Tick
from mulle.report.series import Series
from mulle.report.words import clean, cut, cut_apart, escape, in_two, width

NARROWEST = 160.0


def svg(figure: Figure, *, width: float = 640, standalone: bool = True) -> str:
    """Draw a figure.

    Parameters
    ----------
    figure
        What to show. Points without a number are left out; a figure with none says so.
    width
        Of the sheet, in pixels; the height follows. At least 160.
    standalone
        Carry the style sheet and the XML name space, so that the text is a file of its own. Without them it
        is for a page that has `style` once.

    Returns
    -------
    str
        Well-formed XML with ``role="img"``, a title and a description. The same figure gives the same text.

    Examples
    --------
    >>> from mulle.core.figure import Axis, Mark
    >>> share = Axis(label="share of rows", percent=True, low=0, high=1)
    >>> bars = Mark(kind="bars", x=[0.2, 0.05], y=["age", "job"])
    >>> figure = Figure(
    ...     name="missing",
    ...     title="Missing values",
    ...     says="Most are in 'age'.",
    ...     x=share,
    ...     y=Axis(label="", scale="category"),
    ...     marks=[bars],
    ... )
    >>> svg(figure).count("<rect")
    2
    """
    sheet = max(float(width), NARROWEST)
    body, height = gallery(figure, sheet) if is_gallery(figure) else _plot(figure, sheet)
    words = element("title", escape(figure.title)) + element("desc", escape(figure.says or figure.title))
    look = element("style", style()) if standalone else ""
    return element(
        "svg",
        words + look + body,
        xmlns="http://www.w3.org/2000/svg" if standalone else None,
        css="mu mulle" if standalone else "mu",
        viewBox=f"0 0 {sheet:.0f} {height:.0f}",
        width=f"{sheet:.0f}",
        height=f"{height:.0f}",
        role="img",
        aria_label=f"{figure.title}. {figure.says}".strip(". ") or figure.name,
    )


@cache
def style() -> str:
    """Return the style sheet of all drawings: colours for light, dark and print, and the marks' classes."""
    hues = (*palette.ROLES, *palette.EXTRA)
    roles = "".join(f".mu-{name}{{color:var(--mu-{name})}}" for name in hues)
    marks = (Path(__file__).parent / "style" / "figure.css").read_text("utf-8")
    return palette.tokens() + roles + "\n" + marks


def _plot(figure: Figure, sheet: float) -> tuple[str, float]:
    frame = laid_out(figure, sheet)
    marks = "".join(drawn(held, frame) for held in frame.body.series)
    back = _grid(frame) if marks else ""
    parts = [_labels(frame), _legend(frame), back, _clipped(marks, frame) if marks else _empty(frame)]
    parts += [
        _axis(frame) + bar_words(frame) if marks else "",
        _rule_words(frame),
        _end_words(frame),
        _more(frame),
    ]
    return "".join(parts), frame.height


def _clipped(marks: str, frame: Frame) -> str:
    """Show nothing outside the plot but half a dot. A sheet within the sheet needs no id that could clash."""
    air = 6.0
    box = (
        frame.left - air,
        frame.top - air,
        frame.width - frame.left + air,
        frame.bottom - frame.top + 2 * air,
    )
    view = " ".join(f"{v:g}" for v in (round(b, 1) for b in box))
    x, y, wide, tall = box
    return element("svg", marks, x=x, y=y, width=wide, height=tall, viewBox=view, css="mu-plot")


def _empty(frame: Frame) -> str:
    middle = (frame.left + frame.right) / 2
    box = element(
        "rect",
        x=frame.left,
        y=frame.top,
        width=frame.right - frame.left,
        height=frame.bottom - frame.top,
        css="mu-none",
    )
    return box + word("no numbers to draw", (middle, (frame.top + frame.bottom) / 2 + 4), "mu-tick", "middle")


def _grid(frame: Frame) -> str:
    """Return the faint lines behind the data, across the axis that carries the values."""
    if any(s.mark.kind == "cells" for s in frame.body.series):
        return ""
    if frame.body.lying:
        return "".join(line((t.at, frame.top), (t.at, frame.bottom), "mu-grid") for t in frame.x_ticks)
    return "".join(line((frame.left, t.at), (frame.right, t.at), "mu-grid") for t in frame.y_ticks)


def _axis(frame: Frame) -> str:
    base = ""
    if frame.body.lying:
        bars = any(s.mark.kind == "bars" for s in frame.body.series)
        base = line((frame.base, frame.top), (frame.base, frame.bottom), "mu-axis") if bars else ""
    elif frame.y.kind != "category":
        base = line((frame.left, frame.bottom), (frame.right, frame.bottom), "mu-axis")
    return base + _y_words(frame) + _x_words(frame)


def _y_words(frame: Frame) -> str:
    ticks = frame.y_ticks
    if frame.y.kind != "category":
        return "".join(word(t.label, (frame.left - 8, t.at + 4), "mu-tick", "end") for t in ticks)
    short = cut_apart([t.label for t in ticks], frame.left - 10, SIZE)
    return "".join(_name(t, s, frame) for t, s in zip(ticks, short, strict=True))


def _name(tick: Tick, short: str, frame: Frame) -> str:
    """Write a category's name: on one line, on two where that saves it from being cut, else cut."""
    room, x = frame.left - 10, frame.left - 10
    lines = in_two(tick.label, room, SIZE) if frame.y.band >= 25 and short != clean(tick.label) else None  # noqa: PLR2004
    if lines is None:
        return cut_word(tick.label, short, (x, tick.at + 4), "mu-name", anchor="end")
    first, second = lines
    return word(first, (x, tick.at - 2.5), "mu-name", "end") + word(second, (x, tick.at + 11), "mu-name", "end")


def _x_words(frame: Frame) -> str:
    y = frame.bottom + 16
    if frame.x.kind != "category":
        spans = [(t, tick_span(t, frame.width)) for t in frame.x_ticks]
        return "".join(word(t.label, ((a + b) / 2, y), "mu-tick", "middle") for t, (a, b) in spans)
    if frame.across.tilted:
        return _tilted(frame)
    return "".join(word_in(t.label, (t.at, y), frame.x.band, "mu-name", anchor="middle") for t in frame.x_ticks)


def _tilted(frame: Frame) -> str:
    """Return slanted names, as many as can stand side by side."""
    stride = max(1, -(-15 // max(int(frame.x.band), 1)))
    room = min(110.0, (tilt_room(frame.x) - 8) / 0.62)
    ticks = frame.x_ticks[::stride]
    short = cut_apart([t.label for t in ticks], room, SIZE)
    body = ""
    for tick, text in zip(ticks, short, strict=True):
        turn = f"rotate(-38 {tick.at:.1f} {frame.bottom + 12:.1f})"
        name = cut_word(tick.label, text, (tick.at + 3, frame.bottom + 14), "mu-name", anchor="end")
        body += element("g", name, transform=turn)
    return body


def _labels(frame: Frame) -> str:
    """Return the axes' titles: the vertical one over the plot, where it is easily read."""
    figure = frame.body.figure
    found = word_in(figure.y.label, (0, 12), frame.width, "mu-label") if figure.y.label else ""
    if not figure.x.label:
        return found
    y = frame.height - 5 - (19 if frame.body.hidden else 0)
    room = frame.right - frame.left
    if width(figure.x.label, SIZE) <= room:
        return found + word(figure.x.label, ((frame.left + frame.right) / 2, y), "mu-label", "middle")
    return found + word_in(figure.x.label, (frame.width / 2, y), frame.width, "mu-label", anchor="middle")


def _legend(frame: Frame) -> str:
    y = 31.0 if frame.body.figure.y.label else 13.0
    body = ""
    for row in frame.legend:
        body += "".join(_entry(held, x, y, frame) for held, x in row)
        y += 19
    return body


def _entry(held: Series, x: float, y: float, frame: Frame) -> str:
    key = element("g", _key(held, x, y - 4, over=overlays(held, frame)), css=f"mu-{held.colour}")
    return key + word_in(held.mark.name, (x + 26, y), frame.width - 40, "mu-name")


def _key(held: Series, x: float, y: float, *, over: bool) -> str:
    kind = held.mark.kind
    if kind in {"line", "step"}:
        css = "mu-thread mu-thin" if held.mark.role in {"reference", "muted"} else "mu-thread"
        return line((x, y), (x + 20, y), css, held.dash)
    if kind == "points":
        return element("circle", cx=x + 10, cy=y, r=4, css="mu-dot")
    if kind == "intervals":
        return line((x, y), (x + 20, y), "mu-whisker") + element("circle", cx=x + 10, cy=y, r=4.5, css="mu-dot")
    css = "mu-area" if kind == "area" else "mu-bar"
    if kind == "bars" and over:
        css = "mu-outline" if held.slot else "mu-bar mu-over"
    return element("rect", x=x + 4, y=y - 6, width=12, height=12, css=css)


def _rule_words(frame: Frame) -> str:
    """Return the words of rules: over the plot for upright ones, on the line for lying ones."""
    up = "".join(_coloured(label, frame.top - 5 - label.row * 16) for label in frame.rules)
    flat = [s for s in frame.body.series if s.mark.kind == "rule" and not s.mark.x and s.mark.y]
    for held in flat:
        at = frame.y.at(held.mark.y[0])
        if at is not None and frame.top - 1 <= at <= frame.bottom + 1:
            up += element("g", _flat_words(held, at, frame), css=f"mu-{held.colour}")
    return up


def _flat_words(held: Series, at: float, frame: Frame) -> str:
    """Write on a lying rule where no line runs: over it or under it, at its right end or its left."""
    text = cut(held.mark.name, frame.right - frame.left, SIZE)
    long = width(text, SIZE)
    spare = max(frame.right - frame.left - long, 0.0)
    inner: list[tuple[float, Anchor]] = [(frame.left + spare * k / 8, "start") for k in range(7, 0, -1)]
    sides: list[tuple[float, Anchor]] = [(frame.right, "end"), (frame.left + 4, "start"), *inner]
    rows = [y for y in (at - 5, at + 14) if frame.top - 4 < y - 8 and y < frame.bottom]
    places = [(x, y, anchor) for y in rows for x, anchor in sides]
    taken = _obstacles(frame)
    free = (p for p in places if not _is_crossed(p[0] - long * (p[2] == "end"), p[1], long, taken))
    x, y, anchor = next(free, places[0] if places else (frame.right, at - 5, "end"))
    return word(text, (x, y), "mu-onplot", anchor)


def _is_crossed(x: float, y: float, long: float, obstacles: Sequence[Point]) -> bool:
    """Whether the words in that place would lie on a line or a dot."""
    return any(x - 6 <= a <= x + long + 6 and y - 15 <= b <= y + 6 for a, b in obstacles)


def _obstacles(frame: Frame) -> list[Point]:
    """Return where lines and dots run, a few hundred places of each."""
    found: list[Point] = []
    for held in frame.body.series:
        mark = held.mark
        if mark.kind == "rule" and mark.x:
            across = frame.x.at(mark.x[0])
            found += [] if across is None else [(across, y) for y in range(int(frame.top), int(frame.bottom), 8)]
        if mark.kind in {"rule", "area"}:
            continue
        n = min(len(mark.x), len(mark.y))
        places = ((frame.x.at(mark.x[i]), frame.y.at(mark.y[i])) for i in range(0, n, max(1, n // 400)))
        found += [(a, b) for a, b in places if a is not None and b is not None]
    return found


def _coloured(label: Label, y: float) -> str:
    return element("g", word(label.text, (label.x, y), "mu-onplot", "middle"), css=f"mu-{label.colour}")


def _end_words(frame: Frame) -> str:
    ends = frame.across.ends
    body = ""
    for end in ends:
        name = word(end.text, (end.x, frame.top + end.y + 4), "mu-onplot")
        body += element("g", name, css=f"mu-{end.colour}")
    return body


def _more(frame: Frame) -> str:
    if not frame.body.hidden:
        return ""
    return word(f"and {frame.body.hidden:,} more in the table", (frame.left, frame.height - 5), "mu-tick")
