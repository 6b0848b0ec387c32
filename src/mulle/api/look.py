"""Look at what was done: runs, parts, rows, the machine."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mulle.api.project import Opened
from mulle.api.standing import page_changed, page_now, restated
from mulle.api.turns import last_look, last_run, outcomes_of
from mulle.core.check import blocking, checks_of
from mulle.core.errors import StoreError, UnknownName
from mulle.core.jsonable import from_json
from mulle.splits.lock import read_lock
from mulle.splits.seal import Seal

if TYPE_CHECKING:
    from mulle.core.registry import Registry

ROOMS = {
    "kinds": "mulle.kinds",
    "tasks": "mulle.tasks",
    "families": "mulle.models",
    "metrics": "mulle.metrics",
    "policies": "mulle.policies",
    "checks": "mulle.checks",
}


def history(folder: Path) -> list[dict[str, Any]]:
    """Return all finished runs, oldest first: id, when, verdict, the objective's estimate, what was chosen."""
    found = [_read(path) for path in sorted((folder / ".mulle" / "runs").glob("*/run.json"))]
    return [_line(held) for held in found]


def _read(path: Path) -> dict[str, Any]:
    held: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return held


def _facts(held: Mapping[str, Any]) -> dict[str, Any]:
    return {outcome["stage"]: outcome["facts"] for outcome in held["outcomes"]}


def _line(held: Mapping[str, Any]) -> dict[str, Any]:
    facts = _facts(held)
    evaluated, sealed = facts.get("evaluate", {}), facts.get("assess", {})
    return {
        "run": held["id"],
        "started": held["started"],
        "stamp": held["stamp"],
        "verdict": held["verdict"],
        "metric": evaluated.get("metric_title", ""),
        "estimate": evaluated.get("estimate"),
        "sealed": sealed.get("value"),
        "chosen": facts.get("model", {}).get("chosen", ""),
    }


def status(folder: Path) -> dict[str, Any]:
    """Return where the project stands: the last run, the seal, what is open, what to do next."""
    try:
        held = _read(last_run(folder) / "run.json")
    except StoreError:
        return {"run": "none yet", "next": "mulle run"}
    page = page_now(folder)
    if page_changed(page, held):
        return _line(held) | {
            **_looked(folder),
            "seal": _seal_words(folder),
            "open": "the page has changed since this run",
            "next": "mulle run",
        }
    held = restated(page, held)
    standing = [check.name for check in blocking(checks_of(outcomes_of(held)))]
    return _line(held) | {
        **_looked(folder),
        "seal": _seal_words(folder),
        "open": ", ".join(standing) or "nothing",
        "next": held["decision"]["next"],
    }


def _looked(folder: Path) -> dict[str, Any]:
    """Say what a `mulle check` since the last run found: it looked at the page and the data, and hides no run."""
    home = last_look(folder)
    if home is None:
        return {}
    held = _read(home / "run.json")
    return {"checked since": f"{held['id']}: {held['verdict']}"}


def _seal_words(folder: Path) -> str:
    lock = read_lock(folder)
    return f"{lock.seal.by}, {len(lock.opened())} opening(s)" if lock else "none"


def compare(folder: Path, a: str, b: str) -> list[dict[str, Any]]:
    """Return what differs between two runs: numbers, checks, and lines of the page."""
    first, second = (_found(folder, name) for name in (a, b))
    rows = _differences("", _numbers(first), _numbers(second))
    rows += _differences("check", _statuses(first), _statuses(second))
    return rows + _differences("page", _page(first), _page(second))


def _found(folder: Path, name: str) -> dict[str, Any]:
    path = folder / ".mulle" / "runs" / name / "run.json"
    if not path.exists():
        known = [p.name for p in (folder / ".mulle" / "runs").glob("*")]
        raise UnknownName.among(name, known, noun="run", where=str(folder))
    return _read(path)


def _numbers(held: Mapping[str, Any]) -> dict[str, Any]:
    pairs = ((stage, facts) for stage, facts in _facts(held).items())
    return {
        f"{stage}.{key}": value
        for stage, facts in pairs
        for key, value in facts.items()
        if not isinstance(value, dict | list)
    }


def _statuses(held: Mapping[str, Any]) -> dict[str, Any]:
    return {check["name"]: check["status"] for outcome in held["outcomes"] for check in outcome["checks"]}


def _page(held: Mapping[str, Any]) -> dict[str, Any]:
    lines = (line.split("#")[0].strip() for line in str(held["page"]).splitlines())
    return {line.split("=")[0].strip(): line.split("=", 1)[1].strip() for line in lines if "=" in line}


def _differences(what: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = [*a, *(name for name in b if name not in a)]
    return [
        {"what": what or _noun(a.get(name), b.get(name)), "name": name, "first": a.get(name), "second": b.get(name)}
        for name in names
        if a.get(name) != b.get(name)
    ]


def _noun(*values: object) -> str:
    return "number" if all(value is None or isinstance(value, int | float) for value in values) else "text"


def rows(project: Opened, out: Path) -> int:
    """Write the rows that are not sealed to a file for a notebook; return how many.

    Raises
    ------
    StoreError
        When nothing was run yet, or the file can't be written.
    ProjectError
        When another seal is in force than that of the last run: rows that it did not seal may be sealed now.
    """
    import polars as pl  # noqa: PLC0415

    from mulle.operate.writing import write_table  # noqa: PLC0415
    from mulle.store.workspace import Workspace  # noqa: PLC0415

    home = last_run(project.folder, with_bundle=True)
    held = json.loads((home / "handover.json").read_text("utf-8"))
    if lock := read_lock(project.folder):
        lock.need(from_json(Seal, held["framed"]["seal"]), project.folder)
    with Workspace.open(project.folder, write=False) as space:
        ref = space.artifacts.find(held["framed"]["development"])
    if ref is None:
        raise StoreError("the rows of the last run are gone", where=str(project.folder), fix="mulle run")
    table = pl.read_parquet(ref.path / "raw.parquet")
    write_table(table, out)
    return len(table)


def parts() -> list[dict[str, Any]]:
    """Return every registered part: its room, its name, and one line on what it is."""
    found = []
    for room, package in ROOMS.items():
        registry = _registry(package)
        for name in registry.names():
            part: Any = registry.get(name)
            words = getattr(part, "title", "") or (type(part).__doc__ or "").strip().splitlines()[0]
            found.append({"room": room, "part": name, "what": words})
    return found


def _registry(package: str) -> Registry[Any]:
    from mulle.core.registry import Registry  # noqa: PLC0415

    module = importlib.import_module(package)
    return next(value for value in vars(module).values() if isinstance(value, Registry))
