"""Which classes are taken for which: confusion cells, recall by class, tables of errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mulle.core.figure import Axis, Cell, Figure, Mark, Table
from mulle.tasks.shares import share, wilson

Floats = NDArray[np.float64]

SHOWN_CLASSES = 20
SHOWN_PAIRS = 10


def confusion(values: Floats, decision: Floats, n_classes: int) -> NDArray[np.int64]:
    """Count rows by true and decided class.

    Parameters
    ----------
    values, decision
        Positions of classes, ``[rows]``.
    n_classes
        How many there are.

    Returns
    -------
    NDArray
        ``[true, decided]``.

    Examples
    --------
    >>> confusion(np.array([0.0, 1.0, 1.0]), np.array([0.0, 0.0, 1.0]), 2)
    array([[1, 0],
           [1, 1]])
    """
    cell = values.astype(np.int64) * n_classes + decision.astype(np.int64)
    return np.bincount(cell, minlength=n_classes**2).reshape(n_classes, n_classes)


def confusion_figure(values: Floats, decision: Floats, classes: Sequence[str]) -> Figure:
    """Draw the confusion as cells, coloured by the share of the true class.

    Parameters
    ----------
    values, decision
        Positions of classes, ``[rows]``.
    classes
        Their names. Of more than 20, the most frequent are drawn.

    Returns
    -------
    Figure
        Cells with the number of rows as text.
    """
    counts = confusion(values, decision, len(classes))
    shown = np.sort(np.argsort(-counts.sum(axis=1), kind="stable")[:SHOWN_CLASSES])
    drawn = counts[np.ix_(shown, shown)]
    names = [classes[i] for i in shown.tolist()]
    shares = drawn / np.maximum(counts[shown].sum(axis=1, keepdims=True), 1)
    left = len(classes) - len(names)
    says = _confusion_words(counts, classes) + (f" {left} rarer classes are not drawn." if left else "")
    return Figure(
        name="confusion",
        title="What was taken for what",
        says=says,
        x=Axis(label="decided", scale="category"),
        y=Axis(label="true", scale="category"),
        marks=[
            Mark(
                kind="cells",
                name="rows",
                x=names * len(names),
                y=[name for name in names for _ in names],
                value=shares.ravel().tolist(),
                text=[f"{n:,}" for n in drawn.ravel().tolist()],
            )
        ],
        table=Table(
            title="Rows by true and decided class",
            columns=["true", *names],
            rows=[[name, *row] for name, row in zip(names, drawn.tolist(), strict=True)],
        ),
    )


def _confusion_words(counts: NDArray[np.int64], classes: Sequence[str]) -> str:
    total = max(int(counts.sum()), 1)
    says = f"{share(float(np.trace(counts)) / total)} of {total:,} rows are decided rightly."
    wrong = counts - np.diag(np.diag(counts))
    if not wrong.any():
        return says
    true, decided = divmod(int(wrong.argmax()), len(classes))
    n, of = int(wrong[true, decided]), int(counts[true].sum())
    return (
        f"{says} The most frequent mistake: {n:,} of {of:,} '{classes[true]}' rows ({share(n / of)}) are "
        f"taken for '{classes[decided]}'."
    )


def recall_figure(values: Floats, decision: Floats, classes: Sequence[str]) -> Figure:
    """Draw the share of each class that is found, with Wilson's intervals, the worst first.

    Parameters
    ----------
    values, decision
        Positions of classes, ``[rows]``.
    classes
        Their names. Of more than 20, the worst are drawn.

    Returns
    -------
    Figure
        Classes without rows are left out.
    """
    counts = confusion(values, decision, len(classes))
    n = counts.sum(axis=1).astype(np.float64)
    held = np.flatnonzero(n)
    hits = np.diag(counts).astype(np.float64)
    recall = hits[held] / n[held]
    order = np.argsort(recall, kind="stable")[:SHOWN_CLASSES]
    held, recall = held[order], recall[order]
    low, high = wilson(hits[held], n[held])
    names = [classes[i] for i in held.tolist()]
    says = (
        f"'{names[0]}' is found least often: {share(recall[0])} of {int(n[held[0]]):,} rows "
        f"({share(low[0])} to {share(high[0])}); '{names[-1]}' in {share(recall[-1])}."
    )
    return Figure(
        name="recall",
        title="How much of each class is found",
        says=says,
        x=Axis(label="rows of the class that were found", low=0, high=1, percent=True),
        y=Axis(label="", scale="category"),
        marks=[
            Mark(
                kind="intervals",
                name="95 % interval",
                x=recall.tolist(),
                y=names,
                low=low.tolist(),
                high=high.tolist(),
            )
        ],
    )


def class_table(values: Floats, decision: Floats, classes: Sequence[str], *, note: str = "") -> Table:
    """Table rows, precision, recall and F1 of each class.

    Parameters
    ----------
    values, decision
        Positions of classes, ``[rows]``.
    classes
        Their names.
    note
        Said under the table.

    Returns
    -------
    Table
        A share that has no denominator is empty. Recall with its 95 % interval.

    Examples
    --------
    >>> table = class_table(np.array([0.0, 1.0]), np.array([0.0, 1.0]), ["no", "yes"])
    >>> table.rows[1][:4]
    ['yes', 1, 1.0, 1.0]
    """
    counts = confusion(values, decision, len(classes)).astype(np.float64)
    rows: list[list[Cell]] = []
    for i, name in enumerate(classes):
        hit, true, decided = counts[i, i], counts[i].sum(), counts[:, i].sum()
        low, high = wilson(np.array([hit]), np.array([true])) if true else ([None], [None])
        f1 = _ratio(2 * hit, true + decided)
        ends = [None if end is None else float(end) for end in (low[0], high[0])]
        rows.append([name, int(true), _ratio(hit, decided), _ratio(hit, true), *ends, f1])
    columns = ["class", "rows", "precision", "recall", "recall low", "recall high", "F1"]
    words = f"{note} Interval of recall: Wilson, 95 %.".strip()
    return Table(title="By class", columns=columns, rows=rows, note=words)


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def pairs_table(values: Floats, decision: Floats, classes: Sequence[str]) -> Table:
    """Table the mistakes that happen most often.

    Parameters
    ----------
    values, decision
        Positions of classes, ``[rows]``.
    classes
        Their names.

    Returns
    -------
    Table
        At most ten pairs.
    """
    counts = confusion(values, decision, len(classes))
    totals = counts.sum(axis=1)
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong.ravel(), kind="stable")[:SHOWN_PAIRS]
    rows: list[list[Cell]] = []
    for cell in order.tolist():
        true, decided = divmod(cell, len(classes))
        if wrong[true, decided]:
            n = int(wrong[true, decided])
            rows.append([classes[true], classes[decided], n, n / int(totals[true])])
    return Table(
        title="Most frequent mistakes",
        columns=["true", "taken for", "rows", "share of the true class"],
        rows=rows,
    )
