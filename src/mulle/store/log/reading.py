"""Looking things up in the log while another thread writes it."""

from __future__ import annotations

import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from mulle.store.log import tables
from mulle.store.log.entry import Answer, Feedback, Row
from mulle.store.log.place import Place
from mulle.store.log.sqlite import connect, in_words, inode


class Reader(ABC):
    """Looks things up, from any thread. It sees what is written, not what waits."""

    @abstractmethod
    def ask(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Ask the database.

        Parameters
        ----------
        sql
            With ``?`` for each value.
        values
            One for each ``?``.

        Returns
        -------
        list of tuple
            All rows of the answer.

        Raises
        ------
        StoreError
            When the database can't be read.
        """

    @abstractmethod
    def close(self) -> None:
        """Let the database go."""

    def find(self, prediction_id: str) -> Row | None:
        """Return the prediction of that id, None when there is none."""
        found = self.ask(f"SELECT {tables.ROWS.listed} FROM predictions WHERE id = ?", (prediction_id,))  # noqa: S608
        return Row(*found[0]) if found else None

    def feedback_of(self, prediction_id: str) -> list[Feedback]:
        """Return all feedback on a prediction, in the order in which it was accepted."""
        asked = f"SELECT {tables.FEEDBACK.listed} FROM feedback WHERE prediction_id = ? ORDER BY seq"  # noqa: S608
        return [Feedback(*row) for row in self.ask(asked, (prediction_id,))]

    def said_of(self, prediction_id: str) -> dict[str, tuple[int, Feedback]]:
        """Return, by kind, how many times feedback came on a prediction and what came last.

        The database counts: however much was said, no more than one entry a kind is read.
        """
        columns = ", ".join(f"f.{name}" for name in Feedback._fields)
        asked = (
            f"SELECT g.n, {columns} FROM (SELECT count(*) AS n, max(seq) AS last FROM feedback "  # noqa: S608
            "WHERE prediction_id = ? GROUP BY kind) g JOIN feedback f ON f.seq = g.last"
        )
        held = [(int(n), Feedback(*row)) for n, *row in self.ask(asked, (prediction_id,))]
        return {last.kind: (n, last) for n, last in held}

    def answer(self, key: str) -> Answer | None:
        """Return what was answered under a key, None when nothing was."""
        found = self.ask(f"SELECT {tables.ANSWERS.listed} FROM answers WHERE key = ?", (key,))  # noqa: S608
        return Answer(*found[0]) if found else None


class SQLiteReader(Reader):
    """One connection that only reads, each question by itself, so that it never holds the write-ahead log.

    Parameters
    ----------
    place
        Where the log lies.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._inode = 0

    def ask(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Ask the file; see `Reader.ask`."""
        with self._lock:
            try:
                return self._connected().execute(sql, values).fetchall()
            except sqlite3.Error as error:
                self._drop()
                raise in_words(error, self.place.file) from error

    def _connected(self) -> sqlite3.Connection:
        now = inode(self.place.file)
        if self._db is None or now != self._inode:  # a damaged file was moved aside, and a new one begun
            self._drop()
            self._db, self._inode = connect(self.place.file, write=False), now
        return self._db

    def _drop(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
        self._db = None

    def close(self) -> None:
        """Let the file go."""
        with self._lock:
            self._drop()
