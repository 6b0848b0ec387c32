"""A model that hangs while it serves, and what becomes of the server then.

A graph can't be stopped from outside, and a process with a lost thread can't be trusted. So there are four steps, by
the time that one batch has taken, in units of ``limits.answer_s``:

====== =======================================================================================================
after  what happens
====== =======================================================================================================
½      a challenger's batch is answered by the champion, and the challenger is left alone (`mulle.server.bench`)
1      the batch's requests hear 504; others are refused with 503; ``/readyz`` says 503, so that no more come
2      ``/livez`` says 503 too: a supervisor that asks restarts the process
3      the process writes its log and ends with `EXIT`, for supervisors that only see processes end
====== =======================================================================================================

When the batch comes back before the last, all is as before. A short batch runs on the event loop itself: if that one
hangs, nobody can be told anything, probes aren't answered either, and the last step ends it. A thread of its own
watches, because the loop may be what hangs; it looks at one number and costs a request two assignments.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable

log = logging.getLogger("mulle.server")

EXIT = 70
"""The exit code of a process that gave up (``EX_SOFTWARE``)."""
LATE, LOST, OVER = 0.5, 2, 3


class Stall:
    """Watches how long the batch under way has taken.

    Parameters
    ----------
    limit_s
        What a batch may take.

    Examples
    --------
    >>> stall = Stall(10.0)
    >>> stall.began = time.monotonic() - 25
    >>> stall.long, stall.lost
    (True, True)
    """

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self.began = 0.0
        """When the batch under way began, on the monotonic clock; 0 when there is none."""
        self._over = threading.Event()
        self._seen = 0.0

    @property
    def taken(self) -> float:
        """How long the batch under way has taken, in units of the limit; 0 when there is none."""
        began = self.began
        return (time.monotonic() - began) / self.limit_s if began else 0.0

    @property
    def late(self) -> bool:
        """Whether a batch is under way that somebody else should answer, where there is somebody."""
        return bool(self.began) and self.taken > LATE

    @property
    def long(self) -> bool:
        """Whether a batch is under way that takes too long."""
        return bool(self.began) and self.taken > 1

    @property
    def lost(self) -> bool:
        """Whether it has taken so long that it won't come back."""
        return bool(self.began) and self.taken > LOST

    def watch(
        self, *, told: Callable[[], object], end: Callable[[], object], late: Callable[[], object] = lambda: None
    ) -> None:
        """Watch from now on.

        Parameters
        ----------
        told
            Is called once for each batch that takes longer, in the watching thread.
        end
            Ends the process.
        late
            Is called while a batch is `late`, again and again.
        """
        threading.Thread(target=self._watch, args=(told, end, late), name="mulle-stall", daemon=True).start()

    def stop(self) -> None:
        """Watch no longer."""
        self._over.set()

    def _watch(self, told: Callable[[], object], end: Callable[[], object], late: Callable[[], object]) -> None:
        while not self._over.wait(self.limit_s / 8):
            began = self.began
            if not began:
                continue
            if self.late:
                late()
            if self.taken > 1 and began != self._seen:
                self._seen = began
                log.error("a batch takes longer than %g s", self.limit_s)
                told()
            if self.taken > OVER:
                log.critical("a batch never came back: this process ends, for its supervisor to start it anew")
                end()
                return


def ended(close: Callable[[], object]) -> None:
    """End the process at once, after its log was written.

    Parameters
    ----------
    close
        Writes the log.
    """
    try:
        close()
    finally:
        os._exit(EXIT)


def left_behind(*, say: Callable[[], object], patience_s: float = 1.0) -> None:
    """End the process at once when a thread of a model is still at work: Python would wait for it for ever.

    To be called when all else was closed.

    Parameters
    ----------
    say
        Brings out what the process still has to say.
    patience_s
        How long such a thread may take to end.
    """
    end = time.monotonic() + patience_s
    for thread in [one for one in threading.enumerate() if one.name.startswith(THREADS)]:
        thread.join(max(0.0, end - time.monotonic()))
        if thread.is_alive():
            log.critical("a batch never came back: this process ends without it")
            say()
            os._exit(EXIT)


THREADS = ("mulle-engine", "mulle-shadow", "mulle-explain")
"""How the names of threads begin in which models run."""
