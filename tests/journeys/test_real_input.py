"""Input that people really have: it is read, and what was done about it is said."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.journeys.conftest import QUICK, Said

import mulle
from mulle.core.check import Check, Status
from mulle.core.errors import DataError, ProjectError

N = 400

Look = Callable[..., mulle.Run]


@pytest.fixture
def look(tmp_path: Path, one_process: None) -> Look:  # noqa: ARG001
    """Look at rows, and stop before any model."""

    def go(source: Any, *, until: str = "data", **options: Any) -> mulle.Run:
        if isinstance(source, str | bytes):
            (tmp_path / "d.csv").write_bytes(source if isinstance(source, bytes) else source.encode())
            source = "d.csv"
        return mulle.run(mulle.Project(source, target="y", folder=tmp_path, **options), until=until)

    return go


def csv(**columns: Sequence[object]) -> str:
    """Return a CSV with a fair target and a column of noise beside the columns given."""
    return frame(**columns).write_csv()


def frame(**columns: Any) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    return pl.DataFrame({**columns, "noise": rng.normal(size=N), "y": np.where(rng.random(N) < 0.5, "no", "yes")})


def found(run: mulle.Run, name: str) -> Check:
    return next(check for check in run.checks if check.name == name)


def said(run: mulle.Run) -> str:
    """All that a person reads of the stages: their notes, what checks say, why columns were taken for what they are."""
    words = [note for outcome in run.outcomes for note in outcome.notes]
    words += [check.says for check in run.checks]
    words += [str(cell) for outcome in run.outcomes for t in outcome.tables for row in t.rows for cell in row]
    return "\n".join(words)


def kinds(run: mulle.Run) -> dict[str, str]:
    return {str(row[0]): str(row[1]) for row in run.outcomes[0].tables[0].rows}


def rows(run: mulle.Run) -> pl.DataFrame:
    """The development rows as their kinds read them."""
    tables = sorted((run.folder / ".mulle" / "artifacts").glob("*/rows.json"))
    return pl.read_parquet(tables[0].parent / "rows.parquet")


# ------------------------------------------------------------------------------------------ values


def test_nan_and_infinity_count_as_missing_and_are_counted(look: Look) -> None:
    odd = ["inf", "-inf", "NaN", "nan", "", "1.5", "2", "3.25"]
    run = look(csv(ratio=[odd[i % 8] for i in range(N)]))
    assert kinds(run)["ratio"] == "number"
    held = rows(run)["ratio"].drop_nulls()
    assert held.is_finite().all()
    assert set(held) == {1.5, 2.0, 3.25}
    check = found(run, "data.infinite")
    assert check.status is Status.FAIL
    assert "without end count as missing" in check.says
    assert check.fix == "look for a division by zero where the column is made"
    assert "'ratio'" in found(run, "data.missing").says


def test_nan_and_infinity_of_a_frame_are_treated_alike(look: Look) -> None:
    odd = np.array([np.inf, -np.inf, np.nan, 1.5, 2.0])
    run = look(frame(ratio=np.resize(odd, N)))
    assert set(rows(run)["ratio"].drop_nulls()) == {1.5, 2.0}
    assert found(run, "data.infinite").status is Status.FAIL


def test_an_infinite_target_is_not_known(look: Look) -> None:
    rng = np.random.default_rng(0)
    y = np.where(np.arange(N) % 10 == 0, np.inf, rng.normal(size=N))
    run = look(pl.DataFrame({"x": rng.normal(size=N), "y": y}))
    assert "with an infinite target count as not known" in said(run)
    assert run.outcomes[1].facts["unknown_targets"] > 0


def test_numbers_written_for_people_are_numbers(look: Look) -> None:
    values = [1000 + 7919 * i for i in range(N)]
    run = look(
        csv(
            comma=[f"{v:,}" for v in values],
            dollar=[f"$ {v:,}.50" for v in values],
            german=[f"{v:,}".replace(",", ".") + ",25 €" for v in values],
            swiss=[f"{v:,}".replace(",", "'") for v in values],
        )
    )
    assert {kinds(run)[c] for c in ("comma", "dollar", "german", "swiss")} == {"number"}
    held = rows(run)
    first = held["comma"]
    assert set(first) <= set(map(float, values))
    assert (held["dollar"] - first == 0.5).all()
    assert (held["german"] - first == 0.25).all()
    assert (held["swiss"] == first).all()
    assert "carry separators, a sign or an exponent" in said(run)


def test_dates_in_three_formats_are_the_same_days(look: Look) -> None:
    days = [datetime(2020, 1, 1) + timedelta(days=4 * i) for i in range(N)]  # noqa: DTZ001  # a CSV has no zones
    three = ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y"]
    run = look(
        csv(
            iso=[day.strftime(three[0]) for day in days],
            german=[day.strftime(three[1]) for day in days],
            american=[day.strftime(three[2]) for day in days],
            mixed=[day.strftime(three[i % 3]) for i, day in enumerate(days)],
        )
    )
    names = ["iso", "german", "american", "mixed"]
    assert {kinds(run)[name] for name in names} == {"datetime"}
    held = rows(run)
    for name in names[1:]:
        assert (held[name].cast(pl.Datetime("us")) == held["iso"].cast(pl.Datetime("us"))).all(), name
    assert "month first, as the parts above 12 show" in said(run)
    assert found(run, "data.faults").status is Status.PASS


def test_lines_in_two_encodings_are_one_text(look: Look) -> None:
    jobs = ["Müller", "Bäcker", "Ärztin"]
    text = "job,noise,y\n" + "".join(
        f"{jobs[i % 3]},{i * 7919 % 101},{'yes' if i % 5 < 2 else 'no'}\n" for i in range(N)
    )
    lines = [line.encode("cp1252" if i % 2 else "utf-8") for i, line in enumerate(text.splitlines(keepends=True))]
    run = look(b"".join(lines))
    assert set(rows(run)["job"]) == set(jobs)
    assert "200 of 401 lines are not UTF-8 and were read as CP1252" in said(run)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp949"])
def test_other_encodings_and_old_line_ends_are_found_out(look: Look, encoding: str) -> None:
    jobs = ["의사", "박사", "간호사"]
    text = csv(직업=[jobs[i % 3] for i in range(N)]).replace("\n", "\r\n")
    run = look(text.encode(encoding))
    assert set(rows(run)["직업"]) == set(jobs)


# ------------------------------------------------------------------------------------------ targets


def test_spellings_of_a_class_are_one_class(look: Look) -> None:
    spelt = {"yes": ["yes", "Yes ", " YES"], "no": ["no", "no", "No"]}
    good = frame()
    target = [spelt[y][i % 3] for i, y in enumerate(good["y"])]
    run = look(good.with_columns(y=pl.Series(target)).write_csv())
    assert [c.casefold() for c in run.outcomes[0].facts["classes"]] == ["no", "yes"]
    assert "were taken as one class" in said(run)


def test_an_empty_target_is_not_known_yet_and_never_negative(look: Look) -> None:
    good = frame()
    target = [None if i % 4 == 0 else y for i, y in enumerate(good["y"])]
    run = look(good.with_columns(y=pl.Series(target)))
    facts, check = run.outcomes[1].facts, found(run, "data.unknown_targets")
    assert facts["unknown_targets"] + facts["development_rows"] + facts["sealed_rows"] == N
    assert facts["unknown_targets"] > 50
    assert check.status is Status.NOTE
    assert "is not known yet. They are not learnt from and never count as negative." in check.says
    held = np.load(next((run.folder / ".mulle" / "artifacts").glob("*/rows.json")).parent / "target.npy")
    assert np.isfinite(held).all()


def test_a_young_target_is_asked_about_and_the_answer_is_good_for_a_day(look: Look) -> None:
    last = datetime.now(UTC).replace(tzinfo=None)
    days = [last - timedelta(days=i) for i in range(N)]
    good = frame().with_columns(seen_at=pl.Series(days))
    asked = {"time": "seen_at", "label_delay": "200d"}
    run = look(good, **asked)
    check = found(run, "data.label_delay")
    assert check.status is Status.UNANSWERED
    assert check.value is not None
    assert 100 < check.value < 125  # of 200 young rows the newest 80 are sealed
    assert found(run, "data.stale").value is not None
    before = sorted(p.name for p in (run.folder / ".mulle" / "artifacts").iterdir())
    again = look(good, **asked)
    assert found(again, "data.stale") == found(run, "data.stale")
    assert sorted(p.name for p in (run.folder / ".mulle" / "artifacts").iterdir()) == before


def test_without_a_time_no_answer_hangs_on_the_day(look: Look) -> None:
    run = look(frame())
    assert not {"data.stale", "data.label_delay"} & {check.name for check in run.checks}


# ------------------------------------------------------------------------------------------ rows and columns


def test_rows_that_stand_twice_are_counted_and_never_on_both_sides(look: Look) -> None:
    once = frame(x=np.arange(N)).head(150)
    run = look(pl.concat([once, once, once.head(100)]))
    check = found(run, "data.twins")
    assert check.status is Status.NOTE
    assert "repeat another row in all inputs and the target" in check.says
    assert check.fix
    facts = run.outcomes[1].facts
    assert facts["development_rows"] + facts["sealed_rows"] == N
    assert found(run, "data.twins_across_sides").status is Status.PASS


def test_equal_rows_with_other_targets_set_a_ceiling(look: Look) -> None:
    good = frame().with_columns(noise=pl.Series(np.arange(N) // 4))
    check = found(look(good), "data.contradictions")
    assert "look like another row with another target" in check.says
    assert "no model can be right on more than" in check.says


def test_a_column_that_gives_the_target_away_is_left_out_and_the_command_that_undoes_it_is_said(look: Look) -> None:
    good = frame()
    leak = good.with_columns(refund=pl.when(pl.col("y") == "yes").then(7.0).otherwise(1.0))
    run = look(leak)
    assert run.outcomes[1].facts["features"] == 1
    assert "'refund' is left out:" in said(run)
    assert "mulle set data.keep='[\"refund\"]'" in said(run)
    kept = look(leak, keep=["refund"])
    assert kept.outcomes[1].facts["features"] == 2
    assert found(kept, "data.leak").status is Status.FAIL
    assert "because the page keeps it" in found(kept, "data.leak").says


def test_an_id_is_brought_back_by_the_command_that_is_said(look: Look) -> None:
    ids = frame(shop_id=[f"k{i:04x}" for i in range(N)])
    command = "mulle set data.kinds.shop_id=category"
    assert command in said(look(ids))
    with pytest.raises(ProjectError, match=f"take it for something else, too: {command}; or take it out of keep"):
        look(ids, keep=["shop_id"])
    assert kinds(look(ids, kinds={"shop_id": "category"}))["shop_id"] == "category"


def test_a_table_of_which_every_column_leaks_says_what_to_do(look: Look) -> None:
    good = frame()
    leak = good.select("y", refund=pl.when(pl.col("y") == "yes").then(7.0).otherwise(1.0) + pl.col("noise") / 100)
    with pytest.raises(DataError, match=r"no column is left to learn from(.|\n)*fix: +bring columns"):
        look(leak)


def test_rows_that_all_have_a_twin_among_the_sealed_ones_are_said(look: Look) -> None:
    good = frame().select("y", plan=pl.when(pl.col("noise") > 0).then(pl.lit("a")).otherwise(pl.lit("b")))
    with pytest.raises(DataError, match=r"has a twin among the sealed ones(.|\n)*fix: +take .data. key out"):
        look(good.with_row_index("id"), key="id")


@pytest.mark.parametrize("n_values", [3_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_a_category_of_very_many_values_is_read_and_said(look: Look, n_values: int) -> None:
    rng = np.random.default_rng(0)
    n = 4 * n_values // 3
    shop = np.concatenate([np.arange(n_values), rng.integers(0, n_values, n - n_values)])
    table = pl.DataFrame(
        {
            "shop": pl.Series(rng.permutation(shop)).cast(pl.String) + " street",
            "x": rng.normal(size=n),
            "y": np.where(rng.random(n) < 0.5, "no", "yes"),
        }
    )
    run = look(table, kinds={"shop": "category"})
    assert kinds(run)["shop"] == "category"
    check = found(run, "data.cardinality")
    assert "'shop'" in check.says
    assert check.status is not Status.FAIL or check.fix


@pytest.mark.slow
def test_a_category_of_very_many_values_is_learnt_from(look: Look) -> None:
    rng = np.random.default_rng(0)
    n = 6_000
    shop = rng.integers(0, 2_000, n)
    y = np.where(rng.random(n) < np.where(shop % 2, 0.8, 0.2), "yes", "no")
    table = pl.DataFrame({"shop": [f"shop {s}" for s in shop], "x": rng.normal(size=n), "y": y})
    run = look(table, until="package", kinds={"shop": "category"}, objective=QUICK)
    assert run.outcomes[4].facts["estimate"] > 0.6
    assert run.bundle.predict(table.head(3).with_columns(shop=pl.lit("never seen"))).n_rejected == 0


def _wide(n_columns: int) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(300, n_columns)).astype(np.float32)
    y = np.where(values[:, 7] + 0.3 * rng.normal(size=300) > 0, "yes", "no")
    return pl.DataFrame(values, schema=[f"c{i}" for i in range(n_columns)]).with_columns(y=pl.Series(y))


@pytest.mark.slow
def test_ten_thousand_columns_are_looked_at(look: Look) -> None:
    run = look(_wide(10_000))
    assert run.outcomes[1].facts["features"] == 10_000
    assert "10,000 columns" in found(run, "data.rows").says
    assert run.report is not None
    assert run.report.stat().st_size < 20_000_000


@pytest.mark.slow
def test_a_wide_table_is_learnt_from(look: Look) -> None:
    run = look(_wide(1_000), until="package", objective={"budget": {"trials": 1}, "families": ["linear"]})
    assert run.outcomes[4].facts["estimate"] > 0.6
    assert len(run.bundle.columns) == 1_000


# ------------------------------------------------------------------------------------------ few rows


@pytest.mark.slow
@pytest.mark.parametrize(("n", "n_yes"), [(10, 5), (300, 1), (300, 2), (300, 4)])
def test_few_rows_or_a_rare_class_go_as_far_as_they_can_and_do_not_ship(look: Look, n: int, n_yes: int) -> None:
    rng = np.random.default_rng(1)
    target = ["yes"] * n_yes + ["no"] * (n - n_yes)
    table = pl.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n), "y": target})
    run = look(table, until="package", objective={"budget": {"trials": 1}, "families": ["linear"]})
    assert [outcome.stage for outcome in run.outcomes][-1] == "package"
    assert found(run, "problem.class_rows").status is Status.FAIL
    assert run.stamp == "draft"


@pytest.mark.slow
def test_a_numbers_decisions_agree_within_the_tolerance(look: Look) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=60)
    table = pl.DataFrame({"x": x, "y": 2 * x + rng.normal(size=60)})
    run = look(table, until="package", objective={"budget": {"trials": 1}, "families": ["linear"]})
    assert found(run, "package.parity").status is Status.PASS


# ------------------------------------------------------------------------------------------ at the door


def test_the_command_line_says_what_was_done(tmp_path: Path, mulle_: Callable[..., Said]) -> None:
    good = frame(price=[f"{1000 + 37 * i:,}" for i in range(N)])
    good.with_columns(y=pl.Series([f"{y} " if i % 2 else y for i, y in enumerate(good["y"])])).write_csv(
        tmp_path / "d.csv"
    )
    assert mulle_("init", "d.csv", "--target", "y").code == 0
    done = mulle_("check", "--json")
    assert done.code == 0
    notes = [note for outcome in json.loads(done.out)["outcomes"] for note in outcome["notes"]]
    assert any("were taken as one class" in note for note in notes)
