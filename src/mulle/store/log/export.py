"""The log as one table: every prediction, rotated or not, with the latest feedback on it."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mulle.core.errors import ProjectError, StoreError
from mulle.store.log.entry import Row
from mulle.store.log.history import Wanted, rows
from mulle.store.log.parquet import sink, whole_or_not
from mulle.store.log.place import Place, is_postgres
from mulle.store.log.readers import reader_of
from mulle.store.log.reading import Reader

if TYPE_CHECKING:
    import polars as pl

COLUMNS = (*Row._fields, "outcome", "correction", "feedback")
"""Of the exported table. ``outcome`` and ``correction`` are the latest of their kind, ``feedback`` is a JSON object
of the latest of each kind."""
AT_ONCE = 900
"""Predictions whose feedback is looked up together; older SQLite takes 999 values."""
ENDINGS = (".parquet", ".csv", ".jsonl")


def export(url: str | Path, out: Path, wanted: Wanted | None = None) -> int:
    """Write the log into one file, a piece at a time, also while a server writes it.

    Parameters
    ----------
    url
        Where the log lies; see `mulle.store.log.Log.open`.
    out
        A file that ends in ``.parquet``, ``.csv`` or ``.jsonl``. It is there whole, or not at all. In ``.csv`` a text that a
        spreadsheet would take for a formula gets ``'`` before it.
    wanted
        Which rows; all when absent.

    Returns
    -------
    int
        How many rows.

    Raises
    ------
    ProjectError
        When the file's ending is none of these.
    StoreError
        When there is no log, or the disk refuses.
    """
    if out.suffix not in ENDINGS:
        raise ProjectError(f"the log is not written as '{out.suffix}'", where=str(out), fix=f"use {', '.join(ENDINGS)}")
    reader, rotated = opened(url)
    counted = Counted(_joined(reader, rotated, wanted or Wanted()))
    try:
        WRITERS[out.suffix](counted, out)
    finally:
        reader.close()
    return counted.n_rows


def opened(url: str | Path) -> tuple[Reader, Path | None]:
    """Open a log that is there, only to read.

    Parameters
    ----------
    url
        Where it lies.

    Returns
    -------
    reader : Reader
        To be closed.
    rotated : Path or None
        Its folder of rotated files.

    Raises
    ------
    StoreError
        When there is none.
    """
    if not is_postgres(url) and not (file := Place.of(url).file).is_file():
        raise StoreError("nothing has been logged here", where=str(file), fix="mulle serve")
    return reader_of(url)


class Counted:
    """Chunks of the exported table, and how many rows have passed."""

    def __init__(self, chunks: Iterator[list[tuple[Any, ...]]]) -> None:
        self.n_rows = 0
        self._chunks = chunks

    def __iter__(self) -> Iterator[list[tuple[Any, ...]]]:
        for chunk in self._chunks:
            self.n_rows += len(chunk)
            yield chunk


def _joined(reader: Reader, rotated: Path | None, wanted: Wanted) -> Iterator[list[tuple[Any, ...]]]:
    for chunk in rows(reader, rotated, wanted):
        told = latest(reader, [row.id for row in chunk])
        yield [(*_readable(row), *_columns(told.get(row.id, {}))) for row in chunk]


def latest(reader: Reader, ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the latest accepted feedback on predictions.

    Parameters
    ----------
    reader
        Of the log.
    ids
        Of the predictions.

    Returns
    -------
    dict
        Prediction id → kind → JSON text. Predictions without feedback are left out.
    """
    found: dict[str, dict[str, str]] = {}
    for begin in range(0, len(ids), AT_ONCE):
        some = ids[begin : begin + AT_ONCE]
        asked = (
            "SELECT prediction_id, kind, value FROM feedback "  # noqa: S608  # question marks alone
            f"WHERE prediction_id IN ({', '.join('?' * len(some))}) ORDER BY seq"
        )
        for prediction, kind, value in reader.ask(asked, some):
            found.setdefault(prediction, {})[kind] = _text(value)
    return found


def _columns(told: dict[str, str]) -> tuple[str | None, str | None, str]:
    together = ", ".join(f"{json.dumps(kind)}: {value}" for kind, value in sorted(told.items()))
    return told.get("outcome"), told.get("correction"), f"{{{together}}}"


def _readable(row: Row) -> tuple[Any, ...]:
    return (*row[:-2], _text(row.inputs), _text(row.output))


def _text(value: bytes) -> str:
    return bytes(value).decode("utf-8", errors="replace")


def _schema() -> dict[str, pl.DataType]:
    import polars as pl  # noqa: PLC0415  # heavy

    numbers: dict[str, pl.DataType] = {"at": pl.Float64(), "propensity": pl.Float64(), "version": pl.Int64()}
    return {name: numbers.get(name, pl.String()) for name in COLUMNS}


def _parquet(chunks: Counted, out: Path) -> None:
    import polars as pl  # noqa: PLC0415

    schema = _schema()
    sink((pl.DataFrame(chunk, schema=schema, orient="row") for chunk in chunks), schema, out)


def _csv(chunks: Counted, out: Path) -> None:
    def write(draft: Path) -> None:
        with draft.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(COLUMNS)
            for chunk in chunks:
                table.writerows([_no_formula(value) for value in row] for row in chunk)

    whole_or_not(out, write)


def _no_formula(value: Any) -> Any:
    """Return a value as no spreadsheet takes it for a formula; clients choose some of them, such as the unit.

    Examples
    --------
    >>> _no_formula("=HYPERLINK(1)"), _no_formula("-5"), _no_formula("customer 7")
    ("'=HYPERLINK(1)", '-5', 'customer 7')
    """
    risky = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if risky and not _NUMBER.fullmatch(value) else value


_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")

JSON_AT = tuple(COLUMNS.index(name) for name in ("inputs", "output", "outcome", "correction", "feedback"))


def _jsonl(chunks: Counted, out: Path) -> None:
    def write(draft: Path) -> None:
        with draft.open("w", encoding="utf-8") as file:
            for chunk in chunks:
                file.writelines(_line(row) for row in chunk)

    whole_or_not(out, write)


def _line(row: Sequence[Any]) -> str:
    # What is JSON already goes in as it is, so that a reader parses each line once
    values = (_json(value) if at in JSON_AT else json.dumps(value) for at, value in enumerate(row))
    return "{" + ", ".join(f'"{name}": {value}' for name, value in zip(COLUMNS, values, strict=True)) + "}\n"


def _json(value: str | None) -> str:
    if not value:
        return "null"
    try:
        return json.dumps(json.loads(value))
    except ValueError:
        return json.dumps(value)  # not JSON, as of a program that is not ours: kept as text


WRITERS: dict[str, Callable[[Counted, Path], None]] = {".parquet": _parquet, ".csv": _csv, ".jsonl": _jsonl}
