"""Who is champion and who challenges: a state machine whose only memory is the ledger's events.

::

    start ──► candidate ──► shadow ──► canary 1 % ► 5 % ► 25 % ──► trial ──► champion
                  └───────────┴───────────┴───────────────┴──────────┴──► withdrawn

A trial is looked at (``look``), and under Thompson sampling its units are dealt anew (``deal``).

Each step is one event, written in one transaction, so there is no moment between two halves of a step. Servers follow
the events; so does every command. Standard library only: a server reads this.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from mulle.core.errors import StoreError

KIND = "release"
"""Of the ledger's events."""
RAMP = (0.01, 0.05, 0.25)
"""Shares of the units that meet a canary, in order."""
KEPT = 3
"""Former champions that can be rolled back to."""
WATCHED = "release-watched"
"""In ``.mulle``: when a challenger was last looked at by ``mulle release watch``, as the time of this file."""
ASSESSED = "release.assessed"
"""By this name a bundle is let in that is a draft, or was never assessed."""
REQUEST = "release.request"
"""By this name a bundle is let in that takes other requests than the champion, or answers otherwise."""
STEPS = "release.steps"
"""By this name a step may be left out: straight from the shadow to a trial, say."""
PARTS = 10_000
"""Units are dealt to arms by so many parts; see `mulle.trials.assign`."""


class Step(StrEnum):
    """How far a challenger has come."""

    CANDIDATE = "candidate"
    SHADOW = "shadow"
    CANARY = "canary"
    TRIAL = "trial"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A bundle that was let in: its hash, where its copy lies within ``.mulle``, and why it may be there."""

    bundle: str
    folder: str
    run: str = ""
    override: str = ""
    """Why a bundle that is a draft, or was never assessed, was let in nevertheless."""
    request: str = ""
    """Why it may take other requests than the champion of its day, or answer otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenger:
    """A version on its way, and what it is let do."""

    number: int
    """Of this release, from 1."""
    version: Version
    step: Step = Step.CANDIDATE
    share: float = 0.0
    """Of the units: mirrored by a shadow, met by a canary or by the challenger of a trial."""
    salt: str = ""
    since: float = 0.0
    """When this step began, or the canary got its present share, seconds since 1970 UTC."""
    design: Mapping[str, Any] | None = None
    """Of the trial: metric, smallest effect, units, looks."""
    looks: tuple[Mapping[str, Any], ...] = ()
    """What each look at the trial found."""
    dealt: tuple[Mapping[str, Any], ...] = ()
    """Each share that the trial has had: since when (``at``), the ``share``, and the ``n_units`` that counted by then."""

    @property
    def mode(self) -> str:
        """Return how the trial deals its units: ``fixed`` or ``thompson``."""
        return str((self.design or {}).get("mode", "fixed"))

    @property
    def trial(self) -> str:
        """The name under which exposures are kept.

        Each share of a canary is a stretch of its own, and the salt tells apart the releases of two projects on one log.
        """
        share = f"-{self.share:g}" if self.step is Step.CANARY else ""
        return f"release-{self.number}-{self.step}{share}-{self.salt[:8]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where releases stand after all events so far.

    Examples
    --------
    >>> first = {"do": "start", "bundle": "aa", "folder": "releases/aa"}
    >>> state = stand([(1, first), (2, {"do": "promote"})])
    >>> state.champion.bundle, state.challenger
    ('aa', None)
    """

    champion: Version | None = None
    former: tuple[Version, ...] = ()
    """Newest first."""
    challenger: Challenger | None = None
    number: int = 0
    last: int = 0
    """The newest event that is counted in."""
    undone: tuple[Version, ...] = ()
    """Champions that were rolled back, newest first: their bundles stay, to be looked into or let in once more."""

    @property
    def kept(self) -> frozenset[str]:
        """The folders that are in use, or may be again."""
        challenger = [self.challenger.version] if self.challenger else []
        champion = [self.champion] if self.champion else []
        return frozenset(v.folder for v in (*champion, *challenger, *self.former, *self.undone))


class Refused(StoreError):
    """A step that isn't possible from where the release stands. Nothing was changed."""


def stand(events: Iterable[tuple[int, Mapping[str, Any]]], state: State | None = None) -> State:
    """Return the state after some events.

    Parameters
    ----------
    events
        Number and body of each, oldest first.
    state
        Where to begin; from nothing when absent.

    Returns
    -------
    State
        Events that don't fit where they stand were refused when they were written, and are passed over here.
    """
    state = state or State()
    for number, body in events:
        with suppress(Refused):  # two commands at once: the second was told so
            state = after(state, body)
        state = replace(state, last=number)
    return state


