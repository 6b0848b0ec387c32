"""Moments: dates, with or without a time of day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.figure import Figure, Table
from mulle.core.jsonable import Json, from_json, to_json
from mulle.core.schema import Feature, Wire
from mulle.export.graph import Graph
from mulle.kinds.base import Facts, Guess, Kind, Reading, Values, View, kind
from mulle.kinds.numeric import Scaled, middles, sample
from mulle.kinds.picture import histogram, presence, table
from mulle.kinds.reading import joined, read_distinct, reading, text_of
from mulle.runtime.encode import FORMATS, MISSING, Unreadable, micros

Floats = NDArray[np.float64]
PARTS = ("days", "year", "month", "day", "weekday", "hour")
"""Days since 1970 with their fraction, calendar parts, weekday (0 is Monday), hour with its fraction. All in UTC."""
_LAPS = {"month": (1.0, 12.0), "day": (1.0, 31.0), "weekday": (0.0, 7.0), "hour": (0.0, 24.0)}
_DAY_S = 86_400.0
_MOSTLY = 0.95
_NAMES = ("date", "time", "_at", "day", "when", "timestamp", "created", "updated", "born", "birth", "일시", "날짜")


def _one_row(values: Sequence[float]) -> Floats:
    return np.asarray(values, np.float64)[None, :]


def emit_parts(g: Graph, source: str) -> dict[str, str]:
    """Append the calendar arithmetic from seconds since 1970 (double ``[rows, columns]``) to each of `PARTS`.

    Only floors, products and sums in double: whole days are exact over ten thousand years. NaN stays NaN.

    Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2014, `civil_from_days`.

    Examples
    --------
    >>> g = Graph()
    >>> sorted(emit_parts(g, g.input("x", "double", [None, 1])))
    ['day', 'days', 'hour', 'month', 'weekday', 'year']
    """

    def number(value: float) -> str:
        return g.const(np.float64(value))

    def floor_div(value: str, by: float) -> str:
        return g.node("Floor", g.node("Div", value, number(by)))

    def less(value: str, other: str, times: float) -> str:
        return g.node("Sub", value, g.node("Mul", other, number(times)))

    days = g.node("Div", source, number(_DAY_S))
    whole = g.node("Floor", days)
    hour = g.node("Div", less(source, whole, _DAY_S), number(3600.0))
    shifted = g.node("Add", whole, number(719_468.0))  # days since 0000-03-01
    era = floor_div(shifted, 146_097.0)
    in_era = less(shifted, era, 146_097.0)
    leaps = g.node("Sub", floor_div(in_era, 36_524.0), floor_div(in_era, 146_096.0))
    leaps = g.node("Sub", leaps, floor_div(in_era, 1_460.0))
    year_of_era = floor_div(g.node("Add", in_era, leaps), 365.0)
    fours, hundreds = floor_div(year_of_era, 4.0), floor_div(year_of_era, 100.0)
    before = g.node("Sub", g.node("Add", g.node("Mul", year_of_era, number(365.0)), fours), hundreds)
    in_year = g.node("Sub", in_era, before)  # from 1 March
    from_march = floor_div(g.node("Add", g.node("Mul", in_year, number(5.0)), number(2.0)), 153.0)
    passed = floor_div(g.node("Add", g.node("Mul", from_march, number(153.0)), number(2.0)), 5.0)
    day = g.node("Add", g.node("Sub", in_year, passed), number(1.0))
    late = g.cast(g.node("GreaterOrEqual", from_march, number(10.0)), "double")  # January and February
    month = less(g.node("Add", from_march, number(3.0)), late, 12.0)
    year = g.node("Add", g.node("Add", year_of_era, g.node("Mul", era, number(400.0))), late)
    from_thursday = g.node("Add", whole, number(3.0))
    weekday = less(from_thursday, floor_div(from_thursday, 7.0), 7.0)
    return {"days": days, "year": year, "month": month, "day": day, "weekday": weekday, "hour": hour}


class _Moments(View):
    """A fitted view whose dataclass fields are its JSON."""

    def to_json(self) -> dict[str, Json]:
        """Return the fitted parameters as plain JSON."""
        held: dict[str, Json] = to_json(self)
        return held

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_json` gave."""
        return from_json(cls, data)


