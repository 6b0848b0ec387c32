"""What is asked: what a target must look like, and all that follows from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.check import Check
from mulle.core.figure import Figure, Table
from mulle.core.loss import Loss
from mulle.core.registry import Registry, named
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


class Task(ABC):
    """What is asked of a model. A new task is one new file in this folder; it edits no family."""

    name: ClassVar[str]
    title: ClassVar[str]
    policy: ClassVar[str]
    """The policy that turns its predictions into a decision when the page names none."""

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


tasks: Registry[Task] = Registry(noun="task", package="mulle.tasks")
task = named(tasks)
