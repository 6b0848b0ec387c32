"""Spans of time as people write them: ``5m``, ``90s``, ``30d``, ``1h30m``."""

from __future__ import annotations

import re

from mulle.core.errors import ProjectError

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
"""Seconds in each unit."""

_PIECE = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
_WHOLE = re.compile(rf"\s*(?:{_PIECE.pattern}\s*)+", re.ASCII)


def seconds(text: str, *, where: str = "") -> float:
    """Read a span of time.

    Parameters
    ----------
    text
        Numbers, each with a unit: ``ms``, ``s``, ``m``, ``h``, ``d`` or ``w``; several are added up.
    where
        The place to show when it cannot be read.

    Returns
    -------
    float
        Seconds.

    Raises
    ------
    ProjectError
        When a unit is missing or unknown, or the span is zero.

    Examples
    --------
    >>> seconds("5m"), seconds("1h30m"), seconds("30d")
    (300.0, 5400.0, 2592000.0)
    >>> seconds("soon")
    Traceback (most recent call last):
    ...
    mulle.core.errors.ProjectError: 'soon' is not a span of time
      fix:   write a number with its unit: 90s, 5m, 1h30m or 30d
    """
    fix = "write a number with its unit: 90s, 5m, 1h30m or 30d"
    if _WHOLE.fullmatch(text) is None:
        if re.fullmatch(r"\s*\d+(?:\.\d+)?\s*", text):
            fix = f"say the unit: {text.strip()}s or {text.strip()}m"
        raise ProjectError(f"'{text}' is not a span of time", where=where, fix=fix)
    total = sum(float(number) * UNITS[unit] for number, unit in _PIECE.findall(text))
    if total <= 0:
        raise ProjectError(f"'{text}' is no time at all", where=where, fix=fix)
    return total


def spoken(span_s: float) -> str:
    """Say a span of time in the fewest words.

    Parameters
    ----------
    span_s
        Seconds.

    Returns
    -------
    str
        One or two units, which `seconds` reads back.

    Examples
    --------
    >>> spoken(0.4), spoken(8.26), spoken(75), spoken(5400), spoken(180000)
    ('0.4s', '8.3s', '1m15s', '1h30m', '2d2h')
    """
    if span_s < 10:  # noqa: PLR2004  # below ten seconds a tenth matters
        return f"{span_s:.1f}".removesuffix(".0") + "s"
    left = round(span_s)
    said: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            said.append(f"{count}{unit}")
    return "".join(said[:2])
