"""The browser's reader of values and the runtime's agree on whatever a column may hold."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mulle.core.jsonable import to_json
from mulle.runtime import encode, tokenise
from mulle.runtime.formula_text import Column, parse

from . import odd  # noqa: TID252  # tests have no package to be named by

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="no Node on this machine")
SCRIPT = Path(__file__).with_name("read_values.mjs")
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "number": [
        {},
        {"decimal": ","},
        {"decimal": ",", "thousands": "."},
        {"thousands": "'"},
        {"missing": ["five", "-1"]},
    ],
    "place": [{}],
    "datetime": [
        {},
        {"formats": ["%d/%m/%Y"]},
        {"formats": ["%m/%d/%Y", "%d/%m/%y"]},
        {"formats": ["%Y%m%d"]},
        {"epoch": "s"},
        {"epoch": "ms"},
        {"epoch": "ns"},
        {"formats": ["%d/%m/%Y %I:%M %p", "%d.%m.%y %H:%M", "%B %d %Y"]},
    ],
    "category": [{}, {"fold": True}, {"numbers": True}, {"missing": ["?", "red"]}, {"fold": True, "numbers": True}],
    "id": [{}],
    "list": [{}, {"separator": ","}, {"fold": True, "missing": ["a"]}],
    "boolean": [
        {},
        {"true": ["alive"], "false": ["dead"]},
        {"true": ["no"], "false": ["yes"]},
        {"missing": ["maybe"]},
    ],
    "text": [{}, {"missing": ["good"]}],
}


def asked(cases: list[dict[str, Any]], tokens: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Let ``wire.mjs`` read rows."""
    with as_file(files("mulle.deploy").joinpath("browser/wire.mjs")) as module:
        told = json.dumps({"module": module.as_uri(), "cases": cases, "tokens": tokens or []})
        done = subprocess.run([NODE, str(SCRIPT)], input=told, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


def read_here(entry: dict[str, Any], rows: list[dict[str, Any]]) -> list[tuple[list[Any], bool]]:
    columns = []
    for name in entry["columns"]:
        column = np.empty(len(rows), dtype=object)
        for i, row in enumerate(rows):
            column[i] = row[name]
        columns.append(column)
    values, bad = encode.wire(entry, columns)
    plain = [
        [None if isinstance(value, float) and math.isnan(value) else value for value in row] for row in values.tolist()
    ]
    return list(zip(plain, bad.tolist(), strict=True))


def assert_alike(entry: dict[str, Any], rows: list[dict[str, Any]], *, tolerance: float = 0.0) -> None:
    """Compare wire values exactly, and that the same rows are refused."""
    (found,) = asked([{"entry": entry, "rows": rows}])["cases"]
    assert_answers_alike(entry, rows, found, tolerance=tolerance)


def assert_answers_alike(
    entry: dict[str, Any], rows: list[dict[str, Any]], found: list[Any], *, tolerance: float = 0.0
) -> None:
    for row, (ours, bad), (theirs, why) in zip(rows, read_here(entry, rows), found, strict=True):
        assert bad == (why is not None), (entry, row, ours, theirs, why)
        assert bad or same(ours, theirs, tolerance), (entry, row, ours, theirs)


def same(ours: list[Any], theirs: list[Any], tolerance: float) -> bool:
    if tolerance and None not in ours and None not in theirs:
        return ours == pytest.approx(theirs, rel=tolerance)
    return ours == [float(value) if isinstance(value, int) else value for value in theirs]


def beyond(value: Any) -> bool:
    """Tell what JavaScript has no exact number for; it is refused there where it stands for a word."""
    if isinstance(value, list):
        return any(map(beyond, value))
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) > 2**53


ALL = list({repr(value): odd.carried(value) for held in odd.VALUES.values() for value in held}.values())


def entry_of(kind: str, options: dict[str, Any]) -> dict[str, Any]:
    columns = ["a", "b"] if kind == "place" else ["a"]
    return {"name": "f", "kind": kind, "columns": columns, "options": options, "wire": ""}


@pytest.mark.parametrize(("kind", "options"), [(kind, o) for kind, held in OPTIONS.items() for o in held])
def test_every_odd_value_is_read_or_refused_alike(kind, options):
    words = kind in {"category", "id", "list", "text"}
    rows = [{"a": value, "b": value} for value in ALL if not (words and beyond(value))]
    assert len(rows) > 300
    assert_alike(entry_of(kind, options), rows)


def test_a_number_that_lost_digits_is_no_word():
    (found,) = asked([{"entry": entry_of("category", {}), "rows": [{"a": 2**60}, {"a": str(2**60)}]}])["cases"]
    assert "send it as text" in found[0][1]
    assert found[1] == [[str(2**60)], None]


