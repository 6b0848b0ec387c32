"""Class labels out of a raw target column: cleaned, spellings of one class folded, unknown ones unknown."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.errors import DataError

UNKNOWN = frozenset({"", "?", "na", "n/a", "nan", "null"})
"""Folded spellings of *not known*. 'none' is not among them: it is often a class (none, mild, severe)."""

SHOWN = 5
_FOLDABLE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Cleaned labels of a target.

    Parameters
    ----------
    values
        One string a row, null where the target is not known.
    counts
        Rows of each class, the most frequent first.
    notes
        What was done to read them.
    """

    values: pl.Series
    counts: Mapping[str, int]
    notes: Sequence[str] = ()


def fold(label: str, *, letters: bool = True) -> str:
    """Return the form in which two spellings of one class are equal.

    Parameters
    ----------
    label
        A raw label.
    letters
        Whether "A" and "a" are one class. Longer labels are always compared without regard to case.

    Returns
    -------
    str
        Without outer blanks and closing full stop; ``"1.0"`` becomes ``"1"``.

    Examples
    --------
    >>> fold(" Yes ") == fold("yes"), fold("<=50K.") == fold("<=50K"), fold("1.0")
    (True, True, '1')
    >>> fold("a", letters=False) == fold("A", letters=False)
    False
    """
    text = " ".join(label.split())
    number = _number(text)
    if number is not None:
        return number
    text = text.rstrip(".") or text
    return text.casefold() if letters or len(text) >= _FOLDABLE else text


def _number(text: str) -> str | None:
    try:
        value = float(text)
    except ValueError:
        return None
    if not math.isfinite(value):
        return None
    return str(int(value)) if value.is_integer() else repr(value)


def read_labels(column: pl.Series, *, letters: bool = True, classes: Sequence[str] = ()) -> Labels:
    """Clean a raw target column.

    Parameters
    ----------
    column
        Text, numbers or booleans; null, NaN and the spellings of `UNKNOWN` are not known.
    letters
        See `fold`.
    classes
        The classes when they were settled before; other values are an error.

    Returns
    -------
    Labels
        With one spelling a class: the most frequent, or the settled one.

    Raises
    ------
    DataError
        When the column is of a type that has no classes, or a value is none of ``classes``.

    Examples
    --------
    >>> labels = read_labels(pl.Series("churned", ["yes", "Yes ", "no", "yes", None]))
    >>> labels.values.to_list()
    ['yes', 'yes', 'no', 'yes', None]
    >>> labels.notes
    ("'yes' (2 rows) and 'Yes ' (1 row) were taken as one class 'yes'",)
    """
    raw = as_text(column)
    spellings = dict(raw.drop_nulls().value_counts(sort=True).iter_rows())
    groups: dict[str, list[str]] = {}
    for text in sorted(spellings, key=lambda t: (-spellings[t], t != fold(t), t)):
        groups.setdefault(fold(text, letters=letters), []).append(text)
    unknown = [text for key in groups if key.casefold() in UNKNOWN for text in groups[key]]
    groups = {key: held for key, held in groups.items() if key.casefold() not in UNKNOWN}
    names = _settled(groups, classes, letters=letters, raw=raw) if classes else _own_names(groups)
    mapping = {text: names[key] for key, held in groups.items() for text in held}
    values = raw.replace_strict(mapping, default=None, return_dtype=pl.String) if mapping else _nulls(raw)
    counts: dict[str, int] = {}
    for text, name in mapping.items():
        counts[name] = counts.get(name, 0) + spellings[text]
    ordered = dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
    notes = (*_folded_notes(groups, names, spellings), *_unknown_notes(unknown, spellings))
    return Labels(values=values, counts=ordered, notes=notes)


def as_text(column: pl.Series) -> pl.Series:
    """Return raw labels as strings, null for null and NaN.

    Returns
    -------
    pl.Series
        Whole numbers without a decimal point.

    Raises
    ------
    DataError
        For a type that has no classes: lists, bytes, moments.
    """
    dtype = column.dtype
    if dtype.is_float():
        whole = column.drop_nulls().drop_nans()
        clean = column.fill_nan(None)
        if len(whole) and bool((whole == whole.floor()).all()) and bool(whole.is_finite().all()):
            return clean.cast(pl.Int64, strict=False).cast(pl.String)
        return clean.cast(pl.String)
    if dtype.is_nested() or dtype == pl.Binary or dtype.is_temporal():
        raise DataError(
            f"the target '{column.name}' holds {dtype}, which names no classes",
            where=f"column '{column.name}'",
            fix="choose a target of text or numbers: mulle set data.target=COLUMN",
        )
    return column.cast(pl.String)


def _nulls(raw: pl.Series) -> pl.Series:
    return pl.Series(raw.name, [None] * len(raw), dtype=pl.String)


