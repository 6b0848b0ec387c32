"""Reading the log from its beginning, older rows out of rotated files first, while it is written and rotated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mulle.store.log import tables
from mulle.store.log.entry import Answer, Change, Exposure, Feedback, Row
from mulle.store.log.reading import Reader

CHUNK = 8_192
E = TypeVar("E", Row, Exposure, Feedback, Change, Answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which entries are read: moments in seconds since 1970 UTC, ``since`` within and ``until`` without."""

    since: float | None = None
    until: float | None = None
    arm: str | None = None
    trial: str | None = None
    unit: str | None = None

    def sql(self, table: tables.Table) -> tuple[str, list[Any]]:
        """Return the conditions, each after an AND, and their values."""
        asked = [
            ("at >= ?", self.since),
            ("at < ?", self.until),
            *((f"{name} = ?", getattr(self, name)) for name in ("arm", "trial", "unit") if name in table.columns),
        ]
        held = [(words, value) for words, value in asked if value is not None]
        if self.unit and table is tables.ROWS:
            held[-1] = f"{held[-1][0]} AND {tables.NAMED}", self.unit  # else the index on units isn't used
        return "".join(f" AND {words}" for words, _ in held), [value for _, value in held]

    def takes(self, row: Row) -> bool:
        """Say whether a row is wanted."""
        return (
            (self.since is None or row.at >= self.since)
            and (self.until is None or row.at < self.until)
            and self.arm in (None, row.arm)
            and self.trial in (None, row.trial)
            and self.unit in (None, row.unit)
        )


def entries(reader: Reader, kind: type[E], wanted: Wanted) -> Iterator[list[E]]:
    """Read entries of one kind that are not rotated, in the order in which they were written.

    Parameters
    ----------
    reader
        Of the log.
    kind
        The entries' class.
    wanted
        Which of them.

    Yields
    ------
    list
        At most `CHUNK` of them. Each chunk is a look-up by itself: a slow reader holds nothing up.
    """
    table, after = tables.OF[kind], 0
    while found := _next(reader, table, wanted, after):
        after = found[-1][0]
        yield [kind(*row[1:]) for row in found]


def rows(reader: Reader, rotated: Path | None, wanted: Wanted) -> Iterator[list[Row]]:
    """Read predictions, rotated ones too, in the order in which they were written.

    Parameters
    ----------
    reader
        Of the log.
    rotated
        The folder of rotated files, when there is one.
    wanted
        Which of them.

    Yields
    ------
    list of Row
        Each row once, also while rows are being rotated.
    """
    after = 0
    while True:
        file = _file_behind(reader, after) if rotated else None
        if rotated and file:
            if _overlaps(file, wanted):
                yield from _of_file(rotated / file[0], after, wanted)
            after = file[2]
            continue
        found = _next(reader, tables.ROWS, wanted, after)
        if found:
            after = found[-1][0]
            yield [Row(*row[1:]) for row in found]
        elif not (rotated and _file_behind(reader, after)):
            return


def _file_behind(reader: Reader, after: int) -> tuple[Any, ...] | None:
    asked = f"SELECT {', '.join(tables.ROTATED)} FROM rotated WHERE last > ? ORDER BY last LIMIT 1"  # noqa: S608
    found = reader.ask(asked, (after,))
    return found[0] if found else None


def _overlaps(file: Sequence[Any], wanted: Wanted) -> bool:
    _, _, _, n_rows, since, until = file
    too_old = wanted.since is not None and until < wanted.since
    too_new = wanted.until is not None and since >= wanted.until
    return bool(n_rows) and not too_old and not too_new


def _of_file(path: Path, after: int, wanted: Wanted) -> Iterator[list[Row]]:
    from mulle.store.log.parquet import read  # noqa: PLC0415  # Polars, for those who have rotated files

    while found := read(path, after):
        after = found[-1][0]
        chunk = [row for _, row in found if wanted.takes(row)]
        if chunk:
            yield chunk


def _next(reader: Reader, table: tables.Table, wanted: Wanted, after: int) -> list[tuple[Any, ...]]:
    words, values = wanted.sql(table)
    # In one statement with the look at what is rotated: what is recorded a moment later is then read from its file
    hidden = " AND NOT EXISTS (SELECT 1 FROM rotated WHERE last > ?)" if table is tables.ROWS else ""
    asked = f"SELECT seq, {table.listed} FROM {table.name} WHERE seq > ?{hidden}{words} ORDER BY seq LIMIT ?"  # noqa: S608
    return reader.ask(asked, [after, *([after] if hidden else []), *values, CHUNK])
