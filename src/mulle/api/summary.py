"""The opening of every report: the numbers that matter, and whether to ship."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mulle.core.check import Check, Outcome, blocking, checks_of, may_ship
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
    standing = blocking(checks_of(outcomes))
    ship = stamp == "ready" and may_ship(outcomes)
    because = [c.says for c in standing] or [_open_words(outcomes) if ship else _not_yet(outcomes)]
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
        "next": _next(standing, outcomes, page, ship=ship),
    }


def _not_yet(outcomes: Sequence[Outcome]) -> str:
    if may_ship(outcomes):
        return (
            "a check was passed by name since the bundle was stamped; mulle assess takes that up and fits nothing anew"
        )
    return "the sealed test has not been opened for this bundle yet"


def _open_words(outcomes: Sequence[Outcome]) -> str:
    """Say that every gate is open, and by whose word where a check was passed by a person."""
    named = [check.name for check in checks_of(outcomes) if check.passed_by_name]
    return "every gate is open" + (f"; passed by a person, with a reason: {', '.join(named)}" if named else "")


def _next(standing: Sequence[Check], outcomes: Sequence[Outcome], page: Page, *, ship: bool) -> str:
    stages = {outcome.stage for outcome in outcomes}
    fixes = [c.fix for c in standing if c.fix]
    typed = [command for _, command, _ in map(parted, fixes) if command.startswith("mulle ")]
    if ship:
        return f"mulle predict {page.project.name}.zip NEW_ROWS.csv OUT.csv"
    if "package" not in stages:
        return "mulle run"
    if not standing:
        return "mulle assess"
    return next(iter([*typed, *fixes]), "mulle run")
