"""The log of what is served: the writer on one side, readers on the other."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from mulle.core.errors import ProjectError, StoreError
from mulle.store.log.book import Book, Damaged
from mulle.store.log.desk import Desk
from mulle.store.log.entry import Answer, Done, Feedback, Group, Row
from mulle.store.log.history import E, Wanted, entries, rows
from mulle.store.log.place import Place, is_postgres
from mulle.store.log.reading import Reader, SQLiteReader
from mulle.store.log.rotation import Rotation
from mulle.store.log.sqlite import SQLiteBook
from mulle.store.log.writer import Writer, tell_each

if TYPE_CHECKING:
    from mulle.store.log.forget import Forgotten
    from mulle.store.log.postgres import PostgresBook
    from mulle.store.log.rotated import Rotated

log = logging.getLogger(__name__)

MAX_PENDING = 20_000
TEND_S = 60.0
"""How often old entries are looked after."""
ANSWERS_KEPT_S = 86_400.0
"""So long an answer can be asked for again under its key."""
Result = TypeVar("Result")


class Log:
    """Predictions, exposures, feedback, changed parameters and answers, written by one thread.

    Parameters
    ----------
    writer
        Started.
    reader
        Of the same database.
    place
        Of a SQLite file; None for PostgreSQL.
    tend
        Whether old entries are looked after once a minute.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from threading import Event
    >>> row = Row("p1", 0.0, "b6a1", 1, "champion", 1.0, "", "customer 7", b'{"age": 41}', b'{"score": 0.3}')
    >>> written = Event()
    >>> with TemporaryDirectory() as folder, Log.open(folder) as log:
    ...     log.append(Group(rows=[row], done=lambda error: written.set()))
    ...     written.wait(5), log.find("p1") == row
    (True, True)
    """

    def __init__(self, writer: Writer, reader: Reader, place: Place | None = None, *, tend: bool = True) -> None:
        self._writer, self._reader, self._place = writer, reader, place
        self._rotation = Rotation(place, reader, self._run) if place else None
        self._ending = threading.Event()
        if tend:
            threading.Thread(target=self._tend, name="mulle-log-tend", daemon=True).start()

    @classmethod
    def open(
        cls,
        url: str | Path,
        *,
        notify: Callable[[list[Done]], None] | None = None,
        max_pending: int = MAX_PENDING,
        command: str = "mulle",
        busy_s: float = 2.0,
        tend: bool = True,
    ) -> Self:
        """Open a log, make it when it isn't there, and start the thread that writes.

        Parameters
        ----------
        url
            A folder, a SQLite file that ends in ``.db``, or ``postgresql://…``.
        notify
            Is called in the writer's thread once a commit, with all who wait and what each is to be told; when
            absent, the writer's thread tells each of them itself.
        max_pending
            How many entries may wait to be written.
        command
            What the person typed, for the message that a second writer gets.
        busy_s
            How long a commit waits for another process that has locked the database, in seconds.
        tend
            Whether older rows are moved into Parquet files, and old answers removed, once a minute.

        Returns
        -------
        Log
            Also a context manager.

        Raises
        ------
        StoreError
            When another process writes there, the disk refuses, or a newer Mulle wrote it.
        ProjectError
            When the address is of no known kind.
        MissingExtra
            When it is PostgreSQL's and the driver isn't installed.
        """
        if is_postgres(url):
            return cls._in_postgres(str(url), notify or tell_each, max_pending, tend=tend)
        desk = Desk(Place.of(url), command=command, busy_s=busy_s)
        writer = Writer(desk.open, notify or tell_each, max_pending, desk.leave)
        writer.start()
        return cls(writer, SQLiteReader(desk.place), desk.place, tend=tend)

    @classmethod
    def _in_postgres(cls, url: str, notify: Callable[[list[Done]], None], max_pending: int, *, tend: bool) -> Self:
        from mulle.store.log.postgres import PostgresBook, PostgresReader  # noqa: PLC0415  # the driver is an extra

        writer = Writer(lambda: PostgresBook(url), notify, max_pending, lambda: None)
        writer.start()
        return cls(writer, PostgresReader(url), tend=tend)

    def append(self, group: Group) -> None:
        """Hand entries over to be written together; returns at once, from any thread.

        Parameters
        ----------
        group
            What is to be written, what is promised, and who is told when the promise holds or is broken.

        Raises
        ------
        LogFull
            When too many entries wait already. Nothing of the group was taken.
        StoreError
            When the log is closed.
        """
        self._writer.append(group)

    def write(self, group: Group) -> None:
        """Hand entries over as `append` does, or write them before this returns, where that is quicker.

        It is when nothing else waits, no sync was promised, and the system only has to copy them into its memory.
        Then ``group.done`` hears of it before this returns, in the caller's thread. A disk that was slow lately is left
        to the writer's thread, so that at most one call in some seconds waits for it.

        Parameters
        ----------
        group
            As for `append`.

        Raises
        ------
        StoreError
            As `append`.
        """
        self._writer.write(group)

    @property
    def shared(self) -> bool:
        """Whether several processes may write it at once, as they may in PostgreSQL."""
        return self._place is None

    @property
    def pending(self) -> int:
        """How many entries wait to be written."""
        return self._writer.pending

    @property
    def dropped(self) -> int:
        """How many entries were lost, of groups that did not ask for *synced*."""
        return self._writer.dropped

    @property
    def fault(self) -> str | None:
        """Why it can't write now; None when it can."""
        return self._writer.fault

    def find(self, prediction_id: str) -> Row | None:
        """Look one prediction up, from any thread.

        Returns
        -------
        Row or None
            None when there is none, or none yet.
        """
        return self._looked(lambda reader: reader.find(prediction_id))

    def feedback_of(self, prediction_id: str) -> list[Feedback]:
        """Return what was learnt about a prediction, in the order in which it was accepted."""
        return self._looked(lambda reader: reader.feedback_of(prediction_id))

    def said_of(self, prediction_id: str) -> dict[str, tuple[int, Feedback]]:
        """Return, by kind, how many times feedback came on a prediction and what came last."""
        return self._looked(lambda reader: reader.said_of(prediction_id))

    def answer(self, key: str) -> Answer | None:
        """Return what was answered under an idempotency key, None when nothing was, or not yet written."""
        return self._looked(lambda reader: reader.answer(key))

    def _looked(self, ask: Callable[[Reader], Result]) -> Result:
        try:
            return ask(self._reader)
        except Damaged:
            self._writer.doubt()
            raise

    def read(self, kind: type[E] = Row, **wanted: Any) -> Iterator[list[E]]:  # type: ignore[assignment]
        """Read entries in the order in which they were written, rotated ones too, a chunk at a time.

        Parameters
        ----------
        kind
            The entries' class: `Row`, `Exposure`, `Feedback`, `Change` or `Answer`.
        **wanted
            ``since`` (within) and ``until`` (without), seconds since 1970 UTC; ``arm``, ``trial``, ``unit``.

        Yields
        ------
        list
            A few thousand entries at most.
        """
        folder = self._place.rotated if self._place else None
        which = Wanted(**wanted)
        found: Any = rows(self._reader, folder, which) if kind is Row else entries(self._reader, kind, which)
        yield from found

    def rotate(self, *, everything: bool = False) -> Rotated | None:
        """Move older rows into a Parquet file now; see `mulle.store.log.rotation`.

        Parameters
        ----------
        everything
            All rows that are written, not only those that are due.

        Returns
        -------
        Rotated or None
            The file; None when there was nothing to move.

        Raises
        ------
        StoreError
            When it can't be written; the rows stay in the log then.
        """
        if self._rotation is None:
            raise StoreError("a log in PostgreSQL is not rotated", fix="partition its tables there")
        return self._rotation.once(everything=everything)

    def forget(self, unit: str, others: Collection[str] = ()) -> Forgotten:
        """Remove all of a unit: predictions, their feedback, exposures, answers; in rotated files too.

        Parameters
        ----------
        unit
            As it was logged. Not empty: that is every row that names nobody.
        others
            Ids of predictions that go with it: rows that are known to be of the same person.

        Returns
        -------
        Forgotten
            How many went, and what could not be reached.

        Raises
        ------
        ProjectError
            When the unit is empty.
        StoreError
            When the disk refuses. Calling it again goes on.
        """
        if not unit:
            raise ProjectError(
                "an empty key names nobody: every row that came without a unit would go",
                where="mulle forget",
                fix="give the key of one unit",
            )
        from mulle.store.log.forget import Forgetting, Forgotten  # noqa: PLC0415  # seldom needed

        if self._rotation is None:
            return Forgotten.of(self._run(lambda book: cast("PostgresBook", book).forget(unit, others)))
        return Forgetting(self._rotation.place, self._rotation, self._run).of(unit, others)

    def _run(self, job: Callable[[SQLiteBook], Result], /) -> Result:
        # Results come back over a queue of one: the writer's thread never waits for us
        said: SimpleQueue[Result | StoreError] = SimpleQueue()
        self._writer.ask(lambda book: said.put(_tried(job, book)))
        result = said.get()
        if isinstance(result, StoreError):
            raise result
        return result

    def _tend(self) -> None:
        while not self._ending.wait(TEND_S):
            try:
                before = datetime.now(UTC).timestamp() - ANSWERS_KEPT_S
                self._run(lambda book, before=before: book.prune(before))  # type: ignore[misc]
                if self._rotation is not None:
                    self._rotation.once()
            except StoreError as error:
                log.warning("the log was not tended: %s", error)
            except Exception:  # the next time may go well, and nobody else looks after old entries
                log.exception("the log was not tended: a fault of ours")

    def close(self, timeout_s: float = 30.0) -> bool:
        """Write what waits, and end the thread.

        Parameters
        ----------
        timeout_s
            How long that may take.

        Returns
        -------
        bool
            True when everything that had been taken is written.
        """
        self._ending.set()
        self._reader.close()  # first: the last one out moves the write-ahead log into the file, and it has to write
        return self._writer.close(timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _tried(job: Callable[[SQLiteBook], Result], book: Book | StoreError) -> Result | StoreError:
    if isinstance(book, StoreError):
        return book
    try:
        return job(cast("SQLiteBook", book))
    except StoreError as error:
        return error
    except Exception as error:  # whoever waits for the result has to hear  # noqa: BLE001
        fault = StoreError(f"a fault of ours in the log: {error!r}", fix="report it with the server's log")
        fault.__cause__ = error
        return fault
