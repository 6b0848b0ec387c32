"""Run one turn of the loop, and assess what it left."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

from mulle.api.card import carded
from mulle.api.project import Opened, import_code
from mulle.api.record import record_lock, record_outcomes, record_scored
from mulle.api.shelf import Shelved, shelve
from mulle.api.summary import decision, headline
from mulle.compute.key import Ground
from mulle.compute.local import LocalWorkshop
from mulle.compute.turn import Nobody, Turn, Watch
from mulle.core.check import Check, Outcome, Status, Verdict, checks_of, may_ship, verdict
from mulle.core.duration import seconds
from mulle.core.errors import ProjectError, StoreError
from mulle.core.jsonable import to_json
from mulle.core.page_file import render, replace_text
from mulle.core.project import TrialsBudget
from mulle.export.bundle import stamp_bundle
from mulle.loop import ASSESS, Turned, take, turn_once
from mulle.runtime.manifest import CARD
from mulle.splits.lock import changing, write_lock
from mulle.stages.handover import read_handover, write_handover
from mulle.store.artifacts import in_words
from mulle.store.workspace import Workspace

if TYPE_CHECKING:
    import polars as pl

    from mulle.runtime.bundle import Bundle


class Checks(Sequence[Check]):
    """The checks of a run, with shortcuts to those that need a look."""

    def __init__(self, checks: Sequence[Check]) -> None:
        self._checks = tuple(checks)

    def __getitem__(self, index: Any) -> Any:
        return self._checks[index]

    def __len__(self) -> int:
        return len(self._checks)

    @property
    def failed(self) -> list[Check]:
        """Checks that failed and were not overridden."""
        return [c for c in self._checks if c.blocks and c.status == Status.FAIL]

    @property
    def unanswered(self) -> list[Check]:
        """Checks that nobody and nothing could answer yet."""
        return [c for c in self._checks if c.blocks and c.status == Status.UNANSWERED]

    def frame(self) -> pl.DataFrame:
        """Return the checks as a Polars frame, one a row."""
        import polars as pl  # noqa: PLC0415

        rows = [(c.name, str(c.status), c.says, c.fix, c.value, c.bar) for c in self._checks]
        return pl.DataFrame(rows, schema=["check", "status", "says", "fix", "value", "bar"], orient="row")

    def __repr__(self) -> str:
        """Count them by what they found, and name those that need a look."""
        counts = Counter(str(c.status) for c in self._checks)
        tally = ", ".join(f"{counts[status]} {status}" for status in Status if counts[status])
        names = ", ".join(c.name for c in (*self.failed, *self.unanswered))
        return f"<Checks: {tally or 'none'}{f'; look at {names}' if names else ''}>"

    def _repr_html_(self) -> str:
        from mulle.report.fragment import checks_html  # noqa: PLC0415

        return checks_html(self._checks)


@dataclass(kw_only=True, repr=False)
class Run:
    """One turn of the loop: what each stage found, the bundle, and where the report is.

    A shut gate is no exception: ask `verdict` or `checks`.

    Examples
    --------
    >>> twins = Check(name="data.twins", status=Status.FAIL, says="9 rows are twins.", fix="remove them")
    >>> data = Outcome(stage="data", question="Can the rows be trusted?", answer="No.", checks=[twins])
    >>> made = Run(id="20260101-1", folder=Path(), project="churn", outcomes=[data])
    >>> made
    <Run 20260101-1 of 'churn': draft, 1 FAIL, 0 UNANSWERED>
    >>> made.verdict, [check.fix for check in made.checks.failed]
    (<Verdict.SHUT: 'shut'>, ['remove them'])
    """

    id: str
    folder: Path
    project: str
    outcomes: Sequence[Outcome]
    stamp: Literal["draft", "ready"] = "draft"
    interrupted: bool = False
    shelved: Shelved | None = None
    until: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The run's own folder."""
        return self.folder / ".mulle" / "runs" / self.id

    @property
    def checks(self) -> Checks:
        """All checks of all stages, in order."""
        return Checks(checks_of(self.outcomes))

    @property
    def verdict(self) -> Verdict:
        """Of all gates together."""
        return verdict(self.checks)

    @property
    def headline(self) -> list[tuple[str, str, str]]:
        """The numbers that matter: label, value, note."""
        return headline(self.outcomes)

    @property
    def scores(self) -> pl.DataFrame:
        """All configurations that were scored, best first: a Polars frame with name, score, seconds, share that ships."""
        import polars as pl  # noqa: PLC0415

        tables = [o.tables[0] for o in self.outcomes if o.stage == "model" and o.tables]
        columns = ("configuration", "score", "seconds", "ships")
        return pl.DataFrame([list(row) for table in tables for row in table.rows], schema=columns, orient="row")

    @property
    def next(self) -> str:
        """The next thing to type."""
        return str(self.record.get("decision", {}).get("next", ""))

    @property
    def report(self) -> Path | None:
        """The drawn report, when there is one."""
        path = self.home / "report.html"
        return path if path.exists() else None

    @property
    def zip(self) -> Path | None:
        """The bundle as one file beside the page, when this turn packaged one."""
        return self.shelved.path if self.shelved else None

    @property
    def zip_note(self) -> str:
        """What to know about that file: which ready bundle was left in its place."""
        return self.shelved.says if self.shelved else ""

    @property
    def bundle_path(self) -> Path | None:
        """The bundle's folder, when one was packaged."""
        path = self.home / "bundle"
        return path if path.exists() else None

    @cached_property
    def bundle(self) -> Bundle:
        """The open bundle.

        Raises
        ------
        StoreError
            When the run ended before one was packaged.
        """
        from mulle.runtime.bundle import Bundle  # noqa: PLC0415

        if self.bundle_path is None:
            raise StoreError("this run has no bundle", where=self.id, fix="let it run to the end: mulle run")
        return Bundle.load(self.bundle_path)

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain JSON."""
        return dict(self.record)

    def __repr__(self) -> str:
        """Say which run it is, and how it ended, in one line."""
        failed, unanswered = len(self.checks.failed), len(self.checks.unanswered)
        return f"<Run {self.id} of {self.project!r}: {self.stamp}, {failed} FAIL, {unanswered} UNANSWERED>"

    def _repr_html_(self) -> str:
        from mulle.report.fragment import run_html  # noqa: PLC0415

        return run_html(self.record)


def run(
    project: Opened,
    *,
    watch: Watch | None = None,
    until: str | None = None,
    budget: str | Mapping[str, int] | None = None,
    workers: int | None = None,
) -> Run:
    """Run one turn of the loop.

    Parameters
    ----------
    project
        A `Project`, or what `open_project` gave.
    watch
        Somebody who watches; nobody when absent.
    until
        The last stage to run: ``"data"`` for a look at the data.
    budget
        ``"60s"``; the page's when absent.
    workers
        How many processes; one a core when absent.

    Returns
    -------
    Run
        Also when it was interrupted: with what was finished by then.

    Raises
    ------
    MulleError
        Only where no answer exists.

    Examples
    --------
    A look at the data alone; without ``until`` it goes on to a bundle:

    >>> import mulle, polars as pl
    >>> months = [i * 7 % 60 for i in range(200)]
    >>> left = ["yes" if m + i % 5 * 20 < 60 else "no" for i, m in enumerate(months)]
    >>> frame = pl.DataFrame({"months": months, "left": left, "calls": [i * 11 % 17 for i in range(200)]})
    >>> seen = mulle.run(mulle.Project(frame, target="left"), until="data")
    >>> [outcome.stage for outcome in seen.outcomes], seen.stamp
    (['problem', 'data'], 'draft')
    """
    began, watch = perf_counter(), watch or Nobody()
    files = import_code(project)
    with Workspace.open(project.folder, write=True, command="mulle run") as space:
        space.begin(project.page.model_dump(mode="json"), seed=project.page.project.seed)
        started = datetime.now(UTC)
        assert space.run_id is not None  # noqa: S101  # begin sets it
        home = space.run_folder(space.run_id)
        try:
            with LocalWorkshop(
                space,
                home,
                workers=workers,
                seed=project.page.project.seed,
                files=files,
                watch=watch,
            ) as workshop:
                turn = begin_turn(project, space.run_id, workshop, watch, (began, budget, started))
                turn.memo["lock"] = record_lock(space, project.folder)
                turned = turn_once(turn, until=until)
            made = _finish(project, space, turned, home, started, until=until or "")
            record_lock(space, project.folder)
            return made
        finally:
            with suppress(OSError):
                home.rmdir()  # only of a run that left nothing in it


def _budget(asked: str | Mapping[str, int] | None) -> str | TrialsBudget | None:
    """Read a budget given in Python as the page would: ``"60s"``, or ``{"trials": 40}``."""
    return TrialsBudget(**asked) if isinstance(asked, Mapping) else asked


def begin_turn(
    project: Opened,
    run_id: str,
    workshop: LocalWorkshop,
    watch: Watch,
    when: tuple[float, str | Mapping[str, int] | None, datetime],
) -> Turn:
    """Return the turn of a run that began then, with that budget, at that moment."""
    began, budget, started = when
    asked = _budget(budget) or project.page.objective.budget
    deadline = None if isinstance(asked, TrialsBudget) else began + seconds(asked)
    return Turn(
        page=project.page,
        folder=project.folder,
        run_id=run_id,
        workshop=workshop,
        seed=project.page.project.seed,
        deadline=deadline,
        watch=watch,
        now=started,
        memo={"began": began},
    )


def _finish(project: Opened, space: Workspace, turned: Turned, home: Path, started: datetime, *, until: str) -> Run:
    packaged = turned.left.get("package")
    record_outcomes(space, turned.outcomes)
    made = Run(
        id=home.name,
        folder=project.folder,
        project=project.page.project.name,
        outcomes=turned.outcomes,
        interrupted=isinstance(turned.ended, KeyboardInterrupt),
        until=until,
    )
    if packaged is not None:
        hand_out(project, made, bundle=packaged.bundle.path / "bundle")
    write_run(made, project, started)
    if packaged is not None:
        write_handover(home / "handover.json", turned.left)
        _count(project.folder, record_scored(space, turned.left))
    return made


def _copy(folder: Path, to: Path) -> None:
    """Copy a folder so that all of it is there under its name, or nothing."""
    part = to.with_name(f".{to.name}.part")
    try:
        with in_words(to):
            for file in (path for path in folder.rglob("*") if path.is_file()):
                copy = part / file.relative_to(folder)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
            part.replace(to)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _count(folder: Path, n: int) -> None:
    """Count the configurations that were scored on this project's validation rows for the first time."""
    if not n:
        return
    with changing(folder) as lock:
        write_lock(folder, lock.count(n))


