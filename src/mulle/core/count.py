"""Things counted in words: one of them has no s."""

from __future__ import annotations


def count(n: int, noun: str) -> str:
    """Count things in words.

    Parameters
    ----------
    n
        How many.
    noun
        One of them.

    Returns
    -------
    str
        ``"1 row"``, ``"1,200 rows"``.

    Examples
    --------
    >>> count(1, "row"), count(1200, "row"), count(2, "class")
    ('1 row', '1,200 rows', '2 classes')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}{'es' if noun.endswith('s') else 's'}"
