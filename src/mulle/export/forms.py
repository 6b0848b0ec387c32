"""Which class reads a saved scorer: found by its form's name, so that a family's own form edits no list."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.core.errors import UnknownName
from mulle.export.scorer import Scorer


def load_scorer(form: str, path: Path) -> Scorer:
    """Read a scorer back.

    Parameters
    ----------
    form
        What its class calls itself: ``"trees"``, ``"layers"``, ``"joined"``, ``"snapshots"``, or the form of any subclass of
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
    for own in ("trees", "layers", "joined", "snapshots"):
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


def pack(scorers: Sequence[Scorer]) -> dict[str, NDArray[np.uint8]]:
    """Return each scorer's own ``.npz`` as bytes, named by form and position, to stand within another ``.npz``.

    Returns
    -------
    dict
        uint8 arrays by ``"{form}_{position}"``.
    """
    held = {}
    with TemporaryDirectory() as folder:
        file = Path(folder) / "part.npz"
        for i, scorer in enumerate(scorers):
            scorer.save(file)
            held[f"{scorer.form}_{i}"] = np.fromfile(file, np.uint8)
    return held


def unpack(held: Mapping[str, NDArray[Any]]) -> tuple[Scorer, ...]:
    """Read back what `pack` returned, in order.

    Returns
    -------
    tuple of Scorer
        Equal to what was packed.
    """
    parts = {}
    with TemporaryDirectory() as folder:
        file = Path(folder) / "part.npz"
        for name, raw in held.items():
            form, _, i = name.rpartition("_")
            file.write_bytes(raw.tobytes())
            parts[int(i)] = load_scorer(form, file)
    return tuple(parts[i] for i in sorted(parts))
