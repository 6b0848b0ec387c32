"""What a command found. Light, so that a rollback waits for nothing that it doesn't need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mulle.operate.release.state import State

if TYPE_CHECKING:
    from mulle.core.check import Verdict
    from mulle.operate.release.evidence import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Stood:
    """What a command found: where the release stands, the evidence, and whether a step was taken."""

    state: State
    evidence: Evidence | None = None
    moved: bool = False
    dealt: Mapping[str, Any] | None = None
    """What units were dealt anew by, when they were."""
    says: str = ""
    """What was done, in words, where the state alone doesn't tell it."""
    held_up: str = ""
    """The step that was asked for and not taken, as its gate isn't open."""

    @property
    def verdict(self) -> Verdict:
        """Return the verdict of the gate; open when nothing was asked."""
        from mulle.core.check import Verdict, verdict  # noqa: PLC0415  # NumPy

        return Verdict.OPEN if self.evidence is None else verdict(self.evidence.checks)

    @property
    def open(self) -> bool:
        """Return whether nothing stands in the way."""
        return self.evidence is None or str(self.verdict) == "open"
