"""A static folder in which a bundle answers in the browser: its graphs, onnxruntime-web, the steps in JavaScript, a page."""

from __future__ import annotations

import html
import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mulle.core.errors import BundleError
from mulle.deploy import ort_web, template
from mulle.deploy.folder import refuse_taken, write_folder
from mulle.deploy.ort_web import integrity
from mulle.deploy.sizes import Size, gzipped_mb, sizes
from mulle.runtime.archive import read_archive
from mulle.runtime.bundle import Bundle
from mulle.runtime.manifest import GOLDEN, MANIFEST, Manifest

KINDS = frozenset(["number", "place", "boolean", "datetime", "category", "id", "list", "text", "formula"])
"""Kinds whose values ``wire.mjs`` reads as `mulle.runtime.encode` does."""
STEPS = {"tokenise": 1, "onnx": 1, "policy": 1}
"""Steps that ``predict.mjs`` executes, with the newest version of each."""
INTEGRITY = "integrity.json"
_CODE = ("predict.mjs", "open.mjs", "wire.mjs", "golden.mjs", "page.mjs", "page.css")
_TOLD = ("format", "version", "name", "created", "mulle", "task", "classes", "request", "steps", "stamp", "run")
_WHY_NOT = {
    "decode": "browsers decode and resize pictures otherwise than Pillow does, beyond the bundle's tolerance",
}
_NODE_S = 120
_MOST_GOLDEN = 100
"""Rows; texts make them large, and everybody who opens the page gets them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserFolder:
    """What was written: where, the sizes of its files, and whether its golden rows were proved here.

    ``proved`` is None when there is no Node here to prove it with; the page has a button that does.
    """

    path: Path
    sizes: list[Size]
    n_golden: int
    proved: float | None
    """The largest difference over the golden rows, in units of the tolerance."""

    @property
    def gzipped_mb(self) -> float:
        """Megabytes (10^6 bytes) that travel when the server compresses."""
        return gzipped_mb(self.sizes)


def write_browser(bundle: Path, out: Path, *, runtime: Path | None = None, cache: Path | None = None) -> BrowserFolder:
    """Write the folder.

    Parameters
    ----------
    bundle
        A bundle's folder or zip.
    out
        The folder; it must not be there yet, or be empty.
    runtime
        Where onnxruntime-web is; see `mulle.deploy.ort_web.find_runtime`.
    cache
        Where it is kept between exports.

    Returns
    -------
    BrowserFolder
        With every file's size.

    Raises
    ------
    BundleError
        When the bundle can't be trusted, has something that a browser can't do as well, or answers its golden rows
        otherwise there.
    MissingExtra
        When onnxruntime-web is nowhere to be had.
    StoreError
        When the folder is in the way or can't be written. Nothing half-written is left.
    """
    refuse_taken(out)
    opened = Bundle.load(bundle)
    refuse_undoable(opened.manifest, where=str(bundle))
    held = read_archive(bundle)
    files = _files(opened, held, ort_web.find_runtime(runtime, cache=cache))
    proved: list[float] = []
    write_folder(out, files, prove=lambda folder: proved.extend(_proved(folder)))
    n_golden = len(json.loads(files[GOLDEN])["rows"])
    return BrowserFolder(path=out, sizes=sizes(files), n_golden=n_golden, proved=proved[0] if proved else None)


def refuse_undoable(manifest: Manifest, *, where: str) -> None:
    """Refuse a bundle whose steps or kinds can't be done in a browser with the same answers.

    Parameters
    ----------
    manifest
        The bundle's.
    where
        The bundle, for messages.

    Raises
    ------
    BundleError
        With the feature and the reason.
    """
    for step in manifest.said["steps"]:
        if step["version"] > STEPS.get(step["op"], 0):
            feature = f"feature '{step['feature']}': " if "feature" in step else ""
            why = _WHY_NOT.get(step["op"], f"version {step['version']} of it is not built for browsers")
            what = f"{feature}the step '{step['op']}' can't be done in a browser: {why}"
            raise BundleError(what, where=where, fix="serve it with Python: mulle serve, or mulle export DIR")
    for entry in manifest.request:
        if entry["kind"] not in KINDS or entry["wire"] == "bytes":
            what = f"feature '{entry['name']}': values of the kind '{entry['kind']}' can't be read in a browser"
            raise BundleError(what, where=where, fix="serve it with Python: mulle serve, or mulle export DIR")


def _files(opened: Bundle, held: Mapping[str, bytes], runtime: Mapping[str, bytes]) -> dict[str, bytes]:
    manifest = opened.manifest
    # what only its makers should know (page, costs, figures, sources) stays at home
    told = {**{key: manifest.said[key] for key in _TOLD}, "bundle": opened.hash}
    files = {MANIFEST: _json(told), GOLDEN: _json(_golden(held))}
    files |= {step["file"]: held[step["file"]] for step in manifest.said["steps"] if "file" in step}
    files |= {f"ort/{name}": content for name, content in runtime.items()}
    hashes = {name: integrity(content) for name, content in files.items()}
    files[INTEGRITY] = _json(hashes)
    files |= {name: template.content(f"browser/{name}") for name in _CODE}
    places = {name: integrity(content) for name, content in files.items()}
    files["index.html"] = template.filled("browser/index.html", {**places, "title": html.escape(manifest.name)})
    files["ort/LICENSE.txt"] = template.filled("browser/ort-license.txt", {"version": ort_web.VERSION})
    kept = {"version": opened.hash[:16], "files": json.dumps(["./", *sorted(files)])}
    return {**files, "offline.js": template.filled("browser/offline.js", kept)}


def _golden(held: Mapping[str, bytes]) -> dict[str, list[Any]]:
    told = json.loads(held[GOLDEN]) if GOLDEN in held else {}
    return {key: told.get(key, [])[:_MOST_GOLDEN] for key in ("rows", "prediction", "decision")}


def _json(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n").encode()


def _proved(folder: Path) -> list[float]:
    """Let Node run the golden rows, where there is Node: the worst difference, or nothing."""
    node = shutil.which("node")
    if node is None:
        return []
    try:
        done = subprocess.run(  # noqa: S603  # our own file
            [node, str(folder / "golden.mjs")], capture_output=True, text=True, timeout=_NODE_S, check=False
        )
        found = json.loads(done.stdout.strip().splitlines()[-1])
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError):
        return []  # an old Node proves nothing, for or against; the page's own button does
    if found["rows"] and not found["ok"]:
        first = json.dumps(found["wrong"][:1])[:300]
        what = f"{found['decisions']} of {found['rows']} golden decisions differ in JavaScript; {first}"
        raise BundleError(what, where=str(folder.name), fix="report it: the steps in JavaScript aren't faithful")
    return [float(found["worst"])] if found["rows"] else []
