"""Fit any loss with any family: a loss of parts is fitted part by part, and the family never knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mulle.core.errors import ProjectError
from mulle.core.loss import Loss
from mulle.export.joined import Joined
from mulle.models.base import Family, Fitted, Params, Rows, Training
from mulle.models.stopping import Deadline, best, mean_curve


def fit_loss(family: Family, training: Training, params: Params) -> Fitted:
    """Fit a family on any loss whose atoms it takes.

    Parameters
    ----------
    family
        Any family.
    training
        Its target has one column an atom, ``[rows, atoms]``, when the loss has parts. The time is shared
        fairly.
    params
        For every part the same.

    Returns
    -------
    Fitted
        For parts: outputs side by side, and each curve the mean over the parts, a part that ended early held at its
        last value. They are cut together, so ``iterations`` is where that mean is lowest; where they can't be cut,
        the most of any part. The parts ended by *time* when any of them did.

    Raises
    ------
    ProjectError
        When the family can't minimise the loss.

    Examples
    --------
    >>> from mulle.core.loss import each, logistic
    >>> from mulle.models import Column, families
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(60, 2)).astype(np.float32)
    >>> rows = Rows(matrix=x, target=(x > 0).astype(np.float64))
    >>> columns = [Column(name=name, feature=name) for name in "ab"]
    >>> training = Training(rows=rows, valid=None, columns=columns, loss=each(logistic(), 2), rng=rng)
    >>> fit_loss(families.get("linear"), training, {}).scorer.n_outputs
    2
    """
    loss = training.loss
    if not loss.parts:
        _refuse(family, loss)
        return family.fit(training, params)
    clock, fits = Deadline(training.seconds), []
    for i, part in enumerate(loss.parts):
        seconds = None if training.seconds is None else max(clock.left_s, 0.0) / (len(loss.parts) - i)
        fits.append(fit_loss(family, _of_part(training, part, i, seconds), params))
    return _join(fits)


def _refuse(family: Family, loss: Loss) -> None:
    if loss.name not in family.losses:
        raise ProjectError(
            f"the family '{family.name}' can't minimise the loss '{loss.name}'",
            where=f"models.{family.name}",
            fix=f"leave it out here; it takes {', '.join(sorted(family.losses))}",
        )


def _of_part(training: Training, part: Loss, i: int, seconds: float | None) -> Training:
    valid = None if training.valid is None else _column(training.valid, i)
    return replace(training, rows=_column(training.rows, i), valid=valid, loss=part, seconds=seconds)


def _column(rows: Rows, i: int) -> Rows:
    return replace(rows, target=np.ascontiguousarray(rows.target[:, i]))


def _join(fits: Sequence[Fitted]) -> Fitted:
    ends = {fitted.stopped for fitted in fits}
    scorer = Joined(tuple(fitted.scorer for fitted in fits))
    valid = mean_curve([fitted.valid_curve for fitted in fits])
    most = max(fitted.iterations for fitted in fits)
    return Fitted(
        scorer=scorer,
        train_curve=mean_curve([fitted.train_curve for fitted in fits]),
        valid_curve=valid,
        iterations=best(valid) if valid and scorer.cuts else most,
        stopped="time" if "time" in ends else "early" if "early" in ends else "done",
    )
