"""Data: can the rows be trusted to teach it, and how are they folded?

Reads the development rows as their kinds, runs every registered check (each a unit of its own), leaves out what is
proven to give the target away, and folds the rows by a protocol that follows from the data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from mulle.checks import Seen, checks, leave_out
from mulle.checks.base import keep_command
from mulle.checks.shares import percent
from mulle.compute.turn import Turn
from mulle.core.check import Check, Outcome, Status
from mulle.core.count import count
from mulle.core.duration import seconds
from mulle.core.errors import DataError, MulleError, ProjectError, UnknownName
from mulle.core.figure import Axis, Cell, Figure, Mark, Table
from mulle.core.jsonable import from_json, to_json
from mulle.core.project import Page
from mulle.core.schema import Feature, LeftOut, Schema
from mulle.core.work import Job, Order, Ref, unit
from mulle.kinds import kinds
from mulle.kinds.expression import evaluate_sql
from mulle.kinds.preparation import canonical
from mulle.splits.content import content
from mulle.splits.folds import make_folds
from mulle.splits.moments import moments
from mulle.stages.base import Framed, Prepared, settle
from mulle.stages.sealing import Sealed
from mulle.stages.weights import weights_of
from mulle.tasks import tasks

QUESTION = "Can the rows be trusted to teach it, and which are sealed away?"
CHECKS: tuple[str, ...] = ("data.seal", "data.twins_of_sealed")

MOST_FIGURES = 23
MOST_GAPS = 40
SAMPLE_FOR_FIGURES = 20_000
MANY_TWINS = 0.05
"""Of the rows to learn from: beyond it somebody has to say whether they are copies, or different things that look alike."""
MOST_TWINS = 0.5


def run(turn: Turn, framed: Framed) -> tuple[Outcome, Prepared]:
    """Read, check and fold the rows."""
    asked = {"weight": turn.page.data.weight}
    of_sealed = _sealed_inputs(framed)
    turn.workshop.ahead(of_sealed)
    rows = turn.work("data.rows", asked, side=framed.sides.development, schema=framed.guessed)
    _expressions_hold(turn.page, rows)
    sealed = next((turn.workshop.work(order) for order in of_sealed), None)
    found, left_out = leave_out(_look(turn, framed, rows, sealed), turn.page.data.keep)
    left_out += _told_by(framed.schema.features, found, turn.page.data.keep)
    features = _used(framed.schema.features, left_out)
    if not features:
        raise DataError(
            "no column is left to learn from",
            where="the data stage",
            fix="bring columns that are known before the target is, or keep one: mulle set data.keep='[\"…\"]'",
        )
    folds = turn.work("data.folds", fold_params(turn, framed), rows=rows)
    protocol = folds.json("protocol.json")
    prepared = Prepared(
        rows=rows,
        folds=folds,
        features=features,
        protocol=protocol["protocol"],
        n_folds=protocol["n_folds"],
    )
    answered = settle(turn, [_seal_check(framed), *_twins_of_sealed(framed), *found])
    return _outcome(turn, framed, prepared, answered, left_out), prepared


def _expressions_hold(page: Page, rows: Ref) -> None:
    """Hold every SQL expression of the page against the columns, now and not after the search; all faults at once."""
    empty = pl.DataFrame(schema=pl.read_parquet_schema(rows.path / "rows.parquet"))
    asked = [(f"mulle.toml, [[slices]] {part.name}", part.where) for part in page.slices]
    if page.baseline.rule:
        asked.append(("mulle.toml, [baseline] rule", page.baseline.rule))
    faults: list[MulleError] = []
    for where, expression in asked:
        try:
            _yes_or_no(empty, expression, where)
        except DataError as fault:
            faults.append(fault)
    for column in page.fairness.columns:
        if column not in empty.columns:
            where = "mulle.toml, [fairness] columns"
            faults.append(UnknownName.among(column, empty.columns, noun="column", where=where))
    if faults:
        raise ProjectError.together(faults)


def _yes_or_no(empty: pl.DataFrame, expression: str, where: str) -> None:
    answer = evaluate_sql(empty, expression, where=where)
    if len(answer) or not (answer.dtype == pl.Boolean or answer.dtype.is_numeric()):
        fix = "compare with something, row by row: age < 30"
        raise DataError(f"{expression!r} gives no answer of its own for each row", where=where, fix=fix)


def _used(features: Sequence[Feature], left_out: Sequence[LeftOut]) -> tuple[str, ...]:
    """Return the names of features of which no column is left out."""
    gone = {left.column for left in left_out}
    return tuple(feature.name for feature in features if gone.isdisjoint(feature.stored))


def _told_by(features: Sequence[Feature], found: Sequence[Check], keep: Sequence[str]) -> list[LeftOut]:
    """Leave out derived features that read a column which gives the target away, but for those that the page keeps."""
    leaks = {str(row[0]) for c in found if c.name == "data.leak" and c.undo and c.evidence for row in c.evidence.rows}
    more = []
    for feature in features:
        read = [column for column in feature.columns if column in leaks - {*keep}]
        if feature.origin == "derived" and read and feature.name not in leaks | {*keep}:
            why = f"It is derived from '{read[0]}', which gives the target away."
            more.append(LeftOut(column=feature.name, why=why, undo=keep_command(feature.name)))
    return more


# ------------------------------------------------------------------------------------------ rows


@unit("data.rows")
def read_rows(job: Job) -> None:
    """Read one side's raw rows as their kinds; rows whose target is not known yet go into a file of their own."""
    side, schema = job.inputs["side"], from_json(Schema, job.inputs["schema"].json("schema.json"))
    every = tuple(from_json(Feature, f) for f in job.inputs["schema"].json("columns.json"))
    raw = pl.read_parquet(side.path / "raw.parquet")
    values = tasks.get(schema.task).read(raw[schema.target], classes=schema.classes).values
    known = np.isfinite(values) if values.ndim == 1 else np.isfinite(values).all(axis=1)
    if not known.any():
        raise DataError(
            f"the target '{schema.target}' is not known in any row of this side",
            where="[data] target",
            fix="wait for the outcomes to come in, or seal by something else than time",
        )
    if job.params["weight"]:
        np.save(job.out / "weight.npy", weights_of(raw[job.params["weight"]])[known], allow_pickle=False)
    table, faults = canonical(every, raw)
    keep = pl.Series(known)
    table.filter(keep).write_parquet(job.out / "rows.parquet", compression="lz4")
    np.save(job.out / "target.npy", values[known], allow_pickle=False)
    for name in ("unit", "content", "position"):
        np.save(job.out / f"{name}.npy", np.asarray(side.array(f"{name}.npy"))[known], allow_pickle=False)
    job.write("rows.json", {"n_rows": int(known.sum()), "n_unknown": int((~known).sum()), "faults": faults})


