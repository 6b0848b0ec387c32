"""The sealer: puts the test rows aside before anything else looks at a row.

It reads the inputs of all rows, never a target, and nothing that is fitted or chosen sees a sealed row before *assess*.
Who else touches them, and why that flatters no result: *problem* asks the target of all rows whether there is an answer
at all, before anything is sealed (`mulle.stages.answerable`); the checks of *data* get the sealed rows' inputs, to hold
them against the others' (`data.inputs`; `mulle.checks.sides` trains a classifier on them that is thrown away,
`mulle.checks.sealed_twins` shows some), and can shut a gate with that but change nothing that is fitted; *assess* reads
both; and the final refit (`mulle.operate.final`) learns from all rows once every gate is open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.compute.serial import settled
from mulle.compute.turn import Turn
from mulle.core.errors import DataError
from mulle.core.jsonable import from_json, to_json
from mulle.core.project import Page
from mulle.core.work import Job, Order, Ref, unit
from mulle.kinds.preparation import canonical
from mulle.kinds.recognise import guess
from mulle.splits.content import content
from mulle.splits.lock import Lock, read_lock, write_lock
from mulle.splits.seal import Seal, make_seal
from mulle.splits.sides import across
from mulle.store.source import fingerprint, read_source

Side = Literal["development", "sealed", "everything"]


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """Both sides of the seal: raw rows to work with, and raw rows that nothing is fitted on before *assess*."""

    seal: Seal
    development: Ref
    sealed: Ref | None
    lock: Lock | None = None
    """What `keep_seal` has to write; None where the seal stood in ``mulle.lock``."""
    changed: Sequence[str] = ()
    side_of: Callable[[Side], Ref] | None = None
    """Gives the raw rows of a side; *everything* is for what is refitted once it has been assessed."""


def snapshot(turn: Turn, source: str) -> Ref:
    """Read a source into an artifact; the same bytes are read once."""
    params = {"source": source, "root": str(turn.folder), "content": fingerprint(source, root=turn.folder)}
    return turn.work("problem.read", params)


@unit("problem.read")
def read(job: Job) -> None:
    """Read a source of any format into one Parquet file."""
    source = read_source(job.params["source"], root=Path(job.params["root"]))
    source.table.lazy().sink_parquet(job.out / "raw.parquet", compression="lz4")
    job.write("read.json", {"n_rows": source.n_rows, "notes": source.notes, "faults": source.faults})


def seal(turn: Turn, source: Ref) -> Sealed:
    """Put the test rows aside: by the rule in ``mulle.lock``, or by a new one, which `keep_seal` writes there.

    Where the file was deleted, which the ledger knows (``turn.memo["lock"]``), the new rule has a salt of its own, and
    what there was of seals and openings stays on record; a rule without a salt that seals the same rows is the old one.

    Returns
    -------
    Sealed
        Both sides, and what the page asks for otherwise than the lock holds.
    """
    lock = read_lock(turn.folder)
    in_force = None if lock is None else lock.seal
    before: Lock | None = turn.memo.get("lock")
    number = lock.seal.number if lock else len(before.seals) + 1 if before else 1
    # with a lock or without, the same is asked first: what the first run decided is found again by the next
    decided = turn.work(
        "problem.sides", {"want": _wanted(turn.page, source, number)}, **_sources(turn, source, in_force)
    )
    wanted = from_json(Seal, decided.json("rule.json"))
    if lock is None:
        now = (turn.now or datetime.now(UTC)).isoformat(timespec="seconds")
        made = replace(wanted, made=now)
        new, changed = before.reseal(made) if before else Lock(seal=made), []
        rule = new.seal
    else:
        rule, new, changed = lock.seal, None, lock.seal.differs(wanted, test_from=turn.page.data.test_from or "")
        if replace(rule, made="") != wanted:
            asked = {"rule": to_json(rule) | {"made": ""}}
            decided = turn.work("problem.sides", asked, **_sources(turn, source, in_force))

    def side_of(name: Side) -> Ref:
        return turn.work("problem.side", {"side": name}, decided=decided, **_sources(turn, source, in_force))

    wanted_sides: tuple[Side, ...] = ("development",) if rule.by == "none" else ("sealed", "development")
    held = _sides(turn, wanted_sides, {"decided": decided, **_sources(turn, source, in_force)})
    return Sealed(
        seal=rule,
        development=held["development"],
        sealed=held.get("sealed"),
        lock=new,
        changed=changed,
        side_of=side_of,
    )


def _sides(turn: Turn, names: Sequence[Side], inputs: Mapping[str, Ref]) -> dict[str, Ref]:
    """Write the rows of both sides at the same time."""
    orders = [Order(unit="problem.side", params={"side": name}, inputs=inputs) for name in names]
    done = {str(each.order.params["side"]): each for each in turn.workshop.work_all(orders)}
    return {name: settled(done[name]) for name in names}


def keep_seal(turn: Turn, sealed: Sealed) -> None:
    """Write a new seal's rule to ``mulle.lock``: only now that both sides were found to have rows and classes."""
    if sealed.lock is not None:
        write_lock(turn.folder, sealed.lock)


def _sources(turn: Turn, source: Ref, rule: Seal | None) -> dict[str, Ref]:
    """Return the source, and the test's own: of the rule in force, or where there is none yet, of the page."""
    asked = turn.page.data.test or ""
    test = asked if rule is None else rule.source
    return {"source": source} | ({"test": snapshot(turn, test)} if test and test != "none" else {})