def hand_out(project: Opened, made: Run, *, bundle: Path | None = None) -> None:
    """Stamp the run's bundle, bring its card up to date, and lay it beside the page as one zip."""
    folder = made.home / "bundle"
    if bundle is not None:
        _copy(bundle, folder)
    card = carded((folder / CARD).read_text("utf-8"), made.outcomes)
    failed = [c.name for c in made.checks.failed]
    stamp_bundle(folder, stamp=made.stamp, run=made.id, card=card, failed=failed)
    made.shelved = shelve(folder, project.folder, project.page.project.name)


def write_run(made: Run, project: Opened, started: datetime) -> None:
    """Write ``run.json`` and draw the report."""
    from mulle.report.page import write_report  # noqa: PLC0415

    made.record = {
        "id": made.id,
        "project": made.project,
        "goal": project.page.project.goal,
        "business_metric": project.page.project.business_metric,
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "stamp": made.stamp,
        "verdict": str(made.verdict),
        "headline": [{"label": a, "value": b, "note": c} for a, b, c in made.headline],
        "interrupted": made.interrupted,
        "until": made.until,
        "zip": made.zip.name if made.zip else "",
        "zip_note": made.zip_note,
        "decision": decision(made.outcomes, project.page, stamp=made.stamp, interrupted=made.interrupted),
        "facts": _made_with(project),
        "page": render(project.page),
        "outcomes": [to_json(o) | {"verdict": str(o.verdict)} for o in made.outcomes],
    }
    replace_text(made.home / "run.json", json.dumps(to_json(made.record), ensure_ascii=False, indent=1))
    write_report(made.home, made.home / "report.html")


