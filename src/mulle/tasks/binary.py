"""Two classes: it is so, or it is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.check import Check, Status
from mulle.core.errors import DataError
from mulle.core.figure import Figure, Table
from mulle.core.loss import Loss, logistic
from mulle.kinds.base import Facts, Guess
from mulle.tasks.base import Decided, DefaultMetric, Target, Task, task
from mulle.tasks.confusion import class_table, confusion_figure
from mulle.tasks.curves import calibration_figure, precision_recall_figure, roc_figure, scores_figure
from mulle.tasks.framing import class_rows
from mulle.tasks.known import known_rows
from mulle.tasks.labels import Labels, as_text, codes, fold, listed, need_classes, read_labels
from mulle.tasks.positive import Positive, choose_positive
from mulle.tasks.shares import share

PAIR = 2
RARE = 0.2
"""Below this share of positives, average precision tells models apart better than ROC AUC does."""
VERY_RARE = 0.01


@task
class Binary(Task):
    """Tell whether a row is of the positive class.

    Examples
    --------
    >>> target = Binary().read(pl.Series("churned", ["no", "yes", "No ", None]))
    >>> target.values, target.classes
    (array([ 0.,  1.,  0., nan]), ('no', 'yes'))
    """

    name: ClassVar[str] = "binary"
    title: ClassVar[str] = "Two classes"
    policy: ClassVar[str] = "threshold"
    looks_for_one: ClassVar[bool] = True
    asks: ClassVar[tuple[str, ...]] = ("problem.class_rows", "problem.positives")

    def recognise(self, facts: Facts) -> Guess | None:
        """Claim a column of two values, once spellings of one value are folded."""
        try:
            labels = read_labels(facts.values)
        except DataError:
            return None
        if len(labels.counts) != PAIR:
            return None
        whole = all(fold(name).lstrip("-").isdigit() or not _is_number(name) for name in labels.counts)
        sure = 0.95 if whole else 0.6
        return Guess(sure=sure, why=f"it has two values: {listed(list(labels.counts))}")

    def read(self, column: pl.Series, *, positive: str | None = None, classes: Sequence[str] = ()) -> Target:
        """Read the target; the positive class is named, or guessed with a reason."""
        labels = read_labels(column, classes=classes)
        need_classes(labels, settled=bool(classes))
        if classes:
            return Target(values=codes(labels, classes), classes=tuple(classes), notes=tuple(labels.notes))
        _need_pair(labels, column.name)
        found = choose_positive(labels.counts, asked=positive, column=column.name)
        names = (found.other, found.name)
        notes = (*labels.notes, _positive_note(found))
        return Target(values=codes(labels, names), classes=names, notes=notes)

    def loss(self, classes: Sequence[str]) -> Loss:  # noqa: ARG002  # the contract's shape
        """Return log loss: one raw score, the logit of the positive class."""
        return logistic()

    def default_metric(self, target: Target) -> DefaultMetric:
        """Choose average precision when positives are rare, else ROC AUC."""
        rate = _rate(target.values)
        if rate < RARE:
            why = (
                f"only {share(rate)} of the rows are positive: what counts is how pure the top of the list "
                "is, and accuracy would praise a model that never says yes"
            )
            return DefaultMetric(name="average_precision", why=why)
        why = (
            f"{share(rate)} of the rows are positive: it asks how often a positive row is ranked above a "
            "negative one, whatever the threshold will be"
        )
        return DefaultMetric(name="roc_auc", why=why)

    def constant(self, values: NDArray[np.float64], weight: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return the share of positives, ``[1]``."""
        kept = np.isfinite(values)
        return np.array([np.average(values[kept], weights=None if weight is None else weight[kept])])

    def answers(self, target: str, classes: Sequence[str]) -> str:
        """Say what is answered for one row."""
        return f"how likely it is that `{target}` is '{classes[-1]}'"

    def right(self, rows: Decided) -> Sequence[str]:
        """Say how many of those called positive are, and how many of those that are it finds."""
        acted, real = rows.decision > 0, rows.values > 0
        return (
            f"Of 100 rows that it calls '{rows.classes[-1]}', about {100 * rows.share(real, acted):.0f} are; of 100 that "
            f"are, it finds about {100 * rows.share(acted, real):.0f}.",
        )

    def wrong(self, rows: Decided) -> Sequence[str]:
        """Say how many it calls positive that are not, and how many it misses."""
        acted, real, name = rows.decision > 0, rows.values > 0, rows.classes[-1]
        return (
            f"Per 1,000 rows it calls {1000 * rows.share(acted & ~real):.0f} '{name}' that are not.",
            f"Per 1,000 rows it misses {1000 * rows.share(~acted & real):.0f} that are '{name}'.",
        )

    def framing(self, target: Target) -> Sequence[Check]:
        """Check that both classes have enough rows, and say how rare positives are."""
        return [class_rows(target.values, target.classes), _rarity(target)]

    def figures(
        self,
        values: NDArray[np.float64],
        prediction: NDArray[np.float64],
        classes: Sequence[str],
        decision: NDArray[np.float64] | None = None,
    ) -> Sequence[Figure]:
        """Return ROC, precision and recall, calibration, scores by class; with a decision the confusion.

        Rows of one class have no ROC and no precision and recall; no rows have no figures.
        """
        rows = known_rows(values, prediction, decision)
        p, drawn = rows.prediction[:, 0], list[Figure]()
        if not len(p):
            return drawn
        if len(np.unique(rows.values)) > 1:
            drawn += [roc_figure(rows.values, p, classes), precision_recall_figure(rows.values, p, classes)]
        drawn += [
            calibration_figure(rows.values, p, f"'{classes[1]}'"),
            scores_figure(rows.values, p, classes),
        ]
        if rows.decision is not None:
            drawn.append(confusion_figure(rows.values, rows.decision, classes))
        return drawn

    def errors(
        self,
        values: NDArray[np.float64],
        prediction: NDArray[np.float64],
        classes: Sequence[str],
        decision: NDArray[np.float64] | None = None,
    ) -> Sequence[Table]:
        """Return rows, precision, recall and F1 of each class; without a decision at a threshold of 0.5."""
        rows = known_rows(values, prediction, decision)
        half = (rows.prediction[:, 0] >= 0.5).astype(np.float64)  # noqa: PLR2004  # said in the note
        made = half if rows.decision is None else rows.decision
        note = "At a threshold of 0.5." if rows.decision is None else "With the chosen threshold."
        return [class_table(rows.values, made, classes, note=note)]


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _rate(values: NDArray[np.float64]) -> float:
    return float(np.nanmean(values))


def _need_pair(labels: Labels, name: str) -> None:
    if len(labels.counts) == PAIR:
        return
    extra = list(labels.counts)[PAIR:]
    rows = as_text(labels.values).is_in(extra).arg_true()
    raise DataError(
        f"the target '{name}' has {len(labels.counts):,} classes, not two: {listed(list(labels.counts))}",
        where=f"column '{name}', first other class in row {int(rows[0]) + 1} (counted from 1)",
        fix='mulle set data.task="multiclass", or correct the rows of the extra classes',
    )


def _positive_note(found: Positive) -> str:
    return f"'{found.name}' counts as positive: {found.why}"


def _rarity(target: Target) -> Check:
    rate, n = _rate(target.values), int(np.isfinite(target.values).sum())
    rare = min(rate, 1 - rate) < VERY_RARE
    says = f"{share(rate)} of {n:,} known rows are '{target.classes[1]}'."
    if rare:
        says += " A model that always says the same would be right almost always, so accuracy means nothing here."
    return Check(
        name="problem.positives",
        status=Status.NOTE,
        says=says,
        fix="wrong class? mulle set data.positive=CLASS",
        value=rate,
        bar=f"said below {share(VERY_RARE)} (mulle default)" if rare else "",
        n_rows=n,
    )
