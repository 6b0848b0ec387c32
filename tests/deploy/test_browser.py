"""A bundle answers in a real browser as it answers in Python, on golden rows and on the oddest ones."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mulle.core.errors import BundleError, MissingExtra, StoreError
from mulle.deploy import browser_folder, ort_web
from mulle.deploy.browser_folder import write_browser
from mulle.export.bundle import write_bundle
from mulle.kinds.recognise import guess
from mulle.runtime import Bundle

from . import chromium, odd  # noqa: TID252  # tests have no package to be named by
from .conftest import table  # noqa: TID252

N_ODD = 600
in_browser = pytest.mark.skipif(chromium.BROWSER is None, reason="no Chromium on this machine")
in_node = pytest.mark.skipif(shutil.which("node") is None, reason="no Node on this machine")


@pytest.fixture(scope="session")
def runtime() -> Path:
    """Return onnxruntime-web's package in the user's cache, fetched by npm where it isn't there yet."""
    try:
        ort_web.find_runtime()
    except MissingExtra as error:
        pytest.skip(f"onnxruntime-web is not to be had: {error.what}")
    return ort_web.cache_folder() / f"{ort_web.PACKAGE}-{ort_web.VERSION}.tgz"


@pytest.fixture(scope="session")
def fakes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with files that have the runtime's names, and not its content."""
    folder = tmp_path_factory.mktemp("fakes")
    for name in ort_web.FILES:
        (folder / name).write_bytes(b"export default 1")
    return folder


def beyond(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(beyond, value))
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) > 2**53


def odd_rows(n: int) -> list[dict[str, Any]]:
    """Draw rows of the table, in each of which some values are odd."""
    rng, plain = np.random.default_rng(5), table()
    kinds = {name: feature.kind for feature in guess(plain) for name in feature.columns}
    rows = []
    for i in range(n):
        row = dict(plain.row(i % len(plain), named=True))
        for name, kind in kinds.items():
            if rng.random() < 0.3:
                value = odd.mixed(rng, kind)
                # whole numbers beyond 2^53 are no words in JavaScript; a test of their own says what happens
                row[name] = None if beyond(value) else value
        rows.append(row)
    return rows


