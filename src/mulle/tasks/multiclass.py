"""Several classes: one of them it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.check import Check
from mulle.core.errors import DataError
from mulle.core.figure import Figure, Table
from mulle.core.loss import Loss, softmax
from mulle.kinds.base import Facts, Guess
from mulle.tasks.base import Decided, DefaultMetric, Target, Task, task
from mulle.tasks.confusion import class_table, confusion_figure, pairs_table, recall_figure
from mulle.tasks.curves import calibration_figure
from mulle.tasks.framing import class_count, class_rows
from mulle.tasks.known import known_rows
from mulle.tasks.labels import codes, need_classes, read_labels
from mulle.tasks.shares import share

FEW_CODES = 10
SOME_CODES = 20
UNEVEN = 0.2
"""The rarest class has less than this part of an even share: the classes are uneven."""


@task
class Multiclass(Task):
    """Tell which of several classes a row is of.

    Examples
    --------
    >>> target = Multiclass().read(pl.Series("size", ["small", "large", "medium", "Large "]))
    >>> target.classes, target.values
    (('large', 'medium', 'small'), array([2., 0., 1., 0.]))
    """

    name: ClassVar[str] = "multiclass"
    title: ClassVar[str] = "Several classes"
    policy: ClassVar[str] = "argmax"
    asks: ClassVar[tuple[str, ...]] = ("problem.classes", "problem.class_rows")

    def recognise(self, facts: Facts) -> Guess | None:
        """Claim text of few values, and whole numbers of ten values or fewer."""
        try:
            labels = read_labels(facts.values, letters=False)
        except DataError:
            return None
        n, seen = len(labels.counts), max(len(facts.values), 1)
        if n <= 2:  # noqa: PLR2004  # two are binary
            return None
        numeric = _numbers(list(labels.counts))
        if numeric is not None:
            return _codes_guess(numeric, facts)
        sure = 0.9 if n <= seen / 2 else 0.2
        return Guess(sure=sure, why=f"it is text of {n:,} different values in {seen:,} rows seen")

    def read(self, column: pl.Series, *, positive: str | None = None, classes: Sequence[str] = ()) -> Target:  # noqa: ARG002
        """Read the target. Classes stand in order: numbers by size, words by the alphabet."""
        labels = read_labels(column, letters=False, classes=classes)
        need_classes(labels, settled=bool(classes))
        names = tuple(classes) or tuple(_ordered(list(labels.counts)))
        return Target(values=codes(labels, names), classes=names, notes=tuple(labels.notes))

    def loss(self, classes: Sequence[str]) -> Loss:
        """Return log loss over the classes: one raw score a class."""
        return softmax(len(classes))

    def default_metric(self, target: Target) -> DefaultMetric:
        """Choose log loss, or under uneven classes the ROC AUC of each class against the rest."""
        shares = self.constant(target.values)
        least = float(shares.min())
        if least < UNEVEN / len(shares):
            name = target.classes[int(shares.argmin())]
            why = (
                f"classes are uneven ('{name}' has {share(least)} of the rows): the mean over classes of how "
                "well each is told from the rest lets the rare ones count as much as the frequent ones"
            )
            return DefaultMetric(name="roc_auc_ovr", why=why)
        why = "classes are about even: it judges the probability given to each class, not only the best guess"
        return DefaultMetric(name="log_loss", why=why)

    def constant(self, values: NDArray[np.float64], weight: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return the share of each class, ``[classes]``, for the codes up to the highest one seen."""
        kept = np.isfinite(values)
        mass = np.ones(int(kept.sum())) if weight is None else weight[kept]
        counts = np.bincount(values[kept].astype(np.int64), weights=mass).astype(np.float64)
        return np.asarray(counts / counts.sum(), np.float64)

    def answers(self, target: str, classes: Sequence[str]) -> str:
        """Say what is answered for one row."""
        return f"which of {len(classes)} classes `{target}` is"

    def right(self, rows: Decided) -> Sequence[str]:
        """Say how many rows are given their class."""
        right = rows.decision == rows.values
        return (f"Of 100 rows about {100 * rows.share(right):.0f} are given the class that they are of.",)

    def wrong(self, rows: Decided) -> Sequence[str]:
        """Name the class that is missed most."""
        missed = {c: rows.share(rows.decision != i, rows.values == i) for i, c in enumerate(rows.classes)}
        worst = max(missed, key=lambda name: missed[name])
        return (f"It misses '{worst}' most: {100 * missed[worst]:.0f} of 100 such rows are given another class.",)

    def framing(self, target: Target) -> Sequence[Check]:
        """Check the number of classes and the rows of each."""
        return [class_count(target.values, target.classes), class_rows(target.values, target.classes)]

    def figures(
        self,
        values: NDArray[np.float64],
        prediction: NDArray[np.float64],
        classes: Sequence[str],
        decision: NDArray[np.float64] | None = None,
    ) -> Sequence[Figure]:
        """Return the confusion, recall by class with intervals, and calibration of the most likely class."""
        rows = known_rows(values, prediction, decision)
        if not len(rows.values):
            return []
        best = rows.prediction.argmax(axis=1).astype(np.float64)
        made = best if rows.decision is None else rows.decision
        hit = (best == rows.values).astype(np.float64)
        return [
            confusion_figure(rows.values, made, classes),
            recall_figure(rows.values, made, classes),
            calibration_figure(hit, rows.prediction.max(axis=1), "the most likely class"),
        ]

    def errors(
        self,
        values: NDArray[np.float64],
        prediction: NDArray[np.float64],
        classes: Sequence[str],
        decision: NDArray[np.float64] | None = None,
    ) -> Sequence[Table]:
        """Return rows, precision, recall and F1 of each class, and the most frequent mistakes."""
        rows = known_rows(values, prediction, decision)
        if not len(rows.values):
            return []
        best = rows.prediction.argmax(axis=1).astype(np.float64)
        made = best if rows.decision is None else rows.decision
        return [class_table(rows.values, made, classes), pairs_table(rows.values, made, classes)]


def _numbers(names: Sequence[str]) -> list[float] | None:
    try:
        return [float(name) for name in names]
    except ValueError:
        return None


def _ordered(names: Sequence[str]) -> list[str]:
    return sorted(names) if _numbers(names) is None else sorted(names, key=float)


def _codes_guess(numbers: Sequence[float], facts: Facts) -> Guess | None:
    n = len(numbers)
    if n > SOME_CODES or not all(number.is_integer() for number in numbers):
        return None
    repeated = n <= len(facts.values) / 5
    sure = 0.6 if n <= FEW_CODES and repeated else 0.3
    return Guess(sure=sure, why=f"it has only {n} whole numbers, from {min(numbers):g} to {max(numbers):g}")
