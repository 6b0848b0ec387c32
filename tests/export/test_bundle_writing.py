"""Bundles are written whole or not at all, and only when they answer as their trainer did."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import textwrap
import zipfile
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from mulle.core.errors import BundleError, StoreError
from mulle.export.bundle import Golden, PolicyPart, write_bundle, zip_bundle
from mulle.export.golden import golden_rows, sampler_of
from mulle.export.graph import Graph
from mulle.runtime import Bundle


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
    later = write_bundle(
        tmp_path / "b", toy_parts(created=datetime(2030, 1, 1, tzinfo=UTC), card="other", run="r2")
    )
    assert first.hash != later.hash
    assert first.model_hash == later.model_hash
    policy = toy_parts().policy
    stricter = PolicyPart(
        name="threshold", content=policy.content, decides="class", parameters={"threshold": 0.6}
    )
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
    with pytest.raises(BundleError, match="2 times the tolerance off\n.*\n.*report it"):
        write_bundle(tmp_path / "b", toy_parts(golden=off))
    other = Golden(
        rows=rows, prediction=own.prediction, decision=["no" if d == "yes" else "yes" for d in decision]
    )
    with pytest.raises(BundleError, match="8 decisions differ"):
        write_bundle(tmp_path / "b", toy_parts(golden=other))
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_bundle_without_golden_rows_proves_nothing(tmp_path, toy_parts):
    assert not write_bundle(tmp_path / "a", toy_parts(golden=Golden(rows=[]))).selftest().ok


def test_what_is_there_is_never_overwritten(toy_folder, toy_parts):
    with pytest.raises(StoreError, match="is there already\n.*\n.*choose another name"):
        write_bundle(toy_folder, toy_parts())


def test_a_place_that_cannot_be_written_is_said_so(tmp_path, toy_parts):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="can't be written.*\n.*\n.*free some room"):
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
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True
    )
    assert "can't be written: File too large" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["toy.bundle"]


def test_a_zip_holds_only_the_bundle(toy_folder, tmp_path):
    with zipfile.ZipFile(zip_bundle(toy_folder, tmp_path / "toy.zip")) as archive:
        assert sorted(archive.namelist()) == sorted(
            path.relative_to(toy_folder).as_posix() for path in toy_folder.rglob("*") if path.is_file()
        )


def test_golden_rows_hold_nothing_that_is_rare():
    rng = np.random.default_rng(0)
    table = pl.DataFrame({
        "age": rng.normal(40, 10, 500).tolist(),
        "job": ["clerk"] * 300 + ["smith"] * 190 + [f"secret {i}" for i in range(10)],
        "kept": [True] * 400 + [None] * 100,
        "since": pl.Series([datetime(2020, 1, 1 + i % 28) for i in range(500)]),
        "tags": [["a", "b"], ["a"]] * 250,
        "note": [f"please call mister person{i} back today" for i in range(500)],
    })  # fmt: skip
    samplers = {name: sampler_of(table[name]) for name in table.columns}
    assert json.loads(json.dumps(samplers)) == samplers
    rows = golden_rows(samplers, 200, rng=rng)
    assert set(rows[0].values()) == {None}
    told = json.dumps(rows)
    assert "secret" not in told
    assert "person" not in told
    assert {type(row["kept"]) for row in rows} == {bool, type(None)}
    assert all(
        row["since"] is None or re.fullmatch(r"2020-01-\d\dT\d\d:00:00Z|2020.*", row["since"]) for row in rows
    )
    assert len({row["age"] for row in rows} & set(table["age"].to_list())) == 0


def test_golden_pictures_can_be_decoded():
    from mulle.runtime import decode

    sampler = sampler_of(pl.Series([b"x"]))
    rows = golden_rows({"image": sampler}, 4, rng=np.random.default_rng(0))
    step = {"op": "decode", "version": 1, "size": [4, 4], "channels": 1, "width": 16}
    assert not decode.run(step, [row["image"] for row in rows])[1].any()


def test_golden_rows_are_answered_by_the_bundle_that_they_prove(tmp_path, toy_parts):
    samplers = {
        "age": sampler_of(pl.Series(range(100)).cast(pl.Float64)),
        "job": sampler_of(pl.Series(["clerk"] * 50 + ["smith"] * 50)),
        "lat": sampler_of(pl.Series(np.linspace(-90, 90, 100))),
        "lon": sampler_of(pl.Series(np.linspace(-180, 180, 100))),
    }
    rows = golden_rows(samplers, 32, rng=np.random.default_rng(1))
    write_bundle(tmp_path / "a", toy_parts(golden=Golden(rows=rows)))
    assert Bundle.load(tmp_path / "a").selftest().ok
