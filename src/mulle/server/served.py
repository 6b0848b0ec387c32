"""Which bundle answers whom: the champion, and beside it perhaps a challenger for some units and a shadow for none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from mulle.runtime.bundle import Bundle
from mulle.store.log.entry import CHAMPION
from mulle.trials.assign import Assigned, Assignment


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """One bundle in service. It never changes: other parameters or another bundle make another `Served`.

    Parameters
    ----------
    bundle
        Open, with the parameters in force.
    arm
        The part it plays: ``champion``, ``challenger`` or ``shadow``.
    version
        Of the policy's parameters; 0 as packaged.
    """

    bundle: Bundle
    arm: str = CHAMPION
    version: int = 0

    @property
    def name(self) -> str:
        """Return the bundle's name in answers and in the log: the first 16 digits of its hash."""
        return self.bundle.hash[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """An assignment under way: its name in the log, and who goes to whom.

    Parameters
    ----------
    kept
        Units that keep the arm that they met when they were dealt by another share.
    """

    name: str
    assign: Assignment
    kept: Mapping[str, Assigned] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineup:
    """Everything that is served at one moment. Replaced as a whole, so that each request meets exactly one.

    Parameters
    ----------
    champion
        Answers all who aren't assigned to another.
    others
        By arm.
    trial
        Who is assigned to whom; None when all go to the champion.
    shadow
        Answers a share of the requests once more, and nobody hears it.
    shadow_share
        Between 0 and 1, by unit.
    shadow_salt
        By which those units are drawn.
    """

    champion: Served
    others: dict[str, Served] = field(default_factory=dict)
    trial: Trial | None = None
    shadow: Served | None = None
    shadow_share: float = 0.0
    shadow_salt: str = ""

    def pick(self, unit: str) -> tuple[Served, float]:
        """Return who answers a unit, and how likely that was."""
        if self.trial is None:
            return self.champion, 1.0
        assigned = self.trial.kept.get(unit) or self.trial.assign(unit)
        return self.others.get(assigned.arm, self.champion), assigned.propensity

    def mirrors(self, unit: str) -> bool:
        """Return whether a unit's requests are asked of the shadow too."""
        if self.shadow is None:
            return False
        drawn = blake2b(f"{self.shadow_salt}:{unit}".encode("utf-8", "replace"), digest_size=8, person=b"mulle.shadow")
        return int.from_bytes(drawn.digest()) < self.shadow_share * 2**64

    @property
    def all(self) -> list[Served]:
        """Return every bundle that is in service, the champion first."""
        return [self.champion, *self.others.values(), *([self.shadow] if self.shadow else [])]

    @property
    def bundles(self) -> list[Bundle]:
        """Return what they are, in the same order."""
        return [served.bundle for served in self.all]
