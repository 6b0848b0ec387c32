"""SQL expressions of the page over the rows of a table: slices, rules."""

from __future__ import annotations

import polars as pl

from mulle.core.errors import DataError


def evaluate_sql(table: pl.DataFrame, expression: str, *, where: str) -> pl.Series:
    """Evaluate one SQL expression over the rows of a table.

    Parameters
    ----------
    table
        Canonical rows.
    expression
        SQL over its columns.
    where
        The place to name when it fails.

    Returns
    -------
    polars.Series
        One value a row.

    Raises
    ------
    DataError
        When it can't be parsed, or names a column that isn't there.

    Examples
    --------
    >>> evaluate_sql(pl.DataFrame({"age": [20, 40]}), "age < 30", where="[[slices]]").to_list()
    [True, False]
    """
    try:
        return table.select(pl.sql_expr(expression).alias("answer"))["answer"]
    except pl.exceptions.PolarsError as error:
        first = str(error).strip().splitlines()[0]
        raise DataError(
            f"the expression {expression!r} can't be used: {first}",
            where=where,
            fix=f'columns: {", ".join(table.columns[:20])}; quote names with a dash: "hours-per-week" > 40',
        ) from error
