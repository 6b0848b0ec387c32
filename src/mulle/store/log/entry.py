"""What the log holds: predictions, exposures, feedback, changed parameters, and answers that may be asked for again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from mulle.core.errors import StoreError

CHAMPION, CHALLENGER, SHADOW = "champion", "challenger", "shadow"
"""The parts that a bundle can play; as ``arm`` they stand in every entry."""
FAILED_MARK = "~failed"
"""Ends the id under which it is kept that a challenger could not answer; before it stands the id of the answer told."""
SHADOW_MARK = "~shadow"
"""Ends the ids of what a shadow would have told; before it stands the id of the answer told."""


class Promise(StrEnum):
    """What holds when an entry was acknowledged.

    Examples
    --------
    >>> Promise("synced") is Promise.SYNCED
    True
    """

    MEMORY = "memory"
    """It is in this process: a clean stop writes it, a killed process loses it."""
    WRITTEN = "written"
    """It was handed to the operating system: it survives ``kill -9``, not a loss of power."""
    SYNCED = "synced"
    """It is on the disk: it survives a loss of power."""


class Row(NamedTuple):
    """One prediction, as it was made."""

    id: str
    """Unique. Ids that sort by time are written faster than random ones."""
    at: float
    """Seconds since 1970, UTC."""
    bundle: str
    """The bundle's short hash."""
    version: int
    """Of the policy's parameters or of the state."""
    arm: str
    propensity: float
    """The chance that this unit had of this arm, in (0, 1]."""
    trial: str
    unit: str
    inputs: bytes
    """JSON: the values as used."""
    output: bytes
    """JSON: what was answered."""


class Exposure(NamedTuple):
    """One unit that met an arm of a trial. The same unit, arm and bundle in a trial is kept once, the first."""

    trial: str
    unit: str
    arm: str
    propensity: float
    at: float
    bundle: str


class Feedback(NamedTuple):
    """What was learnt about a prediction later. Of the same prediction and kind the latest accepted counts."""

    id: str
    prediction_id: str
    kind: str
    """``outcome``, ``correction`` or ``value:<name>``."""
    value: bytes
    """JSON."""
    source: str
    at: float


class Change(NamedTuple):
    """Parameters of a policy that somebody changed. Kept once for each bundle and version, the first."""

    version: int
    at: float
    bundle: str
    parameters: bytes
    """JSON."""
    who: str


class Answer(NamedTuple):
    """What was answered under an idempotency key. The first answer stays."""

    key: str
    body: bytes
    """Digest of the request, so that another request under the same key is seen."""
    response: bytes
    status: int
    at: float


Entry: TypeAlias = Row | Exposure | Feedback | Change | Answer
Told: TypeAlias = Callable[[StoreError | None], None]
"""Hears how it went: None when the promise holds."""
Done: TypeAlias = tuple[Told, StoreError | None]
"""Somebody to be told, and what."""


class Group(NamedTuple):
    """Entries that are written together or not at all, and who hears of it.

    Examples
    --------
    >>> Group(feedback=[Feedback("f1", "p1", "outcome", b"1", "crm", 0.0)], promise=Promise.SYNCED).size
    1
    """

    rows: Sequence[Row] = ()
    exposures: Sequence[Exposure] = ()
    feedback: Sequence[Feedback] = ()
    changes: Sequence[Change] = ()
    answers: Sequence[Answer] = ()
    promise: Promise = Promise.WRITTEN
    done: Told | None = None

    @property
    def size(self) -> int:
        """How many entries there are."""
        return len(self.rows) + len(self.exposures) + len(self.feedback) + len(self.changes) + len(self.answers)


class LogFull(StoreError):
    """More entries wait to be written than may."""