def _varying(seconds: Floats) -> tuple[str, ...]:
    """Return the parts that differ between rows."""
    there = seconds[~np.isnan(seconds)]
    if len(there) == 0:
        return ("days",)
    stamps = np.floor(there).astype("datetime64[s]")
    months = stamps.astype("datetime64[M]").astype(np.int64)
    days = stamps.astype("datetime64[D]")
    held = {
        "year": months // 12,
        "month": months % 12,
        "day": (days - days.astype("datetime64[M]")).astype(np.int64),
        "weekday": (days.astype(np.int64) + 3) % 7,
        "hour": np.mod(there, _DAY_S),
    }
    return ("days", *(p for p, v in held.items() if np.any(v != v[0])))


@dataclass(frozen=True, kw_only=True)
class Parts(_Moments):
    """Days since the middle of the training rows and the calendar parts that vary; NaN where missing.

    Examples
    --------
    >>> sold = Feature(name="sold", kind="datetime", columns=["sold"])
    >>> values = np.array([[0.0], [86_400.0 * 40], [np.nan]])
    >>> [n for n, *_ in Parts.fit([sold], values, target=None, rng=np.random.default_rng(0)).names()]
    ['sold: days', 'sold: month', 'sold: day', 'sold: weekday']
    """

    name: ClassVar[str] = "parts"
    features: tuple[str, ...]
    parts: tuple[tuple[str, ...], ...]
    origin: tuple[float, ...]
    """In days since 1970, subtracted so that float32 keeps the hour."""

    @classmethod
    def fit(
        cls, features: Sequence[Feature], values: Values, *, target: Floats | None, rng: np.random.Generator
    ) -> Self:
        """Find which parts vary."""
        del target
        few = sample(values, rng)
        origin = np.floor(middles(few) / _DAY_S)
        return cls(
            features=tuple(f.name for f in features),
            parts=tuple(_varying(few[:, j]) for j in range(few.shape[1])),
            origin=tuple(origin.tolist()),
        )

    def names(self) -> Sequence[tuple[str, str, int]]:
        """Return the columns part by part."""
        return [(f"{self.features[j]}: {p}", self.features[j], 0) for p in PARTS for j in self._with(p)]

    def _with(self, part: str) -> list[int]:
        return [j for j, held in enumerate(self.parts) if part in held]

    def emit(self, g: Graph, source: str) -> str:
        """Append the calendar arithmetic for all columns at once."""
        held = emit_parts(g, source)
        held["days"] = g.node("Sub", held["days"], g.const(_one_row(self.origin)))
        out = []
        for part in PARTS:
            at = self._with(part)
            if at:
                value = held[part] if len(at) == len(self.features) else g.columns(held[part], at)
                out.append(g.cast(value, "float"))
        return g.concat(out)


@dataclass(frozen=True, kw_only=True)
class Cycle(_Moments):
    """Scaled days, and sine and cosine of the parts that go round; missing is the middle, and marked.

    Examples
    --------
    >>> sold = Feature(name="sold", kind="datetime", columns=["sold"])
    >>> values = np.array([[0.0], [86_400.0 * 40]])
    >>> [n for n, *_ in Cycle.fit([sold], values, target=None, rng=np.random.default_rng(0)).names()][:3]
    ['sold', 'sold: month, sine', 'sold: month, cosine']
    """

    name: ClassVar[str] = "cycle"
    features: tuple[str, ...]
    parts: tuple[tuple[str, ...], ...]
    days: Scaled

    @classmethod
    def fit(
        cls, features: Sequence[Feature], values: Values, *, target: Floats | None, rng: np.random.Generator
    ) -> Self:
        """Scale the days and find which parts vary."""
        del target
        few = sample(values, rng)
        parts = tuple(tuple(p for p in _varying(few[:, j]) if p in _LAPS) for j in range(few.shape[1]))
        days = Scaled.of([(f.name, f.name) for f in features], values, rng)
        return cls(features=tuple(f.name for f in features), parts=parts, days=days)

    def names(self) -> Sequence[tuple[str, str, int]]:
        """Return the days, then sine and cosine part by part."""
        out = list(self.days.names())
        for part in _LAPS:
            for wave in ("sine", "cosine"):
                at = [j for j, held in enumerate(self.parts) if part in held]
                out += [(f"{self.features[j]}: {part}, {wave}", self.features[j], 0) for j in at]
        return out

    def emit(self, g: Graph, source: str) -> str:
        """Append days, sines and cosines."""
        out = [self.days.emit(g, source)]
        held = emit_parts(g, source)
        for part, (first, lap) in _LAPS.items():
            at = [j for j, parts in enumerate(self.parts) if part in parts]
            if at:
                out += _waves(g, g.columns(held[part], at), first, lap)
        return g.concat(out)