def _made_with(project: Opened) -> dict[str, Any]:
    ground = Ground.here(seed=project.page.project.seed)
    return {"seed": ground.seed, "code": ground.code[:12], "versions": dict(ground.versions)}


def assess(project: Opened, *, watch: Watch | None = None, again: str | None = None) -> Run:
    """Open the sealed test for the bundle of the last run.

    Parameters
    ----------
    project
        A `Project`, or what `open_project` gave.
    watch
        Somebody who watches.
    again
        Why the sealed test is opened for a fourth bundle.

    Returns
    -------
    Run
        The last run, with the sealed result as its last outcome.

    Raises
    ------
    StoreError
        When there is no run with a bundle yet.
    ProjectError
        When the seal was opened too often, or there is none.

    Examples
    --------
    The seal stays shut until a run has left a bundle to judge; after ``mulle.run(project)`` this opens it:

    >>> import mulle, polars as pl
    >>> project = mulle.Project(pl.DataFrame({"x": [1, 2, 3], "y": [2.5, 4.5, 6.5]}), target="y")
    >>> mulle.assess(project)
    Traceback (most recent call last):
    ...
    mulle.core.errors.StoreError: there is no finished run here yet
      where: ...
      fix:   mulle run
    """
    watch = watch or Nobody()
    files = import_code(project)
    with Workspace.open(project.folder, write=True, command="mulle assess") as space:
        home, held = take_last(project, space)
        left = read_handover(home / "handover.json", space.artifacts.find)
        with LocalWorkshop(space, home, seed=project.page.project.seed, files=files, watch=watch) as shop:
            turn = begin_turn(project, home.name, shop, watch, (perf_counter(), None, datetime.now(UTC)))
            turn.memo["again"] = again or ""
            try:
                outcome = take(ASSESS, turn, Turned(left=dict(left)))
            finally:
                record_lock(space, project.folder)  # it was opened, whatever came of it
        earlier = take_up(project, space, [o for o in outcomes_of(held) if o.stage != "assess"])
        record_outcomes(space, [outcome])
        made = Run(id=home.name, folder=project.folder, project=held["project"], outcomes=[*earlier, outcome])
        made.stamp = stamp_of(made.outcomes)
        hand_out(project, made)
        write_run(made, project, datetime.fromisoformat(held["started"]))
        space.record("stamp", {"stamp": made.stamp, "verdict": str(made.verdict)})
        return made


