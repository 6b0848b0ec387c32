"""``profile.json``: read strictly, never needed, never part of what a model is."""

from __future__ import annotations

import json

import pytest

from mulle.core.errors import BundleError
from mulle.export.bundle import write_bundle
from mulle.runtime import Bundle
from mulle.runtime.profile import Profile

TOLD = {"version": 1, "n_rows": 50, "columns": {"age": {"kind": "number", "typical": 39, "low": 20, "high": 60}}}


def test_it_is_one_of_the_bundle_s_files_and_changes_nothing_of_the_model(toy_parts, tmp_path):
    bare = write_bundle(tmp_path / "a", toy_parts())
    told = write_bundle(tmp_path / "b", toy_parts(profile=TOLD))
    assert "profile.json" in told.manifest.files
    assert bare.model_hash == told.model_hash
    assert bare.hash != told.hash
    assert Bundle.load(tmp_path / "b").profile.typical(["age", "job"]) == {"age": 39, "job": None}


def test_a_bundle_without_one_makes_do_with_its_golden_rows(toy):
    assert toy.profile.origin == "golden rows"
    assert toy.profile.n_rows == 0
    assert toy.profile.known("job") is None


def test_only_a_complete_list_of_words_says_what_was_never_seen():
    def known(**more):
        column = {"kind": "category", "levels": [["a", 12], ["b", 10]], **more}
        return Profile.read(json.dumps({**TOLD, "columns": {"job": column}}).encode(), where="toy").known("job")

    assert known(complete=True) == {"a", "b"}
    assert known(complete=False) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"version": 2, "n_rows": 1, "columns": {}}',
        b'{"version": 1, "n_rows": true, "columns": {}}',
        b'{"version": 1, "n_rows": 1, "columns": []}',
        b'{"version": 1, "n_rows": 1, "columns": {"a": 3}}',
        b'{"version": 1, "n_rows": 1, "columns": {"a": {"kind": "number", "typical": [1]}}}',
        b'{"version": 1, "n_rows": 1, "columns": {"a": {"kind": "category", "levels": [["x"]]}}}',
        b'{"version": 1, "n_rows": 1, "columns": {"a": {"kind": "category", "levels": [[{}, 1]]}}}',
        b'{"version": 1, "n_rows": 1, "columns": {}, "target": 3}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_profile_is_refused(content):
    with pytest.raises(BundleError, match=r"profile.json can't be read[\s\S]*fix:   get the bundle again"):
        Profile.read(content, where="toy")
