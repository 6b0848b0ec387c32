"""Times as numbers: microseconds since 1970, or the number itself where a column counts years or days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.errors import DataError, ProjectError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moments(column: pl.Series) -> NDArray[np.float64]:
    """Return the times of a column as float64 ``[rows]``, NaN where there is none.

    Dates and moments become microseconds since 1970 (UTC where no zone is given), exact until the year 2255; numbers
    stay; text is read as ISO 8601.

    Raises
    ------
    DataError
        When text holds no times that can be read.

    Examples
    --------
    >>> moments(pl.Series(["1970-01-01", None, "1970-01-02"])).tolist()
    [0.0, nan, 86400000000.0]
    """
    if column.dtype.is_numeric():
        return column.cast(pl.Float64).to_numpy().astype(np.float64)
    if column.dtype == pl.String:
        column = _read(column)
    if not isinstance(column.dtype, pl.Date | pl.Datetime):
        raise _no_times(column, str(column.dtype))
    return column.cast(pl.Datetime("us")).cast(pl.Int64).cast(pl.Float64).fill_null(np.nan).to_numpy()


def _read(column: pl.Series) -> pl.Series:
    read: list[datetime | None] = []
    for text in column.to_list():
        try:
            read.append(_aware(datetime.fromisoformat(text.strip())) if text and text.strip() else None)
        except ValueError as error:
            raise _no_times(column, repr(text)) from error
    return pl.Series(column.name, read, dtype=pl.Datetime("us", "UTC"))


def _no_times(column: pl.Series, seen: str) -> DataError:
    return DataError(
        f"column '{column.name}' holds no times: {seen}",
        where="[data] time",
        fix="name a column of dates, moments (ISO 8601) or numbers, or remove the key",
    )


def _aware(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def to_number(text: str, *, where: str) -> float:
    """Read a moment of the page or the lock as `moments` would.

    Raises
    ------
    ProjectError
        When it is neither ISO 8601 nor a number.

    Examples
    --------
    >>> to_number("1970-01-02", where="[data] test_from")
    86400000000.0
    >>> to_number("#2015", where="mulle.lock")
    2015.0
    """
    try:
        if text.startswith("#"):
            return float(text[1:])
        return (_aware(datetime.fromisoformat(text)) - _EPOCH) / timedelta(microseconds=1)
    except ValueError as error:
        raise ProjectError(
            f"'{text}' is no moment", where=where, fix="write it as 2026-01-31 or 2026-01-31T12:00:00Z"
        ) from error


def to_text(number: float, column: pl.Series) -> str:
    """Write a moment for the lock: ISO 8601 in UTC, or ``#2015`` where the column counts in numbers.

    Examples
    --------
    >>> to_text(86400000000.0, pl.Series(["1970-01-01"]))
    '1970-01-02T00:00:00+00:00'
    """
    if column.dtype.is_numeric():
        return f"#{float(number)!r}"
    return (_EPOCH + timedelta(microseconds=number)).isoformat()