@unit("data.inputs")
def read_inputs(job: Job) -> None:
    """Read the sealed side's inputs alone, to compare them with the development rows'. No target is written."""
    schema = from_json(Schema, job.inputs["schema"].json("schema.json"))
    raw = pl.read_parquet(job.inputs["side"].path / "raw.parquet")
    table, _ = canonical(schema.features, raw)
    table.write_parquet(job.out / "rows.parquet", compression="lz4")
    np.save(job.out / "position.npy", job.inputs["side"].array("position.npy"), allow_pickle=False)
    read = dict.fromkeys(column for feature in schema.features for column in feature.columns)
    np.save(job.out / "content.npy", content(raw, list(read)), allow_pickle=False)


def _sealed_inputs(framed: Framed) -> list[Order]:
    """Return the order that reads the sealed side's inputs, where there is such a side."""
    if framed.sides.sealed is None:
        return []
    return [Order(unit="data.inputs", inputs={"side": framed.sides.sealed, "schema": framed.guessed})]


@unit("data.folds")
def fold(job: Job) -> None:
    """Fold the rows by the protocol that follows from their number, groups and time."""
    rows = job.inputs["rows"]
    target = np.asarray(rows.array("target.npy"))
    folds = make_folds(
        len(target),
        rng=job.rng("folds"),
        target=target if target.ndim == 1 else None,
        classes=bool(job.params["classes"]),
        units=np.asarray(rows.array("unit.npy")),
        time=_times(rows, job.params["time"]),
        gap=float(job.params["gap"]),
        protocol=job.params["protocol"],
    )
    folds.save(job.out / "folds.npz")
    job.write("protocol.json", {"protocol": folds.protocol, "n_folds": len(folds), "why": folds.why})