def take_last(project: Opened, space: Workspace) -> tuple[Path, dict[str, Any]]:
    """Take the last run that has a bundle up again, if the page still asks for it: return its folder and what it wrote."""
    home = last_run(project.folder, with_bundle=True)
    space.run_id = home.name
    held = json.loads((home / "run.json").read_text("utf-8"))
    same_page(project, space, home.name)
    return home, held


def stamp_of(outcomes: Sequence[Outcome]) -> Literal["ready", "draft"]:
    """Return what a bundle is stamped after these outcomes."""
    return "ready" if may_ship(outcomes) else "draft"


def take_up(project: Opened, space: Workspace, found: Sequence[Outcome]) -> list[Outcome]:
    """Pass checks of earlier stages by the overrides that are on the page now, and record where that changes any.

    An override is a person's decision about a verdict, not about the work: it is taken up without doing any anew.
    """
    now = [outcome.overridden(project.page.reasons) for outcome in found]
    record_outcomes(space, [after for before, after in zip(found, now, strict=True) if before != after])
    return now


_LATER = frozenset({"overrides", "server", "release"})
"""Tables of the page that may change after a run: the bundle doesn't depend on them."""


def changed_tables(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the tables of the page that changed, but for those that a bundle doesn't depend on."""
    return [table for table in {**then, **now} if table not in _LATER and then.get(table) != now.get(table)]


def same_page(project: Opened, space: Workspace, run_id: str) -> None:
    """Refuse to judge a bundle by another page than it was made with; overrides and what comes after may have changed."""
    then, now = dict(space.ledger.run(run_id).page), project.page.model_dump(mode="json")
    changed = [table for table in changed_tables(then, now) if table in now]
    if changed:
        raise ProjectError(
            f"the page has changed since the last run: [{'], ['.join(changed)}]",
            where="mulle.toml",
            fix="mulle run, then mulle assess; or change the page back",
        )


def outcomes_of(held: Mapping[str, Any]) -> list[Outcome]:
    """Return the outcomes of a run that was written."""
    from mulle.report.run import read_run  # noqa: PLC0415

    return list(read_run(held).outcomes)


def last_run(folder: Path, *, with_bundle: bool = False) -> Path:
    """Return the folder of the last run; a look that stopped before any model counts only where there is no other.

    Raises
    ------
    StoreError
        When there is none.
    """
    needed = ("run.json", "handover.json") if with_bundle else ("run.json",)
    homes = sorted(p.parent for p in (folder / ".mulle" / "runs").glob("*/run.json"))
    found = [home for home in homes if all((home / name).exists() for name in needed)]
    if not found:
        raise StoreError("there is no finished run here yet", where=str(folder), fix="mulle run")
    return next((home for home in reversed(found) if with_bundle or not is_look(home)), found[-1])


def last_look(folder: Path) -> Path | None:
    """Return the folder of the look (`mulle check`) that came after the last run, if one did."""
    homes = sorted(p.parent for p in (folder / ".mulle" / "runs").glob("*/run.json"))
    return homes[-1] if homes and is_look(homes[-1]) and last_run(folder) != homes[-1] else None


def is_look(home: Path) -> bool:
    """Say whether a run was asked to stop before any model."""
    return json.loads((home / "run.json").read_text("utf-8")).get("until") in {"problem", "data"}
