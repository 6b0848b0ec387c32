"""The names of online metrics, as they stand in the page: what comes back from the people who meet a model."""

from __future__ import annotations

import re

from mulle.core.errors import ProjectError

LARGEST = 1e100
"""Beyond this a number is no measurement: sums of squares of it would be infinite, and with them every interval."""
_RATIO = re.compile(r"(value:\S.*?) / (value:\S.*)")
_NAMED = {"correct": False, "failed": False, "outcome": None, "value": True}
"""Whether a kind has a name behind a colon; None: it may."""


def parts_of(text: str) -> tuple[tuple[str, str], ...]:
    """Return kind and name of an online metric; of a ratio those of what is above and of what is below.

    Parameters
    ----------
    text
        ``correct``, ``failed``, ``outcome``, ``outcome:CLASS``, ``value:NAME`` or ``value:NAME / value:NAME``.

    Returns
    -------
    tuple
        One pair, or two.

    Raises
    ------
    ProjectError
        When it is of no known form.

    Examples
    --------
    >>> parts_of("outcome:yes"), parts_of("value:clicks / value:views")
    ((('outcome', 'yes'),), (('value', 'clicks'), ('value', 'views')))
    """
    ratio = _RATIO.fullmatch(text)
    if ratio:
        return parts_of(ratio[1])[0], parts_of(ratio[2])[0]
    kind, colon, name = text.partition(":")
    if kind not in _NAMED or bool(colon) != bool(name) or _NAMED[kind] not in (None, bool(name)):
        what = f"'{text}' is no online metric"
        fix = "write correct, outcome, outcome:CLASS, value:NAME, value:NAME / value:NAME or failed"
        raise ProjectError(what, where="mulle.toml, [release]", fix=fix)
    return ((kind, name),)


def countable(value: float) -> float | None:
    """Return a number as it is counted; None when it is beyond what can be: infinite, not a number, or above `LARGEST`.

    Examples
    --------
    >>> countable(3), countable(10**400), countable(float("nan")), countable(1.7e308)
    (3.0, None, None, None)
    """
    return float(value) if -LARGEST <= value <= LARGEST else None


def same(told: object, label: object) -> bool:
    """Say whether what was told is the class of that label: the same text, the number that it writes, or true and false.

    Examples
    --------
    >>> same("yes", "yes"), same(1.0, "1"), same(True, "true"), same(True, "1"), same(1, "1_0")
    (True, True, True, False, False)
    """
    written = str(label)
    if str(told) == written:
        return True
    if isinstance(told, bool):
        return str(told).lower() == written.lower()
    if not isinstance(told, int | float) or not _NUMBER.fullmatch(written):
        return False
    exact = isinstance(told, int) and "." not in written
    return told == (int(written) if exact else float(written))


_NUMBER = re.compile(r"-?\d{1,300}(\.\d{1,300})?", re.ASCII)