letters = st.sampled_from("0123456789.,-+eE%() '’$€kr₩:/TZ\u00a0\u202fapmAPM월년일janfeb|[]\"\x1f\x85éΣ😀")
values = st.one_of(
    st.text(letters, max_size=24),
    st.text(max_size=12),
    st.floats(allow_nan=False, allow_infinity=False).filter(lambda v: abs(v) <= 2**53),
    st.integers(-(2**53), 2**53),
    st.lists(st.text(letters, max_size=5), max_size=4),
)
fuzzed = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.slow
@fuzzed
@given(held=st.lists(values, min_size=200, max_size=200), data=st.data())
def test_values_that_nobody_thought_of_are_read_or_refused_alike(held, data):
    kind = data.draw(st.sampled_from(sorted(OPTIONS)))
    options = data.draw(st.sampled_from(OPTIONS[kind]))
    assert_alike(entry_of(kind, options), [{"a": value, "b": value} for value in held])


@pytest.mark.parametrize(
    "step",
    [
        {"analyzer": "text", "width": 512, "word_ngrams": [1, 2], "char_ngrams": [2, 5]},
        {"analyzer": "text", "width": 64},
        {"analyzer": "text", "width": 256, "word_ngrams": [0, 0], "char_ngrams": [3, 3]},
        {"analyzer": "text", "width": 97, "word_ngrams": [2, 3], "char_ngrams": [1, 2], "max_chars": 40},
        {"analyzer": "list", "width": 32},
    ],
)
def test_texts_and_lists_are_hashed_into_the_same_vectors(step):
    step = {"op": "tokenise", "version": 1, **step}
    kind = step["analyzer"]
    texts = [t for t, bad in zip(*encode.wire(entry_of(kind, {}), [odd.VALUES[kind]]), strict=True) if not bad]
    texts = [text for (text,) in texts]
    (found,) = asked([], [{"step": step, "texts": texts}])["tokens"]
    np.testing.assert_allclose(np.array(found), tokenise.run(step, texts), rtol=0, atol=1e-7)


COLUMNS = {
    "x": Column(type="number"),
    "y": Column(type="number"),
    "t": Column(type="text"),
    "u": Column(type="text"),
    "b": Column(type="boolean"),
    "m": Column(type="moment"),
    "n": Column(type="moment"),
}
READ_AS = {"number": "number", "text": "category", "boolean": "boolean", "moment": "datetime"}
FORMULAS = [
    "x + y * 2 - 1", "x / y", "x % y", "-x % -y", "abs(x) - y", "ln(x)", "log10(abs(x))", "exp(y)", "sqrt(x)",
    "floor(x) + ceil(y)", "round(x)", "round(x, 2)", "round(x, -1)", "round(x * y, 3)", "power(x, y)", "power(1, x)",
    "power(x, 0)", "m - n", "m > n", "x = y", "x <> y", "x < y OR y <= 1", "x > y AND NOT b", "b", "NOT b", "b + x",
    "x IN (1, 2.5, y)", "t IN ('red', 'KR')", "t IN ('red', u)", "t = u", "t < u", "t >= u", "x BETWEEN y AND 3",
    "x NOT BETWEEN -1 AND y", "x IS NULL", "t IS NOT NULL", "CASE WHEN x > y THEN x WHEN b THEN y END",
    "CASE t WHEN 'red' THEN 1 ELSE 0 END", "CASE WHEN b THEN 1 ELSE x END", "length(CASE WHEN b THEN t ELSE u END)",
    "length(CASE WHEN b THEN t END)", "least(x, y, 1)", "greatest(x, y)", "coalesce(x, y, -1)",
    "length(coalesce(t, u, 'none'))", "length(t)", "lower(t) = 'red'", "upper(t) = upper(u)", "nullif(x, 0)",
    "x / nullif(y, 0)", "b AND (x > 0 OR NULL)", "NULL OR b", "(x > 1) = b", "exp(x) * 0 + 1", "x * 1e308 * 10",
]  # fmt: skip


def test_formulas_give_the_same_numbers():
    rng = np.random.default_rng(7)
    numbers = [None, 0, 1, -1, 2.5, -2.5, 0.5, 1.5, 1e300, -3, "1,000", "oops", 0.1, 3]
    texts = [None, "", "red", "Red", "KR", "é", "ﬀ", "\U00020000", "\uff5e", "ab", "a"]
    moments = [None, "2024-01-31", "2024-02-29T12:00", "1999-12-31 23:59:59.5", "nonsense"]
    choices = {
        "x": numbers,
        "y": numbers,
        "t": texts,
        "u": texts,
        "b": [None, True, False, "yes"],
        "m": moments,
        "n": moments,
    }
    rows = [{name: held[int(rng.integers(len(held)))] for name, held in choices.items()} for _ in range(200)]
    entries = []
    for text in FORMULAS:
        found = parse(text, COLUMNS, where="it")
        reads = [
            {"name": name, "kind": READ_AS[COLUMNS[name].type], "columns": [name], "options": {}}
            for name in found.columns
        ]
        options = {"version": 1, "tree": to_json(found.tree), "reads": reads}
        columns = list(found.columns)
        entries.append({"name": text, "kind": "formula", "columns": columns, "options": options, "wire": "number"})
    answers = asked([{"entry": entry, "rows": rows} for entry in entries])["cases"]
    for entry, answer in zip(entries, answers, strict=True):
        assert_answers_alike(entry, rows, answer, tolerance=1e-14)