def _waves(g: Graph, value: str, first: float, lap: float) -> list[str]:
    """Append sine and cosine; 0 where missing, which no moment has in both."""
    nought = g.const(np.float64(0.0))
    missing = g.node("IsNaN", value)
    angle = g.node("Sub", value, g.const(np.float64(first)))
    angle = g.node("Mul", angle, g.const(np.float64(2 * np.pi / lap)))
    ahead = g.node("Add", angle, g.const(np.float64(np.pi / 2)))  # its sine is the cosine, which old runtimes lack
    waves = [g.node("Where", missing, nought, g.node("Sin", turn)) for turn in (angle, ahead)]
    return [g.cast(wave, "float") for wave in waves]


@kind
class Datetime(Kind):
    """A moment in UTC, to the microsecond. Without a zone it is taken as UTC.

    Examples
    --------
    >>> from mulle.kinds import kinds
    >>> kinds.get("datetime").read([pl.Series(["2024-01-05", "5 Jan 2024", "soon"])], {}).faults
    (2,)
    """

    name: ClassVar[str] = "datetime"
    wire: ClassVar[Wire] = "number"
    dtype: ClassVar[pl.DataType | type[pl.DataType]] = pl.Datetime("us")
    views: ClassVar[Mapping[str, type[View]]] = {"parts": Parts, "cycle": Cycle}

    def recognise(self, facts: Facts) -> Guess | None:
        """Claim moments, texts of which 95 % read as such, and whole numbers that look like it under a fitting name."""
        if facts.dtype in {pl.Date, pl.Datetime} or isinstance(facts.dtype, pl.Datetime):
            return Guess(sure=1.0, why="moments")
        if facts.dtype.is_integer():
            return _from_numbers(facts)
        if facts.dtype != pl.String or len(facts.values) == 0:
            return None
        return _from_texts(facts)

    def read(self, columns: Sequence[pl.Series], options: Mapping[str, Any]) -> Reading:
        """Read to Datetime in microseconds, without a zone."""
        return joined([_read(text_of(c), options) for c in columns])

    def to_wire(self, values: Sequence[pl.Series], options: Mapping[str, Any]) -> Values:
        """Return seconds since 1970 as float64 ``[rows, 1]``."""
        del options
        held = [v.dt.epoch("us").cast(pl.Float64).alias(str(i)) for i, v in enumerate(values)]
        seconds: Values = pl.DataFrame(held).to_numpy() / 1e6
        return seconds

    def summarise(self, values: Sequence[pl.Series]) -> Table:
        """Return the first, the middle and the last moment."""
        column = values[0]
        rows = presence(column)
        there = column.drop_nulls()
        if len(there):
            ordered = there.sort()
            moments = (("first", ordered[0]), ("middle", ordered[len(ordered) // 2]), ("last", ordered[-1]))
            rows += [(word, str(m)) for word, m in moments]
            rows += [("different moments", int(ordered.rle_id()[-1]) + 1)]
        return table(column.name, rows)

    def draw(self, name: str, values: Sequence[pl.Series], target: pl.Series | None) -> Figure:
        """Return a histogram over time."""
        return histogram(name, values[0].dt.epoch("s"), target, scale="time")


_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d"
_ISO = (
    (r"^(?:[1-9]\d{3}|0\d{2}[1-9]|0\d[1-9]\d|0[1-9]\d\d)-\d\d-\d\d$", "%Y-%m-%d"),
    (rf"^[1-9]\d{{3}}-\d\d-\d\d {_CLOCK}$", "%Y-%m-%d %H:%M:%S"),
    (rf"^[1-9]\d{{3}}-\d\d-\d\dT{_CLOCK}$", "%Y-%m-%dT%H:%M:%S"),
    (rf"^[1-9]\d{{3}}-\d\d-\d\d {_CLOCK}\.\d{{1,6}}$", "%Y-%m-%d %H:%M:%S%.f"),
    (rf"^[1-9]\d{{3}}-\d\d-\d\dT{_CLOCK}\.\d{{1,6}}$", "%Y-%m-%dT%H:%M:%S%.f"),
)


def _read(column: pl.Series, options: Mapping[str, Any]) -> Reading:
    stored = pl.Datetime("us")
    if isinstance(column.dtype, pl.Datetime):
        utc = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if column.dtype.time_zone else column
        return reading(column, utc.cast(stored), None)
    if column.dtype == pl.Date:
        return reading(column, column.cast(stored), None)
    if column.dtype != pl.String:
        return _slow(column, options)
    values = pl.Series(column.name, [None], dtype=stored).new_from_index(0, len(column))
    for pattern, form in _ISO:
        plain = column.str.contains(pattern).fill_null(value=False)
        if plain.any():
            at = plain.arg_true()
            parsed = column.gather(at).str.to_datetime(form, time_unit="us", strict=False)
            values = values.scatter(at, parsed)
    at = (column.is_not_null() & values.is_null()).arg_true()
    if len(at) == 0:
        return reading(column, values, None)
    rest = _slow(column.gather(at), options)
    faults = at.gather(list(rest.faults)) if rest.faults else None
    return reading(column, values.scatter(at, rest.values[0]), faults)


def _slow(column: pl.Series, options: Mapping[str, Any]) -> Reading:
    def keep(seconds: float) -> int | None:
        return None if seconds != seconds else round(seconds * 1e6)  # noqa: PLR0124  # NaN

    held = read_distinct(column, "datetime", options, pl.Int64, keep=keep)
    return Reading(
        values=tuple(v.cast(pl.Datetime("us")) for v in held.values), faults=held.faults, samples=held.samples
    )


def _from_numbers(facts: Facts) -> Guess | None:
    low, high = facts.values.min(), facts.values.max()
    named = any(word in facts.name.lower() for word in _NAMES)
    if not named or not isinstance(low, int) or not isinstance(high, int):
        return None
    if low >= 19_000_101 and high <= 21_001_231:  # noqa: PLR2004
        return _reads(facts, {"formats": ["%Y%m%d"]}, "whole numbers that are dates, as in 20240131")
    for unit, factor in (("s", 1), ("ms", 1_000), ("us", 1_000_000), ("ns", 1_000_000_000)):
        if 3e8 * factor <= low and high <= 4.2e9 * factor:  # 1979 to 2103
            return Guess(
                sure=0.9, why=f"a moment's name, and numbers that are {unit} since 1970", options={"epoch": unit}
            )
    return None


def _reads(facts: Facts, options: dict[str, Any], why: str) -> Guess | None:
    """Claim when nearly all values read with these options."""
    n, read, words = 0, 0, set[str]()
    for value in facts.values.head(2000).unique(maintain_order=True).to_list():
        if isinstance(value, str) and value.strip().lower() in MISSING:
            words.add(value.strip())
            continue
        n += 1
        try:
            read += micros(value, options.get("formats", ())) is not None
        except Unreadable:
            continue
    gone = f"; {', '.join(repr(w) for w in sorted(words) if w)} taken as missing" if words - {""} else ""
    return Guess(sure=0.95 * read / n, why=why + gone, options=options) if n and read >= _MOSTLY * n else None


def _from_texts(facts: Facts) -> Guess | None:
    values = [v.strip() for v in facts.values.head(2000).to_list()]
    if not any(c.isdigit() for v in values[:50] for c in v) or all(v.isdigit() and len(v) != 8 for v in values):  # noqa: PLR2004
        return None
    formats, why = _slashed(values)
    guess = _reads(facts, {"formats": formats} if formats else {}, "dates" + why)
    if guess is not None and all(v.isdigit() for v in values) and not any(w in facts.name.lower() for w in _NAMES):
        return None  # eight digits alone may be anything
    return guess


def _slashed(values: Sequence[str]) -> tuple[list[str], str]:
    """Settle what stands first in 1/2/2024 and 1-2-24: the day, when a first part is above 12 or nothing tells."""
    out, why = [], ""
    days = [v.split()[0].split("T")[0] for v in values if v]
    for mark in ("/", "-", "."):
        heads = [day.split(mark) for day in days]
        parts = [h for h in heads if len(h) == 3 and all(p.isdigit() for p in h) and len(h[0]) <= 2]  # noqa: PLR2004
        if not parts:
            continue
        year = "%Y" if len(parts[0][2]) == 4 else "%y"  # noqa: PLR2004
        first, second = max(int(p[0]) for p in parts), max(int(p[1]) for p in parts)
        american = second > 12 >= first  # noqa: PLR2004
        form = mark.join(["%m", "%d", year] if american else ["%d", "%m", year])
        if form not in FORMATS:
            out.append(form)
            open_question = first <= 12 and second <= 12  # noqa: PLR2004
            told = "which nothing in the data settles" if open_question else "as the parts above 12 show"
            why += f"; {'month' if american else 'day'} first, {told}"
    return out, why
