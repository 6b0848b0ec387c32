"""Whether a shadow decides as the champion does, over the units that were mirrored."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import pstdev
from typing import Any, TypeGuard

from mulle.core.check import Check, Interval, Status
from mulle.operate.release.latency import latency
from mulle.operate.release.share import as_many, wilson
from mulle.operate.release.slices import FEW, Slices, by_slice
from mulle.store.log import Row

NEAR = 0.1
"""Numbers are alike when they differ by no more than this share of the champion's standard deviation."""


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
    latency
        Whether the shadow is fast enough.
    slices
        How often they decide alike on each slice that the page declares; they gate nothing.
    notes
        Where they differ.
    """

    n: int
    n_failed: int
    share: float
    check: Check
    latency: Check
    slices: tuple[Check, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is asked of a shadow.

    Parameters
    ----------
    alike
        The least share of rows in which both should decide alike, 0..1.
    max_slowdown, limit_ms
        How slow it may be; see `latency`.
    slices
        On which the two are compared by themselves.
    """

    alike: float
    max_slowdown: float = 2.0
    limit_ms: float | None = None
    slices: Slices = field(default_factory=Slices)


def agreement(pairs: Sequence[tuple[Row, Row]], terms: Terms) -> Agreement:
    """Compare what a shadow would have told with what was told.

    Parameters
    ----------
    pairs
        The row that was told, and the shadow's.
    terms
        What is asked of it.

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
    inputs = [row for _, _, row in told]
    slices, unknown = by_slice(terms.slices, inputs, same, units)
    notes += _scores_apart(told) + unknown
    notes += [] if slices else _values_apart(list(zip(inputs, same, strict=True)))
    timed = [(row, shadow) for (row, _), (_, shadow, _) in zip(pairs, told, strict=True)]
    return Agreement(
        n=len(told),
        n_failed=failed,
        share=sum(same) / len(same) if same else math.nan,
        check=_check(units, same, terms.alike),
        latency=latency(timed, limit_ms=terms.limit_ms, max_slowdown=terms.max_slowdown),
        slices=tuple(slices),
        notes=tuple(notes),
    )


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
    low, high = wilson(share, as_many(units, same))
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


def _values_apart(rows: Sequence[tuple[Mapping[str, Any], bool]]) -> list[str]:
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
