"""Columns are taken for what a person would take them for."""

from __future__ import annotations

import uuid
from importlib.resources import files

import numpy as np
import polars as pl
import pytest

from mulle.core.errors import UnknownName
from mulle.kinds.recognise import facts, guess

N = 300
R = np.random.default_rng(7)
COLUMNS = {
    ("customer_id", "id"): np.arange(N),
    ("token", "id"): [str(uuid.UUID(int=int(x))) for x in R.integers(0, 2**62, N)],
    ("order", "id"): [f"A{100_000 + i}" for i in range(N)],
    ("salary", "number"): [f"{v:,.2f}" for v in R.lognormal(10, 1, N)],
    ("preis", "number"): [f"{v:.2f}".replace(".", ",") for v in R.lognormal(3, 1, N)],
    ("share", "number"): [f"{v:.1f}%" for v in R.uniform(0, 100, N)],
    ("score", "number"): R.choice(["1", "2.5", "NA", "?"], N),
    ("grade", "number"): R.integers(1, 6, N),
    ("zip", "category"): R.choice(["01234", "04321", "99999"], N),
    ("member", "boolean"): R.choice(["yes", "No", "Yes "], N),
    ("flag", "boolean"): R.integers(0, 2, N),
    ("sold", "datetime"): R.choice(["2024-01-05", "5 Jan 2024", "13/02/2024"], N),
    ("when", "datetime"): [f"{m}/{d}/2023" for m, d in zip(R.integers(1, 13, N), R.integers(1, 29, N), strict=True)],
    ("order_date", "datetime"): R.integers(20_200_101, 20_200_128, N),
    ("created_at", "datetime"): R.integers(1_600_000_000, 1_700_000_000, N),
    ("tags", "list"): ["|".join(R.choice(list("abcdef"), 3)) for _ in range(N)],
    ("genres", "list"): ['["x", "y"]' if v < 0.5 else '["z"]' for v in R.random(N)],
    ("town", "category"): R.choice(["Austin, TX", "Boston, MA", "Reno, NV"], N),
    ("review", "text"): [
        " ".join(R.choice(["good", "bad", "film", "great", "food", "I", "like", "never"], 12)) for _ in range(N)
    ],
    ("photo", "image"): [f"a/{i}.png" for i in range(N)],
    ("nothing", "category"): pl.Series([None] * N, dtype=pl.String),
}


@pytest.mark.parametrize(("name", "kind"), list(COLUMNS), ids=str)
def test_a_column_is_recognised_with_a_reason(name, kind):
    (feature,) = guess(pl.DataFrame({name: COLUMNS[name, kind]}))
    assert feature.kind == kind
    assert feature.why


def test_day_or_month_first_is_settled_by_the_data():
    (feature,) = guess(pl.DataFrame({"when": COLUMNS["when", "datetime"]}))
    assert feature.options["formats"] == ["%m/%d/%Y"]
    assert "month first, as the parts above 12 show" in feature.why
    (open_,) = guess(pl.DataFrame({"when": ["1/2/2024", "3/4/2024"] * 20}))
    assert "nothing in the data settles" in open_.why


def test_missing_words_and_cases_are_noticed():
    (feature,) = guess(pl.DataFrame({"job": ["Cook", "cook", "clerk", "?", "-"] * 20}))
    assert feature.options == {"missing": ["-", "?"], "fold": True}


def test_places_are_found_by_name_and_range_and_given_by_the_page():
    table = pl.DataFrame({"home_lat": [37.5] * 30, "home_lng": [127.0] * 30, "lat": [900.0] * 30, "lon": [1.0] * 30})
    assert [(f.name, f.kind) for f in guess(table)] == [("home", "place"), ("lat", "number"), ("lon", "number")]
    assert [f.kind for f in guess(table, places=[("lat", "lon")])] == ["place", "place"]


def test_the_page_knows_better():
    table = pl.DataFrame({"zip": [10115, 80331] * 30, "sex": ["f", "m"] * 30})
    zip_, sex = guess(table, overrides={"zip": "category", "sex": "boolean"})
    assert (zip_.kind, zip_.options) == ("category", {"numbers": True})
    assert sex.options == {"false": ["f"], "true": ["m"]}
    with pytest.raises(UnknownName, match="did you mean 'zip'"):
        guess(table, overrides={"zp": "category"})
    with pytest.raises(UnknownName, match="kind 'categry' is unknown"):
        guess(table, overrides={"zip": "categry"})


def test_the_census_is_recognised():
    table = pl.read_parquet(str(files("mulle.demos") / "income" / "income.parquet"))
    found = {f.name: f.kind for f in guess(table, ignore=["income"])}
    assert sorted(n for n, k in found.items() if k == "number") == [
        "age", "capital-gain", "capital-loss", "educational-num", "fnlwgt", "hours-per-week",
    ]  # fmt: skip
    assert set(found.values()) == {"number", "category"}


def test_blank_text_counts_as_missing():
    found = facts(pl.DataFrame({"a": ["x", "  ", "", None]}), "a")
    assert (found.n_rows, found.n_missing, found.n_unique) == (4, 3, 1)