def after(state: State, body: Mapping[str, Any]) -> State:
    """Return the state after one event.

    Parameters
    ----------
    state
        Before it.
    body
        ``do`` names the step; the rest is what it needs.

    Returns
    -------
    State
        After it.

    Raises
    ------
    Refused
        When the step isn't possible; the message says what is.
    """
    step = _STEPS.get(str(body.get("do")))
    if step is None:
        known = ", ".join(_STEPS)
        raise Refused(f"'{body.get('do')}' is no step of a release", where="mulle release", fix=f"known: {known}")
    return step(state, body)


# ---------------------------------------------------------------- the steps


def _start(state: State, body: Mapping[str, Any]) -> State:
    if state.challenger is not None:
        what = f"release {state.challenger.number} is at its step '{state.challenger.step}'"
        raise Refused(what, where="mulle release", fix="finish it, or: mulle release withdraw")
    if state.champion is not None and state.champion.bundle == body["bundle"]:
        what = "this bundle is the champion already"
        raise Refused(what, where="mulle release", fix="nothing is to be done; mulle release shows where it stands")
    passed = _passed(body)
    version = Version(
        bundle=str(body["bundle"]),
        folder=str(body["folder"]),
        run=str(body.get("run", "")),
        override=passed.get(ASSESSED, ""),
        request=passed.get(REQUEST, ""),
    )
    number = state.number + 1
    since = float(body.get("at", 0.0))
    return replace(state, number=number, challenger=Challenger(number=number, version=version, since=since))


def _shadow(state: State, body: Mapping[str, Any]) -> State:
    held = _challenger(state, body, {Step.CANDIDATE, Step.SHADOW})
    _needs_champion(state, "a shadow")
    return _moved(state, held, body, Step.SHADOW)


def _canary(state: State, body: Mapping[str, Any]) -> State:
    held = _challenger(state, body, {Step.CANDIDATE, Step.SHADOW, Step.CANARY})
    _needs_champion(state, "a canary")
    if held.step is Step.CANARY and float(body["share"]) < held.share:
        what = f"a canary grows; it has {held.share:.0%} now"
        raise Refused(what, where="mulle release", fix="to take it back: mulle release withdraw")
    _dealt(float(body["share"]))
    return _moved(state, held, body, Step.CANARY)


def _trial(state: State, body: Mapping[str, Any]) -> State:
    held = _challenger(state, body, {Step.CANARY, Step.SHADOW, Step.CANDIDATE})
    _needs_champion(state, "a trial")
    _dealt(float(body["share"]))
    began = {"at": float(body.get("at", 0.0)), "share": float(body["share"]), "n_units": 0}
    return _moved(state, replace(held, design=dict(body.get("design") or {}), dealt=(began,)), body, Step.TRIAL)


def _deal(state: State, body: Mapping[str, Any]) -> State:
    """Deal those units anew that come from now on; who has met an arm keeps it."""
    held = _challenger(state, body, {Step.TRIAL})
    share, n_units = float(body["share"]), body.get("n_units")
    if held.mode != "thompson":
        what = "the shares of this trial are fixed"
        raise Refused(
            what, where="mulle release", fix="mulle release withdraw, then: mulle release trial --mode thompson"
        )
    _dealt(share)
    if body.get("deal", len(held.dealt)) != len(held.dealt):
        raise Refused("somebody else dealt meanwhile", where="mulle release", fix="look again: mulle release")
    if not isinstance(n_units, int) or n_units <= held.dealt[-1]["n_units"]:
        what = f"units were dealt anew at {held.dealt[-1]['n_units']:,} units; now {n_units} count"
        raise Refused(what, where="mulle release", fix="wait for more units with feedback")
    one = {**dict(body.get("found") or {}), "at": float(body.get("at", 0.0)), "share": share, "n_units": n_units}
    return replace(state, challenger=replace(held, share=share, dealt=(*held.dealt, one)))


def _look(state: State, body: Mapping[str, Any]) -> State:
    held = _challenger(state, body, {Step.TRIAL})
    found = dict(body["found"])
    if body.get("look", len(held.looks)) != len(held.looks):
        what = f"somebody else looked meanwhile: {len(held.looks)} looks are recorded"
        raise Refused(what, where="mulle release", fix="look again: mulle release")
    _sound_look(found, held.looks)
    return replace(state, challenger=replace(held, looks=(*held.looks, found)))


