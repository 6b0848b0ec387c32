"""The log in PostgreSQL, where several servers may write at once. Needs the extra ``postgres``."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from mulle.core.errors import MissingExtra, StoreError
from mulle.store.log import tables
from mulle.store.log.book import BadEntry
from mulle.store.log.entry import Group, Promise
from mulle.store.log.reading import Reader
from mulle.store.log.sqlite import names

if TYPE_CHECKING:
    import psycopg

MAKING = 0x6D756C6C65
"""The number of the lock under which tables are made, so that two servers that start together don't both."""
CONNECT_S = 5


def shown(url: str) -> str:
    """Return an address without its password.

    Examples
    --------
    >>> shown("postgresql://ann:secret@db.example/mulle")
    'postgresql://db.example/mulle'
    """
    parts = urlsplit(url)
    return f"postgresql://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


def connect(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """Connect to a database.

    Raises
    ------
    MissingExtra
        When the driver is not installed.
    StoreError
        When the database does not answer.
    """
    try:
        import psycopg  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise MissingExtra(
            "a log in PostgreSQL needs its driver", where=shown(url), fix="pip install 'mulle[postgres]'"
        ) from error
    plain = url.replace("postgresql+psycopg://", "postgresql://", 1)
    with in_words(url):
        return psycopg.connect(plain, autocommit=True, connect_timeout=CONNECT_S, application_name="mulle")


@contextmanager
def in_words(url: str) -> Iterator[None]:
    """Say in words what PostgreSQL refuses.

    Yields
    ------
    None
        Within it, an error of the driver becomes a `StoreError`.

    Raises
    ------
    BadEntry
        When an entry is at fault.
    StoreError
        When the database is.
    """
    import psycopg  # noqa: PLC0415  # an extra

    try:
        yield
    except (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError, UnicodeError, TypeError) as error:
        raise BadEntry(
            f"an entry can't be stored: {_first(error)}", where=shown(url), fix="store text, numbers and bytes"
        ) from error
    except psycopg.Error as error:
        raise StoreError(
            f"the database refused: {_first(error)}",
            where=shown(url),
            fix="look at the database; the log goes on by itself when it answers",
        ) from error


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


@cache
def added(table: tables.Table) -> str:
    """Return the statement that adds entries, given one list a column.

    Examples
    --------
    >>> added(tables.CHANGES)[-48:]
    ' %b::bytea[], %b::text[]) ON CONFLICT DO NOTHING'
    """
    lists = ", ".join(f"%b::{tables.POSTGRES[type_].lower()}[]" for type_ in table.types)
    return (
        f"INSERT INTO {table.name} ({table.listed}) "  # noqa: S608  # names from our tables alone
        f"SELECT * FROM unnest({lists}) ON CONFLICT DO NOTHING"
    )


class PostgresBook:
    """The log's tables in PostgreSQL; see `mulle.store.log.book.Book`.

    Parameters
    ----------
    url
        ``postgresql://…``.
    """

    quick = False
    due = False

    def __init__(self, url: str) -> None:
        self.url = url
        self._durable = True
        self._db = connect(url)
        try:
            with in_words(url), self._db.transaction():
                self._do("SELECT pg_advisory_xact_lock(%s)", (MAKING,))
                for statement in tables.made(postgres=True):
                    self._do(statement)
        except BaseException:
            self.close()
            raise

    def _do(self, sql: str, values: Sequence[Any] = ()) -> psycopg.Cursor[tuple[Any, ...]]:
        return self._db.execute(sql, values)  # our own words: no value is ever put into them

    def write(self, groups: Sequence[Group], *, synced: bool, waits: bool = True) -> None:  # noqa: ARG002  # as Book has it
        """Write all groups in one transaction; *written* and *synced* are the same here: PostgreSQL said so."""
        durable = synced or any(group.promise is not Promise.MEMORY for group in groups)
        with in_words(self.url):
            if durable is not self._durable:
                self._do(f"SET synchronous_commit = {'on' if durable else 'off'}")
                self._durable = durable
            with self._db.transaction():
                for number, table in enumerate(tables.TABLES):
                    entries = [entry for group in groups for entry in cast("Sequence[Any]", group[number])]
                    if entries:
                        self._do(added(table), [list(column) for column in zip(*entries, strict=True)])

    def tidy(self, *, idle: bool) -> bool:  # noqa: ARG002  # the database looks after itself
        """Do nothing: the database looks after itself."""
        return False

    def prune(self, before: float) -> None:
        """Remove answers from before a moment, which nobody will ask for again."""
        with in_words(self.url):
            self._do("DELETE FROM answers WHERE at < %s", (before,))

    def forget(self, unit: str, ids: Collection[str] = ()) -> dict[str, int]:
        """Remove all of a unit; see `mulle.store.log.sqlite.SQLiteBook.forget`."""
        with in_words(self.url), self._db.transaction():
            of_unit = f"SELECT id FROM predictions WHERE unit = %s AND {tables.NAMED}"  # noqa: S608
            ids = {id_ for (id_,) in self._do(of_unit, (unit,))} | set(ids)
            answers = self._do("SELECT seq, response FROM answers").fetchall()
            named = [seq for seq, said in answers if names(said, unit, ids)]
            counted = {
                "feedback": self._do("DELETE FROM feedback WHERE prediction_id = ANY(%s)", (list(ids),)),
                "answers": self._do("DELETE FROM answers WHERE seq = ANY(%s)", (named,)),
                "predictions": self._do("DELETE FROM predictions WHERE id = ANY(%s)", (list(ids),)),
                "exposures": self._do("DELETE FROM exposures WHERE unit = %s", (unit,)),
            }
            return {name: cursor.rowcount for name, cursor in counted.items()}

    def close(self) -> None:
        """Let the database go."""
        with suppress(Exception):
            self._db.close()


class PostgresReader(Reader):
    """One connection that only reads.

    Parameters
    ----------
    url
        ``postgresql://…``.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._lock = threading.Lock()
        self._db: psycopg.Connection[tuple[Any, ...]] | None = None

    def ask(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Ask the database; see `Reader.ask`."""
        with self._lock:
            try:
                return self._asked(sql.replace("?", "%s"), values)
            except StoreError:
                self._drop()
                raise

    def _asked(self, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        if self._db is None:
            self._db = connect(self.url)
        with in_words(self.url):
            return self._db.execute(sql, values).fetchall()

    def _drop(self) -> None:
        if self._db is not None:
            with suppress(Exception):
                self._db.close()
        self._db = None

    def close(self) -> None:
        """Let the database go."""
        with self._lock:
            self._drop()
