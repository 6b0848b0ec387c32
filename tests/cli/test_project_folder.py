"""``-p FOLDER`` means one thing for every word: the project file in it."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from mulle.cli import option
from mulle.cli.main import cli
from mulle.cli.words import ALL, LATER
from mulle.server.keys import KeyFile


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Stand beside a project's folder."""
    monkeypatch.chdir(tmp_path)
    inner = tmp_path / "proj"
    inner.mkdir()
    (inner / "mulle.toml").write_text('[data]\nsource = "a.csv"\ntarget = "b"\n', "utf-8")
    (inner / ".mulle").mkdir()
    return inner


def mulle(*words):
    return CliRunner().invoke(cli, words)


def commands(command, words):
    yield words, command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            yield from commands(command.get_command(click.Context(command), name), (*words, name))


ASKED = [pair for word in ALL.keys() - LATER for pair in commands(cli.get_command(click.Context(cli), word), (word,))]


def test_each_word_that_takes_a_page_takes_its_folder():
    callbacks = {words: param.callback for words, one in ASKED for param in one.params if param.name == "page"}
    assert len(callbacks) > 20
    assert {words for words, callback in callbacks.items() if callback is not option.page_of} == set()


def test_a_key_goes_into_the_folder_that_was_named(folder, tmp_path):
    assert mulle("key", "add", "shop", "-p", "proj").exit_code == 0
    assert "shop" in mulle("key", "list", "-p", str(folder / "mulle.toml")).stdout
    assert [key.name for key in KeyFile(folder / ".mulle" / "keys.json").read()] == ["shop"]
    assert not (tmp_path / ".mulle").exists()


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (("admin", "status"), "proj/.mulle"),
        (("replay", "someone"), "proj/.mulle"),
        (("log", "export", "out.csv"), "proj/.mulle"),
        (("serve",), "proj"),
        (("release", "start"), "proj"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_words_that_look_for_something_look_within_the_folder(words, where):
    refused = mulle(*words, "-p", "proj")
    assert refused.exit_code == 2
    assert where in refused.stderr


def test_a_name_of_nothing_is_refused_before_anything_is_written_beside_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused = mulle("key", "add", "shop", "-p", "typo")
    assert (refused.exit_code, "no project file 'typo'" in refused.stderr) == (2, True)
    assert not list(tmp_path.iterdir())