def _times(rows: Ref, column: str) -> np.ndarray[Any, Any] | None:
    if not column:
        return None
    values = pl.read_parquet(rows.path / "rows.parquet", columns=[column])[column]
    return moments(values)


def fold_params(turn: Turn, framed: Framed) -> dict[str, Any]:
    """Return what the folds hang on, beside the rows."""
    delay = turn.page.data.label_delay
    return {
        "time": framed.schema.time,
        "gap": 1e6 * seconds(delay) if delay else 0.0,
        "classes": bool(framed.schema.classes),
        "protocol": turn.page.objective.protocol,
    }


# ------------------------------------------------------------------------------------------ checks


def _look(turn: Turn, framed: Framed, rows: Ref, sealed: Ref | None) -> Iterator[Check]:
    inputs = {
        "rows": rows,
        "schema": framed.guessed,
        "source": framed.source,
        "side": framed.sides.development,
    }
    if sealed is not None:
        inputs["sealed"] = sealed
    bars = dict(turn.page.checks)
    orders = [
        Order(unit="data.check", params={"check": name, "bars": bars, **_time(turn, framed, name)}, inputs=inputs)
        for name in checks.names()
    ]
    found: dict[str, Sequence[Check]] = {}
    for i, done in enumerate(turn.workshop.work_all(orders)):
        turn.watch.progress("checks", i + 1, len(orders))
        if done.error is not None:
            raise done.error
        if done.ref is not None:
            answers = [from_json(Check, c) for c in done.ref.json("checks.json")]
            found[str(done.order.params["check"])] = [replace(c, status=Status(c.status)) for c in answers]
    for name in checks.names():
        yield from found.get(name, ())


def _time(turn: Turn, framed: Framed, name: str) -> dict[str, Any]:
    """Return what a check may know of time. Only one that asks is told the day, and is then asked anew each day."""
    if not framed.schema.time:
        return {}
    delay = turn.page.data.label_delay
    known = {"by_time": framed.sides.seal.by == "time", "label_delay_s": seconds(delay) if delay else None}
    day = (turn.now or datetime.now(UTC)).astimezone(UTC).date().isoformat()
    return known | ({"day": day} if checks.get(name).dated else {})


@unit("data.check")
def look(job: Job) -> None:
    """Run one registered check over the development rows."""
    day = job.params.get("day")
    seen = Seen.of(
        job.inputs,
        bars=job.params["bars"],
        rng=job.rng("sample"),
        now=datetime.fromisoformat(day).replace(tzinfo=UTC) if day else None,
        by_time=bool(job.params.get("by_time")),
        label_delay_s=job.params.get("label_delay_s"),
    )
    job.write("checks.json", [to_json(check) for check in checks.get(job.params["check"]).look(seen)])


def _seal_check(framed: Framed) -> Check:
    sides = framed.sides
    if sides.sealed is None:
        return Check(
            name="data.seal",
            status=Status.UNANSWERED,
            says='There is no sealed test (test = "none"), so nothing can be promised about rows that nobody has seen.',
            fix='remove test = "none" from [data]',
        )
    counts = sides.development.json("side.json")
    if sides.changed:
        return Check(
            name="data.seal",
            status=Status.FAIL,
            says="The page asks for another seal than mulle.lock holds: " + "; ".join(sides.changed) + ".",
            fix="change the page back, or delete mulle.lock to seal anew",
            n_rows=counts["n_sealed"],
        )
    return _sealed(sides, counts)


