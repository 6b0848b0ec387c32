"""Promote the candidate, keep the champion, or say that nothing is decided: in words, and in money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mulle.core.check import Check, Interval, Status, Verdict, overridden
from mulle.core.check import verdict as joined
from mulle.trials.always import Guardrail
from mulle.trials.needed import needed_rows
from mulle.trials.power import WEEK
from mulle.trials.ratio_check import RatioCheck
from mulle.trials.sequential import Sequential

PER_UNITS = 1000
TRUST = ("release.ratio", "release.feedback")
"""While one of these is not passed, nothing is decided."""
Decision = Literal["promote", "keep", "inconclusive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """What the candidate is worth, for every 1,000 units.

    Parameters
    ----------
    value
        The estimate.
    interval
        Of it.
    currency
        As the page names it.
    per
        What there are 1,000 of.
    """

    value: float
    interval: Interval
    currency: str
    per: str = "units"

    def __str__(self) -> str:
        low, value, high = (f"{v:+,.2f}" for v in (self.interval.low, self.value, self.interval.high))
        return f"{value} {self.currency} per {PER_UNITS:,} {self.per} ({low} to {high})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Primary:
    """A metric that the trial is for.

    Parameters
    ----------
    name
        Of the metric.
    result
        Of its looks, positive is better; None when nothing was measured.
    least
        The smallest effect worth having; None when nobody said.
    worth
        Money for one more of the metric, for one unit; None when nobody said. Negative is not allowed: turn the metric.
    currency
        Of the worth.
    per
        What one more of the metric is counted by: units, or answered predictions.
    lower
        Whether less is better. The result is turned then; words show it as it was measured.
    """

    name: str
    result: Sequential | None
    least: float | None = None
    worth: float | None = None
    currency: str = ""
    per: str = "units"
    lower: bool = False

    def money(self) -> Money | None:
        """Return the effect in money, or None where its worth or the effect is not known."""
        if self.worth is None or self.result is None:
            return None
        by, interval = self.worth * PER_UNITS, self.result.interval
        return Money(
            value=self.result.estimate * by,
            interval=Interval(low=interval.low * by, high=interval.high * by, confidence=interval.confidence),
            currency=self.currency,
            per=self.per,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What to do with the candidate, and why.

    Parameters
    ----------
    decision
        *promote*, *keep* (the champion) or *inconclusive*.
    checks
        The reasons, one a question; a person may override one by name.
    money
        By primary metric, where its worth is known.
    more_units
        About how many more units of all arms would decide; None where decided, or where none would.
    says
        The decision in a sentence or two.
    """

    decision: Decision
    checks: tuple[Check, ...]
    money: dict[str, Money]
    more_units: int | None
    says: str


def rule(
    *,
    ratio: RatioCheck,
    primaries: Sequence[Primary],
    guardrails: Mapping[str, Guardrail | None],
    days: float,
    whole_weeks: bool = True,
    overrides: Mapping[str, str] | None = None,
    feedback: Check | None = None,
) -> Ruling:
    """Decide about a candidate from all that its trial has shown.

    Parameters
    ----------
    ratio
        Of the exposed units. While it blocks, nothing else decides.
    primaries
        Those of the plan, measured or not. At least one must be better, none worse.
    guardrails
        Those of the plan by name; None where nothing was measured. All must be safe.
    days
        That the trial has run.
    whole_weeks
        Whether a promotion waits for the end of a week.
    overrides
        Reasons by the name of a check, given by a person.
    feedback
        Whether feedback comes from both arms alike; like the ratio, it can only forbid a decision.

    Returns
    -------
    Ruling
        A missing metric, or a plan without a primary one, is never a pass.

    Examples
    --------
    >>> from mulle.trials.effect import Effect
    >>> from mulle.trials.ratio_check import check_ratio
    >>> from mulle.trials.sequential import judge
    >>> orders = judge([Effect(value=0.02, se=0.004, base=0.1, n_units=20_000)], 20_000)
    >>> found = rule(
    ...     ratio=check_ratio({"champion": 10_040, "candidate": 9960}, {"champion": 0.5, "candidate": 0.5}),
    ...     primaries=[Primary(name="orders", result=orders, worth=30.0, currency="EUR")],
    ...     guardrails={},
    ...     days=14,
    ... )
    >>> found.decision, str(found.money["orders"])
    ('promote', '+600.00 EUR per 1,000 units (+364.80 to +835.20)')
    """
    checks = (
        _ratio(ratio),
        *([feedback] if feedback else []),
        *_primaries(primaries),
        *(_guardrail(name, found) for name, found in guardrails.items()),
        _weeks(days, wanted=whole_weeks),
    )
    checks = tuple(overridden(checks, overrides or {}))
    decision = _decision(checks)
    money = {primary.name: worth for primary in primaries if (worth := primary.money()) is not None}
    more = max((check.needed_rows or 0 for check in checks), default=0) if decision == "inconclusive" else 0
    return Ruling(
        decision=decision,
        checks=checks,
        money=money,
        more_units=more or None,
        says=_says(decision, checks, money, _wait(more, primaries)),
    )


