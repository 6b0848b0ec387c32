"""Which arm of a trial a unit sees: a keyed hash decides, so nothing is stored and nothing is forgotten.

The same unit gets the same arm on every machine and after every restart; two trials with different salts know nothing of
each other. Standard library only: the server calls this for every request.

Source: Tang, Agarwal, O'Brien, Meyer, *Overlapping experiment infrastructure: more, better, faster experimentation*, KDD
2010, section 4 (diversion by hash, independent layers); Aumasson et al., *BLAKE2*, RFC 7693 (keyed mode).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from typing import Self

from mulle.core.errors import DataError, ProjectError, UnknownName

N_BUCKETS = 10_000
DIGEST_BYTES = 8
HELD_BACK = "holdback"
PERSON = b"mulle.trial"
"""Keeps these hashes apart from all others that are made with the same salt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """An arm, and how likely it was that a unit got it: over all salts, 0..1."""

    arm: str
    propensity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """Buckets from `start` up to, not with, `stop` that belong to an arm."""

    start: int
    stop: int
    arm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """Who owns which of the 10,000 buckets. The first arm is the control, and gives and takes what the others do not have.

    Parameters
    ----------
    names
        The control first.
    lanes
        Cover all buckets, each once, in order.

    Examples
    --------
    >>> arms = Arms.of({"champion": 0.99, "canary": 0.01})
    >>> wider = arms.ramp({"canary": 0.05})
    >>> wider.shares
    {'champion': 0.95, 'canary': 0.05}
    >>> arms.moved(wider)
    {('champion', 'canary'): 400}
    """

    names: tuple[str, ...]
    lanes: tuple[Lane, ...]

    def __post_init__(self) -> None:
        ends = [0, *(lane.stop for lane in self.lanes)]
        starts = [*(lane.start for lane in self.lanes), N_BUCKETS]
        if ends != starts or any(lane.stop <= lane.start for lane in self.lanes):
            raise ProjectError(
                "the lanes of a trial do not cover buckets 0 to 9,999 once each",
                fix="build them with Arms.of and Arms.ramp",
            )
        for lane in self.lanes:
            if lane.arm not in self.names:
                raise UnknownName.among(lane.arm, self.names, noun="arm")

    @classmethod
    def of(cls, shares: Mapping[str, float]) -> Self:
        """Deal buckets by shares.

        Parameters
        ----------
        shares
            Of all units, by arm, the control first; whole 10,000ths that sum to 1.

        Returns
        -------
        Arms
            The challengers hold the lowest buckets, the control the rest.

        Raises
        ------
        ProjectError
            When there are fewer than two arms, or the shares are not whole 10,000ths or do not sum to 1.
        """
        parts = {name: _parts(name, share) for name, share in shares.items()}
        if len(parts) < 2:  # noqa: PLR2004  # one arm is no trial
            raise ProjectError(f"a trial of {len(parts)} arm(s)", fix="name a control and at least one challenger")
        if sum(parts.values()) != N_BUCKETS:
            raise ProjectError(f"the arms' shares sum to {sum(parts.values()) / N_BUCKETS:g}", fix="make them sum to 1")
        control, *challengers = parts
        owners = [name for name in (*challengers, control) for _ in range(parts[name])]
        return cls(names=tuple(parts), lanes=_lanes(owners))

    @property
    def control(self) -> str:
        """The arm that the others are compared with."""
        return self.names[0]

    @property
    def shares(self) -> dict[str, float]:
        """The share of all units by arm, the control first."""
        parts = dict.fromkeys(self.names, 0)
        for lane in self.lanes:
            parts[lane.arm] += lane.stop - lane.start
        return {name: n / N_BUCKETS for name, n in parts.items()}

    def owners(self) -> list[str]:
        """Return the arm of each bucket."""
        return [lane.arm for lane in self.lanes for _ in range(lane.stop - lane.start)]

    def ramp(self, shares: Mapping[str, float]) -> Arms:
        """Return the arms with other shares of some challengers, moving as few units as can be.

        A challenger that grows takes units from the control alone and loses none; one that shrinks gives units to the control
        alone, the last ones first, so that growing again brings back the same ones. Only where the control has no others left
        does a unit go from one challenger to another.

        Parameters
        ----------
        shares
            Of all units, by challenger; those that are not named stay as they are.

        Returns
        -------
        Arms
            Store its lanes: with several challengers they depend on the way that led there.

        Raises
        ------
        ProjectError
            When the control is named, a share is no whole 10,000th, or the challengers want more than there is.
        """
        wanted = {name: _parts(name, share) for name, share in shares.items()}
        for name in wanted:
            if name not in self.names[1:]:
                raise UnknownName.among(name, self.names[1:], noun="challenger")
        was = self.owners()
        owners = list(was)
        for name, n in wanted.items():
            for bucket in [b for b, owner in enumerate(was) if owner == name][n:]:
                owners[bucket] = self.control
        for name, n in wanted.items():
            self._grow(owners, was, name, n)
        return Arms(names=self.names, lanes=_lanes(owners))

    def _grow(self, owners: list[str], was: list[str], name: str, n: int) -> None:
        """Let a challenger take the control's lowest buckets until it has `n`; what others just gave comes last."""
        missing = n - owners.count(name)
        free = [b for b, owner in enumerate(owners) if owner == self.control]
        if missing > len(free):
            raise ProjectError(
                f"arm {name!r} cannot have {n / N_BUCKETS:g} of the units: {len(free) / N_BUCKETS:g} are left",
                fix="shrink another challenger in the same step",
            )
        for bucket in sorted(free, key=lambda b: (was[b] != self.control, b))[: max(missing, 0)]:
            owners[bucket] = name

    def moved(self, to: Arms) -> dict[tuple[str, str], int]:
        """Return how many buckets go from which arm to which when these arms become others."""
        found: dict[tuple[str, str], int] = {}
        for before, after in zip(self.owners(), to.owners(), strict=True):
            if before != after:
                found[before, after] = found.get((before, after), 0) + 1
        return found


