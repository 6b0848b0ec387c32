"""The sealer: puts the test rows aside before anything else looks at a row.

It is the only place, but for *assess*, that touches sealed rows. It compares inputs (to find twins), never targets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from mulle.compute.turn import Turn
from mulle.core.errors import DataError
from mulle.core.jsonable import from_json, to_json
from mulle.core.project import Page
from mulle.core.work import Job, Ref, unit
from mulle.splits.content import content
from mulle.splits.lock import Lock, read_lock, write_lock
from mulle.splits.seal import Seal, make_seal
from mulle.splits.sides import across
from mulle.store.source import fingerprint, read_source

Side = Literal["development", "sealed"]


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """Both sides of the seal: raw rows to work with, and raw rows that only the sealer and *assess* read."""

    seal: Seal
    development: Ref
    sealed: Ref | None
    new: bool
    changed: Sequence[str] = ()


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
    """Put the test rows aside: by the rule in ``mulle.lock``, or by a new one, which `keep_seal` writes there."""
    lock = read_lock(turn.folder)
    wanted = _made(turn, source)
    new = lock is None
    rule = wanted if lock is None else lock.seal
    development = turn.work(
        "problem.side", _side_params(rule, "development", turn.page), **_both(turn, source, rule)
    )
    sealed = None
    if rule.by != "none":
        sealed = turn.work(
            "problem.side", _side_params(rule, "sealed", turn.page), **_both(turn, source, rule)
        )
    return Sealed(
        seal=rule,
        development=development,
        sealed=sealed,
        new=new,
        changed=[] if new else rule.differs(wanted),
    )


def keep_seal(turn: Turn, sealed: Sealed) -> None:
    """Write a new seal's rule to ``mulle.lock``: only now that both sides were found to have rows and classes."""
    if sealed.new:
        write_lock(turn.folder, Lock(seal=sealed.seal))


def _both(turn: Turn, source: Ref, rule: Seal) -> dict[str, Ref]:
    return {"source": source} | ({"test": snapshot(turn, rule.source)} if rule.by == "source" else {})


def _made(turn: Turn, source: Ref) -> Seal:
    data = turn.page.data
    params = {
        "inputs": input_columns(turn.page, list(pl.read_parquet_schema(source.path / "raw.parquet"))),
        "group": data.group or "",
        "key": listed(data.key),
        "time": data.time or "",
        "test": data.test or "",
        "test_from": data.test_from or "",
        "fraction": data.test_fraction,
    }
    made = from_json(Seal, turn.work("problem.seal", params, source=source).json("seal.json"))
    now = (turn.now or datetime.now(UTC)).isoformat(timespec="seconds")
    return from_json(Seal, to_json(made) | {"made": now})


@unit("problem.seal")
def make(job: Job) -> None:
    """Make a project's first seal. Its salt comes from the unit's seed, so that equal projects seal equal rows."""
    raw = pl.read_parquet(job.inputs["source"].path / "raw.parquet")
    params = dict(job.params)
    salt = job.rng("salt").bytes(16).hex()
    job.write("seal.json", make_seal(raw, now="", salt=salt, **params))


def input_columns(page: Page, columns: Sequence[str]) -> list[str]:
    """Return the raw columns whose content makes two rows twins: all that the model may use."""
    data = page.data
    aside = {data.target, *listed(data.key), *data.ignore, data.group, data.time, data.weight}
    aside.add(page.baseline.old_system)
    return [column for column in columns if column not in aside]


def listed(value: str | Sequence[str] | None) -> list[str]:
    """Return one name or several as a list."""
    return [value] if isinstance(value, str) else list(value or [])


def _side_params(rule: Seal, side: Side, page: Page) -> Mapping[str, Any]:
    return {"seal": to_json(rule) | {"made": ""}, "side": side, "target": page.data.target}


@unit("problem.side")
def side(job: Job) -> None:
    """Write one side's raw rows, with the unit, the content and the position of each."""
    rule = from_json(Seal, job.params["seal"])
    raw = pl.read_parquet(job.inputs["source"].path / "raw.parquet")
    if rule.by == "source":
        other = pl.read_parquet(job.inputs["test"].path / "raw.parquet")
        raw, test = _joined(raw, other)
    else:
        test = rule.test(raw)
    inputs = [column for column in rule.inputs if column in raw.columns]
    same = content(raw, inputs)
    twins = across(same, test)
    chosen = test if job.params["side"] == "sealed" else ~test & ~twins
    if not chosen.any():
        raise DataError(
            f"the {job.params['side']} side of the seal has no rows",
            where="mulle.lock",
            fix="check [data] test_from and test_fraction; or delete mulle.lock to seal anew",
        )
    raw.filter(pl.Series(chosen)).write_parquet(job.out / "raw.parquet", compression="lz4")
    units = rule.units(raw) if rule.by in {"group", "key"} else same
    np.save(job.out / "unit.npy", units[chosen], allow_pickle=False)
    np.save(job.out / "content.npy", same[chosen], allow_pickle=False)
    np.save(job.out / "position.npy", np.flatnonzero(chosen), allow_pickle=False)
    counts = {"n_rows": len(raw), "n_sealed": int(test.sum()), "n_twins_across": int(twins.sum())}
    job.write("side.json", counts)


def _joined(raw: pl.DataFrame, other: pl.DataFrame) -> tuple[pl.DataFrame, Any]:
    lacking = [column for column in raw.columns if column not in other.columns]
    if lacking:
        raise DataError(
            f"the test source lacks the column '{lacking[0]}'",
            where="mulle.toml, [data] test",
            fix="give it the same columns as the source",
        )
    both = pl.concat([raw, other.select(raw.columns)], how="vertical_relaxed")
    return both, np.arange(len(both)) >= len(raw)
