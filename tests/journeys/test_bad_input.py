"""Input from which no answer can come: a message with place and fix, exit code 2, nothing half-written."""

# ruff: noqa: S607  # mount, and Python itself

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.journeys.conftest import Said

import mulle
from mulle.core.errors import DataError, MulleError, ProjectError, StoreError, UnknownName
from mulle.store.workspace import Workspace

Say = Callable[..., Said]

PAGE = '[data]\nsource = "d.csv"\ntarget = "y"\n'


def table(n: int = 300, target: Callable[[int], str] = lambda i: "yes" if i % 3 else "no", more: str = "") -> str:
    """Return a CSV of two inputs and a target."""
    lines = (f"{i},{(i * 7919) % 101 / 10},{target(i)}{',' + more if more else ''}" for i in range(n))
    return "\n".join(["a,b,y" + (",g" if more else ""), *lines]) + "\n"


def laid(folder: Path, text: str | bytes, page: str = PAGE) -> None:
    """Lay a file of rows and a page down."""
    (folder / "d.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    if page:
        (folder / "mulle.toml").write_text(page)


def files(folder: Path) -> set[str]:
    """Return the files of a folder, without what Mulle may be asked to delete at any time."""
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and ".mulle" not in p.parts}


def assert_nothing_half_written(folder: Path) -> None:
    """No seal, no run, no draft of a file is left; finished work and the record of what was begun may be."""
    assert not (folder / "mulle.lock").exists()
    assert not list((folder / ".mulle").glob("runs/*"))
    assert not list((folder / ".mulle").glob("tmp/*"))
    assert not [p for p in folder.rglob("*") if p.name.endswith((".part", ".new", ".tmp"))]


def assert_told(said: Said, what: str, where: str, fix: str) -> None:
    """The three lines of an error, one after the other, and no trace."""
    assert said.code == 2, said.err
    assert said.out == ""
    assert f"error {what}" in said.words
    at = said.words.index("where ")
    assert where in said.words[at:]
    assert fix in said.words[said.words.index("fix ", at) :]
    assert "Traceback" not in said.err


# ------------------------------------------------------------------------------------------ rows

