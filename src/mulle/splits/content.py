"""A number for the content of each row that stays the same for ever: over versions, platforms, orders and files.

Rows with equal content are *twins*. What counts as equal, version 1 of the rule:

- A missing value (null, NaN, text that is empty or blank) adds nothing, so that an empty column and an absent one are
  the same.
- Numbers are their float64 bits, with one zero. Text that is a plain decimal number is that number, so that a column
  which is read as text today and as numbers tomorrow moves no row. Text is stripped of blanks at both ends.
- Booleans are the text ``true`` and ``false``, as a file writes them.
- Dates and moments are microseconds since 1970, UTC where no zone is given.
- All else is its JSON text.
- Each value is mixed with its column's name, and the columns are added up, so that their order does not matter.

The words are hashed by blake2b, the rest is mixed by splitmix64; both are written out here or in the standard library,
because a library's own row hash may change with its next version.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any
from weakref import ref

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.errors import DataError

Hashes = NDArray[np.uint64]
_FIRST, _MOSTLY = 1000, 0.9
_NUMBER = r"\A[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\z"
_TIME = np.uint64(0x74696D65)


def content(frame: pl.DataFrame, columns: Sequence[str] | None = None) -> Hashes:
    """Return a number for the content of each row; twins have equal ones.

    Parameters
    ----------
    frame
        The rows.
    columns
        Which columns count, in any order. None: all of them.

    Returns
    -------
    ndarray
        uint64 ``[rows]``; 0 where all values are missing.

    Raises
    ------
    DataError
        When a column is not there.

    Examples
    --------
    >>> a, b, c = content(pl.DataFrame({"x": ["1", "1.0", "2"], "y": [None, float("nan"), 3.0]})).tolist()
    >>> a == b, a == c
    (True, False)
    """
    wanted = tuple(frame.columns if columns is None else columns)
    for held, columns_, found in _ANSWERED:
        if held() is frame and columns_ == wanted:
            return found.copy()
    total = _content(frame, wanted)
    _ANSWERED[:] = [(ref(frame), wanted, total)]
    return total.copy()


_ANSWERED: list[tuple[ref[pl.DataFrame], tuple[str, ...], Hashes]] = []
"""The last answer: making a seal and applying it ask for the same, and it takes seconds on a million rows."""


def _content(frame: pl.DataFrame, columns: Sequence[str]) -> Hashes:
    total, known = np.zeros(frame.height, np.uint64), set(frame.columns)
    for name in columns:
        if name not in known:
            raise DataError(
                f"column '{name}' is gone, by which rows are told apart",
                where="mulle.lock, [seal] columns",
                fix="bring the column back; without it the sealed rows cannot be told from the others",
            )
        key = np.uint64(_hash(f"mulle column 1\0{name}".encode()))
        values, there = _values(frame.get_column(name))
        total += np.where(there, _mix(values ^ key), np.uint64(0))
    return total


def _values(column: pl.Series) -> tuple[Hashes, NDArray[np.bool_]]:
    """Return a number for each value, and whether there is one."""
    dtype = column.dtype
    if dtype == pl.Boolean:
        return _of_text(column.replace_strict({True: "true", False: "false"}, return_dtype=pl.String))
    if dtype.is_numeric():
        return _of_numbers(column.cast(pl.Float64, strict=False).to_numpy())
    if isinstance(dtype, pl.Date | pl.Datetime):
        return _of_moments(column)
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum | pl.Null):
        return _of_text(column.cast(pl.String))
    return _of_text(pl.Series(list(_as_json(column)), dtype=pl.String))


def _of_numbers(numbers: NDArray[Any]) -> tuple[Hashes, NDArray[np.bool_]]:
    values = np.asarray(numbers, np.float64) + 0.0  # minus zero becomes zero
    return values.view(np.uint64), ~np.isnan(values)


def _of_moments(column: pl.Series) -> tuple[Hashes, NDArray[np.bool_]]:
    micros = column.cast(pl.Datetime("us")).cast(pl.Int64).fill_null(0).to_numpy()
    return _mix(micros.astype(np.int64).view(np.uint64) ^ _TIME), ~column.is_null().to_numpy()


def _of_text(column: pl.Series) -> tuple[Hashes, NDArray[np.bool_]]:
    """Hash each distinct word once, and give every row its word's hash; where most differ, hash them as they stand."""
    if column.head(_FIRST).n_unique() > _MOSTLY * _FIRST:
        stripped = pl.Series([word.strip() for word in column.fill_null("").to_list()], dtype=pl.String)
        return _of_words(stripped), (stripped != "").to_numpy()
    words = column.drop_nulls().unique()
    stripped = pl.Series([word.strip() for word in words.to_list()], dtype=pl.String)
    table = pl.DataFrame({"word": words, "hash": _of_words(stripped), "there": stripped != ""})
    rows = pl.DataFrame({"word": column}).join(table, on="word", how="left", maintain_order="left")
    there = rows["there"].fill_null(value=False).to_numpy()
    return rows["hash"].fill_null(0).to_numpy().astype(np.uint64), there


def _of_words(words: pl.Series) -> Hashes:
    """Return the hash of each stripped text; of a number, the bits of its value."""
    digests = b"".join([blake2b(word, digest_size=8).digest() for word in words.cast(pl.Binary).to_list()])
    found = np.frombuffer(digests, "<u8").astype(np.uint64)
    numbers = words.str.contains(_NUMBER).arg_true()
    if len(numbers):
        values = np.array([float(word) for word in words.gather(numbers).to_list()], np.float64) + 0.0
        found[numbers.to_numpy()] = values.view(np.uint64)
    return found


def _as_json(column: pl.Series) -> Iterator[str | None]:
    for value in column.to_list():
        yield None if value is None else json.dumps(value, sort_keys=True, ensure_ascii=False, default=repr)


def _hash(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")


def _mix(values: Hashes) -> Hashes:
    """Scatter numbers over 64 bits (Steele, Lea, Flood, Fast splittable pseudorandom number generators, 2014)."""
    z = values + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
