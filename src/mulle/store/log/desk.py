"""The writer's place at a SQLite log: the lock, and a file that is looked at before it is written.

A sync that failed is not tried again. The kernel takes what it should have written for written, so the next one says that
all is well (Rebello et al., Can Applications Recover from fsync Failures?, USENIX ATC 2020). In a write-ahead log that is
a hole: after a loss of power it ends there, and what was synced behind it is gone. So after the disk refused anything, the
file is opened again and all of the write-ahead log is moved into it, which writes and syncs it once more, before the next
entry is taken.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Collection
from pathlib import Path
from time import monotonic, sleep

from mulle.core.errors import StoreError
from mulle.store.durable import sync_folder
from mulle.store.log.book import Damaged
from mulle.store.log.place import Place
from mulle.store.log.sqlite import EIO, SQLiteBook, number

log = logging.getLogger(__name__)

CHECKED_BYTES = 64 << 20
"""A file of up to so much is read whole when it is opened; of a larger one only the ends of its tables."""

LINGER_S = 1.0
"""So long a lock may outlive its process."""


class Desk:
    """Opens the file for the one who writes, and again after a fault. All in the writer's thread.

    Parameters
    ----------
    place
        Where the log lies.
    command
        What the person typed, for the message that a second writer gets.
    busy_s
        How long a commit waits for another process.
    """

    def __init__(self, place: Place, *, command: str, busy_s: float) -> None:
        self.place = place
        self.aside: Path | None = None
        """Where a damaged file was moved to, when one was found."""
        self._busy_s = busy_s
        from mulle.store.lock import Lock  # noqa: PLC0415  # imports NumPy, which a reader need not wait for

        self._lock = Lock(place.folder, command=command)
        self._held = False
        self._book: SQLiteBook | None = None
        """The one that was opened last."""
        self._in_doubt = False

    def open(self) -> SQLiteBook:
        """Take the lock and open the file; a damaged one is moved aside and a new one begun.

        Returns
        -------
        SQLiteBook
            Ready to write.

        Raises
        ------
        StoreError
            When another process writes there, or the disk refuses.
        """
        try:
            return self._taken()
        except OSError as error:  # the folder went away, its disk, or the lock's file
            raise StoreError.of(error, where=self.place.folder) from error

    def _taken(self) -> SQLiteBook:
        self.place.make()
        if self._held and not self._lock.stands:  # somebody deleted the folder, and another may have come since
            self.leave()
        if not self._held:
            self._take()
            self._held = True
        try:
            return self._opened()
        except StoreError as error:
            self._in_doubt = self._in_doubt or _is(error, {EIO})
            if not isinstance(error, Damaged):
                raise
            self._set_aside(str(error.__cause__))
            return self._opened()

    def _take(self) -> None:
        # A server that was killed while it started another process leaves its lock for a moment to that one
        end = monotonic() + LINGER_S
        while True:
            try:
                return self._lock.acquire()
            except StoreError:
                if monotonic() > end:
                    raise
                sleep(LINGER_S / 20)

    def leave(self) -> None:
        """Let the lock go."""
        if self._held:
            self._lock.release()
            self._held = False

    def _opened(self) -> SQLiteBook:
        book = SQLiteBook(self.place.file, busy_s=self._busy_s)
        try:
            self._look_at(book)
            self._settle(book)
            if book.empty and any(self.place.rotated.glob("rows-*.parquet")):
                self._adopt(book)
            sync_folder(self.place.folder)  # the names of the file and of its write-ahead log are on the disk as well
        except BaseException:
            book.close()
            raise
        self._book = book
        return book

    def _look_at(self, book: SQLiteBook) -> None:
        book.check(whole=self.place.file.stat().st_size <= CHECKED_BYTES)

    def _settle(self, book: SQLiteBook) -> None:
        """Begin a new write-ahead log where the old one may hold what never reaches the disk."""
        self._in_doubt = self._in_doubt or (self._book is not None and self._book.in_doubt)
        if self._in_doubt or self._book is None:  # who wrote before us may have been in doubt, and killed
            self._begin_anew(book)
        if self._in_doubt:
            self._look_at(book)
            self._in_doubt = False

    def _begin_anew(self, book: SQLiteBook) -> None:
        try:
            book.empty_journal()
        except StoreError as error:
            if error.__cause__ is not None:
                raise
            if self._in_doubt:
                what = "the disk refused something, and a program that reads the log keeps it from being written anew"
                raise StoreError(what, where=error.where, fix="end that program; the log goes on by itself") from None
            log.info("the write-ahead log goes on where it ended: a program reads it")

    def _adopt(self, book: SQLiteBook) -> None:
        from mulle.store.log.rotation import adopted  # noqa: PLC0415  # seldom needed

        files = adopted(self.place)
        if files:
            book.begin_after(files[-1].last)
            book.record(files)

    def _set_aside(self, why: str) -> None:
        try:
            self.aside = self.place.set_aside(why)
        except OSError as error:
            raise StoreError.of(error, where=self.place.folder) from error


def _is(error: StoreError, numbers: Collection[int]) -> bool:
    return isinstance(error.__cause__, sqlite3.Error) and number(error.__cause__) in numbers
