"""The log in one SQLite file: a write-ahead log, group commit, and one fsync a commit when it was promised."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mulle.core.errors import StoreError
from mulle.store.log import tables
from mulle.store.log.book import BadEntry, Damaged, Locked
from mulle.store.log.entry import Group

if TYPE_CHECKING:
    from mulle.store.log.rotated import Rotated

PAGE = 64
"""Entries a statement. One call into SQLite writes them all, so the interpreter's lock changes hands once."""
PAUSE_BYTES = 4 << 20
"""About so much is written before a pause is used to move it from the write-ahead log into the file."""
LIMIT_BYTES = 32 << 20
"""About so much is written before that is done without a pause."""
BUSY_ROWS, IDLE_ROWS = 200, 2_000
"""So many rotated rows are removed between two commits."""
LOOK_S = 0.9
"""How often it is seen whether the file still stands, beside each time that something is synced."""
PAGE_BYTES = 2048
"""Of a new file. A commit writes each page that it touches, whole: what is alone on the line waits less for small ones."""
COMMIT_PAGES = 5
"""What a commit adds to the write-ahead log beyond its entries: the pages that it touches, roughly."""

_BAD = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)
_WRONG = (*_BAD, OverflowError, UnicodeError, TypeError, ValueError)
_SYNC_NORMAL, _SYNC_FULL = 1, 2
_QUOTED = re.compile(rb'"([!#-~]+)"')

WORDS = {
    5: ("another program has locked the log", "end the other program; the log goes on by itself"),
    6: ("another program has locked the log", "end the other program; the log goes on by itself"),
    8: ("the log may not be written", "make the file and its folder writable (chmod u+w); the log goes on by itself"),
    10: ("the disk refused to write the log", "look at the disk (dmesg); the log goes on by itself when it can"),
    11: ("the log is damaged", "restart: the damaged file is moved aside, nothing is deleted"),
    13: ("the disk is full", "free some space there; the log goes on by itself"),
    14: ("the log can't be opened", "see that its folder is there and can be written"),
    26: ("the log is damaged", "restart: the damaged file is moved aside, nothing is deleted"),
}
"""What SQLite refuses, by its number: the words, and the fix."""
DAMAGED, LOCKED = frozenset({11, 26}), frozenset({5, 6})
EIO = 10


def in_words(error: sqlite3.Error, where: object) -> StoreError:
    """Say in words what SQLite refused.

    Parameters
    ----------
    error
        What it raised.
    where
        The file.

    Returns
    -------
    StoreError
        With a fix that suits the reason.

    Examples
    --------
    >>> print(in_words(sqlite3.OperationalError("odd"), "log.db"))
    the log could not be written: odd
      where: log.db
      fix:   look at the file and its disk; the log goes on by itself when it can
    """
    otherwise = (
        f"the log could not be written: {error}",
        "look at the file and its disk; the log goes on by itself when it can",
    )
    what, fix = WORDS.get(number(error), otherwise)
    kind = Locked if number(error) in LOCKED else Damaged if number(error) in DAMAGED else StoreError
    return kind(what, where=str(where), fix=fix)


def number(error: sqlite3.Error) -> int:
    """Return SQLite's primary number of an error, 0 when it has none."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def connect(path: Path, *, write: bool, busy_s: float = 2.0) -> sqlite3.Connection:
    """Open a connection to the log.

    Parameters
    ----------
    path
        The file.
    write
        To write; a reader never moves the write-ahead log, so that the writer alone does.
    busy_s
        How long to wait for another process that is writing, in seconds.

    Returns
    -------
    sqlite3.Connection
        In autocommit.
    """
    mode = "mode=rwc" if write else "mode=ro"
    if not write and not os.access(path.parent, os.W_OK) and not path.with_name(f"{path.name}-wal").exists():
        mode += "&immutable=1"  # where nobody can write, SQLite could not make the files of its write-ahead log
    if write:
        _make_private(path)
    address = f"file:{quote(str(path))}?{mode}"
    made = sqlite3.connect(
        address, uri=True, isolation_level=None, timeout=busy_s, cached_statements=400, check_same_thread=False
    )
    if write:
        _prepare(made)
    return made


def _make_private(path: Path) -> None:
    """Make the file, for its owner alone, where there is none; SQLite gives the files beside it the same mode."""
    with suppress(OSError):  # it is there, which must not be opened and closed here, or SQLite will say what is wrong
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _prepare(made: sqlite3.Connection) -> None:
    try:
        made.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        made.execute("PRAGMA journal_mode = WAL")
        made.execute("PRAGMA synchronous = NORMAL")
        made.execute("PRAGMA wal_autocheckpoint = 0")  # the writer does it, between commits
        made.execute(f"PRAGMA journal_size_limit = {LIMIT_BYTES * 2}")
        made.execute("PRAGMA secure_delete = ON")  # what is forgotten is overwritten
        made.execute("PRAGMA cache_size = -16000")
    except BaseException:
        made.close()
        raise


def inode(path: Path) -> int:
    """Return the number by which the system knows a file, 0 when it isn't there."""
    with suppress(OSError):
        return path.stat().st_ino
    return 0


