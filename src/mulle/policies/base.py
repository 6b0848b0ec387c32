"""What a policy is: from scores to the action that a person sees, with parameters that change without retraining."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from mulle.core.jsonable import Json
from mulle.core.registry import Registry
from mulle.export.graph import Graph


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What mistakes cost, in one currency; None where nobody said. See ``[objective] costs``."""

    false_positive: float | None = None
    false_negative: float | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A policy's parameters and, in words, why these."""

    parameters: Mapping[str, float]
    why: str
    facts: Mapping[str, Json] = field(default_factory=dict)


class Policy(ABC):
    """From scores to a decision.

    The decision is computed by a small graph of its own whose parameters are *inputs*, so that an operator can change a
    threshold or a weight while the model stays as it is, and Python and the browser run the same steps.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    tasks: ClassVar[frozenset[str]]
    decides: ClassVar[Literal["class", "value"]]
    """*class*: the decision is the position of a class (int64). *value*: a number (double)."""

    weighs_costs: ClassVar[bool] = False
    """Whether it reads what both mistakes cost (``[objective] costs``)."""

    @abstractmethod
    def choose(
        self,
        target: NDArray[np.float64],
        prediction: NDArray[np.float64],
        costs: Costs,
        weight: NDArray[np.float64] | None = None,
    ) -> Chosen:
        """Choose the parameters on rows whose target is known; `weight` says how much each row counts."""

    @abstractmethod
    def emit(self, g: Graph, scores: Mapping[str, str], parameters: Mapping[str, str]) -> str:
        """Append the nodes of the decision.

        Parameters
        ----------
        g
            The policy's own graph.
        scores
            For each objective (one, called ``"score"``, or several by name) the value with its predictions, double
            ``[rows, outputs]``.
        parameters
            For each parameter the value of its scalar input, double.

        Returns
        -------
        str
            The decision, ``[rows]``: int64 for a class, double for a value.
        """

    @abstractmethod
    def says(self, parameters: Mapping[str, float], classes: Sequence[str]) -> str:
        """Say in one sentence, for a reader who does not do machine learning, what the parameters mean."""


PolicyT = TypeVar("PolicyT", bound=Policy)
policies: Registry[Policy] = Registry(noun="policy", package="mulle.policies")


def policy(cls: type[PolicyT]) -> type[PolicyT]:
    """Register a policy of your own: a class with a ``name`` and no arguments.

    Parameters
    ----------
    cls
        A `Policy`.

    Returns
    -------
    type
        The class itself, so that this is a decorator.

    Examples
    --------
    Act only on the surest tenth of the rows, whatever mistakes cost:

    >>> import numpy as np
    >>> from mulle.policies.threshold import Threshold
    >>> @policy
    ... class Tenth(Threshold):
    ...     name, title = "tenth", "The surest tenth"
    ...
    ...     def choose(self, target, prediction, costs, weight=None):
    ...         return Chosen(parameters={"threshold": float(np.quantile(prediction, 0.9))}, why="one row in ten")
    >>> chosen = policies.get("tenth").choose(np.zeros(11), np.linspace(0, 1, 11)[:, None], Costs())
    >>> policies.get("tenth").says(chosen.parameters, ["no", "yes"])
    "A row is called 'yes' when its probability is 90 % or more."
    >>> policies.remove("tenth")
    """
    return policies.take(cls)
