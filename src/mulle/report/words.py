"""Text and numbers as they are shown: cleaned, measured, cut to the room there is, and never trusted."""

from __future__ import annotations

import html
import math
import re
import unicodedata
from collections.abc import Sequence

from mulle.core.figure import Cell

# Characters that XML forbids, and the ones that turn the direction of all text after them.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff\ud800-\udfff]",
)
_SPACE = re.compile(r"\s+")
# Widths in em of the letters that differ much from the others of their sort, in a sans-serif.
_WIDTHS = (
    (frozenset("ijlI|'.,:;!`·"), 0.26),
    (frozenset('ft()[]{}/\\ -r"*'), 0.34),
    (frozenset("mwMW@%—…"), 0.9),
    (frozenset("−–"), 0.56),
    (frozenset("\u200d\ufe0f"), 0.0),
)

_ROUNDING = 1e-6
"""Room that was made for a text and reckoned back may be this much too small."""

MISSING = "–"
"""What stands for a number that is not there."""


def clean(text: object) -> str:
    r"""Return text without characters that could break a page or turn its direction.

    Parameters
    ----------
    text
        Anything; shown as ``str`` shows it.

    Returns
    -------
    str
        The same words. Line breaks and tabs stay.

    Examples
    --------
    >>> clean("a\x00b\u202ec")
    'abc'
    """
    return _FORBIDDEN.sub("", str(text))


def escape(text: object) -> str:
    """Return text that is safe between tags and in quoted attributes, on one line.

    Returns
    -------
    str
        Safe HTML and XML.

    Examples
    --------
    >>> escape('<b> "x"')
    '&lt;b&gt; &quot;x&quot;'
    """
    return html.escape(_SPACE.sub(" ", clean(text)), quote=True)


def width(text: str, size: float = 12) -> float:
    """Return about how wide a text is in a common sans-serif, a little on the safe side.

    Parameters
    ----------
    text
        What is written.
    size
        Of the letters, in pixels.

    Returns
    -------
    float
        Pixels.

    Examples
    --------
    >>> width("illicit") < width("MAXIMAL")
    True
    """
    return 1.04 * size * sum(_em(c) for c in text)


def _em(c: str) -> float:
    for letters, wide in _WIDTHS:
        if c in letters:
            return wide
    if c.isascii():
        return 0.69 if c.isupper() else 0.56
    if unicodedata.combining(c):
        return 0.0
    return 1.1 if unicodedata.east_asian_width(c) in {"W", "F"} else 0.62


def cut(text: str, room: float, size: float = 12) -> str:
    """Return the text, cut at its end with an ellipsis when it is wider than the room.

    Returns
    -------
    str
        The text itself when it fits.

    Examples
    --------
    >>> cut("a very long name of a column", 60)
    'a very l…'
    """
    text = _SPACE.sub(" ", clean(text)).strip()
    if width(text, size) <= room + _ROUNDING:
        return text
    left, used = room - width("…", size), 0.0
    for at, c in enumerate(text):
        used += width(c, size)
        if used > left:
            return _whole(text[:at]) + "…"
    return text


def _whole(text: str) -> str:
    """Drop the half of a joined sign that a cut left behind."""
    return text.rstrip().rstrip("\u200d")


def cut_apart(texts: Sequence[str], room: float, size: float = 12) -> list[str]:
    """Cut several texts so that those which differ still look different.

    Where cutting the end would make two alike, the middle goes instead.

    Returns
    -------
    list of str
        One a text.

    Examples
    --------
    >>> cut_apart(["spend_in_month_01", "spend_in_month_02"], 80)
    ['spend…th_01', 'spend…th_02']
    """
    short = [cut(text, room, size) for text in texts]
    seen: dict[str, set[str]] = {}
    for text, small in zip(texts, short, strict=True):
        seen.setdefault(small, set()).add(text)
    return [s if len(seen[s]) == 1 else _cut_middle(t, room, size) for t, s in zip(texts, short, strict=True)]


def _cut_middle(text: str, room: float, size: float) -> str:
    text = _SPACE.sub(" ", clean(text)).strip()
    keep = len(text) - 1
    while keep > 1 and width(text[: keep // 2] + "…" + text[-((keep + 1) // 2) :], size) > room:
        keep -= 1
    return _whole(text[: keep // 2]) + "…" + text[-((keep + 1) // 2) :]


def in_two(text: str, room: float, size: float = 12) -> tuple[str, str] | None:
    """Return a text on two lines that both fit, broken at a space as evenly as can be; None when it can't be.

    Returns
    -------
    tuple or None
        The two lines.

    Examples
    --------
    >>> in_two("customers of the north", 80)
    ('customers', 'of the north')
    """
    words = _SPACE.sub(" ", clean(text)).strip().split(" ")
    pairs = [(" ".join(words[:i]), " ".join(words[i:])) for i in range(1, len(words))]
    fitting = [p for p in pairs if max(width(p[0], size), width(p[1], size)) <= room]
    return min(fitting, key=lambda p: abs(width(p[0], size) - width(p[1], size)), default=None)


def number(value: float | None, *, percent: bool = False) -> str:
    """Return a number for people: three or four digits that matter, thousands apart, a real minus.

    Parameters
    ----------
    value
        Any number. None, NaN and infinity are told as such.
    percent
        Show 0.25 as 25%.

    Returns
    -------
    str
        For reading, not for parsing.

    Examples
    --------
    >>> number(48842), number(0.12345), number(-1234.5), number(0.5, percent=True), number(None)
    ('48,842', '0.123', '−1,234.5', '50%', '–')
    """
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if percent:
        return number(round(value * 100, 10)) + "%"
    text = f"{int(value):,}" if value == int(value) and abs(value) < 1e15 else _digits(value)  # noqa: PLR2004
    return text.replace("-", "−")


def _digits(value: float) -> str:
    size = abs(value)
    if size >= 1e15 or size < 1e-4:  # noqa: PLR2004
        return f"{value:.3g}".replace("e-0", "e-").replace("e+", "e")
    places = 1 if size >= 100 else 2 - math.floor(math.log10(size))  # noqa: PLR2004
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def cell(value: Cell, *, percent: bool = False) -> str:
    """Return one value of a table or one category as text.

    Returns
    -------
    str
        Text that is not escaped yet.

    Examples
    --------
    >>> cell(True), cell(None), cell(3.0), cell("job")
    ('yes', '–', '3', 'job')
    """
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value, percent=percent)
    return clean(value)
