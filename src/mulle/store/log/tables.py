"""The log's tables in SQL, the same for SQLite and PostgreSQL but for the names of types.

Entries are only ever added. ``seq`` orders them; what leaves, leaves by rotation or because it is to be forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from mulle.store.log.entry import Answer, Change, Entry, Exposure, Feedback, Row

VERSION = 1
"""Of the tables below. A log of a newer one is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One kind of entry: where it stands, and which columns make it the same entry as another."""

    name: str
    entry: type[Entry]
    types: tuple[str, ...]
    same: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in the order of the entry."""
        return self.entry._fields

    @property
    def listed(self) -> str:
        """The names of the columns as SQL."""
        return ", ".join(self.columns)


ROWS = Table(
    name="predictions",
    entry=Row,
    types=("TEXT", "REAL", "TEXT", "INTEGER", "TEXT", "REAL", "TEXT", "TEXT", "BLOB", "BLOB"),
    same=("id",),
)
EXPOSURES = Table(
    name="exposures",
    entry=Exposure,
    types=("TEXT", "TEXT", "TEXT", "REAL", "REAL", "TEXT"),
    same=("trial", "unit", "arm", "bundle"),
)
FEEDBACK = Table(name="feedback", entry=Feedback, types=("TEXT", "TEXT", "TEXT", "BLOB", "TEXT", "REAL"), same=("id",))
CHANGES = Table(
    name="changes", entry=Change, types=("INTEGER", "REAL", "TEXT", "BLOB", "TEXT"), same=("bundle", "version")
)
ANSWERS = Table(name="answers", entry=Answer, types=("TEXT", "BLOB", "BLOB", "INTEGER", "REAL"), same=("key",))

TABLES = (ROWS, EXPOSURES, FEEDBACK, CHANGES, ANSWERS)
"""In the order of the fields of a group."""
OF = {table.entry: table for table in TABLES}

NAMED = "unit <> ''"
"""Who looks for a unit says this too: where nobody says who asks, there is no index to write."""
INDEXES = {
    "feedback_of_prediction": (FEEDBACK, "(prediction_id)"),
    "predictions_of_unit": (ROWS, f"(unit) WHERE {NAMED}"),
    "answers_by_age": (ANSWERS, "(at)"),
}
ROTATED = ("file", "first", "last", "n_rows", "since", "until")
"""Columns of the table of rotated files: rows of ``first <= seq <= last`` are read from the file alone."""

POSTGRES = {"REAL": "DOUBLE PRECISION", "BLOB": "BYTEA", "INTEGER": "BIGINT", "TEXT": "TEXT"}


def made(*, postgres: bool = False) -> list[str]:
    """Return the statements that make what is not there yet.

    Parameters
    ----------
    postgres
        In PostgreSQL's words, else in SQLite's.

    Returns
    -------
    list of str
        One statement each, in their order. They change nothing that stands.

    Examples
    --------
    >>> made()[2].split("(")[0]
    'CREATE TABLE IF NOT EXISTS feedback '
    """
    words = POSTGRES if postgres else {word: word for word in POSTGRES}
    seq = "seq BIGSERIAL PRIMARY KEY" if postgres else "seq INTEGER PRIMARY KEY AUTOINCREMENT"
    tables = [_table(table, seq, words) for table in TABLES]
    real, text, integer = words["REAL"], words["TEXT"], words["INTEGER"]
    rotated = (
        f"CREATE TABLE IF NOT EXISTS rotated (file {text} PRIMARY KEY, first {integer} NOT NULL, "
        f"last {integer} NOT NULL, n_rows {integer} NOT NULL, since {real} NOT NULL, until {real} NOT NULL)"
    )
    indexes = [
        f"CREATE INDEX IF NOT EXISTS {name} ON {table.name} {columns}" for name, (table, columns) in INDEXES.items()
    ]
    return [*tables, rotated, *indexes]


def _table(table: Table, seq: str, words: dict[str, str]) -> str:
    columns = ", ".join(
        f"{name} {words[type_]} NOT NULL" for name, type_ in zip(table.columns, table.types, strict=True)
    )
    return f"CREATE TABLE IF NOT EXISTS {table.name} ({seq}, {columns}, UNIQUE ({', '.join(table.same)}))"


@cache
def added(table: Table, n_rows: int) -> str:
    """Return SQLite's statement that adds so many entries at once, those that stand already left out.

    Parameters
    ----------
    table
        Where to.
    n_rows
        How many.

    Returns
    -------
    str
        With ``?`` for each value, entry by entry.

    Examples
    --------
    >>> added(CHANGES, 2)[-80:]
    'VALUES (?, ?, ?, ?, ?), (?, ?, ?, ?, ?) ON CONFLICT (bundle, version) DO NOTHING'
    """
    marks = "(" + ", ".join("?" * len(table.columns)) + ")"
    values = ", ".join([marks] * n_rows)
    return (
        f"INSERT INTO {table.name} ({table.listed}) VALUES {values} "  # noqa: S608  # names from this file alone
        f"ON CONFLICT ({', '.join(table.same)}) DO NOTHING"
    )
