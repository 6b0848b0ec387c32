"""Where the ticks of an axis stand and what they say: round numbers, powers of ten, round moments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from mulle.report.words import number

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
_CLOCK = (
    1,
    5,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
)
_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200)
_TINY = 1e-9


def nice_step(span: float, count: int) -> float:
    """Return a round step that cuts a span into about ``count`` parts.

    Parameters
    ----------
    span
        From lowest to highest; more than 0.
    count
        How many steps are wanted.

    Returns
    -------
    float
        1, 2, 2.5 or 5 times a power of ten.

    Examples
    --------
    >>> nice_step(97, 5)
    20.0
    """
    raw = span / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    return next((m for m in (1.0, 2.0, 2.5, 5.0) if raw <= m * power * (1 + _TINY)), 10.0) * power


def linear(low: float, high: float, count: int) -> list[float]:
    """Return round numbers within the limits.

    Returns
    -------
    list of float
        In ascending order; may be empty.

    Examples
    --------
    >>> linear(0, 1, 4)
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    step = nice_step(high - low, count)
    first, last = math.ceil(low / step - _TINY), math.floor(high / step + _TINY)
    return [round(i * step, 12) for i in range(first, last + 1)]


def log(low: float, high: float, count: int) -> list[float]:
    """Return powers of ten within the limits, with 2 and 5 between them when there are few.

    Returns
    -------
    list of float
        Values, not exponents.

    Examples
    --------
    >>> log(0.5, 200, 5)
    [1.0, 10.0, 100.0]
    >>> log(2, 30, 5)
    [2.0, 5.0, 10.0, 20.0]
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    inside = [10.0**p for p in range(first, last + 1) if low * (1 - _TINY) <= 10.0**p <= high * (1 + _TINY)]
    if len(inside) < 3:  # noqa: PLR2004
        every = (m * 10.0**p for p in range(first, last + 1) for m in (1, 2, 5))
        inside = [v for v in every if low * (1 - _TINY) <= v <= high * (1 + _TINY)]
    stride = max(1, math.ceil(len(inside) / max(count, 2)))
    return inside[::stride] or [low, high]


def labels(values: Sequence[float], *, percent: bool = False) -> list[str]:
    """Return the ticks' words, all with the same number of decimals, short for large numbers.

    Returns
    -------
    list of str
        One a value.

    Examples
    --------
    >>> labels([0.0, 0.5, 1.0]), labels([0, 50_000, 100_000]), labels([0, 0.25], percent=True)
    (['0.0', '0.5', '1.0'], ['0', '50k', '100k'], ['0%', '25%'])
    """
    scaled = [v * 100 for v in values] if percent else list(values)
    top = max((abs(v) for v in scaled), default=0.0)
    unit, sign = next(((u, s) for u, s in ((1e9, "bn"), (1e6, "M"), (1e4, "k")) if top >= u), (1.0, ""))
    unit = 1e3 if sign == "k" else unit
    scaled = [v / unit for v in scaled]
    if any(0 < abs(v) < 1e-4 for v in scaled):  # noqa: PLR2004
        return [number(v) for v in values]
    places = max((_places(v) for v in scaled), default=0)
    tail = sign + ("%" if percent else "")
    return [_zero(f"{v:,.{places}f}", v, tail, sign) for v in scaled]


def _zero(text: str, value: float, tail: str, sign: str) -> str:
    """Write a plain 0 rather than 0k, and a real minus."""
    if value == 0:
        return text.removeprefix("-").split(".")[0] + tail.removeprefix(sign) if sign else text.removeprefix("-") + tail
    return text.replace("-", "−") + tail


def _places(value: float) -> int:
    text = f"{value:.6f}".rstrip("0")
    return len(text.split(".")[1])


def log_labels(values: Sequence[float], *, percent: bool = False) -> list[str]:
    """Return the words of ticks that stand powers of ten apart.

    Returns
    -------
    list of str
        One a value.

    Examples
    --------
    >>> log_labels([0.01, 1, 1000, 100000])
    ['0.01', '1', '1,000', '100k']
    """
    return [labels([v])[0] if v >= 1e5 else number(v, percent=percent) for v in values]  # noqa: PLR2004


def moment(value: object) -> float | None:
    """Return seconds since 1970 of a moment in ISO form, or of a number of seconds or milliseconds.

    Returns
    -------
    float or None
        None for what is no moment.

    Examples
    --------
    >>> moment("1970-01-02"), moment(90), moment("soon")
    (86400.0, 90.0, None)
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        seconds = value / 1000 if abs(value) > 1e11 else float(value)  # noqa: PLR2004
        return seconds if math.isfinite(seconds) else None
    try:
        when = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def date(seconds: float) -> datetime:
    """Return the moment of that many seconds since 1970, held within the calendar."""
    low, high = -62_135_596_800.0, 253_370_764_800.0
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=min(max(seconds, low), high))


def time(low: float, high: float, count: int) -> list[float]:
    """Return round moments within the limits: full minutes, days, months, years.

    Returns
    -------
    list of float
        Seconds since 1970.

    Examples
    --------
    >>> [date(t).month for t in time(moment("2026-01-15"), moment("2026-07-01"), 6)]
    [2, 3, 4, 5, 6, 7]
    """
    raw = (high - low) / max(count, 1)
    step = next((s for s in _CLOCK if raw <= s), None)
    if step is not None:
        return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
    months = next((m for m in _MONTHS if raw <= m * 30.5 * DAY), _MONTHS[-1])
    begin, end = date(low), date(high)
    first = (begin.year * 12 + begin.month - 1) // months
    last = (end.year * 12 + end.month - 1) // months
    found = (_month(i * months) for i in range(first, last + 1))
    return [t for t in found if t is not None and low <= t <= high]


def _month(index: int) -> float | None:
    year, month = divmod(index, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC).timestamp() if 1 <= year <= 9999 else None  # noqa: PLR2004


def time_labels(values: Sequence[float]) -> list[str]:
    """Return the words of moments, as coarse as their distance allows.

    Returns
    -------
    list of str
        One a value; the year or the day only where it changes.

    Examples
    --------
    >>> time_labels([moment("2026-01-01"), moment("2026-02-01")])
    ['Jan 2026', 'Feb']
    """
    gaps = [b - a for a, b in pairwise(values)]
    form = _form(min(gaps, default=DAY))
    shown, before = [], None
    for value in values:
        when = date(value)
        fresh = when.year if form in {"%-d %b", "%b"} else when.date()
        shown.append(_stamp(when, form, new=fresh != before))
        before = fresh
    return shown


def _form(gap: float) -> str:
    if gap < MINUTE:
        return "%H:%M:%S"
    if gap < DAY:
        return "%H:%M"
    if gap < 28 * DAY:
        return "%-d %b"
    return "%b" if gap < 360 * DAY else "%Y"


def _stamp(when: datetime, form: str, *, new: bool) -> str:
    if form == "%Y":
        return str(when.year)
    month = when.strftime("%b")
    if form == "%b":
        return f"{month} {when.year}" if new else month
    if form == "%-d %b":
        return f"{when.day} {month} {when.year}" if new else f"{when.day} {month}"
    clock = when.strftime(form)
    return f"{when.day} {month}, {clock}" if new else clock