FAULTS: dict[str, tuple[str | bytes, str, str, str]] = {
    "an empty file": (b"", "the file is empty", "d.csv", "name a file with a header and rows"),
    "blank lines only": ("\n \n\n", "the file is empty", "d.csv", "name a file with a header and rows"),
    "a header only": ("a,b,y\n", "the file has a header and no rows", "d.csv", "name a file with rows"),
    "one row": ("a,b,y\n1,2,yes\n", "there is one row", "d.csv", "bring more rows"),
    "one class": (
        table(target=lambda _: "yes"),
        "the target 'y' has one class: 'yes' in all 300 rows",
        "d.csv, column 'y'",
        "bring rows of another class too, or choose another target: mulle set data.target=COLUMN",
    ),
    "one class in several spellings": (
        table(target=lambda i: ["yes", "Yes ", "YES", ""][i % 4]),
        "the target 'y' has one class: 'yes' in all 225 rows where it is known",
        "d.csv, column 'y'",
        "bring rows of another class too",
    ),
    "one number": (
        table(target=lambda _: "7.5"),
        "the target 'y' has one value: 7.5 in all 300 rows",
        "d.csv, column 'y'",
        "choose another target",
    ),
    "a target that is never known": (
        table(target=lambda i: ["", "?", "NA"][i % 3]),
        "the target 'y' is empty in all 300 rows",
        "d.csv, column 'y'",
        "bring rows whose target is known",
    ),
    "a column twice": (
        "a,y,a\n" + "1,yes,2\n2,no,3\n" * 50,
        "two columns are called 'a': number 1 and number 3",
        "d.csv",
        "rename one of them",
    ),
    "a ragged file": (
        "a,b,y\n" + "".join(f"{i},2{',9' * (i % 3)},yes\n" for i in range(100)),
        "66 of 100 lines don't have the header's 3 fields; the first has 4: '1,2,9,yes'",
        "d.csv, line 3",
        "quote the fields that hold the delimiter",
    ),
    "nothing but the target": (
        "y\n" + "yes\nno\n" * 100,
        "there is no column but 'y' to learn from",
        "d.csv",
        "bring columns that are known before the target is",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_init_refuses_rows_that_give_no_answer_and_writes_no_page(tmp_path: Path, mulle_: Say, fault: str) -> None:
    content, what, where, fix = FAULTS[fault]
    laid(tmp_path, content, page="")
    assert_told(
        mulle_("init", "d.csv", "--target", "y"), what, where, fix.replace("mulle set data.target=", "--target ")
    )
    assert files(tmp_path) == {"d.csv"}
    assert not (tmp_path / ".mulle").exists()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_turn_refuses_them_before_anything_is_sealed(tmp_path: Path, mulle_: Say, fault: str) -> None:
    content, what, where, fix = FAULTS[fault]
    laid(tmp_path, content)
    assert_told(mulle_("check"), what, where, fix)
    assert files(tmp_path) == {"d.csv", "mulle.toml"}
    assert_nothing_half_written(tmp_path)


def test_bytes_that_are_no_table_are_refused(tmp_path: Path, mulle_: Say) -> None:
    laid(tmp_path, np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8).tobytes(), page="")
    said = mulle_("init", "d.csv", "--target", "y")
    assert_told(said, "'d.csv' holds binary data, not a table of text", "d.csv", "give it the ending of its format")
    assert files(tmp_path) == {"d.csv"}


def test_rows_that_are_all_alike_are_refused(tmp_path: Path, mulle_: Say) -> None:
    laid(tmp_path, "a,y\n" + "1,yes\n1,no\n" * 100)
    assert_told(
        mulle_("check"),
        "all 200 rows have the same inputs, so nothing tells them apart",
        "[data] source, columns a",
        "bring rows that differ",
    )
    assert_nothing_half_written(tmp_path)


def test_a_class_whose_rows_are_all_sealed_is_said_to_be_missing_from_the_others(tmp_path: Path, mulle_: Say) -> None:
    for rare in range(300):  # the seal goes by content: some single row is sealed
        laid(tmp_path, table(target=lambda i, rare=rare: "yes" if i == rare else "no"))
        said = mulle_("run", "--until", "problem")
        if said.code:
            break
        shutil.rmtree(tmp_path / ".mulle")
        (tmp_path / "mulle.lock").unlink()
    assert_told(
        said, "the target 'y' has one class: 'no' in all", "the rows that are not sealed", "bring rows of another"
    )
    assert_nothing_half_written(tmp_path)


ASKED: dict[str, tuple[str, str, str, str]] = {
    "an absent target": ("data.target=churn", "column 'churn' is unknown", "[data] target", "known: a, b, y"),
    "a target in other letters": ("data.target=Y", "column 'Y' is unknown", "[data] target", "did you mean 'y'?"),
    "an absent key": ("data.key=id", "column 'id' is unknown", "[data] key", "known: a, b, y"),
    "a positive class that does not occur": (
        "data.positive=yse",
        "the positive class 'yse' does not occur in the target 'y'",
        "[data] positive, column 'y'",
        "did you mean 'yes'? known: 'yes', 'no'; mulle set data.positive=CLASS",
    ),
    "a group that holds all rows": (
        "data.group=g",
        "one group holds all 300 rows",
        "[data] group, column 'g'",
        "name a group with several values",
    ),
    "a time that stands still": ("data.time=g", "column 'g' holds one moment only", "[data] time", "remove the key"),
    "a metric of another task": (
        "objective.metric=rmse",
        "metric for a binary task 'rmse' is unknown",
        "[objective] metric",
        "known: accuracy",
    ),
    "an absent file": (
        "data.source=e.csv",
        "there is no file 'e.csv'",
        "e.csv",
        "did you mean 'd.csv'? the folder holds: d.csv",
    ),
}


@pytest.mark.parametrize("asked", ASKED)
def test_a_page_that_does_not_fit_its_rows_is_refused_before_anything_is_sealed(
    tmp_path: Path, mulle_: Say, asked: str
) -> None:
    override, what, where, fix = ASKED[asked]
    laid(tmp_path, table(more="1"))
    fix = fix.replace("a, b, y", "a, b, g, y")
    assert_told(mulle_("check", "--set", override), what, where, fix)
    assert_nothing_half_written(tmp_path)


def test_python_is_told_the_same(tmp_path: Path, one_process: None) -> None:  # noqa: ARG001
    x = np.arange(200.0)
    good = pl.DataFrame({"x": x, "y": np.where(x % 3, "yes", "no")})

    def turned(frame: object, **options: object) -> None:
        mulle.run(mulle.Project(frame, folder=tmp_path, **{"target": "y", **options}), until="data")

    with pytest.raises(DataError, match=r"there is one row(.|\n)*fix: +bring more rows"):
        turned(good.head(1))
    with pytest.raises(DataError, match=r"one class: 'no' in all 67 rows(.|\n)*fix: +bring rows of another"):
        turned(good.filter(pl.col("y") == "no"))
    with pytest.raises(DataError, match=r"is empty in all 200 rows(.|\n)*fix: +bring rows whose target"):
        turned(good.with_columns(y=pl.lit(None, pl.String)))
    with pytest.raises(UnknownName, match=r"column 'z' is unknown(.|\n)*fix: +known: x, y"):
        turned(good, target="z")
    with pytest.raises(DataError, match=r"does not occur(.|\n)*fix: +known: 'yes', 'no'"):
        turned(good, positive="maybe")
    twice = good.to_pandas()
    twice.columns = ["y", "y"]
    with pytest.raises(DataError, match=r"called 'y'(.|\n)*fix: +rename"):
        turned(twice)
    with pytest.raises(DataError, match=r"no rows(.|\n)*fix: "):
        turned(good.clear())
    assert_nothing_half_written(tmp_path)


# ------------------------------------------------------------------------------------------ the page


@pytest.mark.parametrize(
    ("page", "what", "where", "fix"),
    [
        ("", "'mulle.toml' is empty", "", "mulle init FILE --target COLUMN writes one from your data"),
        (PAGE + 'target = "a"\n', "[data] target stands twice, on lines 3 and 4", "mulle.toml, line 4", "keep one"),
        (PAGE + '[data]\nkey = "a"\n', "[data] stands twice, on lines 1 and 4", "mulle.toml, line 4", "keep one"),
        (PAGE + "key = [\n", "this is not TOML", "mulle.toml, line 4", "close the bracket"),
        (PAGE.replace("target", "traget"), "key 'traget' is unknown", "mulle.toml, line 3", "did you mean 'target'?"),
    ],
)
def test_a_page_that_cannot_be_read_is_refused(  # parameters, one a column
    tmp_path: Path, mulle_: Say, page: str, what: str, where: str, fix: str
) -> None:
    laid(tmp_path, table())
    (tmp_path / "mulle.toml").write_text(page)
    for word in ("check", "run", "assess"):
        assert_told(mulle_(word), what, where, fix)
    assert files(tmp_path) == {"d.csv", "mulle.toml"}
    assert not (tmp_path / ".mulle").exists()


def test_a_page_that_is_a_folder_is_refused(tmp_path: Path, mulle_: Say) -> None:
    (tmp_path / "mulle.toml").mkdir()
    fix = "mulle init FILE --target COLUMN writes one from your data"
    assert_told(mulle_("check"), "'mulle.toml' is a folder, not a project file", "mulle.toml", fix)
    assert_told(mulle_("set", "budget=5m"), "'mulle.toml' is a folder", "mulle.toml", fix)
    assert list(tmp_path.rglob("*")) == [tmp_path / "mulle.toml"]


def test_a_second_init_leaves_the_page_as_it_is(tmp_path: Path, mulle_: Say) -> None:
    laid(tmp_path, table())
    said = mulle_("init", "d.csv", "--target", "b")
    assert_told(said, "there is a project here already", "mulle.toml", "mulle run")
    assert (tmp_path / "mulle.toml").read_text() == PAGE


# ------------------------------------------------------------------------------------------ disks


class Disk:
    """A small file system of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def told(self, *words: str) -> bool:
        return subprocess.run(words, capture_output=True, check=False).returncode == 0

    def mount(self, size: str) -> bool:
        return self.told("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(self.path))

    def remount(self, *options: str) -> None:
        assert self.told("mount", "-o", ",".join(("remount", *options)), str(self.path))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Mount a disk of 300 KB, where that may be done.

    Yields
    ------
    Disk
        With rows and a page on it.
    """
    made = Disk(tmp_path / "disk")
    made.path.mkdir()
    if os.name != "posix" or os.geteuid() != 0 or shutil.which("mount") is None or not made.mount("300k"):
        pytest.skip("needs the right to mount a disk")
    laid(made.path, table())
    yield made
    subprocess.run(["umount", str(made.path)], check=True)


def test_a_full_disk_is_said_and_the_same_command_goes_on_when_there_is_room(
    disk: Disk, mulle_: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(disk.path)
    said = mulle_("check")
    assert said.code == 2, said.err
    assert "disk is full" in said.words
    assert "fix free some space there, then run the command again: finished work is kept" in said.words
    assert not list(disk.path.glob(".mulle/runs/*"))
    assert not list(disk.path.glob(".mulle/tmp/*"))
    disk.remount("size=20m")
    assert mulle_("check").code == 0


def test_a_full_disk_leaves_no_half_page(disk: Disk, mulle_: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(disk.path)
    (disk.path / "mulle.toml").unlink()
    with pytest.raises(OSError, match="No space"):
        (disk.path / "ballast").write_bytes(b"0" * 10**6)
    assert_told(mulle_("init", "d.csv", "--target", "y"), "the disk is full", "mulle.toml", "free some space")
    assert files(disk.path) == {"d.csv", "ballast"}


def test_a_read_only_folder_is_said(disk: Disk, mulle_: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(disk.path)
    disk.remount("ro")
    before, fix = files(disk.path), "work in a copy of the folder"
    assert_told(mulle_("check"), "the disk there is read-only", ".mulle", fix)
    assert_told(mulle_("set", "budget=5m"), "the disk there is read-only", "mulle.toml", fix)
    (tmp := disk.path.parent / "d.csv").write_text(table())
    assert_told(mulle_("init", str(tmp), "--target", "y", "--folder", "new"), "the disk there is read-only", "new", fix)
    assert mulle_("status").code == 0
    with pytest.raises(StoreError, match=r"read-only(.|\n)*fix: +work in a copy"):
        mulle.Project(pl.DataFrame({"x": [1, 2], "y": [0, 1]}), target="y", folder=disk.path)
    assert files(disk.path) == before


def test_a_file_that_may_not_grow_is_said(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    laid(tmp_path, table())
    program = """
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
        from mulle.cli.main import cli
        cli.main(["set", "project.goal=" + 200 * "long "])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "the file would be larger than is allowed" in done.stderr
    assert files(tmp_path) == {"d.csv", "mulle.toml"}
    assert (tmp_path / "mulle.toml").read_text() == PAGE


# ------------------------------------------------------------------------------------------ bundles


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text("id,age,job,lat,lon\n1,40,smith,10,20\n")
    return path


def _cut(bundle: Path) -> None:
    path = bundle / "model.onnx" if (bundle / "model.onnx").exists() else next(bundle.glob("*.onnx"))
    path.write_bytes(path.read_bytes()[:-20])


def _changed(bundle: Path) -> None:
    path = bundle / "card.md"
    path.write_text(path.read_text() + "It is perfect.\n")


def _gone(bundle: Path) -> None:
    next(bundle.glob("*.onnx")).unlink()


def _added(bundle: Path) -> None:
    (bundle / "more.py").write_text("print('run me')\n")


def _newer(bundle: Path) -> None:
    path = bundle / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))


def _foreign(bundle: Path) -> None:
    shutil.rmtree(bundle)
    bundle.mkdir()
    (bundle / "model.pkl").write_bytes(b"\x80\x04.")


@pytest.mark.parametrize("spoil", [_cut, _changed, _gone, _added, _newer, _foreign])
def test_a_bundle_that_cannot_be_trusted_scores_nothing(
    tmp_path: Path, mulle_: Say, toy_folder: Path, rows: Path, spoil: Callable[[Path], None]
) -> None:
    assert mulle_("predict", str(toy_folder), str(rows), "first.csv").code == 0
    spoil(toy_folder)
    said = mulle_("predict", str(toy_folder), str(rows), "out.csv")
    assert said.code == 2, said.err
    assert toy_folder.name in said.words
    assert "fix " in said.words
    assert not [p for p in tmp_path.iterdir() if "out.csv" in p.name]


def test_a_bundle_that_is_none_scores_nothing(tmp_path: Path, mulle_: Say, rows: Path) -> None:
    (tmp_path / "b.zip").write_bytes(b"PK\x03\x04 and nothing more")
    said = mulle_("predict", "b.zip", str(rows), "out.csv")
    assert_told(said, "'b.zip' can't be read as a bundle", "b.zip", "give the path of a bundle that Mulle wrote")
    said = mulle_("predict", "c.zip", str(rows), "out.csv")
    assert_told(said, "there is no bundle at 'c.zip'", "c.zip", "correct the path")
    assert not [p for p in tmp_path.iterdir() if "out.csv" in p.name]


# ------------------------------------------------------------------------------------------ two at once


def test_the_second_of_two_runs_in_one_folder_says_whose_lock_it_is(tmp_path: Path, mulle_: Say) -> None:
    laid(tmp_path, table())
    program = f"""
        from mulle.store.workspace import Workspace
        with Workspace.open({str(tmp_path)!r}, write=True, command="mulle run"):
            print("held", flush=True)
            input()
    """
    first = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert first.stdout is not None
    assert first.stdout.readline() == "held\n"
    for word in ("check", "assess"):
        said = mulle_(word)
        assert said.code == 2
        assert f"is held by pid {first.pid} (mulle run, since" in said.words
        assert f"fix wait until it has ended, or end it: kill {first.pid}" in said.words
    assert not (tmp_path / "mulle.lock").exists()
    first.communicate("\n", timeout=10)
    assert mulle_("check").code == 0


def test_a_folder_in_use_can_still_be_looked_at(tmp_path: Path, mulle_: Say) -> None:
    laid(tmp_path, table())
    with Workspace.open(tmp_path, write=True, command="mulle run"):
        assert mulle_("status").code == 0
        assert mulle_("history").code == 0


def test_words_that_need_a_run_say_that_there_is_none(tmp_path: Path, mulle_: Say) -> None:
    laid(tmp_path, table())
    for words in (("assess",), ("report",), ("rows", "out.csv")):
        assert_told(mulle_(*words), "there is no finished run here yet", str(tmp_path), "mulle run")
    with pytest.raises(MulleError, match=r"no finished run(.|\n)*fix: +mulle run"):
        mulle.assess(mulle.Project(pl.DataFrame({"x": [1], "y": [0]}), target="y", folder=tmp_path))
    assert not (tmp_path / "out.csv").exists()


def test_a_lock_that_was_torn_is_not_taken_for_none(tmp_path: Path, mulle_: Say) -> None:
    laid(tmp_path, table())
    (tmp_path / "mulle.lock").write_text("format = 1\n[seal]\nby = ")
    said = mulle_("check")
    assert_told(said, "mulle.lock can't be read", "mulle.lock", "restore it: git checkout mulle.lock")
    with pytest.raises(ProjectError, match="git checkout"):
        mulle.run(mulle.Project(str(tmp_path / "d.csv"), target="y", folder=tmp_path), until="problem")
