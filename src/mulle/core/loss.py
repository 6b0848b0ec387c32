"""What a family minimises: the meeting point of a task (which names a loss) and a family (which takes some).

A loss is *atomic* (``logistic``, ``softmax``, ``squared``) or made of independent parts. A family says which atoms it
takes; a loss of several parts is fitted part by part, so that a new task needs no change in any family.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Link = Literal["sigmoid", "softmax", "identity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A loss, the number of raw scores that it needs, and the link from raw scores to predictions.

    Parameters
    ----------
    name
        ``"logistic"``, ``"softmax"`` or ``"squared"`` for an atom; any other name when it has parts.
    n_outputs
        Columns of the raw score and of the prediction. Logistic and squared have one.
    link
        From raw scores to predictions. Of an atom.
    parts
        Independent losses, each over its own columns of the target, in order.

    Examples
    --------
    >>> each(logistic(), 3).n_outputs
    3
    >>> softmax(4).link
    'softmax'
    """

    name: str
    n_outputs: int
    link: Link
    parts: tuple[Loss, ...] = ()


def logistic() -> Loss:
    """Return binary log loss: one raw score, the logit of the positive class."""
    return Loss(name="logistic", n_outputs=1, link="sigmoid")


def softmax(n_classes: int) -> Loss:
    """Return multi-class log loss: one raw score a class."""
    return Loss(name="softmax", n_outputs=n_classes, link="softmax")


def squared() -> Loss:
    """Return squared error: one raw score, the mean."""
    return Loss(name="squared", n_outputs=1, link="identity")


def each(part: Loss, n: int) -> Loss:
    """Return ``n`` independent copies of an atomic loss, one for each column of the target."""
    return Loss(name=f"{part.name}_each", n_outputs=n * part.n_outputs, link=part.link, parts=(part,) * n)