class SQLiteBook:
    """The log's tables in a SQLite file; see `mulle.store.log.book.Book`.

    Parameters
    ----------
    path
        The file; made when absent.
    busy_s
        How long a commit waits for another process, in seconds.
    """

    quick = True

    def __init__(self, path: Path, *, busy_s: float = 2.0) -> None:
        self.path = path
        self._busy_ms = round(busy_s * 1000)
        self.in_doubt = False
        """Whether the disk refused something: what was written before may never reach it, whatever a later sync says."""
        self._behind = 0
        self._left_over = True
        self._level, self._waits = _SYNC_NORMAL, True
        self._look_again = 0.0
        with self._in_words():
            self._db = connect(path, write=True, busy_s=busy_s)
        self._inode = inode(path)
        try:
            with self._in_words():
                self._make()
                self._commit_bytes = COMMIT_PAGES * int(self._db.execute("PRAGMA page_size").fetchone()[0])
        except BaseException:
            self.close()
            raise

    def _make(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > tables.VERSION:
            raise StoreError(
                f"a newer Mulle wrote the log (version {version}, this one knows {tables.VERSION})",
                where=str(self.path),
                fix="pip install --upgrade mulle",
            )
        if version == tables.VERSION:
            return  # a damaged file is not written to before it is looked at
        with self.transaction():
            for statement in tables.made():
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {tables.VERSION}")

    def check(self, *, whole: bool) -> None:
        """See whether the file is sound.

        Parameters
        ----------
        whole
            Read all of it; else only both ends of each table.

        Raises
        ------
        StoreError
            When it is damaged.
        """
        with self._in_words():
            if whole:
                found = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
                if found != "ok":
                    raise _damaged(found)
            for table in tables.TABLES:
                self._db.execute(f"SELECT min(seq), max(seq) FROM {table.name}").fetchone()  # noqa: S608

    def write(self, groups: Sequence[Group], *, synced: bool, waits: bool = True) -> None:
        """Write all groups in one transaction; see `Book.write`."""
        try:
            with self._in_words():
                statements = list(_statements(groups))
                self._wait(waits=waits)
                self._sync(_SYNC_FULL if synced else _SYNC_NORMAL)
                self._run(statements)
        except BaseException:
            self._roll_back()
            raise
        if synced:
            self._stand()
        self._behind += self._commit_bytes + sum(_weight(group) for group in groups)

    def _stand(self) -> None:
        """See that the file has not been deleted: the system goes on taking entries for one that nobody can open."""
        if inode(self.path) != self._inode:
            what = "the log's file was deleted or replaced; what it held is lost"
            raise StoreError(what, where=str(self.path), fix="stop the server before you delete; a new log begins")

    def _run(self, statements: list[tuple[str, list[Any]]]) -> None:
        if len(statements) == 1:  # alone it is a transaction by itself
            self._db.execute(*statements[0])
            return
        self._db.execute("BEGIN IMMEDIATE")
        for statement in statements:
            self._db.execute(*statement)
        self._db.execute("COMMIT")

    def _sync(self, level: int) -> None:
        if level != self._level:
            self._db.execute(f"PRAGMA synchronous = {level}")
            self._level = level

    def _wait(self, *, waits: bool = True) -> None:
        """Wait from now on for another program, or don't."""
        if waits != self._waits:
            self._db.execute(f"PRAGMA busy_timeout = {self._busy_ms if waits else 0}")
            self._waits = waits

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    @property
    def due(self) -> bool:
        """Whether enough stands in the write-ahead log to be moved."""
        return self._behind >= PAUSE_BYTES

    def tidy(self, *, idle: bool) -> bool:
        """Remove a few rows that are rotated, and move what was written from the write-ahead log into the file."""
        if monotonic() >= self._look_again:
            self._stand()
            self._look_again = monotonic() + LOOK_S
        with self._in_words():
            self._wait()
            if self._left_over:
                self._remove(IDLE_ROWS if idle else BUSY_ROWS)
            if self._behind >= (PAUSE_BYTES if idle else LIMIT_BYTES):
                self._behind = 0
                self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return self._left_over

    def _remove(self, n_rows: int) -> None:
        # Overwriting what is removed takes time, so it is done in pieces that hold nobody up
        gone = self._db.execute(
            "DELETE FROM predictions WHERE seq IN (SELECT seq FROM predictions "
            "WHERE seq <= (SELECT max(last) FROM rotated) ORDER BY seq LIMIT ?)",
            (n_rows,),
        ).rowcount
        self._left_over = gone == n_rows
        self._behind += self._commit_bytes + gone * 1000

    def record(self, files: Sequence[Rotated]) -> None:
        """Record files of rotated rows; from then on those rows are read from there alone.

        Parameters
        ----------
        files
            On the disk already.

        Raises
        ------
        StoreError
            When the disk refuses. Nothing changed then.
        """
        values = [tuple(getattr(file, name) for name in tables.ROTATED) for file in files]
        marks = ", ".join("?" * len(tables.ROTATED))
        with self.transaction():
            self._db.executemany(f"INSERT OR REPLACE INTO rotated VALUES ({marks})", values)  # noqa: S608
        self._left_over = True

    def describe(self, files: Sequence[Rotated]) -> None:
        """Say anew what stands in files that were written again; one that is not recorded is left so."""
        with self.transaction():
            self._db.executemany(
                "UPDATE rotated SET n_rows = ?, since = ?, until = ? WHERE file = ?",
                [(file.n_rows, file.since, file.until, file.file) for file in files],
            )

    def forget(self, unit: str, ids: Collection[str]) -> dict[str, int]:
        """Remove all of a unit from the file.

        Parameters
        ----------
        unit
            As it was logged.
        ids
            Of predictions of that unit that stand in rotated files, and of others that go with them.

        Returns
        -------
        dict
            Table → how many entries went; rotated predictions are counted with the others.
        """
        with self.transaction() as db:
            held = db.execute(f"SELECT id FROM predictions WHERE unit = ? AND {tables.NAMED}", (unit,)).fetchall()  # noqa: S608
            every = {id_ for (id_,) in held} | set(ids)
            responses = db.execute("SELECT seq, response FROM answers")
            answers = [(seq,) for seq, said in responses if names(said, unit, every)]
            told = [db.execute("DELETE FROM feedback WHERE prediction_id = ?", (id_,)).rowcount for id_ in every]
            db.executemany("DELETE FROM answers WHERE seq = ?", answers)
            db.executemany("DELETE FROM predictions WHERE id = ?", [(id_,) for id_ in every])
            exposures = db.execute("DELETE FROM exposures WHERE unit = ?", (unit,)).rowcount
        return {"predictions": len(every), "feedback": sum(told), "exposures": exposures, "answers": len(answers)}

    def begin_after(self, last: int) -> None:
        """Let the ``seq`` of new rows begin after one that is used up."""
        with self.transaction():
            self._db.execute("DELETE FROM sqlite_sequence WHERE name = 'predictions'")
            self._db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('predictions', ?)", (last,))

    @property
    def empty(self) -> bool:
        """Whether no row was ever written or rotated."""
        with self._in_words():
            asked = "SELECT count(*) FROM (SELECT 1 FROM rotated UNION ALL SELECT 1 FROM sqlite_sequence)"
            return not self._db.execute(asked).fetchone()[0]

    def prune(self, before: float) -> None:
        """Remove answers from before a moment, which nobody will ask for again."""
        with self.transaction():
            self._db.execute("DELETE FROM answers WHERE at < ?", (before,))

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Do several things at once, on the disk when it ends, or none of them.

        Yields
        ------
        sqlite3.Connection
            To do them with.

        Raises
        ------
        StoreError
            When the disk refuses.
        """
        try:
            with self._in_words():
                self._wait()
                self._sync(_SYNC_FULL)
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
        finally:
            self._roll_back()

    def empty_journal(self) -> None:
        """Move the write-ahead log into the file and cut it to nothing, so that no old page is left in it.

        Raises
        ------
        StoreError
            When a reader is still looking at it.
        """
        with self._in_words():
            self._wait()
            busy = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        self._behind = 0
        if busy:
            raise StoreError(
                "a program is reading the log, so what was removed still stands in its write-ahead log",
                where=f"{self.path}-wal",
                fix="end that program, then do it again",
            )

    def close(self) -> None:
        """Let the file go; the last one out moves the write-ahead log into it."""
        with suppress(sqlite3.Error):
            self._db.close()

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except _WRONG as error:
            raise BadEntry(
                f"an entry can't be stored: {error}", where=str(self.path), fix="store text, numbers and bytes"
            ) from error
        except sqlite3.Error as error:
            self.in_doubt = self.in_doubt or number(error) == EIO
            raise in_words(error, self.path) from error


def names(response: bytes, unit: str, ids: Collection[str]) -> bool:
    """Say whether an answer names a unit or one of its predictions.

    Examples
    --------
    >>> names(b'{"id": "p1", "score": 0.3}', "customer 7", {"p1"})
    True
    """
    said = bytes(response)
    quoted = json.dumps(unit), json.dumps(unit, ensure_ascii=False)
    return any(word.encode("utf-8", "replace") in said for word in quoted) or any(
        found.decode() in ids for found in _QUOTED.findall(said)
    )


def _damaged(found: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(found)
    error.sqlite_errorcode = 11
    return error


def _statements(groups: Sequence[Group]) -> Iterator[tuple[str, list[Any]]]:
    for number_, table in enumerate(tables.TABLES):
        entries = [entry for group in groups for entry in group[number_]]  # type: ignore[union-attr]
        for begin in range(0, len(entries), PAGE):
            page = entries[begin : begin + PAGE]
            yield tables.added(table, len(page)), list(chain.from_iterable(page))


def _weight(group: Group) -> int:
    return (
        sum(300 + len(row.inputs) + len(row.output) for row in group.rows)
        + sum(200 + len(told.value) for told in group.feedback)
        + sum(200 + len(answer.response) for answer in group.answers)
        + 200 * (len(group.exposures) + len(group.changes))
    )
