"""The opening of every report: the numbers that matter, and whether to ship."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mulle.core.check import Check, Outcome, Status, Verdict, verdict
from mulle.core.command import parted
from mulle.core.project import Page

Line = tuple[str, str, str]


def headline(outcomes: Sequence[Outcome]) -> list[Line]:
    """Return the numbers that matter: label, value, note."""
    facts = {outcome.stage: dict(outcome.facts) for outcome in outcomes}
    lines = [*_how_good(facts), *_worth(facts), *_artifact(facts)]
    return [*_sealed(facts), *lines]


def _sealed(facts: Mapping[str, Mapping[str, Any]]) -> list[Line]:
    held = facts.get("assess")
    if not held:
        return []
    note = f"on {held['n_rows']:,} rows that nobody had seen; {held['words']}"
    return [(f"sealed test, opening {held['opening']}", f"{held['value']:.4f}", note)]


def _how_good(facts: Mapping[str, Mapping[str, Any]]) -> list[Line]:
    held = facts.get("evaluate")
    if not held:
        base = facts.get("baseline")
        return [("best baseline", f"{base['value']:.4f}", str(base["best"]))] if base else []
    around = f"{held['low']:.4f} to {held['high']:.4f} in 95 of 100 cases, the choice among many counted in; "
    around += f"constant {facts['baseline']['constant']:.4f}, {held['baseline']} {held['baseline_value']:.4f}"
    gain = f"{held['gain_low']:+.4f} to {held['gain_high']:+.4f} over {held['baseline']}"
    first = (str(held["metric_title"]), f"{held['estimate']:.4f}", around)
    if held.get("is_baseline"):
        return [first, ("gain", "none", f"what would ship is the baseline itself, {held['baseline']}")]
    gain += ", paired on the same rows, the luck of the choice taken out"
    return [first, ("gain", f"{held['gain']:+.4f}", gain)]


def _worth(facts: Mapping[str, Mapping[str, Any]]) -> list[Line]:
    held = facts.get("evaluate", {})
    if "worth" not in held:
        return []
    return [("worth", str(held["worth"]), "per 1,000 rows, " + str(held["worth_note"]))]


def _artifact(facts: Mapping[str, Mapping[str, Any]]) -> list[Line]:
    held = facts.get("package")
    if not held:
        return []
    note = f"{held['rows_per_second']:,.0f} rows/s on one core, {held['size_mb']:.1f} MB on disk"
    return [("one row", f"{1000 * held['latency_ms_p50']:.0f} µs", note)]


def decision(outcomes: Sequence[Outcome], page: Page, *, stamp: str, interrupted: bool = False) -> dict[str, Any]:
    """Say whether to ship, why or why not, what it is worth, and the next thing to type."""
    checks = [check for outcome in outcomes for check in outcome.checks if not check.override]
    failed = [c for c in checks if c.status is Status.FAIL]
    open_ = [c for c in checks if c.status is Status.UNANSWERED]
    assessed = any(o.stage == "assess" for o in outcomes)
    ship = stamp == "ready" and verdict(checks) is Verdict.OPEN and assessed
    because = [c.says for c in (*failed, *open_)]
    if not because:
        because = [_open_words(outcomes)] if ship else ["the sealed test has not been opened for this bundle yet"]
    if interrupted:
        because.insert(0, "the run was stopped before its end; the same command goes on from there")
    facts: dict[str, Any] = {}
    for outcome in outcomes:
        if outcome.stage == "evaluate":
            facts = dict(outcome.facts)
    return {
        "ship": ship,
        "because": because,
        "worth": str(facts.get("worth_says", "")),
        "next": _next(failed, open_, outcomes, page),
    }


def _open_words(outcomes: Sequence[Outcome]) -> str:
    """Say that every gate is open, and by whose word where a check was passed by a person."""
    standing = (Status.FAIL, Status.UNANSWERED)
    named = [c.name for o in outcomes for c in o.checks if c.override and c.status in standing]
    return "every gate is open" + (f"; passed by a person, with a reason: {', '.join(named)}" if named else "")


def _next(failed: Sequence[Check], open_: Sequence[Check], outcomes: Sequence[Outcome], page: Page) -> str:
    stages = {outcome.stage for outcome in outcomes}
    fixes = [c.fix for c in (*failed, *open_) if c.fix]
    typed = [command for _, command, _ in map(parted, fixes) if command.startswith("mulle ")]
    if "assess" in stages and not failed and not open_:
        return f"mulle predict {page.project.name}.zip NEW_ROWS.csv OUT.csv"
    if "package" not in stages:
        return "mulle run"
    if not failed and not open_:
        return "mulle assess"
    return next(iter([*typed, *fixes]), "mulle run")
