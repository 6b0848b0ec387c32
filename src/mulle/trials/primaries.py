"""Several primary metrics in one trial: each look is stricter, so that the chance of any false alarm stays what it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mulle.trials.effect import Effect
from mulle.trials.sequential import ALPHA, Sequential, Spend, judge, obrien_fleming


def judge_all(
    effects: Mapping[str, Sequence[Effect]],
    n_planned: int,
    *,
    alpha: float = ALPHA,
    spend: Spend = obrien_fleming,
    final: bool = False,
) -> dict[str, Sequential]:
    """Judge several metrics at the looks so far, by Holm's steps: what one has proven is passed on to the others.

    Parameters
    ----------
    effects
        Of each metric at each look, positive is better.
    n_planned, alpha, spend, final
        See `mulle.trials.sequential.judge`; α is that of all metrics together.

    Returns
    -------
    dict
        By metric, in the same order. Each p-value is for its own metric; compare it with α over the number of metrics, as the
        interval does.

    Examples
    --------
    >>> clear = Effect(value=0.9, se=0.2, base=10.0, n_units=2000)
    >>> weak = Effect(value=0.42, se=0.2, base=5.0, n_units=2000)
    >>> found = judge_all({"orders": [clear], "visits": [weak]}, 2000)
    >>> found["orders"].crossed, found["visits"].crossed
    ('better', 'better')
    >>> judge_all({"orders": [weak], "visits": [weak]}, 2000)["visits"].crossed
    'no'

    Notes
    -----
    Source: Ye, Li, Liu, Yao, A group sequential Holm procedure with multiple primary endpoints, Statistics in Medicine 32,
    2013.
    """
    done: dict[str, Sequential] = {}
    while left := [name for name in effects if name not in done]:
        level = alpha / len(left)
        found = {name: judge(effects[name], n_planned, alpha=level, spend=spend, final=final) for name in left}
        crossed = {name: result for name, result in found.items() if result.crossed != "no"}
        done |= crossed or found
    return {name: done[name] for name in effects}
