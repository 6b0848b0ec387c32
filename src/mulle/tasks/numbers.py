"""Numbers out of a raw target column, also when they were written as text."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.errors import DataError
from mulle.tasks.labels import SHOWN, UNKNOWN, row_words, rows

_THOUSANDS = r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$"
_DECIMAL_COMMA = r"^[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+$"
_DRESS = r"[\s\u00a0\u202f$€£¥₩%_']"


def read_numbers(column: pl.Series) -> tuple[NDArray[np.float64], list[str]]:
    """Read a numeric target.

    Parameters
    ----------
    column
        Numbers, booleans, or text that holds numbers, also with thousands separators, a currency sign or a
        decimal comma.

    Returns
    -------
    tuple
        float64 ``[rows]`` with NaN where the target is not known, and notes on what was done.

    Raises
    ------
    DataError
        When a value is there and is no number, with its rows.

    Examples
    --------
    >>> read_numbers(pl.Series("price", ["1,200.50", "€ 80", ""]))[0]
    array([1200.5,   80. ,    nan])
    """
    notes: list[str] = []
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        values = column.cast(pl.Float64)
    elif column.dtype in {pl.String, pl.Categorical, pl.Enum}:
        values, notes = _from_text(column.cast(pl.String))
    else:
        raise DataError(
            f"the target '{column.name}' holds {column.dtype}, not numbers",
            where=f"column '{column.name}'",
            fix="choose a numeric target: mulle set data.target=COLUMN",
        )
    array = values.fill_null(float("nan")).to_numpy().astype(np.float64)
    endless = np.isinf(array)
    if endless.any():
        array = np.where(endless, np.nan, array)
        notes.append(f"{rows(int(endless.sum()))} with an infinite target count as not known")
    return array, notes


def _from_text(column: pl.Series) -> tuple[pl.Series, list[str]]:
    text = column.str.strip_chars()
    text = text.set(text.str.to_lowercase().is_in(list(UNKNOWN)), None)
    plain = text.cast(pl.Float64, strict=False)
    if plain.null_count() == text.null_count():
        return plain, ["the target's numbers were written as text"] if plain.drop_nulls().len() else []
    bare = text.str.replace_all(_DRESS, "")
    comma = _written_with_comma(bare)
    if comma:
        bare = bare.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    else:
        grouped = bare.str.contains(_THOUSANDS)
        bare = pl.select(pl.when(grouped).then(bare.str.replace_all(",", "", literal=True)).otherwise(bare)).to_series()
    values = bare.cast(pl.Float64, strict=False)
    _refuse_words(column, text, values)
    how = "a decimal comma" if comma else "thousands separators or signs"
    return values, [f"the target's numbers were written as text with {how}"]


def _written_with_comma(bare: pl.Series) -> bool:
    odd = bare.filter(bare.cast(pl.Float64, strict=False).is_null()).drop_nulls()
    if not len(odd):
        return False
    grouped = int(odd.str.contains(_THOUSANDS).sum())
    return int(odd.str.contains(_DECIMAL_COMMA).sum()) > grouped


def _refuse_words(raw: pl.Series, text: pl.Series, values: pl.Series) -> None:
    bad = (values.is_null() & text.is_not_null()).arg_true()
    if not len(bad):
        return
    seen = ", ".join(f"'{value}'" for value in raw.gather(bad.head(SHOWN)).unique(maintain_order=True))
    few = len(bad) < len(raw) / 2
    mend = "correct or empty these rows" if few else 'read it as classes: mulle set data.task="multiclass"'
    raise DataError(
        f"the target '{raw.name}' is no number in {rows(len(bad))}: {seen}",
        where=f"column '{raw.name}', {row_words(bad.to_numpy())}",
        fix=f"{mend}, or choose another target: mulle set data.target=COLUMN",
    )
