"""What a model family is: which views and losses it takes, its configurations, and `fit`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from mulle.core.jsonable import Json
from mulle.core.loss import Loss
from mulle.core.registry import Registry
from mulle.core.schema import Column
from mulle.export.scorer import Scorer

Params = Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows to train on or to validate with.

    ``matrix`` is float32 ``[rows, columns]`` (numbers may be NaN only where the family's views leave them so);
    ``target`` is float64: 0/1 for logistic, codes 0..K-1 for softmax, values for squared; ``weight`` is float64 or None.
    """

    matrix: NDArray[np.float32]
    target: NDArray[np.float64]
    weight: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """All that a fit may see. ``valid`` is for the curve and for giving up; None means: use ``params`` as they are.

    With ``valid`` a fit goes on until that loss has long stopped falling, and leaves its whole path: which of its
    iterations is kept is not for the rows to say that it is judged on. See `mulle.training.stop`.
    """

    rows: Rows
    valid: Rows | None
    columns: Sequence[Column]
    loss: Loss
    rng: np.random.Generator
    threads: int = 1
    seconds: float | None = None
    """Stop inside the fit after this long, keep what there is, and say ``stopped='time'``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """The result of a fit: a neutral scorer and how the loss went, on training and on validation rows.

    With validation rows the scorer is the end of the whole path, and can be cut (`Scorer.first`).
    """

    scorer: Scorer
    train_curve: Sequence[float] = ()
    valid_curve: Sequence[float] = ()
    iterations: int = 0
    """Where the validation curve was lowest; without one, all. `fit` with ``{"iterations": n}`` and no validation rows
    gives as many."""
    stopped: Literal["early", "done", "time"] = "done"


class Suggest(Protocol):
    """The part of an Optuna trial that a search space may use."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Suggest a number."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """Suggest a whole number."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Suggest one of several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A named configuration of a family that is worth trying before any search. Lower ``rank`` goes first."""

    name: str
    params: Params = field(default_factory=dict)
    rank: int = 50
    min_rows: int = 0
    max_rows: int = 10**12


class Family(ABC):
    """A family of models.

    A new family is one new file in this folder with one class under ``@model``. It names the *views* that it wants of
    each kind and the atomic *losses* that it can minimise; it knows no task.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    role: ClassVar[Literal["scorer", "retriever", "detector"]] = "scorer"
    losses: ClassVar[frozenset[str]]
    grows_with_outputs: ClassVar[bool] = False
    """True when a fit costs as many times more as the loss has outputs; such a family waits when there are many."""
    views: ClassVar[Mapping[str, Sequence[str]]]
    """For each kind, the views wanted, in order. A kind that is absent is not used by the family."""
    configs: ClassVar[Sequence[Config]]

    @abstractmethod
    def space(self, suggest: Suggest) -> dict[str, Json]:
        """Draw parameters from the family's search space."""

    @abstractmethod
    def fit(self, training: Training, params: Params) -> Fitted:
        """Fit on the rows and return a neutral scorer.

        Two fits with equal arguments give equal scorers, bit for bit, on one machine.
        """


FamilyT = TypeVar("FamilyT", bound=Family)
families: Registry[Family] = Registry(noun="model family", package="mulle.models")


def model(cls: type[FamilyT]) -> type[FamilyT]:
    """Register a model family of your own: a class with a ``name`` and no arguments.

    Parameters
    ----------
    cls
        A `Family`.

    Returns
    -------
    type
        The class itself, so that this is a decorator.

    Examples
    --------
    A family that is there already, tried in another configuration and never searched further:

    >>> from mulle.models.lightgbm import LightGBM
    >>> @model
    ... class Stumps(LightGBM):
    ...     name, title = "stumps", "Stumps"
    ...     configs = (Config(name="two leaves", params={"num_leaves": 2}),)
    >>> [config.name for config in families.get("stumps").configs]
    ['two leaves']
    >>> families.remove("stumps")
    """
    return families.take(cls)
