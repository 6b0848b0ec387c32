"""TOML as text."""

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulle.core.toml_text import bare, line_of, places, toml

TEXT = '''# a page
title = "x"

[data]  # here
source = "a # b"
long = """
target = "not a key"
"""
lists = ["""one
two"""]
ignore = [
  "a",   # [not a table]
  "b",
]
target = "y"
"quoted.key" = 1
a.b = 2

[[slices]]
name = "one"
[[slices]]
name = 'two'
'''

PLAIN = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(PLAIN)
def test_what_is_written_reads_back(value):
    assert tomllib.loads(f"value = {toml(value)}")["value"] == value


@given(st.text())
def test_every_name_can_be_a_key(name):
    assert tomllib.loads(f"{bare(name)} = 1") == {name: 1}


@given(st.text())
def test_no_text_breaks_the_walk(text):
    assert all(line >= 1 for _, line in places(text))


@pytest.mark.parametrize("text", ["[" + " " * 20000, "[" * 20000, '"' * 20000, "a." * 10000, "a = " + "[" * 5000])
def test_the_walk_takes_no_longer_for_hostile_lines(text):
    assert len(list(places(text))) <= 1  # a pattern that tries every split would take minutes here


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("data",), 4),
        (("data", "source"), 5),
        (("data", "ignore"), 11),
        (("data", "ignore", 1), 11),
        (("data", "target"), 15),
        (("data", "quoted.key"), 16),
        (("data", "a", "b"), 17),
        (("slices", 0, "name"), 20),
        (("slices", 1, "name"), 22),
        (("slices", 1, "absent"), 21),
        (("absent",), None),
    ],
)
def test_a_key_is_found_on_its_line(path, line):
    assert line_of(TEXT, path) == line


@settings(max_examples=25)
@given(st.dictionaries(st.text(min_size=1, max_size=5), st.dictionaries(st.text(max_size=5), PLAIN), min_size=1))
def test_every_key_of_any_page_is_found_on_the_line_it_was_written(tables):
    lines = []
    expected = {}
    for table, held in tables.items():
        lines.append(f"[{bare(table)}]")
        expected[table,] = len(lines)
        for key, value in held.items():
            lines.append(f"{bare(key)} = {toml(value)}")
            expected[table, key] = len(lines)
    assert dict(places("\n".join(lines))) == expected
