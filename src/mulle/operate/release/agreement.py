"""Whether a shadow decides as the champion does, over the units that were mirrored."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import pstdev
from typing import Any, TypeGuard

import numpy as np

from mulle.core.check import Check, Interval, Status
from mulle.store.log import Row
from mulle.trials.delta import ratio

NEAR = 0.1
"""Numbers are alike when they differ by no more than this share of the champion's standard deviation."""
FEW = 30
"""Rows below which a slice of the disagreement isn't told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What mirrored rows show.

    Parameters
    ----------
    n
        Rows.
    n_failed
        Of these the shadow could not answer; they count as disagreement.
    check
        Whether champion and shadow decide alike often enough.
    notes
        Where they differ.
    """

    n: int
    n_failed: int
    share: float
    check: Check
    notes: tuple[str, ...]


def agreement(pairs: Sequence[tuple[Row, Row]], bar: float) -> Agreement:
    """Compare what a shadow would have told with what was told.

    Parameters
    ----------
    pairs
        The row that was told, and the shadow's.
    bar
        The least share of rows in which they should decide alike, 0..1.

    Returns
    -------
    Agreement
        Its interval is over units, as a unit's rows are not independent; a row without a unit is one of its own.
    """
    told = [(json.loads(a.output), json.loads(b.output), json.loads(a.inputs)) for a, b in pairs]
    near = _near([a.get("decision") for a, _, _ in told])
    same = [_alike(a, b, near) for a, b, _ in told]
    units = [a.unit or a.id for a, _ in pairs]
    failed = sum("failed" in b for _, b, _ in told)
    notes = [f"The shadow could not answer {failed:,} rows."] if failed else []
    notes += _latency([b["ms"] for _, b, _ in told if "ms" in b])
    notes += _scores_apart(told) + _slices_apart([(inputs, ok) for (_, _, inputs), ok in zip(told, same, strict=True)])
    share = sum(same) / len(same) if same else math.nan
    return Agreement(n=len(told), n_failed=failed, share=share, check=_check(units, same, bar), notes=tuple(notes))


def _latency(ms: Sequence[float]) -> list[str]:
    if not ms:
        return []
    middle, slow = np.quantile(ms, [0.5, 0.95])
    return [f"The shadow took {middle:.3g} ms a row in the middle, {slow:.3g} ms (95 %), reading included."]


def _near(decisions: Sequence[Any]) -> float:
    """Return by how much decisions that are numbers may differ and be alike."""
    numbers = [float(one) for one in decisions if _is_number(one)]
    return NEAR * pstdev(numbers) if len(numbers) > 1 else 0.0


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, float | int) and not isinstance(value, bool)


def _alike(a: Mapping[str, Any], b: Mapping[str, Any], near: float) -> bool:
    one, other = a.get("decision"), b.get("decision")
    if "failed" in b:
        return False
    if not _is_number(one) or not _is_number(other):
        return bool(one == other)
    return abs(one - other) <= near


def _check(units: Sequence[str], same: Sequence[bool], bar: float) -> Check:
    if not same:
        says = "no row was answered by both"
        return Check(name="release.agreement", status=Status.UNANSWERED, says=says, fix="wait for more requests")
    share = sum(same) / len(same)
    low, high = wilson(share, _as_many(units, same))
    status = Status.PASS if low >= bar else Status.FAIL if high < bar else Status.UNANSWERED
    says = f"shadow and champion decide alike in {share:.1%} of {len(same):,} rows ({low:.1%} to {high:.1%})"
    fix = "see below where they differ; a model that should decide otherwise: --override"
    return Check(
        name="release.agreement",
        status=status,
        says=says,
        fix="" if status is Status.PASS else fix,
        value=share,
        bar=f"≥ {bar:g}",
        interval=Interval(low=low, high=high),
        n_rows=len(same),
    )


def _as_many(units: Sequence[str], same: Sequence[bool]) -> float:
    """Return how many independent rows would tell as much: between the number of units and that of rows."""
    rows: dict[str, list[bool]] = defaultdict(list)
    for unit, ok in zip(units, same, strict=True):
        rows[unit].append(ok)
    share, n_units = sum(same) / len(same), len(rows)
    found = ratio(np.array([sum(one) for one in rows.values()]), np.array([len(one) for one in rows.values()]))
    if n_units == 1 or not found.se > 0:
        return float(n_units)
    return float(np.clip(share * (1 - share) / found.se**2, 1.0, len(same)))


def wilson(share: float, n: float, z: float = 1.959964) -> tuple[float, float]:
    """Return the 95 % interval of a share.

    Examples
    --------
    >>> [round(end, 3) for end in wilson(0.9, 100)]
    [0.826, 0.945]

    Notes
    -----
    Source: Wilson, Probable inference, the law of succession, and statistical inference, JASA 22, 1927.
    """
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return middle - half, middle + half


def _scores_apart(told: Sequence[tuple[Mapping[str, Any], Mapping[str, Any], Any]]) -> list[str]:
    apart = [
        abs(value - b["prediction"][name])
        for a, b, _ in told
        for name, value in a["prediction"].items()
        if name in b.get("prediction", ())
    ]
    if not apart:
        return []
    apart.sort()
    return [f"Scores differ by {apart[len(apart) // 2]:.3g} in the middle, by {apart[-1]:.3g} at most."]


def _slices_apart(rows: Sequence[tuple[Mapping[str, Any], bool]]) -> list[str]:
    """Name the three values of a column in which the two differ most."""
    n: dict[tuple[str, str], int] = defaultdict(int)
    same: dict[tuple[str, str], int] = defaultdict(int)
    for inputs, ok in rows:
        for name, value in inputs.items():
            if isinstance(value, str | bool):
                n[name, str(value)] += 1
                same[name, str(value)] += ok
    worst = sorted((same[key] / n[key], key) for key in n if n[key] >= FEW and same[key] < n[key])[:3]
    return [
        f"Where {name} is '{value}' they agree in {share:.0%} of {n[name, value]:,} rows."
        for share, (name, value) in worst
    ]
