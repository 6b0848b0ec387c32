"""A run that was never turned, and an api that turns it: what the command line needs, and nothing more."""

# ruff: noqa: ARG002  # fixtures are asked for by name; the stand-in keeps the signatures

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

import mulle
from mulle.cli.main import cli
from mulle.core.check import Check, Outcome, Status, Verdict, verdict
from mulle.core.jsonable import to_json
from mulle.core.page_file import Guessed, load_page, write_page
from mulle.core.project import Page
from mulle.core.schema import LeftOut
from mulle.operate.predict import Summary

PASSED = Check(name="data.rows", status=Status.PASS, says="48,842 rows are enough.")
TWINS = Check(
    name="data.twins",
    status=Status.FAIL,
    says="412 rows stand twice, 57 of them on both sides of the split, so that the model would be asked "
    "what it was told.",
    fix='mulle set data.key=\'["person", "year"]\'',
)
COSTS = Check(
    name="problem.costs",
    status=Status.UNANSWERED,
    says="Nobody said what mistakes cost.",
    fix="mulle set costs.false_positive=1.5 costs.false_negative=20",
)


def problem(*checks: Check) -> Outcome:
    return Outcome(
        stage="problem",
        question="What is asked, and is it well asked?",
        answer="Yes or no for each of 48,842 people: earns more than 50,000 a year?",
        checks=checks,
        seconds=0.21,
    )


def data(*checks: Check) -> Outcome:
    return Outcome(
        stage="data",
        question="Can these rows answer it?",
        answer="Yes, after two columns were left out.",
        checks=(PASSED, *checks),
        seconds=2.3,
    )


def model() -> Outcome:
    return Outcome(
        stage="model",
        question="What learns it best, within the budget?",
        answer="catboost (depth 6), 14 configurations tried.",
        checks=(PASSED,),
        seconds=58.0,
    )


def sealed(*checks: Check) -> Outcome:
    return Outcome(
        stage="assess",
        question="Does it hold on rows that nobody has seen?",
        answer="average precision 0.829 on 9,769 sealed rows; opening 1.",
        checks=(PASSED, *checks),
        seconds=1.1,
    )


@dataclass
class FakeRun:
    outcomes: list[Outcome]
    id: str = "2026-11-22-1"
    stamp: str = "draft"
    next: str = "mulle set costs.false_negative=20"
    headline: list[tuple[str, str, str]] = field(
        default_factory=lambda: [
            ("average precision", "0.831", "0.822 – 0.840; best baseline (linear) 0.769"),
            ("worth", "1,240 EUR", "per 1,000 rows, against doing nothing"),
        ]
    )
    report: Path | None = Path("report.html")
    bundle_path: Path | None = Path(".mulle/runs/2026-11-22-1/bundle")
    zip: Path | None = None
    zip_note: str = ""
    interrupted: bool = False

    @property
    def verdict(self) -> Verdict:
        return verdict([check for one in self.outcomes for check in one.checks])

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "verdict": str(self.verdict), "outcomes": to_json(self.outcomes)}


def watched(run: FakeRun, watch: Any, pause: Callable[[float], None] = lambda _: None) -> FakeRun:
    """Tell a watch all that a real run would tell it."""
    for one in run.outcomes:
        watch.stage(one.stage, one.question)
        for check in one.checks:
            watch.check(check)
            pause(0.3)
        if one.stage == "model":
            for step in range(20):
                watch.progress("catboost, configuration 3", step + 1, 20)
                pause(0.25)
                if step in {4, 12}:
                    watch.best(f"catboost: average precision 0.8{step:02d} (linear 0.769)")
        watch.outcome(one)
    return run


class Api:
    """What `mulle.api` promises the command line, on a real page and a run that was never turned."""

    def __init__(self) -> None:
        self.ends = FakeRun([problem(), data(), model()])
        self.raises: BaseException | None = None
        self.told: dict[str, Any] = {}

    def open_project(self, path: Path, settings: Sequence[str]) -> Page:
        return load_page(path, settings=settings)

    def run(self, project: Page, *, watch: Any, **how: Any) -> FakeRun:
        self.told = {**how, "project": project}
        if self.raises:
            raise self.raises
        return watched(self.ends, watch)

    def assess(self, project: Page, *, watch: Any, again: str | None = None) -> FakeRun:
        self.told = {"again": again, "project": project}
        return watched(self.ends, watch)

    def init(self, source: str, *, target: str, folder: Path, name: str | None = None) -> Begun:
        guessed = Guessed(
            name=name or Path(source).stem,
            source=source,
            target=target,
            task="binary",
            n_rows=7043,
            n_columns=21,
            positive="yes",
            positive_why="the rarer one",
            left_out=[LeftOut(column="fax", why='always "no"')],
        )
        path = folder / "mulle.toml"
        path.write_text(write_page(guessed), "utf-8")
        return Begun(path=path, text=write_page(guessed), guessed=guessed)

    def demo(self, name: str, folder: Path, watch: Any) -> FakeRun:
        self.told = {"name": name, "folder": folder}
        return watched(self.ends, watch)

    def predict(self, bundle: Path, src: str, out: Path, progress: Callable[[int], None]) -> Summary:
        progress(1000)
        return Summary(rows=1000, predicted=998, rejected=2, out=str(out), unseen={"job": 3})

    def history(self, folder: Path) -> list[dict[str, Any]]:
        return [
            {"run": "r1", "verdict": "shut", "rows": 1200},
            {"run": "r2", "verdict": "open", "rows": None},
        ]

    def status(self, folder: Path) -> dict[str, Any]:
        return {"last run": "r2", "openings": 1, "next": "mulle assess"}

    def compare(self, folder: Path, a: str, b: str) -> list[dict[str, Any]]:
        return []

    def report(self, folder: Path, run_id: str | None = None) -> Path:
        return folder / "report.html"

    def parts(self) -> list[dict[str, Any]]:
        return [
            {"room": "metrics", "part": "roc_auc", "what": "area under the ROC curve"},
            {"room": "kinds", "part": "number", "what": "a number"},
            {"room": "metrics", "part": "accuracy", "what": "share that is right"},
        ]

    def rows(self, project: Page, out: Path) -> int:
        return 5634


@dataclass
class Begun:
    path: Path
    text: str
    guessed: Guessed


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    """Stand in for the loop, which takes a minute; the loop has its own tests."""
    fake = Api()
    monkeypatch.setitem(sys.modules, "mulle.api", fake)
    monkeypatch.setattr(mulle, "api", fake, raising=False)
    return fake


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder that holds a small page."""
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "mulle.toml"
    page.write_text('[data]\nsource = "a.csv"\ntarget = "churned"\n', "utf-8")
    return page


@pytest.fixture
def mulle_(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Type words at the command line."""
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def typed(*words: str) -> Result:
        return CliRunner().invoke(cli, list(words))

    return typed


@pytest.fixture
def runs() -> SimpleNamespace:
    """Pieces to build runs from."""
    return SimpleNamespace(
        FakeRun=FakeRun,
        watched=watched,
        problem=problem,
        data=data,
        model=model,
        sealed=sealed,
        TWINS=TWINS,
        COSTS=COSTS,
    )