def _own_names(groups: Mapping[str, Sequence[str]]) -> dict[str, str]:
    return {key: _number(key) or " ".join(held[0].split()) for key, held in groups.items()}


def _settled(
    groups: Mapping[str, Sequence[str]], classes: Sequence[str], *, letters: bool, raw: pl.Series
) -> dict[str, str]:
    known = {fold(name, letters=letters): name for name in classes}
    strange = [text for key, held in groups.items() if key not in known for text in held]
    if strange:
        rows = raw.is_in(strange).arg_true()
        near = difflib.get_close_matches(strange[0], list(classes), n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise DataError(
            f"'{strange[0]}' is not a class of the target '{raw.name}'",
            where=f"column '{raw.name}', {row_words(rows.to_numpy())}",
            fix=f"{hint}known: {listed(classes)}; correct the rows, or empty them when they are not known",
        )
    return {key: known[key] for key in groups}


def _folded_notes(
    groups: Mapping[str, Sequence[str]], names: Mapping[str, str], spellings: Mapping[str, int]
) -> list[str]:
    told = [
        f"{_and(_quoted(text, spellings) for text in held)} were taken as one class '{names[key]}'"
        for key, held in groups.items()
        if len(held) > 1
    ]
    left = len(told) - SHOWN
    return told if left <= 0 else [*told[:SHOWN], f"{left} more classes had several spellings, too"]


def _unknown_notes(unknown: Sequence[str], spellings: Mapping[str, int]) -> list[str]:
    if not unknown:
        return []
    n = sum(spellings[text] for text in unknown)
    words = _and([f"'{text}'" for text in unknown])
    return [f"{words} ({rows(n)}) means: not known yet, never a class"]


def _quoted(text: str, spellings: Mapping[str, int]) -> str:
    return f"'{text}' ({rows(spellings[text])})"


def rows(n: int) -> str:
    """Count rows in words.

    Returns
    -------
    str
        ``"1 row"`` or ``"1,234 rows"``.

    Examples
    --------
    >>> rows(1), rows(1234)
    ('1 row', '1,234 rows')
    """
    return "1 row" if n == 1 else f"{n:,} rows"


def row_words(positions: NDArray[np.integer]) -> str:
    """Name the first rows of some positions, counted from 1 as a reader counts.

    Returns
    -------
    str
        The first five, and how many more.

    Examples
    --------
    >>> row_words(np.array([2, 16]))
    'rows 3, 17 (counted from 1)'
    """
    shown = ", ".join(str(int(p) + 1) for p in positions[:SHOWN])
    more = f" and {len(positions) - SHOWN:,} more" if len(positions) > SHOWN else ""
    return f"{'row' if len(positions) == 1 else 'rows'} {shown}{more} (counted from 1)"


def listed(names: Sequence[str]) -> str:
    """Quote the first names, with an ellipsis when there are more.

    Returns
    -------
    str
        The first five, and how many in all.

    Examples
    --------
    >>> listed(["a", "b"])
    "'a', 'b'"
    """
    shown = ", ".join(f"'{name}'" for name in names[:SHOWN])
    return shown + (f", … ({len(names):,} in all)" if len(names) > SHOWN else "")


def _and(words: Iterable[str]) -> str:
    *first, last = list(words)[: SHOWN + 1]
    return f"{', '.join(first)} and {last}" if first else last


def need_classes(labels: Labels, *, settled: bool) -> None:
    """Refuse a target from which nothing can be learnt.

    Parameters
    ----------
    labels
        What was read.
    settled
        True when the classes were settled before: then rows of one class, or of none, are fine.

    Raises
    ------
    DataError
        When no class is known, or only one.
    """
    name, n = labels.values.name, len(labels.values)
    if settled or len(labels.counts) > 1:
        return
    if not labels.counts:
        empty = f"the target '{name}' is empty in all {rows(n)}"
        raise DataError(
            empty if n else f"there are no rows to read '{name}' from",
            where=f"column '{name}'",
            fix="bring rows whose target is known, or choose another: mulle set data.target=COLUMN",
        )
    (only, count), *_ = labels.counts.items()
    raise DataError(
        f"the target '{name}' has one class: '{only}' in all {rows(count)} where it is known",
        where=f"column '{name}'",
        fix="bring rows of another class too, or choose another target: mulle set data.target=COLUMN",
    )


def codes(labels: Labels, classes: Sequence[str]) -> NDArray[np.float64]:
    """Turn labels into positions of classes.

    Returns
    -------
    NDArray
        float64 ``[rows]``, NaN where the class is not known.

    Examples
    --------
    >>> codes(read_labels(pl.Series(["b", None, "a"])), ["a", "b"])
    array([ 1., nan,  0.])
    """
    places = {name: float(i) for i, name in enumerate(classes)}
    found = labels.values.replace_strict(places, default=None, return_dtype=pl.Float64)
    return found.fill_null(float("nan")).to_numpy().astype(np.float64)
