"""What is asked: what a target must look like, and all that follows from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.check import Check
from mulle.core.figure import Figure, Table
from mulle.core.loss import Loss
from mulle.core.registry import Registry
from mulle.kinds.base import Facts, Guess


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A target as numbers.

    ``values`` is float64 ``[rows]`` or ``[rows, outputs]``: 0/1 for binary (1 is the positive class), codes for
    classes, numbers for regression; NaN where it is not known yet. ``notes`` tell what was done to read it
    (``"'Yes ' and 'yes' were taken as one class"``).
    """

    values: NDArray[np.float64]
    classes: Sequence[str] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultMetric:
    """The metric that suits the target when the page names none, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Rows with known targets and what was decided on each, ``[rows]``: class codes, or numbers.

    ``weight`` says how much each row counts; None: all alike.
    """

    values: NDArray[np.float64]
    decision: NDArray[np.float64]
    classes: Sequence[str] = ()
    weight: NDArray[np.float64] | None = None

    def share(self, which: NDArray[np.bool_], of: NDArray[np.bool_] | None = None) -> float:
        """Return the share of some rows, by weight, of all or of others; 0 where there are none of those.

        Examples
        --------
        >>> rows = Decided(values=np.array([0.0, 1.0]), decision=np.ones(2), weight=np.array([1.0, 3.0]))
        >>> rows.share(rows.values == rows.decision)
        0.75
        """
        weight = np.ones(len(self.values)) if self.weight is None else self.weight
        among = np.ones(len(weight), dtype=bool) if of is None else of
        total = weight[among].sum()
        return float(weight[which & among].sum() / total) if total > 0 else 0.0


class Task(ABC):
    """What is asked of a model. A new task is one new file in this folder; it edits no family."""

    name: ClassVar[str]
    title: ClassVar[str]
    policy: ClassVar[str]
    """The policy that turns its predictions into a decision when the page names none."""
    asks: ClassVar[tuple[str, ...]] = ()
    """Names of the checks that `framing` may answer, so that they can be overridden by name."""

    looks_for_one: ClassVar[bool] = False
    """Whether it looks for one of its classes, so that the page may name it (``[data] positive``)."""

    @abstractmethod
    def recognise(self, facts: Facts) -> Guess | None:
        """Claim a target column by how it looks, or not."""

    @abstractmethod
    def read(self, column: pl.Series, *, positive: str | None = None, classes: Sequence[str] = ()) -> Target:
        """Read a raw target column.

        Parameters
        ----------
        column
            Raw values; null and empty mean *not known yet*.
        positive
            The class that counts as 1, for binary.
        classes
            The classes in order, when they were settled before; a value outside them is an error.

        Raises
        ------
        DataError
            When no answer exists: one class, all unknown, a positive class that does not occur, text for a number.
        """

    @abstractmethod
    def loss(self, classes: Sequence[str]) -> Loss:
        """Return what families minimise."""

    @abstractmethod
    def default_metric(self, target: Target) -> DefaultMetric:
        """Choose a metric that suits the target: under imbalance not accuracy."""

    @abstractmethod
    def constant(self, values: NDArray[np.float64], weight: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return the best constant prediction, ``[outputs]``."""

    @abstractmethod
    def framing(self, target: Target) -> Sequence[Check]:
        """Check that the task fits its target: a number with five values, three thousand classes."""

    @abstractmethod
    def figures(
        self,
        values: NDArray[np.float64],
        prediction: NDArray[np.float64],
        classes: Sequence[str],
        decision: NDArray[np.float64] | None = None,
    ) -> Sequence[Figure]:
        """Return the task's figures: ROC and PR, calibration, confusion; or predicted against true, residuals."""

    @abstractmethod
    def errors(
        self,
        values: NDArray[np.float64],
        prediction: NDArray[np.float64],
        classes: Sequence[str],
        decision: NDArray[np.float64] | None = None,
    ) -> Sequence[Table]:
        """Return the task's error tables: per class n, precision, recall, F1; or errors by range of the target."""

    def answers(self, target: str, classes: Sequence[str]) -> str:  # noqa: ARG002
        """Say what is answered for one row, to follow the words *for each row it says*."""
        return f"`{target}`"

    def right(self, rows: Decided) -> Sequence[str]:  # noqa: ARG002
        """Say how often decisions are right, a sentence each, for a reader who does no machine learning."""
        return ()

    def wrong(self, rows: Decided) -> Sequence[str]:  # noqa: ARG002
        """Say how decisions fail, a sentence each, for the same reader."""
        return ()


TaskT = TypeVar("TaskT", bound=Task)
tasks: Registry[Task] = Registry(noun="task", package="mulle.tasks")


def task(cls: type[TaskT]) -> type[TaskT]:
    """Register a task of your own: a class with a ``name`` and no arguments.

    Parameters
    ----------
    cls
        A `Task`.

    Returns
    -------
    type
        The class itself, so that this is a decorator.

    Examples
    --------
    Numbers that can't be negative; a target is read so only where the page says so (``[data] task``):

    >>> from mulle.tasks.regression import Regression
    >>> @task
    ... class Demand(Regression):
    ...     name, title = "demand", "A demand"
    ...
    ...     def recognise(self, facts):
    ...         return None
    ...
    ...     def read(self, column, *, positive=None, classes=()):
    ...         return super().read(column.cast(pl.Float64).clip(lower_bound=0), positive=positive, classes=classes)
    >>> tasks.get("demand").read(pl.Series("sold", [3.0, -1.0, 8.0])).values.tolist()
    [3.0, 0.0, 8.0]
    >>> tasks.remove("demand")
    """
    return tasks.take(cls)
