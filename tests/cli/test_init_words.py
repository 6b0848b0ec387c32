"""`mulle init` says what it noticed, and for each column what it was taken for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

Say = Callable[..., Result]


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """400 lines in an old encoding, two of them broken, one place, and a target in three spellings."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    lines = ["signed_up;lat;lon;job;y"]
    for i in range(400):
        place = f"{40 + 8 * rng.random():.4f};{5 + 5 * rng.random():.4f}"
        lines.append(
            f"2024-0{1 + i % 9}-1{i % 9};{place};{rng.choice(['Koch', 'Bäcker'])};{rng.choice(['ja', 'Ja ', 'nein'])}"
        )
    lines[14], lines[88] = "1;2;3", "a;b;c;d;e;f"
    (tmp_path / "d.csv").write_bytes("\n".join(lines).encode("cp1252"))
    return tmp_path


@pytest.mark.parametrize("word", ["init", "try"])
def test_what_was_noticed_and_taken_is_on_the_terminal(
    table: Path, mulle_: Say, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    if word == "try":
        from mulle import api

        monkeypatch.setattr(api, "run", _stops)
    said = mulle_(word, "d.csv", "--target", "y").stderr
    assert "lines are not UTF-8 and were read as CP1252" in said
    assert "line 15 (3 fields, not 5): 1;2;3" in said
    assert "line 89 (6 fields, not 5): a;b;c;d;e;f" in said
    assert "were taken as one class" in said
    assert "signed_up  datetime  dates" in said
    assert "lat, lon   place" in said
    assert "mulle set data.kinds.COLUMN=KIND" in said
    page = (table / "mulle.toml").read_text("utf-8")
    assert '# kinds.lat = "number"' in page
    assert "taken as place with lon" in page


def _stops(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.usefixtures("table")
def test_machines_are_told_the_kinds_too(mulle_: Say) -> None:
    told = json.loads(mulle_("init", "d.csv", "--target", "y", "--json").stdout)
    assert {"column": "job", "kind": "category"}.items() <= told["guessed"]["columns"][2].items()


@pytest.mark.usefixtures("table")
def test_of_very_many_columns_the_rest_is_counted(tmp_path: Path, mulle_: Say) -> None:
    names = [f"x{i}" for i in range(70)]
    rows = [",".join([*(str((i * j) % 97 + 0.5) for j in range(70)), "no" if i % 2 else "yes"]) for i in range(60)]
    (tmp_path / "wide.csv").write_text("\n".join([",".join([*names, "y"]), *rows]), "utf-8")
    said = mulle_("init", "wide.csv", "--target", "y").stderr
    assert "and 10 × number" in said


@pytest.mark.parametrize(
    ("content", "fix"),
    [("a,y\n1,x\n2,x\n", "choose another target: --target COLUMN"), ("a,y\n1,\n2,\n", "--target COLUMN")],
)
def test_who_has_no_page_yet_is_not_told_to_set_a_key(
    tmp_path: Path, mulle_: Say, monkeypatch: pytest.MonkeyPatch, content: str, fix: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text(content, "utf-8")
    done = mulle_("init", "a.csv", "--target", "y")
    assert done.exit_code == 2
    assert fix in done.stderr
    assert "mulle set" not in done.stderr
    assert "where  x*.csv" in mulle_("init", "x*.csv", "--target", "y").stderr
