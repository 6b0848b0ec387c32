"""The policy's parameters, changed while the server runs: versioned, in the log before they are in force."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from mulle.core.clock import now
from mulle.core.errors import DataError, MulleError, StoreError
from mulle.runtime.bundle import Bundle
from mulle.server.remote import RemoteLog
from mulle.server.served import Lineup, Served
from mulle.store.log import Change, Group, Log, Promise

SHORT = 16
"""Digits of a bundle's hash by which the log names it."""
TRIES = 5
THRESHOLD, PER_CENT = "threshold", 100


class InForce(NamedTuple):
    """What was decided last for one bundle."""

    version: int
    parameters: dict[str, float]


class Tuning:
    """Remembers which parameters are in force for which bundle.

    Versions count up over the whole log, so that no two changes ever have the same one, whoever made them and
    whenever the server was started anew. Version 0 is a bundle as it was packaged.

    Parameters
    ----------
    log
        Where changes are kept; None: they last as long as the process.

    Raises
    ------
    StoreError
        When the log can't be read.
    """

    def __init__(self, log: Log | RemoteLog | None) -> None:
        self._log = log
        self._turn = asyncio.Lock()
        self._in_force: dict[str, InForce] = {}
        self._last = 0
        self._read()

    def _read(self) -> None:
        for change in self._changes():
            self._take(change)

    def catch_up(self) -> bool:
        """Read what others decided; return whether there was anything new."""
        before = self._last
        self._read()
        return self._last != before

    def _take(self, change: Change) -> None:
        self._last = max(self._last, change.version)
        known = self._in_force.get(change.bundle)
        if known is None or known.version < change.version:
            self._in_force[change.bundle] = InForce(change.version, json.loads(change.parameters))

    @property
    def survives(self) -> bool:
        """Whether a change outlives the process."""
        return self._log is not None

    @property
    def shared(self) -> bool:
        """Whether others may decide too: several processes write this log."""
        return self._log is not None and self._log.shared

    def of(self, bundle: Bundle) -> tuple[Bundle, int]:
        """Return a bundle under the parameters in force for it, and their version. From any thread."""
        held = self._in_force.get(bundle.hash[:SHORT])
        if held is None:
            return bundle, 0
        return bundle.with_parameters(**held.parameters), held.version

    def lineup(self, lineup: Lineup) -> Lineup:
        """Return a line-up in which each bundle has the parameters in force for it."""
        for bundle in {served.bundle.hash: served.bundle for served in lineup.all}.values():
            lineup = retuned(lineup, *self.of(bundle))
        return lineup

    async def change(self, bundle: Bundle, parameters: Mapping[str, float], *, who: str) -> tuple[Bundle, int]:
        """Decide on new parameters. They are on the disk when this returns.

        Parameters
        ----------
        bundle
            Whose policy.
        parameters
            New values by name; the others stay as they are in force.
        who
            Who says so, for the log.

        Returns
        -------
        tuple
            The bundle under them, and their version.

        Raises
        ------
        DataError, UnknownName
            When the policy has no such parameter, or it is no finite number or out of its range. Nothing was changed.
        StoreError
            When the change could not be kept. It isn't in force.
        """
        async with self._turn:
            tuned = self.of(bundle)[0].with_parameters(**parameters)
            _check_range(tuned, parameters)
            name = bundle.hash[:SHORT]
            for _ in range(TRIES):
                change = Change(self._last + 1, now(), name, json.dumps(tuned.parameters).encode(), who)
                await self._keep(change)
                if self._log is None or await asyncio.to_thread(self._is_ours, change):
                    self._take(change)
                    return tuned, change.version
                await asyncio.to_thread(self._read)  # another server on this log was quicker
        raise StoreError("others change the parameters all the time", where=name, fix="try again")

    def _is_ours(self, change: Change) -> bool:
        """Whether the log took the change: of two with one version it keeps the first."""
        return next((one for one in self._changes() if one.version == change.version), None) == change

    def _changes(self) -> Iterator[Change]:
        return (one for chunk in (self._log.read(Change) if self._log else ()) for one in chunk)

    async def _keep(self, change: Change) -> None:
        if self._log is None:
            return
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def told(error: MulleError | None) -> None:
            if not done.done():
                done.set_result(None) if error is None else done.set_exception(error)

        self._log.append(Group(changes=[change], promise=Promise.SYNCED, done=told))
        await done


def _check_range(bundle: Bundle, named: Collection[str]) -> None:
    """Refuse a threshold that no probability lies on the other side of, but for the one that was packaged.

    It would decide alike on every row; most often a per cent was meant.
    """
    policy = bundle.manifest.policy
    if policy.policy != THRESHOLD or THRESHOLD not in named or not bundle.classes:
        return
    value, packaged = bundle.parameters[THRESHOLD], policy.parameters[THRESHOLD]
    if not 0 <= value <= 1 and value != packaged:
        meant = f"; {value:g} % is {value / 100:g}" if 1 < value <= PER_CENT else ""
        what = f"the threshold {value:g} decides alike on every row: probabilities lie between 0 and 1"
        raise DataError(what, where="policy threshold", fix=f"give a number between 0 and 1{meant}")


def retuned(lineup: Lineup, bundle: Bundle, version: int) -> Lineup:
    """Return a line-up in which one bundle, whatever its arms, has other parameters."""

    def one(served: Served) -> Served:
        return replace(served, bundle=bundle, version=version) if served.bundle.hash == bundle.hash else served

    return replace(
        lineup,
        champion=one(lineup.champion),
        others={arm: one(served) for arm, served in lineup.others.items()},
        shadow=one(lineup.shadow) if lineup.shadow else None,
    )
