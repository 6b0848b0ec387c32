"""What a turn leaves in the ledger: what each stage found, what a person passed by name, what was scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mulle.compute.source import digest
from mulle.core.check import Outcome
from mulle.core.jsonable import from_json, to_json
from mulle.splits.lock import Lock, read_lock
from mulle.stages.base import Framed, Prepared, Scored
from mulle.store.ledger import EventKind
from mulle.store.workspace import Workspace


def record_outcomes(space: Workspace, outcomes: Sequence[Outcome]) -> None:
    """Record what stages found, and each check that a person passed by name with the reason."""
    for outcome in outcomes:
        space.record(EventKind.OUTCOME, outcome)
        for check in outcome.checks:
            if check.passed_by_name:
                held = {"check": check.name, "status": check.status, "says": check.says, "reason": check.override}
                space.record(EventKind.OVERRIDE, held)


def record_lock(space: Workspace, folder: Path) -> Lock | None:
    """Record what ``mulle.lock`` holds where that is new, and return it; where it is gone now, the most that it ever held.

    The file may be deleted to seal anew; which seals there were, and how often they were opened, survives in the ledger,
    also where an older file was brought back in between.
    """
    known = [event.body for event in space.ledger.events(kind=EventKind.SEAL)]
    lock = read_lock(folder)
    if lock is None:
        return max((from_json(Lock, body) for body in known), key=_counted, default=None)
    if not known or to_json(lock) != known[-1]:
        space.record(EventKind.SEAL, lock)
    return lock


def _counted(lock: Lock) -> tuple[int, int, int]:
    return len(lock.seals), len(lock.openings), lock.scored


def record_scored(space: Workspace, left: Mapping[str, Any]) -> int:
    """Record each configuration that was scored for the first time on these rows and folds.

    Only what was fitted is among what a choice is made from; the constant and rules are not. A run that finds finished
    work again scores nothing anew, and so does not count.

    Parameters
    ----------
    space
        With the ledger.
    left
        What the stages left.

    Returns
    -------
    int
        How many were new.
    """
    known = {event.body["configuration"] for event in space.ledger.events(kind=EventKind.SCORED)}
    fresh: dict[str, Scored] = {}
    for scored in left["model"].fitted:
        fresh.setdefault(_key(left["problem"], left["data"], scored), scored)
    for key, scored in fresh.items():
        if key not in known:
            body = {"configuration": key, "name": scored.name, "metric": left["problem"].metric_name}
            space.record(EventKind.SCORED, body | {"value": to_json(scored.value)})
    return len(set(fresh) - known)


def _key(framed: Framed, prepared: Prepared, scored: Scored) -> str:
    """Return what tells one scored configuration from another: what was fitted on which rows and folds."""
    config = to_json(scored.config.params)
    rows = [prepared.rows.hash, prepared.folds.hash, sorted(prepared.features), framed.sides.seal.number]
    return digest([scored.family, scored.name if not config else "", config, to_json(framed.loss), rows])