def _sealed(sides: Sealed, counts: Mapping[str, int]) -> Check:
    """Say how many rows are sealed, and by what."""
    words = f"{counts['n_sealed']:,} rows ({counts['n_sealed'] / counts['n_rows']:.0%}) are sealed by {sides.seal.by} "
    words += "until `mulle assess`"
    words += ", as mulle.lock says." if sides.lock is None else "; the rule was written to mulle.lock: commit it."
    if sides.lock is not None and (sides.lock.earlier or sides.lock.openings):
        n = len(sides.lock.opened())
        words += f" It is seal {sides.seal.number} of this project, opened {n} {'time' if n == 1 else 'times'} before."
    return Check(name="data.seal", status=Status.PASS, says=words, n_rows=counts["n_sealed"])


def _twins_of_sealed(framed: Framed) -> Iterator[Check]:
    """Say how many rows were taken out of training because they look like a sealed one, and how to have them back."""
    sides = framed.sides
    counts = sides.development.json("side.json")
    n, twins = counts["n_rows"] - counts["n_sealed"], counts["n_twins_across"]
    if not twins:
        return
    part = twins / n
    status = Status.FAIL if part > MOST_TWINS else Status.UNANSWERED if part > MANY_TWINS else Status.NOTE
    yield Check(
        name="data.twins_of_sealed",
        status=status,
        says=f"{twins:,} of the {n:,} rows that are not sealed ({percent(part)}) have the same inputs as a sealed row "
        "and were left out of training, so that the sealed test doesn't ask what was learned."
        + (" Are they copies, or different things that look alike?" if status is not Status.NOTE else ""),
        fix="" if status is Status.NOTE else _fix_twins(sides.seal.by),
        value=part,
        bar=f"≤ {MANY_TWINS:.0%} of the rows left out as twins (mulle default)",
        n_rows=n,
        undo=_by_content(sides.seal.unit) if sides.seal.by == "key" else "",
    )


def _fix_twins(by: str) -> str:
    other = "seal by content (see undo), where twins stay on one side" if by == "key" else "bring inputs that differ"
    return f"copies: remove them from the source, or pass the check by name ([[overrides]]); things that look alike: {other}"


def _by_content(key: Sequence[str]) -> str:
    """Return the commands that seal by the rows' content instead of a key that only numbers them."""
    ignored = ", ".join(f'"{column}"' for column in key)
    return f"mulle set data.key='[]' data.ignore='[{ignored}]', then delete mulle.lock: sealed anew, none left out"


# ------------------------------------------------------------------------------------------ outcome


def _outcome(
    turn: Turn, framed: Framed, prepared: Prepared, found: Sequence[Check], left_out: Sequence[LeftOut]
) -> Outcome:
    counts, protocol = prepared.rows.json("rows.json"), prepared.folds.json("protocol.json")
    tables = []
    if left_out:
        columns = ("column", "why", "to use it all the same")
        lines = [(left.column, left.why, left.undo) for left in left_out]
        tables.append(Table(title="Columns that are left out", columns=columns, rows=lines))
    drawn = turn.work("data.draw", {"features": list(prepared.features)}, rows=prepared.rows, schema=framed.guessed)
    figures = tuple(from_json(Figure, f) for f in drawn.json("figures.json"))
    tables += [from_json(Table, t) for t in drawn.json("tables.json")]
    sides = framed.sides.development.json("side.json")
    facts = {
        "development_rows": counts["n_rows"],
        "sealed_rows": sides["n_sealed"],
        "twins_left_out": sides["n_twins_across"],
        "unknown_targets": counts["n_unknown"],
        "features": len(prepared.features),
        "protocol": protocol["protocol"],
    }
    left = f", {sides['n_twins_across']:,} left out as twins of those" if sides["n_twins_across"] else ""
    answer = (
        f"{count(counts['n_rows'], 'row')} to work with, {sides['n_sealed']:,} sealed{left}; "
        f"{count(len(prepared.features), 'column')} to "
        f"learn from; {protocol['why']}"
    )
    sampled = counts["n_rows"] > SAMPLE_FOR_FIGURES and f"Columns are drawn from {SAMPLE_FOR_FIGURES:,} of these rows."
    notes = [sampled] if sampled else []
    notes += [f"'{left.column}' is left out: {left.why} To use it all the same: {left.undo}" for left in left_out]
    return Outcome(
        stage="data",
        question=QUESTION,
        answer=answer,
        checks=found,
        figures=figures,
        tables=tables,
        notes=notes,
        facts=facts,
    )


