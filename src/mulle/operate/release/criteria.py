"""By what a challenger is judged: read off the page before a trial, frozen in its design from then on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from mulle.core.project import ReleasePart


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """What counts.

    Parameters
    ----------
    metrics
        Online metrics, the first one first: it has the smallest effect and the worth.
    better
        ``higher`` or ``lower``, of all of them.
    smallest_effect
        Worth having, of the first; None when nobody said.
    worth, currency
        Of one more of the first metric.
    guardrails
        Margin and direction by metric.
    whole_weeks
        Whether a trial is looked at after whole weeks only.

    Examples
    --------
    >>> frozen = Criteria.of(ReleasePart(online_metric="correct", smallest_effect=0.01)).as_json()
    >>> Criteria.frozen(frozen).changed(Criteria.of(ReleasePart(online_metric="correct", smallest_effect=0.02)))
    ('smallest_effect',)
    """

    metrics: tuple[str, ...]
    better: str
    smallest_effect: float | None
    worth: float | None
    currency: str
    guardrails: Mapping[str, tuple[float, str]]
    whole_weeks: bool

    @classmethod
    def of(cls, page: ReleasePart, currency: str = "") -> Self:
        """Read them off the page."""
        return cls(
            metrics=page.metrics,
            better=page.better,
            smallest_effect=page.smallest_effect,
            worth=page.worth,
            currency=currency,
            guardrails=page.guarded,
            whole_weeks=page.whole_weeks,
        )

    @classmethod
    def frozen(cls, told: Mapping[str, Any]) -> Self:
        """Read them from a trial's design."""
        guardrails = {name: (float(margin), str(better)) for name, (margin, better) in told["guardrails"].items()}
        return cls(**{**told, "metrics": tuple(told["metrics"]), "guardrails": guardrails})

    def as_json(self) -> dict[str, Any]:
        """Return them for a design."""
        told = {one.name: getattr(self, one.name) for one in fields(self)}
        return {**told, "metrics": list(self.metrics), "guardrails": {k: list(v) for k, v in self.guardrails.items()}}

    def changed(self, now: Criteria) -> tuple[str, ...]:
        """Return what stands otherwise in the page now."""
        return tuple(one.name for one in fields(self) if getattr(self, one.name) != getattr(now, one.name))
