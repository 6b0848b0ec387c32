"""Pictures side by side, with a word under each: the examples of a class, or the worst mistakes."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from mulle.core.figure import Figure, Mark
from mulle.report.ink import element, tip, word_in
from mulle.report.words import cell, width

MOST = 48
_SAFE = re.compile(r"data:image/(png|jpeg|webp|gif);base64,[A-Za-z0-9+/=]+")
_SIDE, _GAP, _WORDS = 72.0, 12.0, 17.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture, the row it belongs to, and what stands under it."""

    source: str
    row: str
    caption: str


def is_gallery(figure: Figure) -> bool:
    """Whether a figure shows pictures."""
    return any(mark.kind == "images" for mark in figure.marks)


def gallery(figure: Figure, sheet: float) -> tuple[str, float]:
    """Draw the pictures of a figure.

    Parameters
    ----------
    figure
        With *images*: data URIs in ``text``, captions in ``x``. Where the y axis has categories, pictures of
        one category stand in one row with its name.
    sheet
        Width in pixels.

    Returns
    -------
    tuple
        What goes into the drawing, and its height. A picture that is not a PNG, JPEG, WebP or GIF inside the
        figure is never loaded; an empty frame stands for it.
    """
    pictures = [p for mark in figure.marks for p in _pictures(mark, figure)][:MOST]
    rows = list(dict.fromkeys(p.row for p in pictures))
    left = min(max((width(r) for r in rows), default=0), 0.3 * sheet) + (10 if any(rows) else 0)
    y, body = 6.0, ""
    for row in rows:
        drawn, height = _row([p for p in pictures if p.row == row], left, y, sheet)
        body += word_in(row, (0, y + _SIDE / 2 + 4), left - 10, "mu-name") + drawn
        y += height
    return body, max(y, 40.0)


def _pictures(mark: Mark, figure: Figure) -> list[Picture]:
    if mark.kind != "images":
        return []
    rows = [cell(v) for v in mark.y] if figure.y.scale == "category" else []
    captions = [cell(v) for v in mark.x]
    return [Picture(source=source, row=_at(rows, i), caption=_at(captions, i)) for i, source in enumerate(mark.text)]


def _at(held: Sequence[str], at: int) -> str:
    return held[at] if at < len(held) else ""


def _row(pictures: Sequence[Picture], left: float, top: float, sheet: float) -> tuple[str, float]:
    columns = max(1, int((sheet - left + _GAP) // (_SIDE + _GAP)))
    tall = _SIDE + (_WORDS if any(p.caption for p in pictures) else 0) + _GAP
    body = ""
    for at, picture in enumerate(pictures):
        down, across = divmod(at, columns)
        body += _picture(picture, left + across * (_SIDE + _GAP), top + down * tall)
    return body, tall * -(-len(pictures) // columns)


def _is_tiny(source: str) -> bool:
    """Whether a PNG has so few pixels that they are better shown as squares than blurred."""
    if not source.startswith("data:image/png"):
        return False
    try:
        head = base64.b64decode(source.partition(",")[2][:32])
    except ValueError:
        return False
    return 0 < int.from_bytes(head[16:20], "big") < _SIDE / 2


def _picture(picture: Picture, x: float, y: float) -> str:
    frame = element("rect", x=x, y=y, width=_SIDE, height=_SIDE, css="mu-none")
    shown = ""
    if _SAFE.fullmatch(picture.source):
        shown = element(
            "image",
            tip(picture.caption),
            href=picture.source,
            x=x,
            y=y,
            width=_SIDE,
            height=_SIDE,
            preserveAspectRatio="xMidYMid meet",
            css="mu-picture mu-coarse" if _is_tiny(picture.source) else "mu-picture",
        )
    words = word_in(picture.caption, (x + _SIDE / 2, y + _SIDE + 13), _SIDE, "mu-tick", anchor="middle")
    return frame + shown + words