def _decision(checks: Sequence[Check]) -> Decision:
    """Return what the checks say together; ratio and feedback alone can only forbid a decision."""
    if any(check.blocks for check in _trust(checks)):
        return "inconclusive"
    words: dict[Verdict, Decision] = {Verdict.OPEN: "promote", Verdict.SHUT: "keep", Verdict.UNDECIDED: "inconclusive"}
    return words[joined(checks)]


def _trust(checks: Sequence[Check]) -> list[Check]:
    """Return the checks without which no other counts."""
    return [check for check in checks if check.name in TRUST]


def _ratio(found: RatioCheck) -> Check:
    n = sum(found.counts.values())
    wrong = found.p < found.alpha or found.always_p < found.alpha
    status = (Status.FAIL if wrong else Status.UNANSWERED) if found.blocks else Status.PASS
    why = "find why units of one arm are lost: redirects, crashes, time-outs, bots, a filter"
    return Check(
        name="release.ratio",
        status=status,
        says=found.says,
        fix=(why if wrong else "wait for more units") if found.blocks else "",
        value=found.p,
        bar=f"p ≥ {found.alpha:g}",
        n_rows=n,
    )


def _primaries(primaries: Sequence[Primary]) -> list[Check]:
    """Judge the primary metrics; where one is better, those that are not worse only need to be known."""
    if not primaries:
        says, fix = (
            "no primary metric was named: nothing can show that the candidate is better",
            "name an online metric",
        )
        return [Check(name="release.primary", status=Status.UNANSWERED, says=says, fix=fix)]
    better = any(p.result is not None and _is_better(p.result) for p in primaries)
    return [_primary(p, another_is_better=better) for p in primaries]


def _primary(primary: Primary, *, another_is_better: bool) -> Check:
    name, found = f"release.primary.{primary.name}", primary.result
    if found is None:
        says = f"{primary.name}: nothing was measured"
        return Check(name=name, status=Status.UNANSWERED, says=says, fix="send feedback, or log the value column")
    status, fix, needed = _answer(primary, found, another_is_better=another_is_better)
    value, low, high, lower = found.estimate, found.interval.low, found.interval.high, ""
    if primary.lower:
        value, low, high, lower = -value, -high, -low, ", lower is better"
    by = primary.per.removesuffix("s")
    return Check(
        name=name,
        status=status,
        says=f"{primary.name}: {value:+.4g} for one {by} ({low:.4g} to {high:.4g}){lower}; {found.says}",
        fix=fix,
        value=found.estimate,
        bar="surely above 0",
        interval=found.interval,
        n_rows=found.effect.n_units,
        needed_rows=needed,
    )


