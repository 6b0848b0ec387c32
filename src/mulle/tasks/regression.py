"""A number: how much it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.check import Check, Status
from mulle.core.errors import DataError
from mulle.core.figure import Figure, Table
from mulle.core.loss import Loss, squared
from mulle.kinds.base import Facts, Guess
from mulle.tasks.base import Decided, DefaultMetric, Target, Task, task
from mulle.tasks.known import known_rows
from mulle.tasks.labels import rows as n_rows_words
from mulle.tasks.numbers import read_numbers
from mulle.tasks.residuals import predicted_figure, range_table, residuals_figure
from mulle.tasks.shares import share

VERY_FEW_VALUES = 5
FEW_VALUES = 10
SOME_VALUES = 20
FEW_ROWS = 100
HEAVY = 0.5
"""When one row in a hundred holds more than this part of all squared deviation, the tails are heavy."""
TOP = 0.01


@task
class Regression(Task):
    """Tell a number.

    Examples
    --------
    >>> target = Regression().read(pl.Series("price", ["1,200", "80.5", ""]))
    >>> target.values
    array([1200. ,   80.5,    nan])
    """

    name: ClassVar[str] = "regression"
    title: ClassVar[str] = "A number"
    policy: ClassVar[str] = "value"
    asks: ClassVar[tuple[str, ...]] = ("problem.number_or_classes", "problem.target_rows")

    def recognise(self, facts: Facts) -> Guess | None:
        """Claim numbers, written as text or not; whole numbers of few values only weakly."""
        try:
            values, _ = read_numbers(facts.values)
        except DataError:
            return None
        known = np.unique(values[np.isfinite(values)])
        if len(known) <= 2:  # noqa: PLR2004  # two are binary
            return None
        whole = bool((known == np.floor(known)).all())
        if whole and len(known) <= SOME_VALUES:
            sure = 0.4 if len(known) <= FEW_VALUES else 0.6
            return Guess(sure=sure, why=f"it holds numbers, but only {len(known)} different ones")
        return Guess(sure=0.9, why=f"it holds numbers, {len(known):,} different ones in the rows seen")

    def read(self, column: pl.Series, *, positive: str | None = None, classes: Sequence[str] = ()) -> Target:  # noqa: ARG002
        """Read the target as numbers."""
        values, notes = read_numbers(column)
        _need_numbers(values, column.name)
        return Target(values=values, notes=tuple(notes))

    def loss(self, classes: Sequence[str]) -> Loss:  # noqa: ARG002  # the contract's shape
        """Return squared error."""
        return squared()

    def default_metric(self, target: Target) -> DefaultMetric:
        """Choose RMSE, or under heavy tails the mean absolute error."""
        part = _tail_part(target.values)
        if part > HEAVY:
            why = (
                f"1 % of the rows hold {share(part)} of all squared deviation from the median: RMSE would be "
                "decided by those few, the mean absolute error counts each row by its own error"
            )
            return DefaultMetric(name="mae", why=why)
        why = "no few rows dominate it, it is in the target's own unit, and it is what the models minimise"
        return DefaultMetric(name="rmse", why=why)

    def constant(self, values: NDArray[np.float64], weight: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return the mean, ``[1]``."""
        kept = np.isfinite(values)
        return np.array([np.average(values[kept], weights=None if weight is None else weight[kept])])

    def answers(self, target: str, classes: Sequence[str]) -> str:  # noqa: ARG002
        """Say what is answered for one row."""
        return f"the value of `{target}`"

    def wrong(self, rows: Decided) -> Sequence[str]:
        """Say how far off it is for half of the rows, and for the worst tenth."""
        off = np.abs(rows.decision - rows.values)
        half, most = np.quantile(off, [0.5, 0.9], method="inverted_cdf", weights=rows.weight)
        return (f"Half of its numbers are off by more than {half:.4g}, one in ten by more than {most:.4g}.",)

    def framing(self, target: Target) -> Sequence[Check]:
        """Check that it is a number to estimate and not classes written as numbers, and that rows suffice."""
        known = target.values[np.isfinite(target.values)]
        return [_looks_like_classes(known), _enough(known)]

    def figures(
        self,
        values: NDArray[np.float64],
        prediction: NDArray[np.float64],
        classes: Sequence[str],  # noqa: ARG002  # the contract's shape
        decision: NDArray[np.float64] | None = None,
    ) -> Sequence[Figure]:
        """Return predicted against true values and the residuals."""
        rows = known_rows(values, prediction, decision)
        if not len(rows.values):
            return []
        made = rows.prediction[:, 0] if rows.decision is None else rows.decision
        return [predicted_figure(rows.values, made), residuals_figure(rows.values, made)]

    def errors(
        self,
        values: NDArray[np.float64],
        prediction: NDArray[np.float64],
        classes: Sequence[str],  # noqa: ARG002  # the contract's shape
        decision: NDArray[np.float64] | None = None,
    ) -> Sequence[Table]:
        """Return the errors by range of the true value."""
        rows = known_rows(values, prediction, decision)
        if not len(rows.values):
            return []
        made = rows.prediction[:, 0] if rows.decision is None else rows.decision
        return [range_table(rows.values, made)]


def _need_numbers(values: NDArray[np.float64], name: str) -> None:
    known = values[np.isfinite(values)]
    if len(known) and known.min() < known.max():
        return
    if len(known):
        what = f"the target '{name}' is {known[0]:g} in all {n_rows_words(len(known))} where it is known"
    elif len(values):
        what = f"the target '{name}' is empty in all {n_rows_words(len(values))}"
    else:
        what = f"there are no rows to read '{name}' from"
    raise DataError(
        what,
        where=f"column '{name}'",
        fix="bring rows with other values, or choose another target: mulle set data.target=COLUMN",
    )


def _tail_part(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    squares = np.sort((known - np.median(known)) ** 2)
    top = max(int(np.ceil(TOP * len(squares))), 1)
    total = float(squares.sum())
    return float(squares[-top:].sum()) / total if total and len(squares) >= FEW_ROWS else 0.0


def _looks_like_classes(known: NDArray[np.float64]) -> Check:
    different = len(np.unique(known))
    few = different <= FEW_VALUES
    status = Status.FAIL if different <= VERY_FEW_VALUES else Status.NOTE if few else Status.PASS
    says = f"The target has {different:,} different values in {len(known):,} known rows."
    return Check(
        name="problem.number_or_classes",
        status=status,
        says=f"{says} That looks like classes written as numbers." if few else says,
        fix='mulle set data.task="multiclass", or override it when distances between numbers mean something'
        if few
        else "",
        value=float(different),
        bar=f"> {VERY_FEW_VALUES} different values; said up to {FEW_VALUES} (mulle default)",
        n_rows=len(known),
    )


def _enough(known: NDArray[np.float64]) -> Check:
    few = len(known) < FEW_ROWS
    return Check(
        name="problem.target_rows",
        status=Status.UNANSWERED if few else Status.PASS,
        says=f"The target is known in {n_rows_words(len(known))}.",
        fix="bring more rows whose target is known" if few else "",
        value=float(len(known)),
        bar=f"≥ {FEW_ROWS} (mulle default)",
        n_rows=len(known),
        needed_rows=FEW_ROWS if few else None,
    )
