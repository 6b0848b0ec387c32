"""Checks that a task suits its target, shared by tasks of classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mulle.core.check import Check, Status
from mulle.core.figure import Table

ENOUGH_A_CLASS = 100
"""Rows of a class from which its recall is known to about ±10 points (Wilson, 95 %)."""
FEW_A_CLASS = 10
MANY_CLASSES = 200
LEADING = 10


def class_rows(values: NDArray[np.float64], classes: Sequence[str]) -> Check:
    """Ask whether each class has enough rows to be learnt and judged.

    Parameters
    ----------
    values
        Codes of classes, NaN where unknown.
    classes
        Their names.

    Returns
    -------
    Check
        ``problem.class_rows``: failed below 10 rows a class, a note below 100 (``data.rare_classes`` then asks for
        more rows).
    """
    known = values[np.isfinite(values)].astype(np.int64)
    counts = np.bincount(known, minlength=len(classes))
    order = np.argsort(counts, kind="stable")
    least, name = int(counts[order[0]]), classes[int(order[0])]
    thin = int((counts < ENOUGH_A_CLASS).sum())
    status = Status.PASS if thin == 0 else Status.FAIL if least < FEW_A_CLASS else Status.NOTE
    says = f"The rarest class, '{name}', has {least:,} of {len(known):,} known rows."
    if thin > 1:
        says += f" {thin:,} of {len(classes):,} classes have fewer than {ENOUGH_A_CLASS}."
    return Check(
        name="problem.class_rows",
        status=status,
        says=says,
        fix="" if status is Status.PASS else _more_rows(least, name, len(known)),
        value=float(least),
        bar=f"≥ {FEW_A_CLASS} rows a class; said below {ENOUGH_A_CLASS} (mulle default)",
        n_rows=len(known),
        needed_rows=None if status is Status.PASS else _needed(least, len(known)),
        evidence=_rarest(counts, order, classes),
    )


def _needed(least: int, n_known: int) -> int:
    return int(np.ceil(ENOUGH_A_CLASS * n_known / max(least, 1)))


def _more_rows(least: int, name: str, n_known: int) -> str:
    needed = _needed(least, n_known)
    return f"bring more rows of '{name}' (about {needed:,} rows as these are), or join it with a like class"


def _rarest(counts: NDArray[np.int64], order: NDArray[np.int64], classes: Sequence[str]) -> Table:
    total = max(int(counts.sum()), 1)
    shown = [[classes[i], int(counts[i]), float(counts[i]) / total] for i in order[:LEADING].tolist()]
    return Table(title="Rarest classes", columns=["class", "rows", "share"], rows=shown)


def class_count(values: NDArray[np.float64], classes: Sequence[str]) -> Check:
    """Ask whether there are few enough classes for one classifier.

    Parameters
    ----------
    values
        Codes of classes, NaN where unknown.
    classes
        Their names.

    Returns
    -------
    Check
        ``problem.classes``.
    """
    n, n_known = len(classes), int(np.isfinite(values).sum())
    words = f"{n:,} classes over {n_known:,} known rows, {n_known / max(n, 1):,.0f} rows a class on average."
    many = n > MANY_CLASSES
    return Check(
        name="problem.classes",
        status=Status.FAIL if many else Status.PASS,
        says=f"{words} That is a search among {n:,} things, not a choice of one in a few." if many else words,
        fix="predict a coarser class first and refine within it, or find the nearest known rows (retrieval)"
        if many
        else "",
        value=float(n),
        bar=f"≤ {MANY_CLASSES} classes (mulle default)",
        n_rows=n_known,
    )
