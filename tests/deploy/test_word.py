"""`mulle export` writes the folder that was asked for, and says what it wrote."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from mulle.cli.main import cli


@pytest.fixture
def mulle_():
    return lambda *words: CliRunner().invoke(cli, [str(word) for word in words])


def test_recipes_are_listed(mulle_, toy_folder, tmp_path):
    done = mulle_("export", tmp_path / "out", "--bundle", toy_folder)
    assert done.exit_code == 0, done.output
    assert "one server, with its log in one file" in done.stdout
    assert "kubernetes/claim.yaml" in done.stdout
    told = mulle_("export", tmp_path / "several", "--bundle", toy_folder, "--log", "postgresql://db", "--json")
    assert json.loads(told.stdout)["several"] is True


def test_options_that_do_not_go_together_are_refused(mulle_, toy_folder, tmp_path):
    assert mulle_("export", tmp_path / "out", "--bundle", toy_folder, "--runtime", "x").exit_code == 2
    assert mulle_("export", tmp_path / "out", "--bundle", toy_folder, "--browser", "--log", "x").exit_code == 2
    assert not (tmp_path / "out").exists()


def test_without_a_run_it_says_what_to_do(mulle_, tmp_path):
    done = mulle_("export", tmp_path / "out", "-p", tmp_path / "mulle.toml")
    assert done.exit_code == 2
    assert "there is no finished run here yet" in done.stderr


def test_a_server_recipe_needs_no_training_library(toy_folder, tmp_path):
    code = (
        "import sys\nfrom mulle.deploy import browser_folder, recipes\nfrom pathlib import Path\n"
        "recipes.write_recipes(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "print(sorted({'polars', 'sklearn', 'lightgbm', 'catboost', 'pydantic', 'sqlalchemy', 'onnx'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(toy_folder), str(tmp_path / "out")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