def _answer(primary: Primary, found: Sequential, *, another_is_better: bool) -> tuple[Status, str, int | None]:
    """Return what a measured metric says, what to do, and how many more units would help."""
    known = {"better": (Status.PASS, "", None), "worse": (Status.FAIL, "keep the champion", None)}
    if found.crossed == "better" and not _is_better(found):
        fix = "what came after the look that showed it doesn't: wait, or keep the champion"
        return Status.UNANSWERED, fix, _more(found)
    if another_is_better:
        known["no"] = (Status.NOTE, "", None)
    if found.crossed in known:
        return known[found.crossed]
    if found.over and primary.least is not None and found.interval.high < primary.least:
        return Status.FAIL, f"keep the champion: a gain of {primary.least:g}, worth having, can be ruled out", None
    if found.over:
        return Status.UNANSWERED, "plan a new, larger trial, or keep the champion", _more(found)
    n_planned = round(found.effect.n_units / found.plan[found.look - 1].t)
    return Status.UNANSWERED, "wait for the planned units", n_planned - found.effect.n_units


def _more(found: Sequential) -> int | None:
    """Return about how many more units would show the effect, were it what it seems."""
    needed = needed_rows(found.estimate, 0.0, found.interval, found.effect.n_units)
    return None if needed is None else needed - found.effect.n_units


def _is_better(found: Sequential) -> bool:
    """Say whether a look has shown it, and those that came after it, if any, didn't take it back."""
    return found.crossed == "better" and found.interval.low > 0


def _guardrail(name: str, found: Guardrail | None) -> Check:
    state = "missing" if found is None else found.state
    status = {"breached": Status.FAIL, "safe": Status.PASS}.get(state, Status.UNANSWERED)
    fixes = {
        "breached": "keep the champion and mend the candidate",
        "open": "wait for more units, or allow a wider margin before the next trial",
        "missing": "log this metric for both arms",
    }
    return Check(
        name=f"release.guardrail.{name}",
        status=status,
        says=f"{name}: nothing was measured" if found is None else found.says,
        fix=fixes.get(state, ""),
        value=None if found is None else found.worse,
        bar="" if found is None else f"surely no worse than by {found.margin:g}",
        interval=None if found is None else found.interval,
        n_rows=None if found is None else found.n_units,
        needed_rows=None if found is None else found.more_units,
    )


def _weeks(days: float, *, wanted: bool) -> Check:
    over = days % WEEK
    if not wanted or (days >= WEEK and over == 0):
        says = f"{days:.3g} days{'' if wanted else ', whole weeks were waived'}"
        return Check(name="release.weeks", status=Status.PASS, says=says, value=days)
    return Check(
        name="release.weeks",
        status=Status.UNANSWERED,
        says=f"{days:.3g} days are no whole weeks: some weekdays would count more than others",
        fix=f"wait {WEEK - over:.3g} days more, or waive it",
        value=days,
        bar="whole weeks",
    )


def _wait(more: int, primaries: Sequence[Primary]) -> str:
    """Say how many more units would decide; those of a trial that has ended can't: another one would have to be planned."""
    if not more:
        return ""
    ended = [p.result.effect.n_units for p in primaries if p.result is not None and p.result.over]
    if not ended:
        return f" About {more:,} more units would decide."
    return f" This trial is at its end; a new one of about {more + max(ended):,} units would decide."


def _says(decision: Decision, checks: Sequence[Check], money: Mapping[str, Money], wait: str) -> str:
    because = {
        "promote": {Status.PASS},
        "keep": {Status.FAIL},
        "inconclusive": {Status.FAIL, Status.UNANSWERED},
    }[decision]
    reasons = [c.says for c in checks if c.status in because and not c.override]
    broken = [check.says for check in _trust(checks) if check.status == Status.FAIL and not check.override]
    if decision == "inconclusive" and broken:
        reasons = broken
    words = {"promote": "Promote the candidate", "keep": "Keep the champion", "inconclusive": "Inconclusive"}[decision]
    worth = "".join(f" Worth {value}." for value in money.values()) if decision != "inconclusive" else ""
    return f"{words}: {'; '.join(reasons)}.{worth}{wait}"
