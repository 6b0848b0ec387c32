"""Ask all data checks, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

from mulle.checks.base import DataCheck, Seen, checks, leave_out
from mulle.core.check import Check
from mulle.core.schema import LeftOut


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All answers, the columns to leave out, and the seconds that each check took."""

    checks: Sequence[Check]
    left_out: Sequence[LeftOut]
    seconds: Mapping[str, float]


def look_over(seen: Seen, *, keep: Sequence[str] = (), only: Sequence[DataCheck] | None = None) -> Findings:
    """Ask all registered data checks, or only some.

    Parameters
    ----------
    seen
        The rows and all that is known of them.
    keep
        Columns that the page keeps whatever a check proposes.
    only
        The checks to ask.

    Returns
    -------
    Findings
        A column that several checks would leave out is named once, by the first.

    Examples
    --------
    >>> import numpy as np, polars as pl
    >>> from mulle.core.schema import Feature
    >>> seen = Seen(
    ...     table=pl.DataFrame({"fax": [1.0, 1.0, 1.0]}),
    ...     features=[Feature(name="fax", kind="number", columns=["fax"])],
    ...     task="regression",
    ...     target=np.array([1.0, 2.0, 3.0]),
    ...     rng=np.random.default_rng(0),
    ... )
    >>> [left.column for left in look_over(seen).left_out]
    ['fax']
    """
    answers: list[Check] = []
    seconds: dict[str, float] = {}
    for each in checks if only is None else only:
        started = perf_counter()
        answers.extend(each.look(seen))
        seconds[each.name] = perf_counter() - started
    settled, left = leave_out(answers, keep)
    return Findings(checks=settled, left_out=left, seconds=seconds)
