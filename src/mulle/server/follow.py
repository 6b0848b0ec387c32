"""A server follows its project's releases: what the ledger says is what it serves, within half a second.

Nothing is asked of the server when something is released, so any number of servers on one project agree, one that was
down catches up, and there is no moment at which half of a step was done.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mulle.core.clock import now
from mulle.core.errors import BundleError, MulleError, StoreError
from mulle.operate.release.state import KIND, WATCHED, Challenger, State, Step, Version, stand
from mulle.runtime.bundle import Bundle
from mulle.runtime.difference import Difference
from mulle.server.kept import kept
from mulle.server.served import Lineup, Served, Trial
from mulle.server.swap import admitted, opened
from mulle.store.log.entry import CHALLENGER, CHAMPION, SHADOW
from mulle.store.tail import Tail
from mulle.trials.assign import Arms, Assignment

EVERY_S = 0.25
AGAIN_S = 5.0
"""How long a bundle that could not be opened is left alone before it is tried again."""
SETTLED_S = 2.0
"""After so long every process deals by the new share, and what was dealt before is in the log."""
log = logging.getLogger("mulle.server")


class Follower:
    """Turns the ledger's releases into line-ups.

    Parameters
    ----------
    home
        The project's folder ``.mulle``.
    tuned
        Returns the parameters in force for a bundle, and their version.
    log_url
        Where exposures are kept, so that units keep their arm in a trial that deals anew; empty: nowhere.
    """

    def __init__(
        self,
        home: Path,
        *,
        tuned: Callable[[Bundle], tuple[Bundle, int]] = lambda bundle: (bundle, 0),
        log_url: str = "",
    ) -> None:
        self._home = home
        self._tail = Tail(home / "ledger.db", kind=KIND)
        self._tuned = tuned
        self._log_url = log_url
        self._read_again = math.inf
        self._open: dict[str, Bundle] = {}
        self._not_before: dict[str, float] = {}
        self.state = State()
        self.faults: dict[str, str] = {}
        """Why a bundle that should be served isn't, by its hash."""

    def first(self) -> Lineup:
        """Return what is to be served at the start.

        Raises
        ------
        StoreError
            When nothing was released yet.
        BundleError
            When the champion can't be opened.
        """
        state = stand(self._tail.since(0))
        if state.champion is None:
            what = "nothing was released in this project yet"
            fix = "mulle release start, then mulle release promote; or serve a bundle as it is: mulle serve BUNDLE"
            raise StoreError(what, where=str(self._home), fix=fix)
        lineup = self._lineup(state)
        if lineup is None:
            what = f"the champion can't be served: {self.faults[state.champion.bundle]}"
            raise BundleError(what, where=str(self._home / state.champion.folder), fix="mulle release rollback")
        self.state = state
        return lineup

    def warm(self) -> None:
        """Open the former champions, so that a rollback takes no time after a restart either."""
        for version in self.state.former:
            self._bundle(version)

    async def run(self, change: Callable[[Lineup], None]) -> None:
        """Follow, for ever.

        Parameters
        ----------
        change
            Takes a new line-up into service.
        """
        await asyncio.to_thread(self.warm)
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                lineup = await asyncio.to_thread(self.catch_up)
            except MulleError as error:
                log.warning("releases can't be followed: %s", error.what)
                continue
            except Exception:  # whoever follows has to go on: what is served stays, and the next event may mend it
                log.exception("releases can't be followed: a fault of ours")
                await asyncio.sleep(AGAIN_S)
                continue
            if lineup is not None:
                change(lineup)

    def catch_up(self) -> Lineup | None:
        """Look once; return another line-up when something was released."""
        found = self._tail.since(self.state.last)
        if not found and not self._due():
            return None
        state = stand(found, self.state)
        lineup = self._lineup(state)
        self.state = state  # only now: what failed above is tried again
        return lineup

    def unwatched_s(self) -> float:
        """Return for how long nobody has looked at the guardrails of a challenger that units meet; 0 when they meet none."""
        held = self.state.challenger
        if held is None or held.step not in {Step.CANARY, Step.TRIAL}:
            return 0.0
        try:
            looked = (self._home / WATCHED).stat().st_mtime
        except OSError:
            looked = 0.0
        return max(0.0, now() - max(looked, held.since))

    def _due(self) -> bool:
        """Whether a bundle that could not be opened is worth another try, or the log another look."""
        return any(time.monotonic() > when for when in (*self._not_before.values(), self._read_again))

    def _lineup(self, state: State) -> Lineup | None:
        """Open what a state names. A challenger that can't be opened answers nobody; the champion stays."""
        self._drop(state)
        champion = self._served(state.champion, CHAMPION) if state.champion else None
        if champion is None:
            return None
        challenger = state.challenger
        if challenger is None or challenger.step is Step.CANDIDATE:
            self._forget(state)
            return Lineup(champion=champion)
        arm = SHADOW if challenger.step is Step.SHADOW else CHALLENGER
        other = self._served(challenger.version, arm, beside=champion.bundle)
        if other is None:
            return Lineup(champion=champion)
        self._forget(state)
        if arm == SHADOW:
            salt = challenger.salt
            return Lineup(champion=champion, shadow=other, shadow_share=challenger.share, shadow_salt=salt)
        return Lineup(
            champion=champion, others={CHALLENGER: other}, trial=self._kept(trial_of(challenger), challenger, state)
        )

    def _kept(self, trial: Trial, challenger: Challenger, state: State) -> Trial:
        """Let units keep the arm that they met before they were dealt anew.

        The log is read once more a little later: what other processes dealt by the share before may only then be in it.
        """
        self._read_again = math.inf
        if len(challenger.dealt) < 2 or not self._log_url:  # noqa: PLR2004  # never dealt anew
            return trial
        if state.last != self.state.last:
            self._read_again = time.monotonic() + SETTLED_S
        try:
            return replace(trial, kept=kept(self._log_url, trial, since=challenger.since))
        except StoreError as error:
            self._read_again = time.monotonic() + AGAIN_S
            if self.state.last:
                raise  # units go on being dealt as before
            log.error("who met which model can't be read, units may meet the other one: %s", error.what)  # noqa: TRY400
            return trial

    def _served(self, version: Version, arm: str, *, beside: Bundle | None = None) -> Served | None:
        bundle = self._bundle(version, beside=beside)
        return None if bundle is None else Served(*_with_arm(self._tuned(bundle), arm))

    def _bundle(self, version: Version, *, beside: Bundle | None = None) -> Bundle | None:
        if version.bundle in self._open:
            return self._open[version.bundle]
        try:
            bundle = self._let_in(version, beside)
        except MulleError as error:
            self.faults[version.bundle] = error.what
            self._not_before[version.bundle] = time.monotonic() + AGAIN_S
            log.error("the bundle %s can't be served: %s", version.bundle[:16], error.what)  # noqa: TRY400
            return None
        self.faults.pop(version.bundle, None)
        self._not_before.pop(version.bundle, None)
        self._open[version.bundle] = bundle
        return bundle

    def _let_in(self, version: Version, beside: Bundle | None) -> Bundle:
        """Open a bundle. One that was champion is known to be good enough, so that nothing holds up a rollback."""
        path = self._home / version.folder
        served = beside or next(iter(self._open.values()), None)
        was = version.bundle in {one.bundle for one in (self.state.champion, *self.state.former) if one}
        bundle = opened(path) if was or served is None else admitted(path, beside=served)
        if beside is not None and not version.request:
            differs = Difference.between(beside, bundle)
            if differs:
                what = f"it asks or answers otherwise than the champion: {differs}"
                raise BundleError(what, where=str(path), fix='--override "release.request=REASON"')
        return bundle

    def _drop(self, state: State) -> None:
        """Forget what was wrong with bundles that nobody wants any more."""
        wanted = {one.bundle for one in (state.champion, state.challenger and state.challenger.version) if one}
        for gone in set(self._not_before) - wanted:
            del self._not_before[gone]
            self.faults.pop(gone, None)

    def _forget(self, state: State) -> None:
        """Let bundles go that nobody is served by; former champions stay open, so that a rollback takes no time."""
        for gone in set(self._open) - {version.bundle for version in _named(state)}:
            del self._open[gone]


def _named(state: State) -> list[Version]:
    challenger = [state.challenger.version] if state.challenger else []
    return [*([state.champion] if state.champion else []), *challenger, *state.former]


def _with_arm(tuned: tuple[Bundle, int], arm: str) -> tuple[Bundle, str, int]:
    bundle, version = tuned
    return bundle, arm, version


def trial_of(challenger: Challenger) -> Trial:
    """Return who is assigned to the challenger: the lowest buckets, so that a canary that grows keeps its units."""
    arms = Arms.of({CHAMPION: round(1 - challenger.share, 4), CHALLENGER: challenger.share})
    return Trial(name=challenger.trial, assign=Assignment(challenger.salt, arms))
