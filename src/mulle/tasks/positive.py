"""Which of two classes is the one to look for, and why."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from mulle.core.errors import DataError
from mulle.tasks.labels import fold, listed, rows

_AFFIRMATIVE = frozenset(["yes", "y", "true", "t", "1", "positive", "pos", "on", "ja", "oui", "si", "sí", "예", "네"])
_EVENT = frozenset(
    [
        "churned",
        "churn",
        "left",
        "default",
        "bad",
        "fraud",
        "fraudulent",
        "spam",
        "malignant",
        "died",
        "dead",
        "failed",
        "failure",
        "failing",
        "anomaly",
        "attack",
        "clicked",
        "converted",
        "bought",
        "success",
        "sick",
        "disease",
    ]
)
_DENIALS = ("not ", "no ", "non-", "non ", "never ", "un")


@dataclass(frozen=True, slots=True, kw_only=True)
class Positive:
    """The class that counts as 1, the other one, and why."""

    name: str
    other: str
    why: str


def choose_positive(counts: Mapping[str, int], *, asked: str | None = None, column: str = "") -> Positive:
    """Choose the positive class of two.

    Parameters
    ----------
    counts
        Rows of each of the two classes.
    asked
        The class that the page names, in any spelling.
    column
        The target's name, for messages.

    Returns
    -------
    Positive
        With the reason in words.

    Raises
    ------
    DataError
        When the class asked for does not occur.

    Examples
    --------
    >>> choose_positive({"<=50K": 37155, ">50K": 11687}).name
    '>50K'
    >>> choose_positive({"no": 2, "yes": 9}).why
    "'yes' is the affirmative of the two"
    """
    names = sorted(counts, key=lambda name: (counts[name], name))
    if asked is not None:
        name = _asked(asked, counts, column)
        why = "the page says so"
    else:
        name, why = _guessed(names[0], names[1], counts)
    other = next(held for held in names if held != name)
    return Positive(name=name, other=other, why=why)


def _asked(asked: str, counts: Mapping[str, int], column: str) -> str:
    known = {fold(name): name for name in counts}
    if fold(asked) in known:
        return known[fold(asked)]
    near = difflib.get_close_matches(fold(asked), known, n=1)
    hint = f"did you mean '{known[near[0]]}'? " if near else ""
    raise DataError(
        f"the positive class '{asked}' does not occur in the target '{column}'",
        where=f"[data] positive, column '{column}'",
        fix=f"{hint}known: {listed(list(counts))}; mulle set data.positive=CLASS",
    )


def _guessed(rarer: str, commoner: str, counts: Mapping[str, int]) -> tuple[str, str]:
    pairs = ((rarer, commoner), (commoner, rarer))
    for means, why in _RULES:
        for name, other in pairs:
            if means(name, other):
                return name, why.format(name=name, other=other)
    if counts[rarer] == counts[commoner]:
        return commoner, "a guess: both classes are equally frequent"
    return rarer, f"a guess: it is the rarer of the two ({rows(counts[rarer])} of {sum(counts.values()):,})"


def _affirms(name: str, other: str) -> bool:
    return fold(name) in _AFFIRMATIVE and fold(other) not in _AFFIRMATIVE


def _denied(name: str, other: str) -> bool:
    return fold(other) in {denial + fold(name) for denial in _DENIALS}


def _higher(name: str, other: str) -> bool:
    return name[:1] in {">", "≥"} and other[:1] in {"<", "≤"}


def _happens(name: str, other: str) -> bool:
    return fold(name) in _EVENT and fold(other) not in _EVENT


_RULES = (
    (_affirms, "'{name}' is the affirmative of the two"),
    (_denied, "'{other}' says that '{name}' is absent"),
    (_higher, "'{name}' is the higher of the two"),
    (_happens, "'{name}' names an event"),
)
