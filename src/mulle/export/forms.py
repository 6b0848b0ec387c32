"""Which class reads a saved scorer: found by its form's name, so that a family's own form edits no list."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

from mulle.core.errors import UnknownName
from mulle.export.scorer import Scorer


def load_scorer(form: str, path: Path) -> Scorer:
    """Read a scorer back.

    Parameters
    ----------
    form
        What its class calls itself: ``"trees"``, ``"layers"``, ``"joined"``, or the form of any subclass of
        `Scorer` that has been imported.
    path
        What `Scorer.save` wrote.

    Returns
    -------
    Scorer
        Equal to what was saved.

    Raises
    ------
    UnknownName
        When no class has that form.

    Examples
    --------
    >>> load_scorer("tress", Path("scorer.npz"))
    Traceback (most recent call last):
    ...
    mulle.core.errors.UnknownName: form of scorer 'tress' is unknown
      fix:   did you mean 'trees'? known: ...
    """
    for own in ("trees", "layers", "joined"):
        importlib.import_module(f"mulle.export.{own}")
    known = {cls.form: cls for cls in _subclasses(Scorer)}  # type: ignore[type-abstract]
    if form not in known:
        raise UnknownName.among(form, known, noun="form of scorer")  # among makes one
    return known[form].load(path)


def _subclasses(cls: type[Scorer]) -> Iterator[type[Scorer]]:
    for each in cls.__subclasses__():
        if "form" in vars(each):
            yield each
        yield from _subclasses(each)
