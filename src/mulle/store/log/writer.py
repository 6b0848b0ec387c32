"""The one thread that writes: all that waits goes into one commit, and everybody who asked is told once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import TypeAlias

from mulle.core.errors import MulleError, StoreError
from mulle.store.log.book import BadEntry, Book, Locked, Opened
from mulle.store.log.entry import Done, Group, LogFull, Promise

log = logging.getLogger(__name__)

Job: TypeAlias = Callable[[Book | StoreError], None]
"""Something to be done with the database, or what to hear when that can't be written now."""

FIRST_TRY_S = 0.05
"""After a fault the database is opened again after so long; then twice as long each time, up to `LAST_TRY_S`."""
LAST_TRY_S = 2.0
IDLE_S = 1.0
"""How often a thread with nothing to do looks after the file."""
SLOW_S, SHUN_S = 0.025, 5.0
"""After a write in the caller's thread that took longer than this, for so long all of them are left to the writer's."""

TRUST_S = 60.0
"""After the database was looked at because a reader met damage, for so long it is not again: a look may find nothing."""


class Writer:
    """Takes groups from any thread and writes them in its own.

    Parameters
    ----------
    opened
        Opens the database, in the writer's thread.
    notify
        Is told of all who wait, once a commit.
    max_pending
        How many entries may wait.
    left
        Is called in the writer's thread when it ends.
    """

    def __init__(
        self,
        opened: Opened,
        notify: Callable[[list[Done]], None],
        max_pending: int,
        left: Callable[[], None],
    ) -> None:
        self.pending = 0
        self.dropped = 0
        self.fault: str | None = None
        self._opened, self._notify, self._max, self._left = opened, notify, max_pending, left
        self._lock, self._bell = threading.Lock(), threading.Semaphore(0)
        self._waiting: list[Group] = []
        self._jobs: list[Job] = []
        self._asleep = self._closing = self._lossy = False
        self._book: Book | None = None
        self._wait_s, self._again_at = FIRST_TRY_S, 0.0
        self._shunned_until = self._trusted_until = 0.0
        self._thread = threading.Thread(target=self._live, name="mulle-log", daemon=True)
        self._more = False
        self._refused: Exception | None = None
        self._ready = threading.Event()

    def start(self) -> None:
        """Start the thread and wait until the database is open.

        Raises
        ------
        StoreError
            When it can't be opened.
        """
        self._thread.start()
        self._ready.wait()
        if self._refused is not None:
            self._thread.join()
            raise self._refused

    def append(self, group: Group) -> None:
        """Take a group; see `mulle.store.log.Log.append`."""
        n = len(group[0]) + len(group[1]) + len(group[2]) + len(group[3]) + len(group[4])
        with self._lock:
            if self.pending + n > self._max or self._closing:
                raise self._no_room(n)
            self.pending += n
            self._waiting.append(group)
            asleep, self._asleep = self._asleep, False
        if asleep:
            self._bell.release()

    def write(self, group: Group) -> None:
        """Take a group, and write it here where that is quick; see `mulle.store.log.Log.write`."""
        with self._lock:
            here = self._is_quick(group)
            error = self._written_here(group) if here else None
            due = here and self._book is not None and self._book.due
        if due:
            with suppress(StoreError):  # it is being closed, which tidies as well
                self.ask(_tidied)
        if not here or isinstance(error, Locked):
            self.append(group)
        elif group.done is not None:
            tell_each([(group.done, error)])

    def _is_quick(self, group: Group) -> bool:
        """Whether a group can be written in the caller's thread: the other one sleeps, and to wake up it needs the lock."""
        if group.promise is Promise.SYNCED or monotonic() < self._shunned_until:
            return False
        return self._asleep and not self._closing and self._book is not None and self._book.quick

    def _written_here(self, group: Group) -> StoreError | None:
        """Write a group in the caller's thread, which waits for nobody; return what went wrong."""
        began = monotonic()
        error = self._attempt([group], waits=False)
        if monotonic() - began > SLOW_S:
            self._shunned_until = monotonic() + SHUN_S
        if error is not None and not isinstance(error, Locked):
            self.dropped += group.size
        return error

    def _no_room(self, n: int) -> StoreError:
        if self._closing:
            return StoreError("the log is closed", fix="open it again")
        return LogFull(
            f"{self.pending:,} entries wait to be written; {n:,} more than {self._max:,} may not",
            fix="try again in a second",
        )

    def ask(self, job: Job) -> None:
        """Have something done between two commits, in the writer's thread."""
        with self._lock:
            if self._closing:
                raise StoreError("the log is closed", fix="open it again")
            self._jobs.append(job)
            asleep, self._asleep = self._asleep, False
        if asleep:
            self._bell.release()

    def doubt(self) -> None:
        """Look at the database: somebody read damage there, of which the pages in memory need not tell. Once a while."""
        with self._lock:
            doubted, again = self._book, monotonic() < self._trusted_until
            if again or doubted is None:
                return
            self._trusted_until = monotonic() + TRUST_S
        with suppress(StoreError):  # it is being closed
            self.ask(lambda _: self._look_at(doubted))

    def _look_at(self, doubted: Book) -> None:
        """Open the database anew, which looks at it and moves aside what is damaged; what comes meanwhile waits."""
        if self._book is doubted:
            doubted.close()
            self._book, self._again_at = None, 0.0
            self._up()

    def close(self, timeout_s: float) -> bool:
        """Write what waits and end; see `mulle.store.log.Log.close`."""
        with self._lock:
            self._closing = True
            asleep, self._asleep = self._asleep, False
        if asleep:
            self._bell.release()
        self._thread.join(timeout_s)
        return not self._thread.is_alive() and not self._lossy

    def _live(self) -> None:
        try:
            if self._begun():
                while self._turn():
                    pass
        except Exception:
            log.exception("the log's writer ended: a fault of ours")
        finally:
            self._end()

    def _end(self) -> None:
        """Leave: nobody may wait for a thread that is gone."""
        with self._lock:
            self._closing = True
            groups, self._waiting = self._waiting, []
            jobs, self._jobs = self._jobs, []
        gone = StoreError("the log's writer has ended", fix="start the server again; its log says why")
        if groups or jobs:
            self.fault = gone.what
            self._settle(groups, [gone] * len(groups))
        try:
            for job in jobs:
                job(gone)
            if self._book is not None:
                self._book.close()
        except Exception:  # the lock has to be let go all the same
            log.exception("a fault of ours while the log was closed")
        finally:
            self._left()

    def _begun(self) -> bool:
        try:
            self._book = self._opened()
        except Exception as error:  # handed to the one who started us  # noqa: BLE001
            self._refused = error
        finally:
            self._ready.set()
        return self._book is not None

    def _turn(self) -> bool:
        with self._lock:
            groups, self._waiting = self._waiting, []
            jobs, self._jobs = self._jobs, []
            over = self._closing and not groups and not jobs
            self._asleep = not (groups or jobs or over)
            asleep = self._asleep
        if asleep:
            rung = self._bell.acquire(timeout=self._patience())
            self._pause(rung=rung)
            return True
        if groups:
            self._commit(groups)
        for job in jobs:
            self._do(job)
        return not over

    def _patience(self) -> float:
        if self._more:
            return FIRST_TRY_S / 10
        return IDLE_S if self.fault is None else max(0.0, min(IDLE_S, self._again_at - monotonic()))

    def _pause(self, *, rung: bool) -> None:
        if not rung:
            with self._lock:
                rung, self._asleep = not self._asleep, False
            if rung:  # it rang between the end of our patience and now: take the ring away
                self._bell.acquire()
        if self._up() is None or rung:
            return
        self._tidy(idle=True)

    def _commit(self, groups: list[Group]) -> None:
        self._settle(groups, self._written(groups))
        with self._lock:
            idle = not self._waiting
        if self._book is not None:
            self._tidy(idle=idle)

    def _written(self, groups: list[Group]) -> list[StoreError | None]:
        error = self._attempt(groups)
        if isinstance(error, BadEntry) and len(groups) > 1:
            return self._halves(groups)
        return [error] * len(groups)

    def _halves(self, groups: list[Group]) -> list[StoreError | None]:
        # One bad group among many is found in a few commits, and the others are written
        half = len(groups) // 2
        return self._written(groups[:half]) + self._written(groups[half:])

    def _attempt(self, groups: Sequence[Group], *, waits: bool = True) -> StoreError | None:
        """Write all groups or none; return what went wrong."""
        book = self._up()
        if book is None:
            return self._outage()
        try:
            book.write(groups, synced=any(group.promise is Promise.SYNCED for group in groups), waits=waits)
        except StoreError as error:
            if not isinstance(error, BadEntry) and (waits or not isinstance(error, Locked)):
                self._down(error)
            return error
        except Exception as error:  # the thread has to live, and whoever waits has to hear
            log.exception("a fault of ours in the log")
            self._down(
                ours := StoreError(f"a fault of ours in the log: {error!r}", fix="report it with the server's log")
            )
            return ours
        return None

    def _settle(self, groups: list[Group], said: list[StoreError | None]) -> None:
        # One notice a commit: whoever gathers them needs one wake-up of an event loop
        n = sum(group.size for group in groups)
        lost = sum(
            group.size
            for group, error in zip(groups, said, strict=True)
            if error is not None and group.promise is not Promise.SYNCED
        )
        with self._lock:
            self.pending -= n
            self.dropped += lost
        self._lossy = self._lossy or (self._closing and any(error is not None for error in said))
        told = [(group.done, error) for group, error in zip(groups, said, strict=True) if group.done is not None]
        if told:
            self._tell(told)

    def _tell(self, told: list[Done]) -> None:
        try:
            self._notify(told)
        except Exception:  # whoever listens must not end the log
            log.exception("somebody who was told of a commit failed")

    def _up(self) -> Book | None:
        if self._book is None and monotonic() >= self._again_at:
            try:
                self._book = self._opened()
            except MulleError as error:
                self._down(error)
            except Exception as error:  # this thread has to live: it tries again, and whoever waits hears why
                log.exception("a fault of ours while the log was opened again")
                self._down(StoreError(f"a fault of ours: {error!r}", fix="report it with the server's log"))
            else:
                log.warning("the log writes again; dropped meanwhile: %d", self.dropped)
                self.fault, self._wait_s = None, FIRST_TRY_S
        return self._book

    def _outage(self) -> StoreError:
        return StoreError(
            f"the log can't write now: {self.fault}", fix="it tries again by itself; see the server's log"
        )

    def _down(self, error: MulleError) -> None:
        if self.fault is None:
            log.error("the log can't write: %s", error)
        self.fault = error.what
        if self._book is not None:
            self._book.close()
            self._book = None
        self._again_at = monotonic() + self._wait_s
        self._wait_s = min(LAST_TRY_S, self._wait_s * 2)

    def _tidy(self, *, idle: bool) -> None:
        try:
            if self._book is not None:
                self._more = self._book.tidy(idle=idle)
        except StoreError as error:
            self._down(error)
        except Exception as error:  # this thread has to live: the file is opened again
            log.exception("a fault of ours in the log")
            self._down(StoreError(f"a fault of ours: {error!r}", fix="report it with the server's log"))

    def _do(self, job: Job) -> None:
        book = self._up()
        try:
            job(self._outage() if book is None else book)
        except StoreError as error:
            self._down(error)
        except Exception:  # this thread has to live
            log.exception("a fault of ours in the log")


def _tidied(book: Book | StoreError) -> None:
    if not isinstance(book, StoreError):
        book.tidy(idle=True)


def tell_each(told: Sequence[Done]) -> None:
    """Tell all whose entries were kept, or could not be. One that fails keeps it from none of the others."""
    for done, error in told:
        try:
            done(error)
        except Exception:  # the others have to hear it all the same
            log.exception("somebody who was told of a commit failed")
