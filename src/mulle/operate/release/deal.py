"""Thompson sampling in a trial: units that come from now on are dealt by how likely each arm is the better one.

Who has met an arm keeps it. What was dealt by one share is one batch, and arms are compared within batches only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mulle.core.errors import DataError
from mulle.operate.release.online import CANDIDATE, CONTROL, Arm, Batch, Metric, Seen
from mulle.operate.release.state import Challenger, Refused
from mulle.trials.effect import Effect
from mulle.trials.moments import Moments
from mulle.trials.thompson import FLOOR, batch_effect, believed, standardised, thompson

HALVES = 0.5
"""The challenger's share until something is known."""
CLOCKS_S = 5.0
"""How far the clocks of a server and of the ledger's writer may be apart."""
_ALIKE = 1e-6


def in_batches(seen: Seen, challenger: Challenger) -> Seen:
    """Return what a trial showed, with its units by the share that they were dealt by; as it is where shares are fixed.

    Parameters
    ----------
    seen
        Of the trial.
    challenger
        With each share that it has had.

    Returns
    -------
    Seen
        A unit is in the latest batch, begun before it came, whose share is the propensity that the server logged: a server
        that followed a little late deals by the share before.
    """
    if challenger.mode != "thompson":
        return seen
    at = {unit: _batch(arm, unit, name, challenger.dealt) for name, arm in seen.arms.items() for unit in arm.exposed}
    arms = {name: _split(arm, at, len(challenger.dealt)) for name, arm in seen.arms.items()}
    parts = [
        Batch(float(one["share"]), replace(seen, arms={name: parts[i] for name, parts in arms.items()}))
        for i, one in enumerate(challenger.dealt)
    ]
    return replace(seen, batches=tuple(part for part in parts if any(arm.exposed for arm in part.seen.arms.values())))


def _batch(arm: Arm, unit: str, name: str, dealt: Sequence[Mapping[str, Any]]) -> int:
    propensity = arm.exposed[unit]
    share = propensity if name == CANDIDATE else 1 - propensity
    begun = [i for i, one in enumerate(dealt) if one["at"] <= arm.met[unit] + CLOCKS_S] or [0]
    same = [i for i in begun if abs(dealt[i]["share"] - share) < _ALIKE]
    return (same or begun)[-1]


def _split(arm: Arm, at: Mapping[str, int], n: int) -> list[Arm]:
    """Return an arm by batch; who has no exposure in the log is left out: nobody knows by which share it was dealt."""
    parts = [Arm() for _ in range(n)]
    for unit, propensity in arm.exposed.items():
        parts[at[unit]].exposed[unit], parts[at[unit]].met[unit] = propensity, arm.met[unit]
    for id_, (unit, decision) in arm.decided.items():
        if unit in at:
            parts[at[unit]].decided[id_] = (unit, decision)
    for unit in arm.asked:
        if unit in at:
            parts[at[unit]].asked[unit] = arm.asked[unit]
    for unit in arm.failed:
        if unit in at:
            parts[at[unit]].failed[unit] = arm.failed[unit]
    return parts


def effect_of(seen: Seen, metric: Metric) -> Effect | None:
    """Return a metric's effect from the differences within batches; None where no batch tells.

    Parameters
    ----------
    seen
        In its batches.
    metric
        What is counted.
    """
    try:
        return batch_effect(_moments(seen, metric))
    except DataError:
        return None


def _moments(seen: Seen, metric: Metric) -> list[tuple[Moments, Moments]]:
    each = [batch.seen.moments(metric) for batch in seen.batches]
    return [(one[CONTROL], one[CANDIDATE]) for one in each]


def share_of(seen: Seen, metric: Metric, *, lower: bool, floor: float = FLOOR) -> dict[str, float]:
    """Return the share that the challenger gets of the units that come next, and the chance that it is the better one.

    Parameters
    ----------
    seen
        In its batches.
    metric
        The trial's first.
    lower
        Whether less of it is better.
    floor
        The least share of each arm.

    Returns
    -------
    dict
        ``share`` in whole 10,000ths, ``chance``, and the mean of each arm, as if both had met the same mixture of batches.

    Raises
    ------
    Refused
        When the metric isn't known of both arms.
    """
    control, candidate = standardised(_moments(seen, metric))
    try:
        beliefs = believed(control, candidate, yes_or_no=_yes_or_no(seen, metric))
    except DataError as error:
        what = f"units can't be dealt anew: {error.what}"
        raise Refused(what, where="mulle release", fix="send feedback for both arms: POST /v1/feedback") from error
    named = dict(zip((CONTROL, CANDIDATE), beliefs, strict=True))
    better = (
        CONTROL if lower else CANDIDATE
    )  # "larger is better" is what is computed: the one that is not larger is lower
    share, chance = thompson(named, floor=floor)[better], thompson(named, floor=0.0)[better]
    return {"share": share, "chance": chance, CONTROL: control.mean, CANDIDATE: candidate.mean}


def _yes_or_no(seen: Seen, metric: Metric) -> bool:
    values = [found.values for batch in seen.batches for found in batch.seen.counted(metric).values()]
    return all(bool(np.isin(one, (0.0, 1.0)).all()) for one in values)


def counts(seen: Seen) -> list[tuple[dict[str, int], dict[str, float]]]:
    """Return the units of both arms and the shares that they were to get, by batch."""
    return [
        (
            {name: len(arm.exposed) for name, arm in batch.seen.arms.items()},
            {CONTROL: round(1 - batch.share, 4), CANDIDATE: batch.share},
        )
        for batch in seen.batches
    ]
