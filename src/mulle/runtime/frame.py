"""Columns out of whatever a caller has: a frame of any library, a dict of columns, a list of rows.

By looking at what the object can do, not by importing its library: the runtime needs none of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mulle.core.errors import DataError

ArrayLike = Any
"""A numpy array or a list with one raw value a row; None or NaN where it is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The columns that are wanted, with the number of rows and the names of all columns that were there."""

    columns: Mapping[str, ArrayLike]
    n_rows: int
    names: Sequence[str]


def read_frame(source: Any, wanted: Sequence[str]) -> Frame:
    """Take the wanted columns out of a frame.

    Parameters
    ----------
    source
        A polars or pandas DataFrame, a pyarrow Table or RecordBatch, a dict of columns, a list of dicts (a
        key that only some rows lack is a missing value there), or a numpy array with named fields.
    wanted
        Names of columns.

    Returns
    -------
    Frame
        Only the wanted columns, as arrays or lists.

    Raises
    ------
    DataError
        When a column is missing or stands there twice, when columns differ in length, or when the object is
        no frame.

    Examples
    --------
    >>> frame = read_frame([{"age": 3, "x": 1}, {"age": None}], ["age"])
    >>> frame.columns, frame.n_rows, frame.names
    ({'age': [3, None]}, 2, ['age', 'x'])
    """
    if isinstance(source, list | tuple) and not source:
        return Frame(columns={name: [] for name in wanted}, n_rows=0, names=list(wanted))
    names = _names(source)
    _check_names(names, wanted)
    columns = {name: _column(source, name) for name in wanted}
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        told = ", ".join(f"'{name}': {len(values):,}" for name, values in list(columns.items())[:5])
        raise DataError("columns differ in length", where=told, fix="give each column one value a row")
    return Frame(columns=columns, n_rows=lengths.pop() if lengths else 0, names=names)


def _names(source: Any) -> list[str]:
    if isinstance(source, Mapping):
        _refuse_one_row(source)
        return [str(name) for name in source]
    if isinstance(source, np.ndarray) and source.dtype.names:
        return list(source.dtype.names)
    if isinstance(source, list | tuple) and all(isinstance(row, Mapping) for row in source):
        return list(dict.fromkeys(str(name) for row in source for name in row))
    if hasattr(source, "collect_schema") and not hasattr(source, "get_column"):
        raise DataError("a lazy frame holds no rows yet", fix="call .collect() on it")
    names = source.column_names if hasattr(source, "column_names") else getattr(source, "columns", None)
    if names is None or isinstance(source, str):
        what = f"a {type(source).__name__} is no table"
        raise DataError(what, fix="give a frame, a dict of columns, or a list of dicts")
    return [str(name) for name in names]


def _refuse_one_row(source: Mapping[str, Any]) -> None:
    for name, values in source.items():
        if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
            what = f"column '{name}' is one value, {type(values).__name__}, not a column"
            raise DataError(what, fix="use predict_one for one row, or give lists")


def _check_names(names: Sequence[str], wanted: Sequence[str]) -> None:
    held = set(names)
    lacking = [name for name in wanted if name not in held]
    if lacking:
        raise missing_columns(lacking, names)
    if len(held) != len(names):
        double = next(name for name in wanted if names.count(name) > 1) if set(wanted) & held else names[0]
        if names.count(double) > 1:
            raise DataError(f"column '{double}' stands there twice", fix="rename or drop one of them")


def missing_columns(lacking: Sequence[str], names: Sequence[str]) -> DataError:
    """Return the error to raise when columns are missing; it names them and what is there.

    Examples
    --------
    >>> print(missing_columns(["age"], ["Age", "job"]))
    column 'age' is missing
      fix:   add it (empty where it isn't known); did you mean 'Age'? there are: Age, job
    """
    told = ", ".join(f"'{name}'" for name in lacking[:8]) + (", …" if len(lacking) > 8 else "")  # noqa: PLR2004
    verb = "column {} is missing" if len(lacking) == 1 else "columns {} are missing"
    near = next((name for name in names if name.strip().lower() == lacking[0].strip().lower()), None)
    hint = f"did you mean '{near}'? " if near else ""
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")  # noqa: PLR2004
    fix = f"add it (empty where it isn't known); {hint}there are: {shown or 'none'}"
    return DataError(verb.format(told), fix=fix)


def _column(source: Any, name: str) -> ArrayLike:
    if isinstance(source, Mapping):
        return _plain(source[name])
    if isinstance(source, list | tuple):
        return [row.get(name) for row in source]
    if isinstance(source, np.ndarray):
        return source[name]
    return _plain(source.column(name) if hasattr(source, "column_names") else source[name])


def _plain(values: Any) -> ArrayLike:
    """Turn a column of any library into a numpy array or a list."""
    if isinstance(values, np.ndarray | list | tuple):
        return values
    home = type(values).__module__.partition(".")[0]
    if home == "pandas":
        return _from_pandas(values)
    if home == "polars":
        nested = values.dtype.is_nested() or (values.dtype.is_temporal() and str(values.dtype) == "Time")
        return values.to_list() if nested else values.to_numpy()
    if home == "pyarrow":
        return _from_pyarrow(values)
    return values.to_numpy() if hasattr(values, "to_numpy") else list(values)


def _from_pandas(values: Any) -> ArrayLike:
    kind = getattr(values.dtype, "kind", "O")
    if getattr(values.dtype, "tz", None) is not None:
        return values.to_numpy(dtype="datetime64[ns]")
    if isinstance(values.dtype, np.dtype):
        return values.to_numpy()
    if kind in "iuf":
        return values.to_numpy(dtype="float64", na_value=np.nan)
    # pandas' own types (strings, categories, nullable booleans) mark what is missing in ways of their own
    return values.astype(object).to_numpy(dtype=object, na_value=None)


def _from_pyarrow(values: Any) -> ArrayLike:
    told = str(values.type)
    if told.startswith(("list", "large_list", "struct", "map", "fixed_size_list")):
        return values.to_pylist()
    if told.startswith("dictionary"):
        return values.to_pylist()
    return values.to_numpy() if hasattr(values, "chunks") else values.to_numpy(zero_copy_only=False)
