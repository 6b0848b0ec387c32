"""A bug in a file of the user's own is told as theirs, with its line; a bug of ours is not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from mulle.cli.fault import anyones
from mulle.compute.faults import from_words, to_words
from mulle.core import registry
from mulle.core.errors import ProjectError
from mulle.core.registry import import_file, users_fault

MINE = """\
import json
from neighbour import half

def metric(values):
    return json.loads(values)

def other(values):
    return half(values)
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Import a file of the user's own, with a neighbour."""
    monkeypatch.setattr(registry, "_USERS", set())
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "neighbour.py").write_text("def half(values):\n    return values / 2\n", "utf-8")
    (tmp_path / "mine.py").write_text(MINE, "utf-8")
    import_file(tmp_path / "mine.py")
    yield sys.modules["mulle_user_mine"]
    del sys.modules["mulle_user_mine"], sys.modules["neighbour"]


def raised(call: Callable[[], object]) -> Exception:
    try:
        call()
    except Exception as error:  # noqa: BLE001  # whatever the user's code raises
        return error
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(("name", "file", "line"), [("metric", "mine.py", 5), ("other", "neighbour.py", 2)])
def test_what_the_users_file_raised_names_file_and_line(mine: ModuleType, name: str, file: str, line: int) -> None:
    value = "{" if name == "metric" else "text"
    told = users_fault(raised(lambda: getattr(mine, name)(value)))
    assert told is not None
    assert told.what.startswith(f"'{file}' failed in ")
    assert told.where.endswith(f"{file}, line {line}")
    assert told.exit_code == 2


@pytest.mark.usefixtures("mine")
def test_what_we_raised_is_not_blamed_on_anybody_else() -> None:
    assert users_fault(raised(lambda: from_words({}, doing="x", trace=Path("t")))) is None


def test_it_comes_back_from_a_worker_with_its_trace(mine: ModuleType, tmp_path: Path) -> None:
    words = to_words(raised(lambda: mine.other("text")))
    fault = from_words(words, doing="the unit 'x'", trace=tmp_path / "trace.txt")
    assert isinstance(fault, ProjectError)
    assert fault.fix == f"mend it there; the whole trace is in {tmp_path / 'trace.txt'}"
    assert "neighbour.py" in (tmp_path / "trace.txt").read_text("utf-8")


def test_the_command_leaves_with_2_for_it(
    mine: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert anyones(raised(lambda: mine.other("text"))) == 2
    said = capsys.readouterr().err
    assert "fault of Mulle" not in said
    assert "neighbour.py, line 2" in " ".join(said.split())
