"""The one place that knows jinja2: templates found, everything escaped, words for moments and commands."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from mulle.core.check import Check
from mulle.core.command import parted
from mulle.report.draw import style
from mulle.report.words import cell, clean, number

_HERE = Path(__file__).parent
_CODE = re.compile(r"`([^`]+)`")
_SHARE = re.compile(r"[<>≤≥=]+ [\d.,]+ ?%")


@cache
def environment() -> jinja2.Environment:
    """Return the templates, which escape every word that they are given."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(told=told, moment=moment, span=span, num=number, cell=cell, clean=clean)
    found.filters["parted"] = parted
    found.tests["share"] = is_share
    return found


def render(template: str, **values: object) -> str:
    """Fill in one template.

    Parameters
    ----------
    template
        Its file name.
    **values
        What it shows.

    Returns
    -------
    str
        HTML.
    """
    return environment().get_template(template).render(**values)


@cache
def look(*files: str) -> str:
    """Return style sheets joined: that of the drawings, then the files named, from ``style/``."""
    return style() + "".join((_HERE / "style" / file).read_text("utf-8") for file in files)


def told(text: object) -> Markup:
    r"""Return words as HTML: escaped, with what stands between \` and \` as code.

    Returns
    -------
    Markup
        Safe HTML.

    Examples
    --------
    >>> str(told("drop `fax` <now>"))
    'drop <code>fax</code> &lt;now&gt;'
    """
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(clean(text)))))  # noqa: S704


def is_share(check: Check) -> bool:
    """Whether a check's value is a share of a whole, as its bar is a percentage.

    Returns
    -------
    bool
        True when the bar's own number, which its source in brackets is no part of, bears a per cent sign.

    Examples
    --------
    >>> from mulle.core.check import Status
    >>> is_share(Check(name="x", status=Status.NOTE, says="", value=0.129, bar="≤ 5 % (mulle default)"))
    True
    """
    return bool(_SHARE.match(check.bar.split(" (", 1)[0]))


def moment(text: str) -> str:
    """Return a moment in ISO form in words, in UTC; anything else as it is.

    Returns
    -------
    str
        A date and a time.

    Examples
    --------
    >>> moment("2026-11-22T05:24:00+00:00")
    '22 November 2026, 05:24 UTC'
    """
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    when = when.astimezone(UTC) if when.tzinfo else when
    return f"{when.day} {when:%B %Y, %H:%M}" + (" UTC" if when.tzinfo else "")


def span(seconds: float) -> str:
    """Return a span of time in words.

    Returns
    -------
    str
        Two units at most.

    Examples
    --------
    >>> span(0.4), span(134), span(7300)
    ('0.4 s', '2 min 14 s', '2 h 1 min')
    """
    if seconds < 10:  # noqa: PLR2004
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
