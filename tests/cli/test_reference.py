"""The reference pages say what the code says."""

import importlib.util
import tomllib
from pathlib import Path

import pytest

from mulle.cli.words import ALL
from mulle.core.page_fault import all_keys, field_at
from mulle.core.page_file import make_page
from mulle.core.toml_text import toml

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def reference():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "tools" / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["project-file.md", "cli.md"])
def test_a_reference_page_is_current(reference, name):
    written = (ROOT / "docs" / "reference" / name).read_text("utf-8")
    assert written == reference.PAGES[name]().rstrip("\n") + "\n", "run: python tools/reference.py"


def test_every_word_and_every_key_has_its_place():
    cli = (ROOT / "docs" / "reference" / "cli.md").read_text("utf-8")
    page = (ROOT / "docs" / "reference" / "project-file.md").read_text("utf-8")
    assert all(f"### `mulle {word}`" in cli for word in ALL)
    assert all(f"`{'.'.join(keys[1:])}`" in page for keys in all_keys() if len(keys) > 1)


def test_every_example_in_the_reference_is_a_page_that_can_be_read():
    tables = {}
    for keys in all_keys():
        field = field_at(keys)
        if len(keys) == 2 and keys[0] not in {"slices", "overrides"}:
            tables.setdefault(keys[0], {})[keys[1]] = field.examples[0]
        elif len(keys) == 1 and field.examples:
            tables[keys[0]] = field.examples[0]
    tables["data"] |= {"ignore": ["fax"], "keep": ["zip"]}
    text = "\n".join(f"{table} = {toml(held)}" for table, held in tables.items())
    read = make_page(tomllib.loads(text))
    assert read.data.target == "churned"
    assert read.slices[0].max_drop == 0.05
