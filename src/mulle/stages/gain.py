"""The gain over the best baseline, as a check: judged the same way on validation rows and on sealed ones."""

from __future__ import annotations

from dataclasses import dataclass

from mulle.core.check import Check, Status
from mulle.core.duration import seconds
from mulle.core.project import TrialsBudget
from mulle.trials.needed import needed_rows
from mulle.trials.paired import Gain

BY_NAME = "to ship the simple model all the same, pass {name} by name: [[overrides]] check, reason"
LEAST_BUDGET_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What a gain was measured in, over what, and what is asked of it.

    Parameters
    ----------
    metric
        Its title.
    over
        The baseline's title.
    min_gain
        Of the page; None where it says nothing.
    n_rows
        On how many rows.
    itself
        True when what would ship is that baseline itself.
    searched
        False when nothing but baselines was scored.
    instead_of
        A better baseline that could not be scored on these rows, if there is one.
    budget
        Of the page.
    """

    metric: str
    over: str
    min_gain: float | None
    n_rows: int
    itself: bool = False
    searched: bool = True
    instead_of: str = ""
    budget: str | TrialsBudget = "60s"


def gain_check(stage: str, gain: Gain, compared: Compared) -> Check:
    """Answer whether the gain over the best baseline is enough.

    It passes when the one-sided bound reaches the page's ``min_gain`` and is above 0; it fails when even the upper end
    of the interval does not reach it.

    Parameters
    ----------
    stage
        Whose check it is: ``"evaluate"`` or ``"assess"``.
    gain
        Paired on the same rows.
    compared
        In what, over what, and the bar.

    Returns
    -------
    Check
        ``<stage>.gain``.

    Examples
    --------
    >>> from mulle.core.check import Interval
    >>> held = Gain(
    ...     value=0.04,
    ...     interval=Interval(low=0.01, high=0.07),
    ...     bound=0.015,
    ...     raw=0.04,
    ...     over=0,
    ...     p=0.01,
    ...     sd=0.015,
    ...     n_rows=400,
    ...     n_units=400,
    ...     n_draws=1000,
    ... )
    >>> asked = Compared(metric="ROC AUC", over="Linear", min_gain=0.02, n_rows=400)
    >>> gain_check("assess", held, asked).status
    <Status.UNANSWERED: 'UNANSWERED'>
    """
    needed = compared.min_gain or 0.0
    if compared.itself:
        return _itself(stage, gain, compared)
    ok, bad = gain.bound >= needed and gain.bound > 0, gain.interval.high < needed
    status = Status.PASS if ok else Status.FAIL if bad else Status.UNANSWERED
    says = (
        f"Over the best baseline ({compared.over}) the gain in {compared.metric} is {gain.value:+.4f} "
        f"({gain.interval.low:+.4f} to {gain.interval.high:+.4f}); it is at least {gain.bound:+.4f} in "
        f"{100 * gain.interval.confidence:g} of 100 cases.{_so(status, gain, compared)}"
    )
    if compared.instead_of:
        says = says.replace("the best baseline", "a baseline", 1)
        says += f" The best one, {compared.instead_of}, can't be scored on these rows, so this decides nothing."
        status = Status.UNANSWERED
    open_ = status is Status.UNANSWERED and not compared.instead_of
    rows = needed_rows(gain.value, needed, gain.interval, compared.n_rows) if open_ else None
    return Check(
        name=f"{stage}.gain",
        status=status,
        says=says,
        fix=_fix(status, gain.value < needed, rows, compared),
        value=gain.value,
        bar=_bar(gain, compared),
        interval=gain.interval,
        n_rows=compared.n_rows,
        needed_rows=rows,
    )


def _so(status: Status, gain: Gain, compared: Compared) -> str:
    """Say what follows, for a reader who does not read intervals."""
    needed = compared.min_gain or 0.0
    asked = f"by the {needed:g} that the page asks for ([objective] min_gain)" if needed else "at all"
    if status is Status.PASS:
        return ""
    if status is Status.FAIL:
        return f" So it is not better {asked}, and more rows would hardly change that."
    if gain.bound > 0:
        return f" So it is better, but {compared.n_rows:,} rows are too few to tell whether {asked}."
    why = f"{compared.n_rows:,} rows are too few to tell"
    return f" So {why} it from the simpler one: the difference may be luck, and the simpler one may be as good."


def _fix(status: Status, below: bool, rows: int | None, compared: Compared) -> str:  # noqa: FBT001  # private
    """Say what to do: rows only where they may change the answer."""
    if status is Status.PASS:
        return ""
    search = f"a longer search: {longer(compared.budget)}"
    if status is Status.FAIL:
        return f"better inputs, or {search}"
    against = ", most likely against it" if below else ""
    decides = f"about {rows:,} such rows would decide it{against}, if the gain stayed what it is; " if rows else ""
    return f"{decides}{'better inputs' if below else 'more rows, better inputs'}, or {search}"


def longer(budget: str | TrialsBudget) -> str:
    """Return the command that doubles a budget, to five minutes at least.

    Examples
    --------
    >>> longer("60s"), longer("10m"), longer(TrialsBudget(trials=40))
    ('mulle set objective.budget=5m', 'mulle set objective.budget=20m', 'mulle set objective.budget.trials=80')
    """
    if isinstance(budget, TrialsBudget):
        return f"mulle set objective.budget.trials={2 * budget.trials}"
    return f"mulle set objective.budget={-(-max(LEAST_BUDGET_S, 2 * int(seconds(budget))) // 60)}m"


def _bar(gain: Gain, compared: Compared) -> str:
    source = "([objective] min_gain)" if compared.min_gain is not None else "(mulle default: any clear gain)"
    confidence = f"{100 * gain.interval.confidence:g} %"
    return f"≥ {compared.min_gain or 0.0:g} {source}, by the one-sided {confidence} bound"


def _itself(stage: str, gain: Gain, compared: Compared) -> Check:
    """Say that there is no gain to judge; the seal, asked after that, has nothing to add."""
    name = f"{stage}.gain"
    says = f"What would ship is the best baseline itself ({compared.over}): nothing clearly better was found."
    fix, status = (
        f"better inputs, or a longer search: {longer(compared.budget)}; {BY_NAME.format(name=name)}",
        Status.FAIL,
    )
    if not compared.searched:
        says = f"No time was left to search, so what would ship is the best baseline itself ({compared.over})."
        fix, status = f"give more time: {longer(compared.budget)}", Status.UNANSWERED
    if stage == "assess":
        says = "What would ship is the best baseline itself: there is no gain over it to judge."
        return Check(name=name, status=Status.NOTE, says=says)
    return Check(name=name, status=status, says=says, fix=fix, bar=_bar(gain, compared), n_rows=compared.n_rows)
