"""``mulle run --final``: refit what was assessed on every row, into a new bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from mulle.api.project import Opened, import_code
from mulle.api.record import record_outcomes
from mulle.api.turns import Run, begin_turn, hand_out, outcomes_of, stamp_of, take_last, take_up, write_run
from mulle.compute.local import LocalWorkshop
from mulle.compute.turn import Nobody, Watch
from mulle.core.check import Outcome, blocking, checks_of, may_ship
from mulle.core.errors import ProjectError, StoreError
from mulle.operate.final import QUESTION, refit
from mulle.stages.handover import read_handover
from mulle.store.workspace import Workspace


def final(project: Opened, *, watch: Watch | None = None, workers: int | None = None) -> Run:
    """Refit the assessed recipe on all rows, the sealed ones too; its figures are the recipe's.

    Parameters
    ----------
    project
        A `Project`, or what `open_project` gave.
    watch
        Somebody who watches.
    workers
        How many processes; one a core when absent.

    Returns
    -------
    Run
        A run of its own, with what the assessed run found and the checks of the new bundle.

    Raises
    ------
    StoreError
        When there is no run with a bundle yet.
    ProjectError
        When the last run was not assessed, or a gate of it is not open, or the page or the data has changed since.

    Examples
    --------
    There is nothing to refit until a run was assessed; after ``mulle.run(project)`` and ``mulle.assess(project)``, with every
    gate open, this leaves the bundle of all rows:

    >>> import mulle, polars as pl
    >>> project = mulle.Project(pl.DataFrame({"x": [1, 2, 3], "y": [2.5, 4.5, 6.5]}), target="y")
    >>> mulle.final(project)
    Traceback (most recent call last):
    ...
    mulle.core.errors.StoreError: there is no finished run here yet
      where: ...
      fix:   mulle run
    """
    watch = watch or Nobody()
    files = import_code(project)
    with Workspace.open(project.folder, write=True, command="mulle run --final") as space:
        assessed, held = take_last(project, space)
        outcomes = _open(take_up(project, space, outcomes_of(held)), assessed)
        left = read_handover(assessed / "handover.json", space.artifacts.find)
        recipe = _recipe(space, held, left)
        space.begin(project.page.model_dump(mode="json"), seed=project.page.project.seed)
        assert space.run_id is not None  # noqa: S101  # begin sets it
        home, started = space.run_folder(space.run_id), datetime.now(UTC)
        try:
            with LocalWorkshop(
                space, home, workers=workers, seed=project.page.project.seed, files=files, watch=watch
            ) as shop:
                turn = begin_turn(project, space.run_id, shop, watch, (perf_counter(), {"trials": 1}, started))
                turn.watch.stage("final", QUESTION)
                outcome, built = refit(turn, left, recipe)
                turn.watch.outcome(outcome)
        finally:
            with suppress(OSError):
                home.rmdir()  # only of a run that left nothing in it
        record_outcomes(space, [outcome])
        home = space.run_folder(space.run_id)
        made = Run(id=home.name, folder=project.folder, project=held["project"], outcomes=[*outcomes, outcome])
        made.stamp = stamp_of(made.outcomes)
        hand_out(project, made, bundle=built.path / "bundle")
        write_run(made, project, started)
        return made


def _open(outcomes: Sequence[Outcome], home: Path) -> Sequence[Outcome]:
    """Refuse what was not assessed, or what has a gate that is not open."""
    if not any(outcome.stage == "assess" for outcome in outcomes):
        raise ProjectError("the last run was not assessed", where=f"run {home.name}", fix="mulle assess")
    if not may_ship(outcomes):
        names = [check.name for check in blocking(checks_of(outcomes))]
        raise ProjectError(
            f"not every gate of the assessed run is open: {', '.join(names)}",
            where=f"run {home.name}",
            fix="mend what is open; or pass it by name with [[overrides]] check and reason, then mulle assess again",
        )
    return outcomes


def _recipe(space: Workspace, held: Mapping[str, Any], left: Mapping[str, Any]) -> dict[str, Any]:
    """Return which run the recipe is of, at which opening it was assessed, and what its bundle was built from."""
    opening = next(o.facts["opening"] for o in outcomes_of(held) if o.stage == "assess")
    built = [
        u for u in space.ledger.units() if u.unit == "package.bundle" and u.artifact == left["package"].bundle.hash
    ]
    if not built or not left["members"]:
        raise StoreError("the recipe of the last run is gone", where=held["id"], fix="mulle run, then mulle assess")
    return {"run": held["id"], "opening": opening, "params": built[-1].params}
