"""The house keeps its own rules: few public names, each with an example; no word that belongs elsewhere; one list only."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mulle
from mulle.core.registry import Registry
from mulle.loop import ASSESS, STAGES
from mulle.stages import assess, baseline, data, evaluate, model, package, problem

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("kinds", "tasks", "models", "metrics", "policies", "checks")


def test_the_public_names_are_few() -> None:
    assert len(mulle.__all__) <= 70


@pytest.mark.parametrize("name", sorted(mulle.__all__))
def test_every_public_name_is_there_and_is_documented(name: str) -> None:
    assert inspect.getdoc(getattr(mulle, name))


@pytest.mark.parametrize("name", sorted(mulle.__all__))
def test_every_public_name_has_an_example_that_pytest_runs(name: str) -> None:
    home = importlib.import_module(getattr(mulle, name).__module__)
    found = vars(home)[name]  # where --doctest-modules looks: what another module made has no examples there
    tests = doctest.DocTestFinder(recurse=False).find(found, name, module=home)
    assert [test for test in tests if test.examples]


def test_import_mulle_imports_nothing_heavy() -> None:
    code = "import mulle, sys; print([m for m in ('numpy', 'polars', 'sklearn', 'onnx', 'rich') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("room", "contract"), [("kinds", "kinds"), ("models", "families"), ("tasks", "tasks")])
def test_every_part_stands_in_the_contract_that_keeps_it_from_importing_another(room: str, contract: str) -> None:
    held = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (listed,) = [set(one["modules"]) for one in held if one["id"] == contract]
    registry = next(v for v in vars(importlib.import_module(f"mulle.{room}")).values() if isinstance(v, Registry))
    own = {type(part).__module__ for part in registry if type(part).__module__.startswith(f"mulle.{room}.")}
    assert own == listed


def test_whoever_names_the_stages_once_more_names_those_of_the_loop() -> None:
    from mulle.cli.turn import run
    from mulle.report.run import STAGES as DRAWN
    from mulle.report.story import PLAIN

    names = [step.name for step in STAGES]
    assert list(DRAWN) == list(PLAIN) == [*names, ASSESS.name]
    (until,) = [option for option in run.params if option.name == "until"]
    assert f"Stop after this stage: {', '.join(names)}." == getattr(until, "help", "")


def test_the_loop_names_every_stage_with_its_question() -> None:
    modules = (problem, data, baseline, model, evaluate, package, assess)
    assert [step.question for step in (*STAGES, ASSESS)] == [module.QUESTION for module in modules]


@pytest.mark.parametrize("room", ROOMS)
def test_every_part_says_what_it_is(room: str) -> None:

    module = importlib.import_module(f"mulle.{room}")
    registry = next(value for value in vars(module).values() if isinstance(value, Registry))
    assert registry.names()
    for part in registry:
        assert inspect.getdoc(type(part)), part


def test_every_page_of_the_docs_is_in_the_navigation() -> None:
    nav = (ROOT / "mkdocs.yml").read_text("utf-8")
    pages = [p.relative_to(ROOT / "docs").as_posix() for p in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if page not in nav] == []


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
            if not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)} -> {target}")
    assert broken == []


def test_no_random_state_is_global() -> None:
    sources = [p for p in (ROOT / "src").rglob("*.py") if "np.random.seed" in p.read_text("utf-8")]
    assert sources == []
