"""Formulas say what SQL says, refuse what they can't read, and survive trees that nobody wrote."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulle.core.errors import DataError, MulleError, ProjectError
from mulle.core.jsonable import from_json, to_json
from mulle.core.schema import Feature
from mulle.kinds.formula import derive
from mulle.kinds.preparation import canonical, request, wires
from mulle.kinds.recognise import guess
from mulle.runtime import encode
from mulle.runtime.feeds import Encoder
from mulle.runtime.formula import DEPTH, NODES, Wrong, compiled
from mulle.runtime.formula_text import Column, parse

NUMBER, TEXT, TRUTH, MOMENT = (Column(type=t) for t in ("number", "text", "boolean", "moment"))
COLUMNS = {"x": NUMBER, "y": NUMBER, "t": TEXT, "b": TRUTH, "m": MOMENT, "hours-per-week": NUMBER, "금액": NUMBER}
NAN = math.nan


def run(text: str, rows: Mapping[str, Sequence[Any]]) -> list[float]:
    """Compute a formula over canonical columns."""
    found = parse(text, COLUMNS, where="[features] it")
    tree = json.loads(json.dumps(to_json(found.tree)))  # as it travels
    formula = compiled(tree, {name: COLUMNS[name].type for name in found.columns})
    return formula.values([_wire(name, rows[name]) for name in found.columns]).tolist()


def _wire(name: str, values: Sequence[Any]) -> np.ndarray:
    if COLUMNS[name].type == "text":
        return np.array([value or "" for value in values], dtype=object)
    return np.array([NAN if value is None else float(value) for value in values])


# ------------------------------------------------------------------------------------------------ against polars

quarters = st.integers(-24, 24).map(lambda n: n / 4)
literals = quarters.map(lambda v: f"{abs(v)}" if v >= 0 else f"(-{abs(v)})")
nonzero = quarters.filter(bool).map(lambda v: f"{abs(v)}")
words = st.sampled_from(["'KR'", "'us'", "'Ab'", "'it''s'"])
texts = st.just("t") | st.sampled_from(["lower(t)", "upper(t)", "coalesce(t, 'KR')", "LOWER(UPPER(t))"])


def _numbers(inner: st.SearchStrategy[str], truths: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(inner, inner)
    return st.one_of(
        st.builds(lambda p, op: f"({p[0]} {op} {p[1]})", pair, st.sampled_from("+-*")),
        st.builds(lambda a, v, op: f"({a} {op} {v})", inner, literals, st.sampled_from("+-*")),
        st.builds(lambda v, a, op: f"({v} {op} {a})", literals, inner, st.sampled_from("+-*")),
        st.builds(lambda a, d, op: f"{a} {op} {d}", inner, nonzero, st.sampled_from("/%")),
        st.builds(lambda c, a, v: f"case when {c} then {a} else {v} end", truths, inner, literals),
        st.builds(lambda p: f"({p[0]} / (abs({p[1]}) + 1.0))", pair),
        st.builds("{1}({0})".format, inner, st.sampled_from(["abs", "floor", "ceil", "CEILING", "round", "-", "+"])),
        st.builds("sqrt(abs({}))".format, inner),
        st.builds(lambda p, f: f"{f}({p[0]}, {p[1]})", pair, st.sampled_from(["least", "GREATEST", "coalesce"])),
        st.builds(lambda a, v: f"nullif({a}, {v})", inner, literals),
        st.builds(lambda c, p: f"case when {c} then {p[0]} else {p[1]} end", truths, pair),
        st.builds(lambda c, d, p: f"CASE WHEN {c} THEN {p[0]} WHEN {d} THEN {p[1]} END", truths, truths, pair),
        st.builds("(x * 0.0 + length({}))".format, texts),  # polars divides whole numbers as float32
    )


def _truths(inner: st.SearchStrategy[str], truths: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    compare = st.sampled_from(["=", "<>", "!=", "<", "<=", ">", ">="])
    maybe = st.sampled_from(["", "NOT "])
    return st.one_of(
        st.builds("({0} {2} {1})".format, inner, inner | literals, compare),
        st.builds("({0} {2} {1})".format, texts, words, compare),
        st.builds("({0} {3}BETWEEN {1} AND {2})".format, inner, inner, inner, maybe),
        st.builds("({0} {3}IN ({1}, {2}))".format, inner, literals, literals, maybe),
        st.builds("({0} {3}in ({1}, {2}))".format, texts, words, words, maybe),
        st.builds("({0} IS {1}NULL)".format, inner | texts, maybe),
        st.builds("({0} {2} {1})".format, truths, truths, st.sampled_from(["AND", "or"])),
        st.builds("{0} AND NOT {1} OR {2}".format, truths, truths, truths).map("({})".format),
        st.builds("(NOT {})".format, truths),
    )


def _grown(depth: int) -> tuple[st.SearchStrategy[str], st.SearchStrategy[str]]:
    numbers, truths = st.sampled_from(["x", "y", '"x"']), st.just("b")  # polars reckons literals alone as float32
    for _ in range(depth):
        numbers, truths = numbers | _numbers(numbers, truths), truths | _truths(numbers, truths)
    return numbers, truths


NUMBERS, TRUTHS = _grown(3)
EXPRESSIONS = st.one_of(
    NUMBERS,
    TRUTHS,
    st.builds("ln(abs({}) + 1.0)".format, NUMBERS),
    st.builds("log10(abs({}) + 1.0)".format, NUMBERS),
    st.builds("exp(least({}, 5.0))".format, NUMBERS),
    st.builds("power({}, 2)".format, NUMBERS),
    st.builds("round({}, 1)".format, st.sampled_from(["x", "y", "x + y"])),
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "x": st.none() | quarters,
            "y": st.none() | quarters,
            "t": st.none() | st.sampled_from(["KR", "us", "Ab", "it's", "de"]),
            "b": st.none() | st.booleans(),
        }
    ),
    min_size=1,
    max_size=8,
)
SCHEMA = {"x": pl.Float64, "y": pl.Float64, "t": pl.String, "b": pl.Boolean}


@given(expression=EXPRESSIONS, rows=ROWS)
@settings(max_examples=400, deadline=None)
def test_on_what_both_know_a_formula_says_what_polars_sql_says(expression: str, rows: list[dict[str, Any]]) -> None:
    whole = f"CASE WHEN x IS NULL OR x IS NOT NULL THEN {expression} END"  # so that it reads a column
    frame = pl.DataFrame(rows, schema=SCHEMA)
    theirs = frame.select(pl.sql_expr(whole).cast(pl.Float64).alias("it"))["it"].to_numpy()
    ours = run(whole, {name: frame[name].to_list() for name in frame.columns})
    np.testing.assert_allclose(ours, np.where(np.isfinite(theirs), theirs, NAN), rtol=1e-9, atol=1e-12)


# ------------------------------------------------------------------------------------------------ where SQLs differ


@pytest.mark.parametrize(
    ("expression", "values", "wanted"),
    [
        ("x / 0", [1, 0, None], [NAN, NAN, NAN]),
        ("1 / x", [2, 0, None], [0.5, NAN, NAN]),
        ("1 / x > 5", [0.1, 0, None], [1, NAN, NAN]),
        ("x % 0", [1, 0, None], [NAN, NAN, NAN]),
        ("x % 3", [7, -7, None], [1, -1, NAN]),
        ("7 / 2 + x", [0, 1, None], [3.5, 4.5, NAN]),
        ("ln(x)", [1, 0, -1], [0, NAN, NAN]),
        ("log(x)", [math.e, 0, -1], [1, NAN, NAN]),
        ("sqrt(x)", [4, -4, None], [2, NAN, NAN]),
        ("exp(x)", [0, 1e6, None], [1, NAN, NAN]),
        ("power(x, 0.5)", [4, -4, 0], [2, NAN, 0]),
        ("x * 1e300 * 1e300", [0, 1, None], [0, NAN, NAN]),
        ("round(x)", [0.5, 1.5, -2.5], [0, 2, -2]),
        ("round(x, -2)", [149, 151, None], [100, 200, NAN]),
        ("x = NULL", [1, 0, None], [NAN, NAN, NAN]),
        ("x IN (1, NULL)", [1, 0, None], [1, NAN, NAN]),
        ("x > 0 AND NULL", [1, 0, None], [NAN, 0, NAN]),
        ("x > 0 OR NULL", [1, 0, None], [1, NAN, NAN]),
        ("(x > 0) + 1", [1, 0, None], [2, 1, NAN]),
        ("- - x", [1, 0, None], [1, 0, NAN]),
        ("NOT x = 1 IS NULL", None, None),
        ("x BETWEEN NULL AND 3", [1, 4, None], [NAN, 0, NAN]),
        ("CASE x WHEN 1 THEN 10 WHEN 2 THEN 20 END", [1, 2, 3], [10, 20, NAN]),
        ("greatest(x, NULL, -1)", [1, -2, None], [1, -1, -1]),
        ("2 - 3 - x", [1, 0, None], [-2, -1, NAN]),
        ("2 * 3 % 4 * x", [1, 0, None], [2, 0, NAN]),
        ("x.5", None, None),
    ],
)
def test_what_isnt_known_or_is_no_number_is_null(
    expression: str, values: list[float | None] | None, wanted: list[float] | None
) -> None:
    if values is None:
        with pytest.raises(ProjectError, match="fix:"):
            run(expression, {})
        return
    np.testing.assert_allclose(run(expression, {"x": values}), wanted)


def test_texts_and_moments_are_compared_and_counted() -> None:
    rows = {"t": ["Seoul", "", None, "서울"], "m": [0, 86_400, None, 1]}
    assert run("length(t) > 2", rows)[0] == 1
    np.testing.assert_array_equal(run("length(t)", rows), [5, NAN, NAN, 2])
    np.testing.assert_array_equal(run("t IS NULL", rows), [0, 1, 1, 0])
    np.testing.assert_array_equal(run("t IN ('서울', 'Busan')", rows), [0, NAN, NAN, 1])
    np.testing.assert_array_equal(run("coalesce(upper(t), 'none') = 'SEOUL'", rows), [1, 0, 0, 0])
    np.testing.assert_array_equal(run("CASE WHEN NULL THEN t WHEN m > m THEN 'a' ELSE NULL END = 'a'", rows), [NAN] * 4)
    np.testing.assert_array_equal(run("greatest(m, m) - m", rows), [0, 0, NAN, 0])


def test_columns_may_have_any_name() -> None:
    rows = {"hours-per-week": [40, 50], "금액": [1, 2]}
    assert run('"hours-per-week" * 금액', rows) == [40, 100]


# ------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("expression", "at", "told"),
    [
        ("x / mnths", 5, "column 'mnths' is unknown"),
        ("hours > 3", 1, 'did you mean "hours-per-week"'),
        ('t = "KR"', 5, "texts stand in single quotes"),
        ("x + sqr(y)", 5, "did you mean 'sqrt'"),
        ("sum(x)", 1, "looks at more than one row"),
        ("min(x, y)", 1, "write least"),
        ("x > 1 > 2", 7, "a < b AND b < c"),
        ("x y", 3, "'y' stands where"),
        ("x +", 4, "the expression ends"),
        ("(x + 1", 7, r"write '\)' there"),
        ("'abc", 1, "never closed"),
        ("x -- 1", 3, "begins a comment"),
        ("3x", 1, "is no number"),
        ("1e999 * x", 1, "beyond all numbers"),
        ("x; y", 2, "leave it out"),
        ("x ^ 2", 3, r"power\(x, 2\)"),
        ("`x`", 1, "double quotes"),
        ("", 1, "write one"),
        ("  ", 1, "write one"),
        ("1 + 1", 1, "reads no column"),
        ("t", 1, "is a text, not a number"),
        ("m", 1, "returned - bought"),
        ("NULL", 1, "is NULL"),
        ("x + t", 3, "takes numbers, not a text"),
        ("x = t", 3, "a number and a text"),
        ("x AND b", 3, "conditions, not a number"),
        ("NOT x", 1, "conditions, not a number"),
        ("m + 1", 3, "not a moment"),
        ("abs(x, y)", 1, "takes 1 argument, not 2"),
        ("round(x, y)", 10, r"round\(x, 2\)"),
        ("round(x, 99)", 1, "-15 to 15"),
        ("nullif(x)", 1, r"nullif\(x, 0\)"),
        ("CASE x END", 8, "'WHEN'"),
        ("CASE WHEN b THEN 1", 19, "'END'"),
        ("end + 1", 1, 'in double quotes: "end"'),
        ("least(t, t)", 1, "numbers or moments"),
        ("x NOT 3", 3, "where the end"),
        ("x IS 3", 6, "'NULL'"),
    ],
)
def test_a_wrong_formula_is_refused_with_its_place_and_a_fix(expression: str, at: int, told: str) -> None:
    with pytest.raises(ProjectError, match=told) as caught:
        parse(expression, COLUMNS, where="mulle.toml, [features] it")
    assert caught.value.where == f"mulle.toml, [features] it, character {at}"
    assert caught.value.fix


@pytest.mark.parametrize(
    "expression",
    ["(" * 5000 + "x", "-" * 1 + " -" * 3000 + "x", "NOT " * 2400 + "b", "x-" * 300 + "x", "x+" * 4999 + "x",
     "case when b then " * 500 + "x", "abs(" * 1000 + "x", "x" * 20_000, "x IN (" + "1," * 4000 + "1)"],
)  # fmt: skip
def test_a_huge_expression_is_refused_and_no_stack_overflows(expression: str) -> None:
    with pytest.raises(ProjectError, match="fix:"):
        parse(expression, COLUMNS, where="it")


@given(st.text(alphabet="xtb()'\",.+-*/%<>=! 019eINOTANDULCASEWHEND서\n", max_size=40))
@settings(max_examples=400, deadline=None)
def test_any_text_is_read_or_refused_with_a_fix(text: str) -> None:
    try:
        found = parse(text, COLUMNS, where="it")
    except ProjectError as error:
        refused = error
    else:
        assert found.columns
        return
    assert refused.fix
    assert "character" in refused.where


# ------------------------------------------------------------------------------------------------ hostile trees


def _nested(n: int) -> list[Any]:
    tree: list[Any] = ["column", "x"]
    for _ in range(n):
        tree = ["neg", tree]
    return tree


@pytest.mark.parametrize(
    "tree",
    [
        None,
        [],
        {},
        "x",
        3,
        [3],
        [["neg"]],
        ["exec", ["text", "rm"]],
        ["__class__", ["column", "x"]],
        ["column"],
        ["column", "z"],
        ["column", 0],
        ["column", ["x"]],
        ["number", "1"],
        ["number", True],
        ["number", NAN],
        ["number", math.inf],
        ["number", 10**400],
        ["text", 3],
        ["boolean", 1],
        ["null", 1],
        ["neg"],
        ["neg", ["column", "x"], ["column", "x"]],
        ["neg", "x"],
        ["add", ["column", "x"]],
        ["case", ["column", "x"], ["column", "x"]],
        ["case", ["column", "x"], ["column", "x"], ["column", "x"]],
        ["round", ["column", "x"], ["column", "x"]],
        ["round", ["column", "x"], ["number", 0.5]],
        ["round", ["column", "x"], ["number", 10**400]],
        ["lower", ["column", "x"]],
        ["lower", ["column", "t"]],
        ["null"],
        ["moment", 3],
        ["days", ["column", "x"], ["column", "x"]],
        _nested(DEPTH),
        _nested(900),
        ["add", *[["number", 1]] * NODES],
        ["and", *[["and", *[["boolean", True]] * 50]] * 50],
    ],
)
def test_a_tree_that_nobody_wrote_is_refused(tree: object) -> None:
    with pytest.raises(Wrong):
        compiled(tree, {"x": "number", "t": "text"})


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.sampled_from(["x", "t", "add", "text", "column"]),
    lambda inner: st.lists(inner, max_size=4) | st.builds(
        lambda op, rest: [op, *rest],
        st.sampled_from(["add", "eq", "in", "case", "column", "number", "text", "lower", "coalesce", "round", "not"]),
        st.lists(inner, max_size=4),
    ),
    max_leaves=20,
)  # fmt: skip


@given(tree=JSON)
@settings(max_examples=400, deadline=None)
def test_any_tree_is_refused_or_gives_a_finite_number_or_nothing_for_each_row(tree: object) -> None:
    try:
        formula = compiled(tree, {"x": "number", "t": "text"})
    except Wrong:
        return
    values = formula.values([np.array([1.0, NAN, -3.5]), np.array(["a", "", "B"], dtype=object)])
    assert values.shape == (3,)
    assert not np.isinf(values).any()


def _entry(**changed: Any) -> dict[str, Any]:
    reads = [{"name": c, "kind": "number", "columns": [c], "options": {}} for c in ("x", "y")]
    options = {"version": 1, "tree": ["div", ["column", "x"], ["column", "y"]], "reads": reads}
    options |= {k: v for k, v in changed.items() if k != "columns"}
    return {
        "name": "it",
        "kind": "formula",
        "wire": "number",
        "columns": changed.get("columns", ["x", "y"]),
        "options": options,
    }


@pytest.mark.parametrize(
    "entry",
    [
        _entry(version=2),
        _entry(version=None),
        _entry(tree=["exec"]),
        _entry(tree=_nested(900)),
        _entry(reads=None),
        _entry(reads=[]),
        _entry(reads=[3]),
        _entry(reads={"x": 1}),
        _entry(columns=["x"]),
        _entry(columns=["x", "z"]),
        _entry(columns=["x", "x"]),
        _entry(reads=[_entry(), _entry()]),
        _entry(reads=[{"columns": ["x"], "kind": "image"}, {"columns": ["y"], "kind": ["number"]}]),
        _entry(reads=[{"columns": ["x"], "kind": "formula"}, {"columns": ["y"], "kind": "number"}]),
        _entry(reads=[{"columns": "x", "kind": "number"}, {"columns": "y", "kind": "number"}]),
    ],
)
def test_a_hostile_entry_is_refused_when_the_bundle_is_opened(entry: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="its formula can't be used"):
        Encoder([entry])
    with pytest.raises(DataError, match="its formula can't be used"):
        encode.wire(entry, [[1.0]] * len(entry["columns"]))


# ------------------------------------------------------------------------------------------------ from raw cells

RAW = pl.DataFrame(
    {
        "spend": ["$1,200", "90", "?", "", "7 %"],
        "months": [12, 0, 3, None, 4],
        "plan": ["Gold ", "silver", None, "gold", "Gold"],
        "code": [1, 2, 1, 2, 3],
        "member": ["yes", "no", "yes", None, "no"],
        "bought": ["2024-01-31", "2024-03-01", "2023-12-31", None, "2024-02-01"],
        "lat": [37.5, 35.1, 37.5, 33.4, 37.5],
        "lon": [127.0, 129.0, 127.0, 126.5, 127.0],
        "y": [0, 1, 0, 1, 0],
    }
)
FORMULAS = {
    "monthly": "spend / months",
    "twice": "monthly * 2",
    "gold": "plan = 'Gold'",
    "joined": "member = 'yes' AND bought >= '2024-01-31'",
    "days": "bought - bought",
    "second": "code = 2",
    "north": "round(lat) + lon",
    "gone": "plan IS NULL OR months IS NULL",
}


def _features() -> tuple[list[Feature], list[Feature]]:
    kinds = {"plan": "category", "member": "boolean", "bought": "datetime", "code": "category", "spend": "number"}
    raw = guess(RAW, ignore=["y"], overrides={**kinds, "months": "number"}, places=[["lat", "lon"]])
    return raw, derive(FORMULAS, raw, RAW.schema, refused={"y": "it is the target"})


def test_training_whole_tables_and_single_rows_agree_to_the_bit() -> None:
    _, derived = _features()
    derived = [from_json(Feature, json.loads(json.dumps(to_json(f)))) for f in derived]
    table, faults = canonical(derived, RAW)
    assert not faults
    assert table.columns == list(FORMULAS)
    trained = wires(derived, table)
    rows = RAW.to_dicts()
    for entry in json.loads(json.dumps(request(derived))):
        served, bad = encode.wire(entry, [RAW[c].to_list() for c in entry["columns"]])
        assert not bad.any()
        np.testing.assert_array_equal(served, trained[entry["name"]])
        single = encode.one(entry)
        np.testing.assert_array_equal([[single([row[c] for c in entry["columns"]])] for row in rows], served)
    np.testing.assert_array_equal(table["monthly"].to_list(), [100, None, None, None, 0.0175])
    assert table["twice"].to_list() == [200, None, None, None, 0.035]
    assert table["gold"].to_list() == [1, 0, None, 1, 1]  # the column folds its case, and so the word beside it
    assert table["joined"].to_list() == [1, 0, 0, None, 0]
    assert table["days"].to_list() == [0, 0, 0, None, 0]
    assert table["second"].to_list() == [0, 1, 0, 1, 0]
    assert table["north"].to_list() == [165, 164, 165, 159.5, 165]
    assert table["gone"].to_list() == [0, 0, 1, 1, 0]


@given(
    x=st.lists(
        st.none() | st.floats(width=64) | st.sampled_from(["1,5", "?", " 7 ", "x", "inf"]), min_size=1, max_size=12
    ),
    tree=st.sampled_from(
        ["exp(x)", "ln(x)", "log10(x)", "power(x, 1.5)", "sqrt(x) / x", "x % 0.1", "round(x, 3)", "x > 1 OR x * x < 2"]
    ),
)
@settings(max_examples=200, deadline=None)
def test_a_row_alone_gets_the_very_value_it_gets_among_others(x: list[Any], tree: str) -> None:
    feature = Feature(name="x", kind="number", columns=["x"])
    [entry] = request(derive({"it": tree}, [feature], {"x": pl.String()}))
    values, bad = encode.wire(entry, [x])
    single = encode.one(entry)
    for i, cell in enumerate(x):
        if bad[i]:
            with pytest.raises(DataError, match="is not a number"):
                single([cell])
        else:
            np.testing.assert_array_equal(single([cell]), values[i, 0])


def test_a_cell_that_cant_be_read_is_told_by_its_column() -> None:
    feeds = Encoder(request(_features()[1]))
    row = {**RAW.row(0, named=True), "months": "many"}
    with pytest.raises(DataError, match="column 'months'"):
        feeds.one(row)
    with pytest.raises(MulleError, match="months"):
        feeds.one({k: v for k, v in row.items() if k != "months"})


@pytest.mark.parametrize(
    ("formulas", "told"),
    [
        ({"spend": "months + 1"}, "already a column 'spend'"),
        ({"place": "months + 1"}, "already a column 'place'"),
        ({" ": "months + 1"}, "no name"),
        ({"it": "y + 1"}, "it is the target"),
        ({"it": "later + 1", "later": "months"}, "'later' is unknown"),
        ({"it": "plan > 3"}, "data.kinds.plan=number"),
        ({"it": "member = 'perhaps'"}, "neither true nor false"),
        ({"it": "bought > 'soon'"}, "not a moment"),
        ({"it": "spend = '?'"}, '"spend" IS NULL'),
        ({"it": "plan = ''"}, '"plan" IS NULL'),
    ],
)
def test_a_formula_that_doesnt_suit_the_table_is_refused(formulas: dict[str, str], told: str) -> None:
    raw, _ = _features()
    with pytest.raises(ProjectError, match=told) as caught:
        derive(formulas, raw, RAW.schema, refused={"y": "it is the target"})
    assert caught.value.where.startswith("mulle.toml, [features]")


def test_a_column_is_no_formula_by_decree() -> None:
    with pytest.raises(ProjectError, match=r"under \[features\]"):
        guess(RAW, overrides={"spend": "formula"})


def test_the_formulas_of_the_how_to_can_be_read() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "features.md").read_text("utf-8")
    formulas = tomllib.loads(page.split("```toml")[1].split("```")[0])["features"]
    numbers = ["spend", "months", "amount", "age", "spend_before"]
    kinds = {**dict.fromkeys(numbers, "number"), "country": "category", "returned": "datetime", "bought": "datetime"}
    columns = [Feature(name=name, kind=kind, columns=[name]) for name, kind in kinds.items()]
    row = {**dict.fromkeys(numbers, 24.0), "country": "KR", "returned": "2024-02-03", "bought": "2024-02-01T12:00"}
    table = pl.DataFrame([row])
    derived, _ = canonical(derive(formulas, columns, table.schema), table)
    assert [round(value, 3) for value in derived.row(0)] == [1, 0, 1.5, 0, 1, 3.219, -1]


def test_all_wrong_formulas_are_told_at_once_and_one_that_hangs_on_a_wrong_one_is_not():
    raw = [Feature(name="x", kind="number", columns=["x"])]
    formulas = {"a": "nope + 1", "b": "x +", "c": "a * 2", "d": "x * 2"}
    with pytest.raises(ProjectError, match="2 faults") as caught:
        derive(formulas, raw, {"x": pl.Float64()})
    assert [fault.where.split("]")[1].split(",")[0].strip() for fault in caught.value.faults] == ["a", "b"]