def expected(bundle: Bundle, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what Python answers, as JSON; a rejected row has no numbers and no decision."""
    answer = bundle.predict(rows)
    prediction = [[None if math.isnan(v) else v for v in values] for values in answer.prediction.tolist()]
    decision = [None if gone else d for d, gone in zip(answer.decision.tolist(), answer.rejected, strict=True)]
    return {"rows": rows, "prediction": prediction, "decision": decision}


def exported(bundle: Bundle, out: Path, runtime: Path) -> Path:
    write_browser(Path(bundle.where), out, runtime=runtime)
    return out


def checked(folder: Path, told: Mapping[str, Any], profile: Path) -> Any:
    more = {
        "expected.json": json.dumps(told).encode(),
        "check.mjs": Path(__file__).with_name("check.mjs").read_bytes(),
        "check.html": b'<!doctype html><body><script type="module" src="/check.mjs"></script>',
    }
    with chromium.served(folder, more=more) as server:
        return chromium.report(server, f"{server.url}check.html", profile)


@in_browser
@pytest.mark.slow
@pytest.mark.parametrize("name", ["binary", "many", "number"])
def test_chromium_answers_as_python_does(name, request, runtime, tmp_path):
    bundle = request.getfixturevalue(name)
    told = expected(bundle, odd_rows(N_ODD))
    n_rejected = sum(d is None for d in told["decision"])
    assert 100 < n_rejected < N_ODD - 200
    found = checked(exported(bundle, tmp_path / "out", runtime), told, tmp_path / "profile")
    assert "error" not in found, found
    assert found["golden"]["ok"], found["golden"]
    assert found["odd"]["ok"], found["odd"]["wrong"][:3]
    assert found["odd"]["rows"] == N_ODD
    assert found["proof"].startswith("✓ 64 rows"), found["proof"]
    assert found["decision"] in found["classes"] or float(found["decision"].replace(",", "")) > 0
    assert found["fields"] == len(bundle.columns)
    assert found["faults"] == []
    assert found["outside"] == []


@in_node
@pytest.mark.slow
def test_node_answers_as_python_does(binary, runtime, tmp_path):
    told = tmp_path / "told.json"
    told.write_text(json.dumps(expected(binary, odd_rows(N_ODD))), "utf-8")
    folder = exported(binary, tmp_path / "out", runtime)
    done = subprocess.run(
        [shutil.which("node"), str(folder / "golden.mjs"), str(told)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["rows"] == N_ODD


CHECK = b'<!doctype html><body><script type="module" src="/check.mjs"></script>'
FRAME = """
    const frame = document.body.appendChild(document.createElement("iframe"));
    const tell = (told, to = "/told") => fetch(to, { method: "POST", body: JSON.stringify(told) });
    const pause = (ms) => new Promise((go) => setTimeout(go, ms));
    const opened = async (seconds) => {
      for (let i = 0; i < 10 * seconds && !frame.contentWindow.mulle; i++) await pause(100);
      return frame.contentWindow.mulle ? frame.contentWindow.mulle.then(() => "opened", String) : "no page";
    };
    frame.src = "/index.html";
"""


@in_browser
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "opened"),
        ("model.onnx", "TypeError: Failed to fetch"),
        ("predict.mjs", "no page"),
        ("open.mjs", "no page"),
        ("wire.mjs", "no page"),
        ("page.mjs", "no page"),
        ("ort/ort.wasm.bundle.min.mjs", "TypeError: Failed to fetch"),
        ("integrity.json", "TypeError: Failed to fetch"),
    ],
)
def test_a_page_whose_file_was_changed_does_not_answer(name, told, toy, runtime, tmp_path):
    folder = exported(toy, tmp_path / "out", runtime)
    if name:
        (folder / name).write_bytes((folder / name).read_bytes() + b"\n")
    seconds = 8 if told == "no page" else 60
    more = {"check.mjs": f"{FRAME} tell(await opened({seconds}));".encode(), "check.html": CHECK}
    with chromium.served(folder, more=more) as server:
        assert chromium.report(server, f"{server.url}check.html", tmp_path / "profile") == told


@in_browser
@pytest.mark.slow
def test_a_page_that_was_opened_once_opens_without_a_network(toy, runtime, tmp_path):
    folder = exported(toy, tmp_path / "out", runtime)
    script = """
        const first = await opened(60);
        const worker = await frame.contentWindow.navigator.serviceWorker.ready;
        for (let i = 0; i < 300 && worker.active?.state !== "activated"; i++) await pause(100);
        await tell({}, "/down");
        delete frame.contentWindow.mulle;
        frame.contentWindow.location.reload();
        await pause(500);
        tell({ first, again: await opened(60) });"""
    more = {"check.mjs": (FRAME + script).encode(), "check.html": CHECK}
    with chromium.served(folder, more=more) as server:
        told = chromium.report(server, f"{server.url}check.html", tmp_path / "profile")
        assert server.down
    assert told["first"] == told["again"] == "opened"


@pytest.mark.slow
def test_the_folder_is_small_and_holds_nothing_that_only_its_makers_should_know(toy_parts, runtime, tmp_path):
    page = {"data": {"source": "postgres://secret"}, "costs": {"false_negative": 20}}
    write_bundle(tmp_path / "toy", toy_parts(page=page, metrics={"average_precision": 0.83}))
    found = write_browser(tmp_path / "toy", tmp_path / "out", runtime=runtime)
    assert found.gzipped_mb < 5
    text = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*.*") if path.suffix in {".json", ".html"})
    assert b"secret" not in text
    assert b"average_precision" not in text
    if shutil.which("node"):
        assert found.proved is not None
        assert found.proved <= 1


@in_node
@pytest.mark.slow
def test_a_bundle_whose_golden_answers_are_others_is_not_exported(toy_folder, runtime, tmp_path):
    golden = toy_folder / "golden" / "rows.json"
    told = json.loads(golden.read_text("utf-8"))
    told["prediction"][0][0] += 0.01
    change(toy_folder, "golden/rows.json", json.dumps(told).encode())
    with pytest.raises(BundleError, match="0 of 4 golden decisions differ in JavaScript"):
        write_browser(toy_folder, tmp_path / "out", runtime=runtime)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["toy.bundle"]


def change(bundle: Path, name: str, content: bytes) -> None:
    """Put another file into a bundle, with the hash that it needs to be opened."""
    import hashlib

    (bundle / name).write_bytes(content)
    manifest = json.loads((bundle / "manifest.json").read_text("utf-8"))
    manifest["files"][name] = hashlib.sha256(content).hexdigest()
    (bundle / "manifest.json").write_text(json.dumps(manifest), "utf-8")


# ------------------------------------------------------------------------------------------ what is refused


def test_pictures_are_refused_with_the_reason(toy):
    step = {"op": "decode", "version": 1, "size": [2, 2], "channels": 1, "width": 4, "feature": "photo"}
    said = {**toy.manifest.said, "steps": [step, *toy.manifest.said["steps"]]}
    manifest = type(toy.manifest)(**{**_fields(toy.manifest), "said": said})
    with pytest.raises(BundleError, match="feature 'photo': the step 'decode' can't be done in a browser: browsers"):
        browser_folder.refuse_undoable(manifest, where="it")


def test_a_kind_that_the_browser_cannot_read_is_refused(toy):
    entry = {"name": "sound", "kind": "sound", "wire": "number", "columns": ["sound"], "options": {}, "step": None}
    manifest = type(toy.manifest)(**{**_fields(toy.manifest), "request": (entry,)})
    with pytest.raises(BundleError, match="feature 'sound': values of the kind 'sound' can't be read in a browser"):
        browser_folder.refuse_undoable(manifest, where="it")


def _fields(manifest: Any) -> dict[str, Any]:
    from dataclasses import fields

    return {field.name: getattr(manifest, field.name) for field in fields(manifest)}


def test_every_kind_and_step_of_the_runtime_is_known_here_or_refused_with_a_reason():
    from mulle.runtime.encode import _READERS
    from mulle.runtime.manifest import STEPS

    assert set(_READERS) | {"formula"} == browser_folder.KINDS | {"image"}
    assert set(STEPS) == set(browser_folder.STEPS) | set(browser_folder._WHY_NOT)
    assert {op: STEPS[op] for op in browser_folder.STEPS} == browser_folder.STEPS


def test_a_folder_that_holds_something_is_left_alone(toy_folder, fakes, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note.txt").write_text("keep me")
    with pytest.raises(StoreError, match="'mine' is there already"):
        write_browser(toy_folder, tmp_path / "mine", runtime=fakes)
    assert (tmp_path / "mine" / "note.txt").read_text() == "keep me"


# ------------------------------------------------------------------------------------------ the runtime


def test_a_runtime_with_other_bytes_is_refused(toy_folder, fakes, tmp_path):
    with pytest.raises(BundleError, match=r"isn't onnxruntime-web .*: its hash differs"):
        write_browser(toy_folder, tmp_path / "out", runtime=fakes)
    assert not (tmp_path / "out").exists()


def test_a_package_with_other_bytes_is_refused_and_a_missing_one_named(tmp_path):
    fake = tmp_path / "fake.tgz"
    fake.write_bytes(b"not it")
    with pytest.raises(BundleError, match=r"'fake.tgz' isn't onnxruntime-web"):
        ort_web.find_runtime(fake)
    with pytest.raises(StoreError, match="there is no runtime at 'gone'"):
        ort_web.find_runtime(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match=r"'ort.wasm.bundle.min.mjs' is not in 'empty'"):
        ort_web.find_runtime(tmp_path / "empty")


def test_where_npm_is_not_there_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingExtra, match="npm isn't here") as told:
        ort_web.find_runtime(cache=tmp_path / "cache")
    assert f"npm pack onnxruntime-web@{ort_web.VERSION}" in told.value.fix


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands for npm")
def test_what_npm_brings_is_checked_before_it_is_kept(tmp_path, monkeypatch):
    npm = tmp_path / "npm"
    npm.write_text(f"#!/bin/sh\necho no > onnxruntime-web-{ort_web.VERSION}.tgz\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BundleError, match="its hash differs"):
        ort_web.find_runtime(cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())