def _wanted(page: Page, source: Ref, number: int) -> dict[str, Any]:
    data = page.data
    # a first seal's salt hangs on nothing but the project; each later one draws another, because its number counts
    later = {"number": number} if number > 1 else {}
    return later | {
        "inputs": input_columns(page, list(pl.read_parquet_schema(source.path / "raw.parquet"))),
        "group": data.group or "",
        "key": listed(data.key),
        "time": data.time or "",
        "test": data.test or "",
        "test_from": data.test_from or "",
        "fraction": data.test_fraction,
    }


@unit("problem.sides")
def decide(job: Job) -> None:
    """Decide each row's side: by a given rule, or by the one that the page asks for.

    A new rule's salt comes from the unit's seed, so that equal projects seal equal rows; the seed hangs on the seal's
    number too, so that one project never seals the same rows twice by a new salt.
    """
    raw, test_source = _raw(job)
    if "rule" in job.params:
        rule = from_json(Seal, job.params["rule"])
    else:
        want = dict(job.params["want"])
        number = want.pop("number", 1)
        rule = replace(make_seal(raw, now="", salt=job.rng("salt").bytes(16).hex(), **want), number=number)
    known = set(raw.columns)
    same = content(raw, [column for column in rule.inputs if column in known])
    test = test_source if test_source is not None else rule.test(raw)
    twins = across(same, test)
    arrays = {
        "content": same,
        "unit": rule.units(raw),
        "sealed": test,
        "development": ~test & ~twins,
        "everything": np.ones(len(test), dtype=bool),
    }
    for name, values in arrays.items():
        np.save(job.out / f"{name}.npy", values, allow_pickle=False)
    job.write("rule.json", rule)
    job.write("side.json", {"n_rows": len(raw), "n_sealed": int(test.sum()), "n_twins_across": int(twins.sum())})


@unit("problem.side")
def side(job: Job) -> None:
    """Write one side's raw rows, with the unit, the content and the position of each."""
    decided = job.inputs["decided"]
    chosen = np.asarray(decided.array(f"{job.params['side']}.npy"))
    if not chosen.any():
        raise _no_rows(str(job.params["side"]), decided.json("side.json"))
    raw, from_test = _raw(job)
    raw.filter(pl.Series(chosen)).write_parquet(job.out / "raw.parquet", compression="lz4")
    for name in ("unit", "content"):
        np.save(job.out / f"{name}.npy", np.asarray(decided.array(f"{name}.npy"))[chosen], allow_pickle=False)
    np.save(job.out / "position.npy", _places(from_test, len(raw))[chosen], allow_pickle=False)
    job.write("side.json", decided.json("side.json"))


def _places(from_test: NDArray[np.bool_] | None, n_rows: int) -> NDArray[np.int64]:
    """Return where each row stands in the source that it came from."""
    if from_test is None:
        return np.arange(n_rows)
    return np.asarray(np.where(from_test, np.cumsum(from_test), np.cumsum(~from_test)) - 1, np.int64)


def _no_rows(name: str, counts: Mapping[str, int]) -> DataError:
    if name == "development" and counts["n_twins_across"]:
        return DataError(
            f"each of the {counts['n_twins_across']:,} rows that are not sealed has a twin among the sealed ones",
            where="[data] key or group",
            fix="take [data] key out and put that column under ignore, so that rows are sealed by their content; or name a "
            "group that holds all rows of one thing, or bring inputs that tell rows apart",
        )
    return DataError(
        f"the {name} side of the seal has no rows",
        where="mulle.lock",
        fix="check [data] test_from and test_fraction; or delete mulle.lock to seal anew",
    )


def _with_moments(raw: pl.DataFrame, time: str) -> pl.DataFrame:
    """Read a time column that is text as the kind of moments reads it, in whatever formats it has."""
    if not time or time not in raw.columns or raw[time].dtype != pl.String:
        return raw
    column = guess(raw.select(time), ignore=(), overrides={time: "datetime"}, places=())
    return raw.with_columns(canonical(column, raw.select(time))[0][time])


def _raw(job: Job) -> tuple[pl.DataFrame, NDArray[np.bool_] | None]:
    """Return all raw rows and, where the test has a source of its own, which rows came from there."""
    raw = pl.read_parquet(job.inputs["source"].path / "raw.parquet")
    if "test" not in job.inputs:
        return raw, None
    return _joined(raw, pl.read_parquet(job.inputs["test"].path / "raw.parquet"))


def input_columns(page: Page, columns: Sequence[str]) -> list[str]:
    """Return the raw columns whose content makes two rows twins: all that the model may use."""
    data = page.data
    aside = {data.target, *listed(data.key), *data.ignore, data.group, data.time, data.weight}
    aside.add(page.baseline.old_system)
    return [column for column in columns if column not in aside]


def listed(value: str | Sequence[str] | None) -> list[str]:
    """Return one name or several as a list."""
    return [value] if isinstance(value, str) else list(value or [])


def _joined(raw: pl.DataFrame, other: pl.DataFrame) -> tuple[pl.DataFrame, NDArray[np.bool_]]:
    lacking = [column for column in raw.columns if column not in other.columns]
    if lacking:
        raise DataError(
            f"the test source lacks the column '{lacking[0]}'",
            where="mulle.toml, [data] test",
            fix="give it the same columns as the source",
        )
    both = pl.concat([raw, other.select(raw.columns)], how="vertical_relaxed")
    return both, np.arange(len(both)) >= len(raw)