def _sound_look(found: Mapping[str, Any], before: tuple[Mapping[str, Any], ...]) -> None:
    """Refuse a look that could never be judged: it would stand in the way of all that follow."""
    n_units = found.get("n_units")
    if not isinstance(n_units, int) or n_units <= (before[-1]["n_units"] if before else 0):
        what = f"a look at {n_units} units: no more than the one before it"
        raise Refused(what, where="mulle release", fix="wait for more units with feedback")
    for name, one in dict(found.get("metrics") or {}).items():
        told = [one.get("value"), one.get("se")]
        if not all(isinstance(x, int | float) and math.isfinite(x) for x in told) or not one["se"] > 0:
            what = f"'{name}' is not known of both arms, or no unit differs from another"
            raise Refused(what, where="mulle release", fix="send feedback for both arms: POST /v1/feedback")


def _promote(state: State, body: Mapping[str, Any]) -> State:
    steps = set(Step) if state.champion is None or _passed(body) else {Step.TRIAL}
    held = _challenger(state, body, steps)
    former = () if state.champion is None else (state.champion, *state.former)
    former = tuple(version for version in former if version.bundle != held.version.bundle)
    undone = tuple(version for version in state.undone if version.bundle != held.version.bundle)
    return replace(state, champion=held.version, former=former[:KEPT], undone=undone, challenger=None)


def _withdraw(state: State, body: Mapping[str, Any]) -> State:
    _challenger(state, body, set(Step))
    return replace(state, challenger=None)


def _rollback(state: State, body: Mapping[str, Any]) -> State:
    if state.challenger is not None and state.challenger.step in {Step.CANARY, Step.TRIAL}:
        return _withdraw(state, body)  # that is what people met last
    if not state.former or state.champion is None:
        fix = "mulle release withdraw" if state.challenger else "mulle release start BUNDLE"
        raise Refused("there is no former champion", where="mulle release", fix=fix)
    back, *former = state.former
    undone = [state.champion, *(version for version in state.undone if version.bundle != state.champion.bundle)]
    undone = [version for version in undone if version.bundle != back.bundle][:KEPT]
    return replace(state, champion=back, former=tuple(former), undone=tuple(undone), challenger=None)


_STEPS = {
    "start": _start,
    "shadow": _shadow,
    "canary": _canary,
    "trial": _trial,
    "deal": _deal,
    "look": _look,
    "promote": _promote,
    "withdraw": _withdraw,
    "rollback": _rollback,
}


def _passed(body: Mapping[str, Any]) -> Mapping[str, str]:
    """Return which checks a person passed, with the reasons.

    Older ledgers hold them under ``override``: a promotion's by name, those of a start as texts of their own.
    """
    older = body.get("override") or {}
    passed = dict(older) if isinstance(older, Mapping) else {ASSESSED: str(older)}
    if body.get("request"):
        passed[REQUEST] = str(body["request"])
    return passed | dict(body.get("overrides") or {})


def _challenger(state: State, body: Mapping[str, Any], steps: set[Step]) -> Challenger:
    held = state.challenger
    if held is None:
        raise Refused("no release is under way", where="mulle release", fix="mulle release start")
    told = body.get("release")
    if told is not None and told != held.number:
        what = f"release {told} is over; {held.number} is under way"
        raise Refused(what, where="mulle release", fix="look again: mulle release")
    if held.step not in steps:
        what = f"'{body['do']}' isn't possible while the challenger is at the step '{held.step}'"
        wanted = ", ".join(step for step in Step if step in steps)
        raise Refused(what, where="mulle release", fix=f"it is possible from: {wanted}")
    return held


def _needs_champion(state: State, what: str) -> None:
    if state.champion is None:
        fix = "the first one has nobody to be compared with: mulle release promote"
        raise Refused(f"{what} needs a champion beside it", where="mulle release", fix=fix)


def _dealt(share: float) -> None:
    """Refuse a share by which servers couldn't deal units to two arms."""
    parts = share * PARTS
    if not 1 <= round(parts) < PARTS or not math.isclose(parts, round(parts), abs_tol=1e-6):
        what = f"units can't be dealt by a share of {share:g}"
        raise Refused(what, where="mulle release", fix="give whole 10,000ths, at least 0.0001 and less than 1")


def _moved(state: State, held: Challenger, body: Mapping[str, Any], step: Step) -> State:
    share = float(body["share"])
    if not 0 < share <= 1:
        raise Refused(f"a share of {share:g}", where="mulle release", fix="give a number above 0, at most 1")
    salt = str(body.get("salt") or held.salt) if step is held.step else str(body["salt"])
    since = held.since if (step, share) == (held.step, held.share) else float(body.get("at", 0.0))
    return replace(state, challenger=replace(held, step=step, share=share, salt=salt, since=since))
