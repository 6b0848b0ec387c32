"""Bundles are written whole or not at all, and only when they answer as their trainer did."""

from __future__ import annotations

import hashlib
import json
import math
import re
import subprocess
import sys
import textwrap
import zipfile
from datetime import UTC, date, datetime, time
from decimal import Decimal

import numpy as np
import pytest

from mulle.core.errors import BundleError, StoreError
from mulle.export.bundle import Golden, PolicyPart, write_bundle, zip_bundle
from mulle.export.graph import Graph
from mulle.runtime.selftest import row_from_json


def test_a_bundle_says_what_it_is_and_hashes_every_file(toy_folder):
    said = json.loads((toy_folder / "manifest.json").read_text("utf-8"))
    assert (said["format"], said["version"], said["stamp"]) == ("mulle-bundle", 1, "draft")
    assert said["created"] == "2026-11-22T00:00:00+00:00"
    assert set(said["files"]) == {"model.onnx", "policy.onnx", "card.md", "golden/rows.json"}
    for name, told in said["files"].items():
        assert hashlib.sha256((toy_folder / name).read_bytes()).hexdigest() == told
    assert [step["op"] for step in said["steps"]] == ["onnx", "policy"]
    assert said["steps"][1]["parameters"] == {"threshold": 0.5}


def test_the_same_parts_give_the_same_bytes(tmp_path, toy_parts):
    a, b = write_bundle(tmp_path / "a", toy_parts()), write_bundle(tmp_path / "b", toy_parts())
    assert a.hash == b.hash
    zips = [zip_bundle(tmp_path / name, tmp_path / f"{name}.zip").read_bytes() for name in "ab"]
    assert zips[0] == zips[1]


def test_the_model_hash_changes_with_the_answers_and_with_nothing_else(tmp_path, toy_parts):
    first = write_bundle(tmp_path / "a", toy_parts())
    later = write_bundle(tmp_path / "b", toy_parts(created=datetime(2030, 1, 1, tzinfo=UTC), card="other", run="r2"))
    assert first.hash != later.hash
    assert first.model_hash == later.model_hash
    policy = toy_parts().policy
    stricter = PolicyPart(name="threshold", content=policy.content, decides="class", parameters={"threshold": 0.6})
    assert write_bundle(tmp_path / "c", toy_parts(policy=stricter)).model_hash != first.model_hash


def test_the_trainers_answers_are_kept_and_compared(tmp_path, toy_parts):
    own = write_bundle(tmp_path / "a", toy_parts()).predict(toy_parts().golden.rows)
    rows = toy_parts().golden.rows
    near = Golden(rows=rows, prediction=own.prediction + 5e-6, decision=own.decision.tolist())
    bundle = write_bundle(tmp_path / "b", toy_parts(golden=near))
    assert bundle.selftest().worst == pytest.approx(0.5, abs=0.01)
    assert bundle.where == str(tmp_path / "b")


def test_a_bundle_that_disagrees_with_its_trainer_is_not_written(tmp_path, toy_parts):
    own = write_bundle(tmp_path / "a", toy_parts()).predict(toy_parts().golden.rows)
    rows, decision = toy_parts().golden.rows, own.decision.tolist()
    off = Golden(rows=rows, prediction=own.prediction + 2e-5, decision=decision)
    with pytest.raises(BundleError, match=r"2 times the tolerance off\n.*\n.*report it"):
        write_bundle(tmp_path / "b", toy_parts(golden=off))
    other = Golden(rows=rows, prediction=own.prediction, decision=["no" if d == "yes" else "yes" for d in decision])
    with pytest.raises(BundleError, match="8 decisions differ"):
        write_bundle(tmp_path / "b", toy_parts(golden=other))
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_bundle_without_golden_rows_proves_nothing(tmp_path, toy_parts):
    assert not write_bundle(tmp_path / "a", toy_parts(golden=Golden(rows=[]))).selftest().ok


def test_what_is_there_is_never_overwritten(toy_folder, toy_parts):
    with pytest.raises(StoreError, match=r"is there already\n.*\n.*choose another name"):
        write_bundle(toy_folder, toy_parts())


def test_a_place_that_cannot_be_written_is_said_so(tmp_path, toy_parts):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"can't be written.*\n.*\n.*free some room"):
        write_bundle(tmp_path / "file" / "bundle", toy_parts())


def test_two_parts_cannot_be_one_file(tmp_path, toy_parts):
    twice = [toy_parts().graphs[0]] * 2
    with pytest.raises(BundleError, match="give each graph a name of its own"):
        write_bundle(tmp_path / "a", toy_parts(graphs=twice))


def test_a_policy_that_does_not_take_the_scores_is_refused(tmp_path, toy_parts):
    g = Graph()
    g.output(g.cast(g.input("score", "float", [None, 1]), "int64"), "decision", "int64", [None, 1])
    policy = PolicyPart(name="threshold", content=g.to_bytes(), decides="class")
    with pytest.raises(BundleError, match=re.escape("takes score: tensor(float)")):
        write_bundle(tmp_path / "a", toy_parts(policy=policy))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are of POSIX")
def test_a_full_disk_leaves_nothing_half_written(toy_folder, tmp_path):
    program = f"""
        import resource, signal
        from pathlib import Path
        from mulle.core.errors import StoreError
        from mulle.export.bundle import zip_bundle
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            zip_bundle(Path({str(toy_folder)!r}), Path({str(tmp_path)!r}) / "toy.zip")
        except StoreError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    assert "can't be written: File too large" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["toy.bundle"]


def test_a_zip_holds_only_the_bundle(toy_folder, tmp_path):
    with zipfile.ZipFile(zip_bundle(toy_folder, tmp_path / "toy.zip")) as archive:
        assert sorted(archive.namelist()) == sorted(
            path.relative_to(toy_folder).as_posix() for path in toy_folder.rglob("*") if path.is_file()
        )


def test_rows_of_any_type_survive_the_golden_file(tmp_path, toy_parts):
    rows = [
        {"age": Decimal("3.5"), "job": date(2024, 1, 31), "lat": np.float32(1.5), "lon": math.nan,
         "more": [b"x", math.inf]},
        {"age": np.int64(4), "job": datetime(2024, 1, 31, 9, tzinfo=UTC), "lat": None, "lon": 2,
         "more": time(9, 30)},
    ]  # fmt: skip
    bundle = write_bundle(tmp_path / "a", toy_parts(golden=Golden(rows=rows)))
    assert bundle.selftest().ok
    kept = json.loads((tmp_path / "a" / "golden" / "rows.json").read_text("utf-8"))["rows"]
    assert kept[0] == {"age": 3.5, "job": "2024-01-31", "lat": 1.5, "lon": None, "more": [{"base64": "eA=="}, None]}
    assert kept[1]["job"] == "2024-01-31T09:00:00+00:00"
    assert row_from_json(kept[0])["more"] == [b"x", None]
