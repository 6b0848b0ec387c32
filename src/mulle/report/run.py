"""A run as its folder tells it, read back from ``run.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from mulle.core.check import Outcome, Verdict
from mulle.core.errors import StoreError
from mulle.core.figure import Cell
from mulle.core.jsonable import from_json

STAGES = ("problem", "data", "baseline", "model", "evaluate", "package", "assess")
"""In the order of `mulle.loop`, which a page is drawn without; a test of the house holds one against the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether to ship, why, what it is worth, and the next thing to type."""

    ship: bool = False
    because: Sequence[str] = ()
    worth: str = ""
    next: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """One number to remember: what it is, the number in words, and its range or a comparison."""

    label: str
    value: Cell = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One turn of the loop, as written to ``run.json``. Moments are in ISO form.

    ``facts`` may hold anything that JSON can: versions, seed, counts; shown at the end of the report.
    """

    id: str
    project: str
    goal: str = ""
    business_metric: str = ""
    started: str = ""
    finished: str = ""
    stamp: str = "draft"
    verdict: Verdict = Verdict.UNDECIDED
    headline: Sequence[Headline] = ()
    decision: Decision = field(default_factory=Decision)
    facts: Mapping[str, Any] = field(default_factory=dict)
    page: str = ""
    outcomes: Sequence[Outcome] = ()

    @property
    def seconds(self) -> float | None:
        """How long the run took, or None when it is not known."""
        try:
            begin, end = datetime.fromisoformat(self.started), datetime.fromisoformat(self.finished)
            return (end - begin).total_seconds()
        except (ValueError, TypeError):
            return None


def read_run(source: Mapping[str, Any] | Path | Record) -> Record:
    """Read a run.

    Parameters
    ----------
    source
        What ``run.json`` holds, the file itself, or its folder.

    Returns
    -------
    Record
        With whole outcomes. Keys that are absent take their default.

    Raises
    ------
    StoreError
        When there is no such run, or its file can't be read.

    Examples
    --------
    >>> read_run({"id": "r1", "project": "churn"}).decision.ship
    False
    """
    if isinstance(source, Record):
        return source
    where, data = ("run.json", source) if isinstance(source, Mapping) else _opened(Path(source))
    try:
        return _sound(from_json(Record, data))
    except (TypeError, KeyError, ValueError, AttributeError, IndexError) as cause:
        raise StoreError(f"the run can't be read: {cause}", where=where, fix="mulle run") from cause


def _sound(run: Record) -> Record:
    """See that every check has a status that we know, which the types alone don't tell."""
    for outcome in run.outcomes:
        outcome.verdict  # noqa: B018 - reading it is the test
    return run


def _opened(source: Path) -> tuple[str, Mapping[str, Any]]:
    file = source / "run.json" if source.is_dir() else source
    try:
        data = json.loads(file.read_text("utf-8"))
    except FileNotFoundError as cause:
        raise StoreError("there is no such run", where=str(file), fix="mulle run") from cause
    except (OSError, ValueError) as cause:
        raise StoreError(f"the run's file can't be read: {cause}", where=str(file), fix="mulle run") from cause
    if not isinstance(data, dict):
        raise StoreError(f"the run's file holds a {type(data).__name__}", where=str(file), fix="mulle run")
    return str(file), data