def _parts(name: str, share: float) -> int:
    """Return a share as 10,000ths."""
    parts = round(share * N_BUCKETS) if 0 <= share <= 1 else -1
    if parts < 0 or abs(parts - share * N_BUCKETS) > 1e-6:  # noqa: PLR2004  # a float's own error
        raise ProjectError(
            f"the share of arm {name!r} is {share!r}", fix="give a number from 0 to 1 with at most four decimals"
        )
    return parts


def _lanes(owners: list[str]) -> tuple[Lane, ...]:
    """Join neighbouring buckets of one arm."""
    edges = [0, *(b for b in range(1, N_BUCKETS) if owners[b] != owners[b - 1]), N_BUCKETS]
    return tuple(Lane(start=start, stop=stop, arm=owners[start]) for start, stop in pairwise(edges))


def key_of(salt: str) -> bytes:
    """Return the hash key that belongs to a salt of any length, 32 bytes.

    Raises
    ------
    ProjectError
        When the salt is empty: then all trials would divide units alike.
    """
    if not salt:
        raise ProjectError("the salt of a trial is empty", fix="give each trial a salt of its own, for example its id")
    return blake2b(salt.encode("utf-8", "surrogatepass"), digest_size=32, person=PERSON).digest()


def bucket(key: bytes, unit: str | int) -> int:
    """Return a unit's bucket.

    Parameters
    ----------
    key
        From `key_of`.
    unit
        What is assigned: a customer's or session's id. A number counts as its text.

    Returns
    -------
    int
        0..9,999. Each is equally likely, up to 10,000 / 2^64.

    Raises
    ------
    DataError
        When the unit is empty, or neither text nor a whole number: it would not be recognised next time.

    Examples
    --------
    >>> bucket(key_of("trial-7"), "customer 42"), bucket(key_of("trial-8"), "customer 42")
    (2149, 9692)
    >>> bucket(key_of("trial-7"), 42) == bucket(key_of("trial-7"), "42")
    True
    """
    if type(unit) is not str or not unit:
        unit = _text(unit)
    try:
        raw = unit.encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can carry
        raw = unit.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(raw, digest_size=DIGEST_BYTES, key=key).digest(), "big") % N_BUCKETS


def _text(unit: object) -> str:
    if isinstance(unit, bool) or not isinstance(unit, str | int) or unit == "":
        raise DataError(
            f"{type(unit).__name__} {str(unit)[:40]!r} names no unit of a trial",
            fix="send the unit's id as text or as a whole number",
        )
    return str(unit)


class Assignment:
    """Units to arms, for one trial.

    Parameters
    ----------
    salt
        Of this trial alone; it may stand in the ledger, and must not change while the trial runs.
    arms
        Who owns which buckets.
    holdback
        The share of units that take no part in any trial of the project and stay with the control, 0..1.
    holdback_salt
        Of the project, so that the same units are held back from every trial. Needed with a holdback.

    Examples
    --------
    >>> assign = Assignment("trial-7", Arms.of({"champion": 0.5, "candidate": 0.5}))
    >>> assign("customer 42")
    Assigned(arm='candidate', propensity=0.5)
    """

    __slots__ = ("_assigned", "_held", "_held_key", "_key", "_n_held", "arms")

    def __init__(self, salt: str, arms: Arms, *, holdback: float = 0.0, holdback_salt: str = "") -> None:
        self.arms = arms
        self._key = key_of(salt)
        self._n_held = _parts(HELD_BACK, holdback)
        self._held_key = key_of(holdback_salt) if self._n_held else b""
        if self._held_key == self._key:
            raise ProjectError("the holdback has the trial's own salt", fix="give the project's holdback another salt")
        self._held = Assigned(arm=HELD_BACK, propensity=holdback)
        taking_part = 1 - holdback
        ready = {name: Assigned(arm=name, propensity=share * taking_part) for name, share in arms.shares.items()}
        self._assigned = [ready[owner] for owner in arms.owners()]

    def __call__(self, unit: str | int) -> Assigned:
        """Return a unit's arm and its propensity; those held back have an arm of their own.

        Raises
        ------
        DataError
            When the unit is no text and no whole number, or empty.
        """
        if self._n_held and bucket(self._held_key, unit) < self._n_held:
            return self._held
        return self._assigned[bucket(self._key, unit)]
