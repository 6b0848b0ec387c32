"""Compare two rankings in one list: teams draft in turn, and a click is a point for the team that brought the item.

Far fewer queries are needed than with each person seeing one ranking only, as each compares both.

Source: Radlinski, Kurup, Joachims, *How does clickthrough data reflect retrieval quality?*, CIKM 2008, algorithm 2 (team
draft); Chapelle, Joachims, Radlinski, Yue, *Large-scale validation and analysis of interleaved search evaluation*, TOIS 30,
2012 (the test).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from mulle.core.check import Interval
from mulle.core.errors import DataError
from mulle.trials.assign import key_of

Item = TypeVar("Item", bound=Hashable)
Team = Literal["champion", "candidate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interleaved(Generic[Item]):
    """One list from two rankings.

    Parameters
    ----------
    items
        In the order to be shown, each once.
    teams
        Who brought each.
    """

    items: tuple[Item, ...]
    teams: tuple[Team, ...]

    def credit(self, clicked: Collection[Item]) -> int:
        """Return the candidate's points less the champion's; what was not in the list does not count.

        Examples
        --------
        >>> Interleaved(items=("a", "b", "c"), teams=("champion", "candidate", "candidate")).credit({"b", "c", "a"})
        1
        """
        signs = {"candidate": 1, "champion": -1}
        return sum(signs[team] for item, team in zip(self.items, self.teams, strict=True) if item in clicked)


def team_draft(
    champion: Sequence[Item], candidate: Sequence[Item], *, n: int, salt: str, query: str | int
) -> Interleaved[Item]:
    """Draft one list from two rankings: in each round a coin says who chooses first, and each takes its best item left.

    Parameters
    ----------
    champion, candidate
        Best first.
    n
        How many to show.
    salt
        Of the trial.
    query
        Which list this is, for example the prediction id: the same one gives the same list.

    Returns
    -------
    Interleaved
        Shorter than `n` where both rankings are at their end.

    Examples
    --------
    >>> found = team_draft(["a", "b", "c"], ["b", "d", "a"], n=4, salt="trial-9", query="q1")
    >>> found.items, found.teams
    (('b', 'a', 'c', 'd'), ('candidate', 'champion', 'champion', 'candidate'))
    """
    left: dict[Team, Iterator[Item]] = {"champion": iter(champion), "candidate": iter(candidate)}
    items: list[Item] = []
    teams: list[Team] = []
    coins = _coins(salt, query)
    known: set[Item] = set()
    while len(items) < n:
        order: tuple[Team, Team] = ("candidate", "champion") if next(coins) else ("champion", "candidate")
        before = len(items)
        for team in order:
            pick = next((item for item in left[team] if item not in known), None)
            if pick is not None and len(items) < n:
                items.append(pick)
                teams.append(team)
                known.add(pick)
        if len(items) == before:
            break
    return Interleaved(items=tuple(items), teams=tuple(teams))


def _coins(salt: str, query: str | int) -> Iterator[bool]:
    """Yield fair coins that the salt and the query decide."""
    key, block = key_of(salt), 0
    while True:
        raw = blake2b(f"{block} {query}".encode("utf-8", "surrogatepass"), digest_size=32, key=key).digest()
        for byte in raw:
            for bit in range(8):
                yield bool(byte >> bit & 1)
        block += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """Which ranking people preferred.

    Parameters
    ----------
    value
        The share of units that preferred the candidate, ties half, less one half: -.5..+.5; above 0 the candidate leads.
    interval
        Of it.
    p
        Exact sign test over units without a tie, two-sided.
    wins, losses, ties
        Units.
    says
        One sentence.
    """

    value: float
    interval: Interval
    p: float
    wins: int
    losses: int
    ties: int
    says: str


def preference(
    points: Sequence[float] | NDArray[np.float64], *, units: NDArray[np.generic] | None = None, confidence: float = 0.95
) -> Preference:
    """Test which ranking is preferred; one look.

    Parameters
    ----------
    points
        ``[queries]``: `Interleaved.credit` of each list that was shown.
    units
        ``[queries]``, who asked: a person's queries give one vote. None: each query is a vote.
    confidence
        Of the interval, 0..1.

    Returns
    -------
    Preference
        Without a preference at all: p of 1.

    Raises
    ------
    DataError
        When there is no query.

    Examples
    --------
    >>> preference([1.0] * 60 + [-1.0] * 35 + [0.0] * 20).says
    'the candidate is preferred by 60 to 35, with 20 ties (p = 0.0135)'
    """
    from scipy.special import ndtri  # not at start-up

    votes = np.sign(_by_unit(np.asarray(points, np.float64), units))
    if not len(votes):
        raise DataError("no interleaved list was shown", fix="wait for the first queries")
    wins, losses = int((votes > 0).sum()), int((votes < 0).sum())
    value, n = float(votes.mean() / 2), len(votes)
    spread = float(np.mean((votes / 2 - value) ** 2))
    half = float(ndtri((1 + confidence) / 2)) * math.sqrt(max(spread, 1 / (4 * n)) / n)
    p = _sign_test(wins, losses)
    who = "neither is" if wins == losses else "the candidate is" if wins > losses else "the champion is"
    high, low = max(wins, losses), min(wins, losses)
    return Preference(
        value=value,
        interval=Interval(low=max(value - half, -0.5), high=min(value + half, 0.5), confidence=confidence),
        p=p,
        wins=wins,
        losses=losses,
        ties=n - wins - losses,
        says=f"{who} preferred by {high} to {low}, with {n - wins - losses} ties (p = {p:.3g})",
    )


def _by_unit(points: NDArray[np.float64], units: NDArray[np.generic] | None) -> NDArray[np.float64]:
    if units is None:
        return points
    at = np.unique(units, return_inverse=True)[1]
    return np.bincount(at, weights=points).astype(np.float64)


def _sign_test(wins: int, losses: int) -> float:
    """Return the two-sided p-value of a fair coin."""
    from scipy.special import bdtr  # not at start-up

    n = wins + losses
    return min(1.0, 2 * float(bdtr(min(wins, losses), n, 0.5))) if n else 1.0
