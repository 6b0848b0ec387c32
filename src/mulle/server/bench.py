"""Challengers and shadows that are left alone, because a thread that asked them has not come back.

A graph can't be stopped from outside. A champion that hangs costs the process (`mulle.server.stall`); one that is only
tried must not: whoever waits goes on with another thread, and the bundle is asked no more until its own is back.

What hangs on the event loop can't be passed on. So a challenger's batches run on a thread, however short they are,
until `ENOUGH` of them came back; what that costs stands in docs/explanation/decisions/entrance.md.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Any

from mulle.server.metrics import Labels, Metrics
from mulle.server.served import Served
from mulle.store.log.entry import CHALLENGER, CHAMPION, SHADOW

log = logging.getLogger("mulle.server")
ENOUGH = 1_000
"""Batches after which a challenger may do to the event loop what a champion may."""


class Bench:
    """Remembers who is left alone. On the event loop only.

    Parameters
    ----------
    metrics
        Counts how often that was necessary.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._out: list[Served] = []
        self._n_back: Counter[str] = Counter()

    def trusts(self, served: Served) -> bool:
        """Say whether a bundle may run on the event loop."""
        return served.arm != CHALLENGER or self._n_back[served.name] >= ENOUGH

    def came_back(self, served: Served) -> None:
        """Hear that a batch came back from a thread."""
        if served.arm == CHALLENGER:
            self._n_back[served.name] += 1

    def holds(self, served: Served) -> bool:
        """Say whether a bundle is to be left alone. A champion never is: there is nobody to answer in its place."""
        return bool(self._out) and served.arm != CHAMPION and served.name in {one.name for one in self._out}

    def leave(self, served: Served, work: asyncio.Future[Any], *, after_s: float) -> None:
        """Leave a bundle alone until its work comes back.

        Parameters
        ----------
        served
            Who hangs.
        work
            What it does; whatever comes of it, nobody hears it.
        after_s
            How long it has taken.
        """
        log.error("the %s %s has not answered for %.3g s: it is left alone", served.arm, served.name, after_s)
        self._metrics.count("mulle_hung_total", served.arm)
        self._out.append(served)
        self._n_back[served.name] = 0
        work.add_done_callback(lambda done: self._back(served, done))

    def _back(self, served: Served, done: asyncio.Future[Any]) -> None:
        self._out.remove(served)
        if not done.cancelled() and done.exception() is None:
            log.warning("the %s %s is back, and is asked again", served.arm, served.name)

    def counted(self) -> dict[Labels, float]:
        """Return how many threads are out, by arm."""
        out = Counter(one.arm for one in self._out)
        return {(arm,): float(out[arm]) for arm in (CHALLENGER, SHADOW)}
