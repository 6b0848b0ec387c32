"""Whether a shadow answers as fast as it must: both models are timed on the same requests, on the same thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mulle.core.check import Check, Interval, Status
from mulle.operate.release.share import as_many, wilson
from mulle.store.log import Row

NAME = "release.latency"
SLOW = 0.05
"""The share of the requests that may take longer than the limit: what "95 %" leaves."""
FREE_MS = 1.0
"""As long as this an answer may always take, however fast the champion is."""
FEW = 60
"""Requests below which nothing is said: were none of them slow, 5 % could not be ruled out."""

Told = tuple[Row, Mapping[str, Any]]
"""The row that was told, and what the shadow would have told."""


def latency(told: Sequence[Told], *, limit_ms: float | None, max_slowdown: float) -> Check:
    """Say whether 95 of 100 requests are answered in time by the shadow.

    Parameters
    ----------
    told
        Each mirrored row, and the shadow's output with ``ms`` and ``champion_ms``: for one row of its request, reading
        included.
    limit_ms
        The page's ``limits.latency_ms_p95``; None where it sets none.
    max_slowdown
        How many times as long as the champion's it may be then (at 95 %).

    Returns
    -------
    Check
        ``release.latency``. Passed when surely no more than 5 % are slow (95 % interval over units), failed when surely more.
    """
    ms, champion, units = _times(told)
    fix = "wait for more requests"
    if len(ms) < FEW:
        return Check(
            name=NAME, status=Status.UNANSWERED, says=f"{len(ms):,} requests were timed; {FEW} are asked for", fix=fix
        )
    if limit_ms is None and not len(champion):
        says = "the log doesn't tell how long the champion took beside the shadow"
        fix = "start the servers anew, or say how slow it may be: mulle set limits.latency_ms_p95=20"
        return Check(name=NAME, status=Status.UNANSWERED, says=says, fix=fix)
    beside = f" (the champion {np.quantile(champion, 1 - SLOW):.3g} ms)" if len(champion) else ""
    limit, why = _limit(champion, limit_ms, max_slowdown)
    slow = [bool(one > limit) for one in ms]
    share = sum(slow) / len(slow)
    low, high = wilson(share, as_many(units, slow))
    status = Status.PASS if high <= SLOW else Status.FAIL if low > SLOW else Status.UNANSWERED
    p95 = float(np.quantile(ms, 1 - SLOW))
    fixes = {Status.PASS: "", Status.FAIL: "make it faster, or allow more: mulle set release.max_slowdown=3"}
    if limit_ms is not None:
        fixes[Status.FAIL] = "make it faster, or allow more: mulle set limits.latency_ms_p95=…"
    return Check(
        name=NAME,
        status=status,
        says=f"the shadow takes {p95:.3g} ms a row at 95 %{beside}; {share:.1%} of {len(ms):,} requests took longer than "
        f"{limit:.3g} ms, {why}",
        fix=fixes.get(status, fix),
        value=p95,
        bar=f"≤ {limit:.3g} ms in 95 of 100 requests",
        interval=Interval(low=low, high=high),
        n_rows=len(ms),
    )


def _times(told: Sequence[Told]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], list[str]]:
    """Return the times of each request once, of the shadow and of the champion beside it, and whose they were."""
    by_request = {row.id.partition("-")[0]: (row, shadow) for row, shadow in told if "ms" in shadow}
    units = [row.unit or request for request, (row, _) in by_request.items()]
    champion = [shadow["champion_ms"] for _, shadow in by_request.values() if "champion_ms" in shadow]
    return np.array([shadow["ms"] for _, shadow in by_request.values()]), np.array(champion), units


def _limit(champion: np.ndarray[Any, Any], limit_ms: float | None, max_slowdown: float) -> tuple[float, str]:
    if limit_ms is not None:
        return limit_ms, "the page's limit"
    usual = max_slowdown * float(np.quantile(champion, 1 - SLOW))
    if usual < FREE_MS:
        return FREE_MS, "which is always let pass"
    return usual, f"{max_slowdown:g} times the champion's"
