"""Commands within words: what of a *fix* can be typed as it stands."""

from __future__ import annotations

import re

_COMMAND = re.compile(
    r"""(?:^|(?<=:\s)|(?<=\())       # first of all, or what the words before lead to
    ((?:mulle|pip|make)\s
     (?:'[^']*'|"[^"]*"|[^'"\s;,()])+   # quoted parts whole, so that a bracket within them ends nothing
     (?:\s(?!or\b|and\b|to\b|then\b|\()(?:'[^']*'|"[^"]*"|[^'"\s;,()])+)*)""",
    re.VERBOSE,
)


def parted(text: str) -> tuple[str, str, str]:
    r"""Part words into what stands before the first command in them, the command, and what comes after it.

    Parameters
    ----------
    text
        As a check's *fix* is written: ``"give more time: mulle set objective.budget=5m; or bring fewer columns"``.

    Returns
    -------
    tuple
        Three texts that joined are the whole; the last two are empty where nothing can be typed.

    Examples
    --------
    >>> parted("give more time: mulle set objective.budget=5m; or fewer columns")
    ('give more time: ', 'mulle set objective.budget=5m', '; or fewer columns')
    >>> parted("bring more rows")
    ('bring more rows', '', '')
    """
    found = _COMMAND.search(text)
    if found is None or "\n" in found[1]:
        return text, "", ""
    command = found[1].rstrip(". ")
    start = found.start(1)
    return text[:start], command, text[start + len(command) :]
