"""Pictures and small tables of one column, shared by the kinds: numbers and words only, the report draws them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.count import count
from mulle.core.figure import Axis, Cell, Figure, Mark, Scale, Table

Floats = NDArray[np.float64]
_ROWS = 200_000
_BINS = 24
_BARS = 15
_CLASSES = 6
_FEW = 10
_FAR = 10.0
"""Times the range of the middle half that a value must lie beyond it to be left out of a picture."""
_HALF = 0.03
"""How far from a half the values below the median may be, and be called half of them."""
_LEAST_LINK = 0.01
"""The share of the variance that must be explained before a link is put into words."""


def table(name: str, rows: Sequence[tuple[str, Cell]]) -> Table:
    """Return a table of two columns, *what* and *value*.

    Examples
    --------
    >>> table("age", [("rows", 3)]).columns
    ('what', 'value')
    """
    return Table(title=name, columns=("what", "value"), rows=tuple(rows))


def presence(values: pl.Series) -> list[tuple[str, Cell]]:
    """Return the first rows of every table: rows and missing values.

    Examples
    --------
    >>> presence(pl.Series([1, None]))
    [('rows', 2), ('missing', 1), ('missing, share', 0.5)]
    """
    n, missing = len(values), values.null_count()
    return [("rows", n), ("missing", missing), ("missing, share", round(missing / n, 6) if n else None)]


def levels_table(name: str, values: pl.Series, *, rows: pl.Series | None = None, shown: int = 5) -> Table:
    """Summarise a column of words: how many levels, the most frequent ones, how many occur once.

    Where a row holds several words, ``values`` are the words and ``rows`` the column itself.

    Examples
    --------
    >>> levels_table("job", pl.Series(["a", "a", "b"])).rows[3:5]
    (('levels', 2), ('levels seen once', 1))
    """
    counts = values.drop_nulls().value_counts(sort=True, name="rows")
    once = int((counts["rows"] == 1).sum())
    top = counts.head(shown)
    told: list[tuple[str, Cell]] = [("levels", len(counts)), ("levels seen once", once)]
    pairs = zip(top[:, 0].cast(pl.String).to_list(), top["rows"].to_list(), strict=True)
    there = presence(values if rows is None else rows)
    return table(name, [*there, *told, *[(f"'{_short(w)}'", int(c)) for w, c in pairs]])


def _short(word: str, width: int = 40) -> str:
    return word if len(word) <= width else word[: width - 1] + "…"


def sampled(values: pl.Series, target: pl.Series | None) -> tuple[pl.Series, pl.Series | None]:
    """Return every n-th row, at most 200,000, without the rows whose target isn't known.

    Examples
    --------
    >>> sampled(pl.Series([1, 2]), pl.Series(["a", None]))[0].to_list()
    [1]
    """
    step = -(-len(values) // _ROWS) or 1
    values = values.gather_every(step)
    if target is None:
        return values, None
    known = (target := target.gather_every(step)).is_not_null()
    return values.filter(known), target.filter(known)


def histogram(name: str, values: pl.Series, target: pl.Series | None, *, scale: Scale = "linear") -> Figure:
    """Draw the distribution of a column of numbers, by target class or with the target's mean.

    Parameters
    ----------
    name
        Of the feature.
    values
        Numbers, null where missing.
    target
        Classes (text, booleans, or up to ten distinct numbers), numbers, or None.
    scale
        Of the horizontal axis: ``"time"`` for seconds since 1970.

    Returns
    -------
    Figure
        One to six series over up to 24 bins.

    Examples
    --------
    >>> figure = histogram("age", pl.Series([20.0, 30.0, 40.0]), None)
    >>> figure.says
    "'age' lies between 20 and 40; 33.3% of the values are below 30, 33.3% are just that."
    """
    values, target = sampled(values.cast(pl.Float64), target)
    there = values.is_not_null()
    x, y = values.filter(there).to_numpy(), None if target is None else target.filter(there)
    if len(x) == 0:
        return empty(name)
    edges = _edges(x)
    inside = (x >= edges[0]) & (x <= edges[-1])
    outside = _outside_says(int((~inside).sum()), len(x))
    says = _range_says(name, x, scale)
    x, y = x[inside], None if y is None else y.filter(pl.Series(inside))
    at = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2)
    centres = [float(v) for v in (edges[:-1] + edges[1:]) / 2]
    marks, label, extra = _binned(centres, at, len(edges) - 1, y)
    axis = Axis(label=name, scale=scale, low=float(edges[0]), high=float(edges[-1]))
    percent = label.startswith("share")
    return Figure(
        name=f"distribution of {name}",
        title=_title(name, label),
        says=says + outside + extra,
        x=axis,
        y=Axis(label=label, percent=percent, low=0 if percent else None),
        marks=marks,
    )


def _title(name: str, label: str) -> str:
    return f"The target by '{name}'" if label == "mean of the target" else f"How '{name}' is distributed"


def _edges(x: Floats) -> Floats:
    low, high = _ends(x)
    if low == high:
        low, high = float(x.min()), float(x.max())
    if low == high:
        return np.array([low - 0.5, low + 0.5])
    distinct = np.unique(x[:5000])
    if len(distinct) <= _BINS and len(distinct) > 1 and np.all(distinct == np.round(distinct)):
        return np.arange(low - 0.5, high + 1.0) if high - low < _BINS else np.linspace(low, high, _BINS + 1)
    return np.linspace(low, high, _BINS + 1)


def _ends(x: Floats) -> tuple[float, float]:
    """Return where the axis begins and ends: 0.5 % to 99.5 %, but not at values far off, such as a -999 for *missing*."""
    low, q25, q75, high = np.quantile(x, [0.005, 0.25, 0.75, 0.995])
    fence = _FAR * (q75 - q25)
    if fence > 0 and (low < q25 - fence or high > q75 + fence):
        near = x[(x >= q25 - fence) & (x <= q75 + fence)]
        low, high = max(low, float(near.min())), min(high, float(near.max()))
    return float(low), float(high)


def _outside_says(n: int, n_values: int) -> str:
    if not n:
        return ""
    verb = "value lies" if n == 1 else "values lie"
    return f" {n:,} {verb} outside of what is drawn ({n / n_values:.1%})."


def _clear(group: NDArray[np.int64], values: Floats) -> bool:
    """Return whether groups differ clearly: they explain at least 1 % of the variance, and not by chance.

    ω² takes out of η² what chance alone gives (W. Hays: *Statistics for Psychologists*, 1963).
    """
    n = np.bincount(group)
    held, k = n > 0, int((n > 0).sum())
    if k < 2 or len(values) <= k:  # noqa: PLR2004
        return False
    mean = np.bincount(group, weights=values)[held] / n[held]
    total = float(np.square(values - values.mean()).sum())
    between = float((n[held] * np.square(mean - values.mean())).sum())
    within = (total - between) / (len(values) - k)
    if within <= 0:
        return total > 0
    ratio = between / (k - 1) / within
    omega = (between - (k - 1) * within) / (total + within)
    return omega >= _LEAST_LINK and ratio > 1 + 4 * float(np.sqrt(2 / (k - 1)))


def _range_says(name: str, x: Floats, scale: Scale) -> str:
    low, middle, high = float(x.min()), float(np.median(x)), float(x.max())
    if scale == "time":
        days = [str(np.datetime64(int(v), "s").astype("datetime64[D]")) for v in (low, middle, high)]
        return f"'{name}' runs from {days[0]} to {days[2]}; half of the values are before {days[1]}."
    if low == high:
        return f"'{name}' is {low:,.6g} wherever it is known."
    return f"'{name}' lies between {low:,.6g} and {high:,.6g}; {_middle_says(x, middle)}."


def _middle_says(x: Floats, middle: float) -> str:
    """Tell the median so that it is true where many values are equal, too."""
    below, equal = float(np.mean(x < middle)), float(np.mean(x == middle))
    if abs(below - 0.5) <= _HALF:
        return f"half of the values are below {middle:,.6g}"
    if below == 0 or below + equal == 1:
        return f"{equal:.1%} of the values are {middle:,.6g}"
    return f"{below:.1%} of the values are below {middle:,.6g}, {equal:.1%} are just that"


def _binned(
    centres: Sequence[float], at: NDArray[np.int64], n_bins: int, target: pl.Series | None
) -> tuple[list[Mark], str, str]:
    """Return the marks, the label of the vertical axis, and what else to say."""
    if target is None or len(target) == 0:
        share = np.bincount(at, minlength=n_bins) / len(at)
        return [Mark(kind="bars", x=centres, y=_numbers(share))], "share of rows", ""
    words = classes_of(target)
    if words is None:
        return _mean_by_bin(centres, at, n_bins, target.cast(pl.Float64).to_numpy())
    marks: list[Mark] = []
    means: list[tuple[float, str]] = []
    for word in _largest(words):
        mine = at[(words == word).to_numpy()]
        share = np.bincount(mine, minlength=n_bins) / max(len(mine), 1)
        marks.append(Mark(kind="step", name=word, x=centres, y=_numbers(share), role=_role(len(marks))))
        means.append((float(np.asarray(centres)[mine].mean()), word))
    high, low = max(means), min(means)
    says = f" Its values are highest where the target is '{high[1]}' and lowest where it is '{low[1]}'."
    codes = words.rank("dense").to_numpy().astype(np.int64)
    clear = high[0] > low[0] and _clear(codes, np.asarray(centres)[at])
    return marks, "share of the class's rows", says if clear else ""


def _mean_by_bin(
    centres: Sequence[float], at: NDArray[np.int64], n_bins: int, target: Floats
) -> tuple[list[Mark], str, str]:
    n = np.bincount(at, minlength=n_bins)
    total = np.bincount(at, weights=target, minlength=n_bins)
    seen = n > 0
    mean = total[seen] / n[seen]
    x = [c for c, s in zip(centres, seen, strict=True) if s]
    best = x[int(np.argmax(mean))]
    says = f" The target's mean is highest around {best:,.6g} ({mean.max():,.4g}; lowest {mean.min():,.4g})."
    line = Mark(kind="line", name="mean of the target", x=x, y=_numbers(mean))
    return [line], "mean of the target", says if _clear(at, target) else ""


def bars(name: str, values: pl.Series, target: pl.Series | None) -> Figure:
    """Draw the most frequent levels of a column of words, split by target class or with the target's mean.

    Parameters
    ----------
    name
        Of the feature.
    values
        Words, null where missing.
    target
        Classes, numbers, or None.

    Returns
    -------
    Figure
        Up to 15 levels; the rest together as *other*.

    Examples
    --------
    >>> bars("job", pl.Series(["cook", "cook", "clerk", None]), None).says
    "'cook' is the most frequent of 2 levels: 50.0% of the rows."
    """
    values, target = sampled(values.cast(pl.String), target)
    if values.null_count() == len(values):
        return empty(name)
    counts = values.drop_nulls().value_counts(sort=True, name="rows")
    top = counts[:, 0].head(_BARS).to_list()
    shown = values.fill_null("(missing)")
    shown = pl.select(pl.when(shown.is_in([*top, "(missing)"])).then(shown).otherwise(pl.lit("(other)"))).to_series()
    order = [w for w in [*top, "(other)", "(missing)"] if w in set(shown.unique().to_list())]
    marks, label, extra = _by_level(order, shown, target)
    share = counts["rows"][0] / max(len(values), 1)
    says = f"'{_short(top[0])}' is the most frequent of {count(len(counts), 'level')}: {share:.1%} of the rows."
    return Figure(
        name=f"distribution of {name}",
        title=_title(name, label),
        says=says + extra,
        x=Axis(label=label, percent=label.startswith("share"), low=0 if label.startswith("share") else None),
        y=Axis(label=name, scale="category"),
        marks=marks,
    )


def _by_level(order: Sequence[str], shown: pl.Series, target: pl.Series | None) -> tuple[list[Mark], str, str]:
    names = [_short(w) for w in order]
    place = {w: i for i, w in enumerate(order)}
    at = shown.replace_strict(list(place), list(place.values()), return_dtype=pl.Int64).to_numpy()
    n = np.bincount(at, minlength=len(order))
    if target is None or len(target) == 0:
        return [Mark(kind="bars", x=_numbers(n / max(len(at), 1)), y=names)], "share of rows", ""
    words = classes_of(target)
    if words is None:
        known = target.cast(pl.Float64).to_numpy()
        mean = np.bincount(at, weights=known, minlength=len(order)) / np.maximum(n, 1)
        says = f" The target's mean is highest for '{names[int(mean.argmax())]}' ({mean.max():,.4g})."
        shown_mark = Mark(kind="bars", name="mean of the target", x=_numbers(mean), y=names)
        return [shown_mark], "mean of the target", says if _clear(at, known) else ""
    marks: list[Mark] = []
    for word in _largest(words):
        mine = np.bincount(at[(words == word).to_numpy()], minlength=len(order)) / np.maximum(n, 1)
        marks.append(Mark(kind="bars", name=word, x=_numbers(mine), y=names, role=_role(len(marks))))
    last = marks[-1]
    top = int(np.argmax(np.asarray(last.x, float)))
    says = f" '{last.name}' is most frequent where it is '{names[top]}' ({last.x[top]:.1%})."
    clear = _clear(at, (words == last.name).cast(pl.Float64).to_numpy())
    return marks, "share of the level's rows", says if clear else ""


def classes_of(target: pl.Series) -> pl.Series | None:
    """Return a target's classes as words, or None when it is a number with more than ten values.

    Examples
    --------
    >>> classes_of(pl.Series([True, False])).to_list()
    ['true', 'false']
    """
    if target.dtype.is_float() and target.is_nan().any():
        target = target.fill_nan(None)
    if target.dtype.is_numeric() and target.n_unique() > _FEW:
        return None
    if target.dtype.is_float() and target.drop_nulls().round().equals(target.drop_nulls()):
        target = target.cast(pl.Int64)
    return target.cast(pl.String).fill_null("(unknown)")


def _largest(words: pl.Series) -> list[str]:
    counts = words.value_counts(sort=True, name="rows")
    return [str(w) for w in counts[:, 0].head(_CLASSES).to_list()]


def _role(i: int) -> Any:
    return ("muted", "main", "other", "good", "bad", "reference")[i % 6]


def _numbers(values: NDArray[Any]) -> list[float]:
    return [float(v) for v in values]


def empty(name: str) -> Figure:
    """Return the picture of a column in which nothing is there.

    Examples
    --------
    >>> empty("fax").says
    "'fax' holds no value that could be read."
    """
    return Figure(
        name=f"distribution of {name}",
        title=f"How '{name}' is distributed",
        says=f"'{name}' holds no value that could be read.",
        x=Axis(label=name),
        y=Axis(label="share of rows", percent=True),
    )