@unit("data.draw")
def draw(job: Job) -> None:
    """Draw the target and the columns, each against the target, on a sample of rows."""
    schema = from_json(Schema, job.inputs["schema"].json("schema.json"))
    rows = job.inputs["rows"]
    wanted = set(job.params["features"])
    features = [f for f in schema.features if f.name in wanted]
    n = rows.json("rows.json")["n_rows"]
    chosen = np.sort(job.rng("sample").permutation(n)[:SAMPLE_FOR_FIGURES])
    target = _target_series(schema, np.asarray(rows.array("target.npy"))[chosen])
    columns = [c for f in features[:MOST_FIGURES] for c in f.stored]
    table = pl.read_parquet(rows.path / "rows.parquet", columns=columns)[chosen]
    figures, tables = _missing_figure(rows, schema.features), []
    for feature in features[:MOST_FIGURES]:
        kind, values = kinds.get(feature.kind), [table[c] for c in feature.stored]
        figures.append(kind.draw(feature.name, values, target))
        tables.append(replace(kind.summarise(values), title=feature.name))
    job.write("figures.json", figures)
    note = f"of a sample of {len(chosen):,} rows" if len(chosen) < n else ""
    kinds_ = [feature.kind for feature in features[:MOST_FIGURES]]
    job.write("tables.json", [replace(table, note=note) for table in _merged(kinds_, tables)])


def _missing_figure(rows: Ref, features: Sequence[Feature]) -> list[Figure]:
    """Draw the share of rows in which each column is missing, of those that have gaps: of all that the check counts."""
    names = [c for f in features for c in f.stored]
    scan = pl.scan_parquet(rows.path / "rows.parquet")
    held = set(scan.collect_schema())
    known = [name for name in dict.fromkeys(names) if name in held]
    shares = scan.select(pl.col(known).null_count() / pl.len()).collect().row(0, named=True)
    gaps = sorted(((share, name) for name, share in shares.items() if share > 0), reverse=True)
    if not gaps:
        return []
    most, first = gaps[0]
    drawn = gaps[:MOST_GAPS]
    verb = "columns in the data has" if len(gaps) == 1 else "columns in the data have"
    return [
        Figure(
            name="missing",
            title="Where values are missing",
            says=f"{len(gaps)} of the {len(known)} {verb} gaps; the most has '{first}': {most:.1%} of the rows.",
            x=Axis(label="share of rows", percent=True, low=0),
            y=Axis(label="", scale="category"),
            marks=[Mark(kind="bars", x=[share for share, _ in drawn], y=[name for _, name in drawn])],
        )
    ]


def _target_series(schema: Schema, values: np.ndarray[Any, Any]) -> pl.Series | None:
    if values.ndim > 1:
        return None
    if schema.classes:
        return pl.Series(schema.target, np.asarray(schema.classes, dtype=object)[values.astype(int)], dtype=pl.String)
    return pl.Series(schema.target, values)


def _merged(kinds_: Sequence[str], tables: Sequence[Table]) -> list[Table]:
    """Join the summaries of columns that are told by the same words: a row a column, and no empty cells."""
    alike: dict[tuple[str, ...], dict[str, list[Sequence[Cell]]]] = {}
    for kind, table in zip(kinds_, tables, strict=True):
        held = {str(row[0]): row[1] for row in table.rows if not str(row[0]).startswith("'")}  # levels are drawn
        held.pop("missing, share", None)
        rows = alike.setdefault(tuple(held), {})
        rows.setdefault(kind, []).append((table.title, *held.values()))
    return [
        Table(
            title=f"Columns taken as {' or '.join(by_kind)}",
            columns=("column", *words),
            rows=[row for rows in by_kind.values() for row in rows],
        )
        for words, by_kind in alike.items()
    ]
