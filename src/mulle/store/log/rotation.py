"""When rows leave the log's file for a Parquet file, so that a crash at any moment neither loses nor doubles one.

The file is written, synced and renamed by another process; then one transaction records which ``seq`` it covers,
and from that moment those rows are read from it alone; then they are removed from the log, a few at a time.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from mulle.core.errors import StoreError
from mulle.store.log.place import Place
from mulle.store.log.reading import Reader
from mulle.store.log.rotated import NAME, Rotated
from mulle.store.log.sqlite import SQLiteBook

log = logging.getLogger(__name__)

LIMIT_BYTES = 512 << 20
"""A file that holds more than so much is rotated before the day is over."""
YOUNG = 10_000
"""So many of the newest rows stay when it is the size that calls: one sent twice is still known then."""
LATE_S = 600.0
"""A day's rows are rotated so long after its end, seconds."""
Result = TypeVar("Result")


class Run(Protocol):
    """Has something done in the writer's thread, and waits for it."""

    def __call__(self, job: Callable[[SQLiteBook], Result], /) -> Result:
        """Do it between two commits."""


class Rotation:
    """Moves older rows out, one piece at a time.

    Parameters
    ----------
    place
        Where the log lies.
    reader
        Of it.
    run
        Has something done in the writer's thread.
    limit_bytes
        How large the file may become.
    """

    def __init__(self, place: Place, reader: Reader, run: Run, *, limit_bytes: int = LIMIT_BYTES) -> None:
        self.place, self.limit_bytes = place, limit_bytes
        self._reader, self._run = reader, run
        self.turn = threading.Lock()
        """Held while files are written: rotation and forgetting take turns."""

    def due(self, now: datetime | None = None) -> tuple[int, int] | None:
        """Say which rows ought to leave now.

        Parameters
        ----------
        now
            The present moment when absent.

        Returns
        -------
        (int, int) or None
            The first and last ``seq``; None when none ought to.
        """
        first, last = self._held()
        if first is None or last is None:
            return None
        if self._bytes() > self.limit_bytes and last - YOUNG >= first:
            return first, last - YOUNG
        moment = (now or datetime.now(UTC)).timestamp()
        midnight = (moment - LATE_S) // 86_400 * 86_400  # seconds since 1970 know no leap seconds: days are whole
        asked = "SELECT max(seq) FROM predictions WHERE seq >= ? AND at < ?"
        old = self._reader.ask(asked, (first, midnight))[0][0]
        return None if old is None else (first, int(old))

    def everything(self) -> tuple[int, int] | None:
        """Return the first and last ``seq`` of all rows that are not rotated yet, None when there are none."""
        first, last = self._held()
        return None if first is None or last is None else (first, last)

    def _held(self) -> tuple[int | None, int | None]:
        asked = "SELECT min(seq), max(seq) FROM predictions WHERE seq > (SELECT coalesce(max(last), 0) FROM rotated)"
        first, last = self._reader.ask(asked)[0]
        return first, last

    def _bytes(self) -> int:
        pages, free, size = (
            int(self._reader.ask(f"PRAGMA {word}")[0][0]) for word in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size

    def once(self, *, everything: bool = False) -> Rotated | None:
        """Move one piece out, when one is due.

        Parameters
        ----------
        everything
            All rows that are written, not only those that are due.

        Returns
        -------
        Rotated or None
            The new file; None when none was due.

        Raises
        ------
        StoreError
            When it can't be written. Nothing is lost then.
        """
        with self.turn:
            span = self.everything() if everything else self.due()
            if span is None:
                return None
            self._sweep(*span)
            made = _in_a_process(self.place, *span)
            self._run(lambda book: book.record([made]))
            log.info("%d rows moved out of the log into %s", made.n_rows, made.file)
            return made

    def _sweep(self, first: int, last: int) -> None:
        # A crash between renaming and recording left a file whose rows still stand in the log
        known = {name for (name,) in self._reader.ask("SELECT file FROM rotated")}
        for path in self.place.rotated.glob("*.parquet"):
            found = NAME.fullmatch(path.name)
            if found and path.name not in known and first <= int(found[1]) <= last:
                log.info("%s was not recorded: written anew", path.name)
                path.unlink()


def _in_a_process(place: Place, first: int, last: int) -> Rotated:
    words = [sys.executable, "-m", "mulle.store.log.parquet", str(place.file), str(first), str(last)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603  # our own module
    if done.returncode != 0:
        raise StoreError(
            f"older rows could not be moved out: {done.stderr.strip()[-400:]}",
            where=str(place.rotated),
            fix="they stay in the log, and it is tried again later",
        )
    return Rotated(**json.loads(done.stdout))


def adopted(place: Place) -> Sequence[Rotated]:
    """Find files of older rows that a new log takes over, as after a damaged one was moved aside.

    Parameters
    ----------
    place
        Where the log lies.

    Returns
    -------
    sequence of Rotated
        By ``seq``. One that overlaps another, or can't be read, is left alone and said.
    """
    kept: list[Rotated] = []
    from mulle.store.log.parquet import described  # noqa: PLC0415  # Polars

    paths = sorted(place.rotated.glob("rows-*.parquet"))
    found = [file for file in map(described, paths) if file is not None]
    # A process that outlived its server may have left a second file of the same beginning: the fuller one counts
    for file in sorted(found, key=lambda file: (file.first, -file.last, -file.n_rows)):
        if not kept or file.first > kept[-1].last:
            kept.append(file)
    for path in {path.name for path in paths} - {file.file for file in kept}:
        log.warning("%s is left alone: it is damaged, or covers rows of another file", path)
    return kept
