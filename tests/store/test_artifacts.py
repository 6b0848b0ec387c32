import errno
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulle.core.errors import StoreError
from mulle.core.work import Ref
from mulle.store.artifacts import Artifacts, sizes


@pytest.fixture
def shelf(tmp_path: Path) -> Artifacts:
    return Artifacts(tmp_path / "artifacts", tmp_path / "tmp")


def filled(shelf: Artifacts, files: dict[str, bytes]) -> Path:
    folder = shelf.scratch()
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_the_same_content_is_kept_once_whoever_wrote_it(shelf):
    one = shelf.put(filled(shelf, {"a": b"1", "deep/b": b"2"}))
    two = shelf.put(filled(shelf, {"deep/b": b"2", "a": b"1"}))
    assert one == two
    assert (one.path / "deep" / "b").read_bytes() == b"2"
    assert not list(shelf.tmp.iterdir())


names = st.from_regex(r"[a-z][a-z ]{0,5}", fullmatch=True)
folders = st.dictionaries(names, st.binary(max_size=20), max_size=4)


@settings(max_examples=30, deadline=None)  # each forces its files onto the disk
@given(one=folders, two=folders)
def test_the_hash_says_names_and_contents(tmp_path_factory, one, two):
    shelf = Artifacts(tmp_path_factory.mktemp("s"), tmp_path_factory.mktemp("t"))
    first, second = shelf.put(filled(shelf, one)), shelf.put(filled(shelf, two))
    assert (first.hash == second.hash) == (one == two)
    assert sizes(first.path) == {name: len(content) for name, content in sorted(one.items())}
    assert shelf.find(first.hash) == first
    assert shelf.damage(first) == []


@pytest.mark.parametrize("harm", ["cut", "more", "gone", "list", "all"])
def test_a_folder_that_is_not_whole_is_not_found_and_can_be_put_again(shelf, harm):
    ref = shelf.put(filled(shelf, {"a": b"12345", "b": b"x"}))
    if harm == "cut":
        (ref.path / "a").write_bytes(b"12")
    elif harm == "more":
        (ref.path / "c").write_bytes(b"")
    elif harm == "gone":
        (ref.path / "b").unlink()
    elif harm == "list":
        (shelf.folder / f"{ref.hash}.files").write_text("nonsense")
    else:
        shutil.rmtree(ref.path)
    assert shelf.find(ref.hash) is None
    assert shelf.damage(ref)
    assert shelf.put(filled(shelf, {"a": b"12345", "b": b"x"})) == ref
    assert shelf.find(ref.hash) == ref
    assert shelf.damage(ref) == []


def test_a_change_that_keeps_the_size_is_found_by_the_slow_look(shelf):
    ref = shelf.put(filled(shelf, {"a": b"12345"}))
    (ref.path / "a").write_bytes(b"12346")
    assert shelf.find(ref.hash) == ref
    assert shelf.damage(ref) == ["a was changed"]


def test_a_hash_that_was_never_put_is_not_found(shelf):
    assert shelf.find("0" * 64) is None
    assert shelf.damage(Ref("0" * 64, shelf.folder / ("0" * 64)))


def test_a_link_is_refused(shelf):
    folder = shelf.scratch()
    (folder / "link").symlink_to("/etc/hostname")
    with pytest.raises(StoreError, match="write a copy"):
        shelf.put(folder)
    assert not list(shelf.tmp.iterdir())


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "free some space"), (errno.EROFS, "a disk that can be written"), (errno.EIO, "look at")],
)
def test_a_disk_that_refuses_is_told_with_its_place_and_leaves_nothing(shelf, monkeypatch, call, number, words):
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number), str(shelf.folder))

    folder = filled(shelf, {"a": b"1"})
    monkeypatch.setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace")}[call], refuse)
    with pytest.raises(StoreError, match=words) as caught:
        shelf.put(folder)
    assert caught.value.where == str(shelf.folder)
    assert not list(shelf.tmp.iterdir())
    assert not [p for p in shelf.folder.iterdir() if p.is_dir()]


def test_a_disk_that_is_really_full_leaves_what_stood_before(disk):
    shelf = Artifacts(disk.path / "artifacts", disk.path / "tmp")
    ref = shelf.put(filled(shelf, {"a": b"1"}))
    folder = filled(shelf, {"b": b"2"})
    disk.fill()
    with pytest.raises(StoreError, match="the disk is full"):
        shelf.put(folder)
    assert not list(shelf.tmp.iterdir())
    assert shelf.find(ref.hash) == ref
    disk.empty()
    assert shelf.put(filled(shelf, {"b": b"2"})).hash != ref.hash


def test_a_folder_that_may_not_be_written_is_told_with_its_place(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="move that file away"):
        Artifacts(tmp_path / "file", tmp_path / "file").scratch()
