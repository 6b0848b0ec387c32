"""Which task a target column asks for, and why."""

from __future__ import annotations

from mulle.core.errors import DataError
from mulle.kinds.base import Facts, Guess
from mulle.tasks.base import Task, tasks
from mulle.tasks.labels import need_classes, read_labels


def recognise(facts: Facts) -> tuple[Task, Guess]:
    """Ask every task whether a target looks like its own, and take the surest.

    Parameters
    ----------
    facts
        What is known of the raw target column.

    Returns
    -------
    tuple
        The task and its claim, whose ``why`` is to be said to the person.

    Raises
    ------
    DataError
        When no task claims it: one class, all unknown, moments, lists.

    Examples
    --------
    >>> import polars as pl
    >>> values = pl.Series("churned", ["yes", "no", "yes"])
    >>> facts = Facts(name="churned", dtype=pl.String(), n_rows=3, n_missing=0, n_unique=2, values=values)
    >>> recognise(facts)[0].name
    'binary'
    """
    claims = [(guess, each) for each in tasks if (guess := each.recognise(facts)) is not None]
    if claims:
        guess, best = max(claims, key=lambda claim: claim[0].sure)
        return best, guess
    need_classes(read_labels(facts.values), settled=False)
    seen = facts.values.drop_nulls().unique(maintain_order=True).head(3).to_list()
    shown = ", ".join(f"'{value}'" for value in seen) or "nothing but empty values"
    raise DataError(
        f"no task fits the target '{facts.name}' ({facts.dtype}): it holds {shown}",
        where=f"column '{facts.name}'",
        fix="choose a target with two or more known values: mulle set data.target=COLUMN, or name "
        f'the task: mulle set data.task="{tasks.names()[0]}"',
    )
