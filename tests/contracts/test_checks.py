"""Every registered data check keeps its contract: on ordinary, odd and empty tables."""

import re

import numpy as np
import polars as pl
import pytest

from mulle.checks import Seen, checks
from mulle.core.check import Check, Status
from mulle.core.jsonable import from_json, to_json
from mulle.core.schema import Feature

N = 300
RNG = np.random.default_rng(0)
TABLE = pl.DataFrame(
    {
        "number": RNG.normal(size=N),
        "gaps": [None if i % 3 else float(i) for i in range(N)],
        "category": [("a", "b", None)[i % 3] for i in range(N)],
        "boolean": [bool(i % 2) for i in range(N)],
        "datetime": pl.Series(range(N)).cast(pl.Datetime("us")),
        "list": [["a", "b"][: i % 3] for i in range(N)],
        "text": [f"some words {i}" for i in range(N)],
        "image": [bytes([i % 256]) for i in range(N)],
        "id": [f"K{i}" for i in range(N)],
        "empty": pl.Series([None] * N, dtype=pl.Float64),
    }
)
KINDS = {"gaps": "number", "empty": "number"}


def seen(rows=N, target=None, classes=("no", "yes"), task="binary"):
    table = TABLE.head(rows)
    features = [Feature(name=n, kind=KINDS.get(n, n), columns=[n]) for n in table.columns]
    known = (np.arange(rows) % 2).astype(float) if target is None else target
    return Seen(
        table=table,
        features=features,
        task=task,
        target=known,
        classes=classes,
        sealed=TABLE.tail(100),
        rng=np.random.default_rng(0),
    )


TABLES = {
    "binary": seen,
    "numbers": lambda: seen(target=RNG.normal(size=N), classes=(), task="regression"),
    "classes": lambda: seen(target=(np.arange(N) % 3.0), classes=("a", "b", "c"), task="multiclass"),
    "several labels": lambda: seen(target=np.ones((N, 2)), classes=("a", "b"), task="toy"),
    "one row": lambda: seen(rows=1),
    "no rows": lambda: seen(rows=0),
    "no known target": lambda: seen(target=np.full(N, np.nan)),
}


@pytest.mark.parametrize("table", list(TABLES))
@pytest.mark.parametrize("name", checks.names())
def test_a_registered_check_answers_in_full_on_any_table(name, table):
    before = TABLE.clone()
    for answer in checks.get(name).look(TABLES[table]()):
        assert re.fullmatch(r"data\.[a-z_]+", answer.name)
        assert any(letter.isdigit() for letter in answer.says) or answer.status is not Status.FAIL
        assert answer.status in {Status.PASS, Status.NOTE} or answer.fix
        assert "  " not in answer.says
        assert answer.evidence is None or all(len(r) == len(answer.evidence.columns) for r in answer.evidence.rows)
        assert from_json(Check, to_json(answer)).says == answer.says
    assert TABLE.equals(before)


@pytest.mark.parametrize("name", checks.names())
def test_a_registered_check_gives_the_same_answer_twice(name):
    first, second = (to_json(list(checks.get(name).look(seen()))) for _ in range(2))
    assert first == second


def test_names_start_with_their_stage_and_titles_differ():
    assert all(each.name.startswith("data.") for each in checks)
    assert len({each.title for each in checks}) == len(checks.names())
