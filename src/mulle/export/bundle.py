"""Write a bundle: under a temporary name first, proved on its golden rows, then renamed: never half."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mulle.core.errors import BundleError, StoreError
from mulle.core.jsonable import Json, indented, to_json
from mulle.runtime.answer import Decision
from mulle.runtime.archive import is_safe_name
from mulle.runtime.bundle import Bundle, verified
from mulle.runtime.manifest import CARD, FORMAT, GOLDEN, MANIFEST, STEPS, VERSION
from mulle.runtime.profile import PROFILE
from mulle.runtime.selftest import row_to_json
from mulle.store.durable import sync_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphPart:
    """A graph that scores: its bytes, its file, and the scores that it gives (double ``[rows, outputs]``)."""

    content: bytes
    file: str = "model.onnx"
    outputs: Sequence[str] = ("prediction",)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPart:
    """The policy: its graph, which score each of its inputs takes, its parameters, and what it decides on.

    The graph takes one double ``[rows, outputs]`` for each of ``inputs`` and one double scalar
    ``parameter_<name>`` for each of ``parameters``, and gives ``decision``.
    """

    name: str
    content: bytes
    decides: Literal["class", "value"]
    parameters: Mapping[str, float] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=lambda: {"score": "prediction"})
    file: str = "policy.onnx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """Made-up rows with the trainer's answers.

    ``prediction`` is float64 ``[rows, outputs]`` and ``decision`` has a class name or a number for each row;
    when both are left out the bundle's own answers are kept, which proves less.
    """

    rows: Sequence[Mapping[str, Any]]
    prediction: NDArray[np.float64] | None = None
    decision: Sequence[Decision] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """All that goes into a bundle.

    Parameters
    ----------
    name, task, classes
        Of the project; no classes where a number is predicted.
    request
        One entry a feature: ``name``, ``kind``, ``wire``, ``columns``, ``options`` and ``step`` (or None).
    graphs
        One, or several for several objectives.
    policy
        What decides.
    card
        For a reader who knows no machine learning; Markdown.
    golden
        The rows that prove it.
    key
        Columns that name a row; they are copied into tables of predictions.
    page, question, metrics, run, state
        As house.md says: the page, the hash of its question, the figures, the run's id, slots for served
        state.
    stamp
        *ready*, or *draft* when a gate isn't open.
    created
        When, with a time zone; now when absent.
    profile
        What is usual in each column, for people and watchers; it changes no answer. See `mulle.runtime.profile`.
    """

    name: str
    task: str
    request: Sequence[Mapping[str, Any]]
    graphs: Sequence[GraphPart]
    policy: PolicyPart
    card: str
    golden: Golden
    classes: Sequence[str] = ()
    key: Sequence[str] = ()
    page: Mapping[str, Any] = field(default_factory=dict)
    question: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    run: str = ""
    stamp: Literal["draft", "ready"] = "draft"
    state: Mapping[str, Any] = field(default_factory=dict)
    created: datetime | None = None
    profile: Mapping[str, Any] | None = None


def write_bundle(folder: Path, parts: Parts) -> Bundle:
    """Write a bundle as a folder and prove it on its golden rows.

    Parameters
    ----------
    folder
        Where it goes; it must not be there yet.
    parts
        What goes into it.

    Returns
    -------
    Bundle
        Open, read back from the bytes that were written.

    Raises
    ------
    BundleError
        When the parts don't fit together, or when the bundle answers the golden rows otherwise than the
        trainer.
    StoreError
        When the folder is in the way or can't be written. Nothing half-written is left.
    """
    if folder.exists():
        raise StoreError(f"'{folder.name}' is there already", where=str(folder), fix="choose another name")
    files = _files(parts)
    files = _with_golden(files, parts, folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            _write_all(temporary, files)
            bundle = _proved(Bundle.load(temporary), parts)
            temporary.chmod(0o755)
            temporary.rename(folder)
            bundle.where = str(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        sync_folder(folder.parent)
    except OSError as error:
        what = f"the bundle can't be written: {error.strerror or error}"
        raise StoreError(what, where=str(folder), fix="free some room, or choose a folder you may write to") from error
    return bundle


def stamp_bundle(
    folder: Path, *, stamp: Literal["draft", "ready"], run: str, card: str | None = None, failed: Sequence[str] = ()
) -> None:
    """Write into a bundle whether it is ready to ship, and the run that it comes from; its answers stay as they are.

    Parameters
    ----------
    folder
        A bundle.
    stamp
        *ready*, or *draft* when a gate isn't open.
    run
        The run's id.
    card
        A new card, where there is more to say now than when the bundle was made.
    failed
        Names of the checks that failed, which whoever asks a draft is told.

    Raises
    ------
    BundleError
        When the folder holds no bundle.
    StoreError
        When the manifest can't be written; the old one stays.
    """
    verified(folder)
    held = json.loads((folder / MANIFEST).read_bytes()) | {"stamp": stamp, "run": run, "failed": list(failed)}
    if card is not None:
        content = card.encode()
        held["files"] |= {CARD: hashlib.sha256(content).hexdigest()}
        _replace(folder / CARD, content)
    _replace(folder / MANIFEST, _json(held))


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that the old one or the new one is there, whatever happens."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise StoreError.of(error, where=path) from error
    finally:
        temporary.unlink(missing_ok=True)


def zip_bundle(folder: Path, out: Path) -> Path:
    """Pack a bundle's folder into one zip. The same folder gives the same bytes.

    Parameters
    ----------
    folder
        A bundle.
    out
        The zip; replaced when it is there.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    BundleError
        When the folder holds no bundle.
    StoreError
        When the zip can't be written. Nothing half-written is left.
    """
    verified(folder)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as stream:
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
                for path in sorted(p for p in folder.rglob("*") if p.is_file()):
                    archive.writestr(_entry(path.relative_to(folder).as_posix()), path.read_bytes())
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(out)
        sync_folder(out.parent)
    except OSError as error:
        what = f"the zip can't be written: {error.strerror or error}"
        raise StoreError(what, where=str(out), fix="free some room, or choose a folder you may write to") from error
    finally:
        temporary.unlink(missing_ok=True)
    return out


def _entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o100644 << 16
    return info


def _files(parts: Parts) -> dict[str, bytes]:
    held = [(graph.file, graph.content) for graph in parts.graphs]
    held += [(parts.policy.file, parts.policy.content), (CARD, parts.card.encode())]
    held += [(PROFILE, _json(to_json(parts.profile)))] if parts.profile is not None else []
    names = [name for name, _ in held]
    wrong = [n for n in names if not is_safe_name(n) or names.count(n) > 1 or n in {MANIFEST, GOLDEN}]
    if wrong:
        raise BundleError(f"two parts, or none, can be the file '{wrong[0]}'", fix="give each graph a name of its own")
    return dict(held)


def _with_golden(files: dict[str, bytes], parts: Parts, folder: Path) -> dict[str, bytes]:
    """Add the golden rows, answered by the trainer or else by the bundle itself, and the manifest."""
    golden = parts.golden
    if golden.prediction is not None and golden.decision is not None:
        return _with_manifest(_with_answers(files, golden.rows, golden.prediction, golden.decision), parts)
    own = Bundle(_with_manifest(files, parts), where=str(folder)).predict(_as_sent(golden.rows))
    decision = own.decision.tolist()
    return _with_manifest(_with_answers(files, golden.rows, own.prediction, decision), parts)


def _with_answers(
    files: Mapping[str, bytes],
    rows: Sequence[Mapping[str, Any]],
    prediction: NDArray[np.float64],
    decision: Sequence[Decision],
) -> dict[str, bytes]:
    held = {
        "rows": [row_to_json(row) for row in rows],
        "prediction": np.asarray(prediction, np.float64).tolist(),
        "decision": list(decision),
    }
    return {**files, GOLDEN: _json(held)}


def _as_sent(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [dict(row) for row in rows]


def _with_manifest(files: dict[str, bytes], parts: Parts) -> dict[str, bytes]:
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    return {**files, MANIFEST: _json(_manifest(parts, hashes))}


def _manifest(parts: Parts, hashes: Mapping[str, str]) -> dict[str, Json]:
    created = parts.created or datetime.now(UTC)
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": parts.name,
        "created": created.astimezone(UTC).isoformat(timespec="seconds"),
        "mulle": version("mulle"),
        "files": dict(hashes),
        "page": to_json(parts.page),
        "question": parts.question,
        "task": parts.task,
        "classes": list(parts.classes),
        "key": list(parts.key),
        "request": [_request_entry(entry) for entry in parts.request],
        "steps": _steps(parts),
        "metrics": to_json(parts.metrics),
        "run": parts.run,
        "stamp": parts.stamp,
        "state": to_json(parts.state),
    }


def _request_entry(entry: Mapping[str, Any]) -> dict[str, Json]:
    named = {key: to_json(entry[key]) for key in ("name", "kind", "wire", "columns")}
    step = {**entry["step"], "feature": entry["name"]} if entry.get("step") else None
    return {**named, "options": to_json(entry.get("options") or {}), "step": to_json(step)}


def _steps(parts: Parts) -> list[Json]:
    before = [_request_entry(entry)["step"] for entry in parts.request if entry.get("step")]
    graphs = [
        {"op": "onnx", "version": STEPS["onnx"], "file": graph.file, "outputs": list(graph.outputs)}
        for graph in parts.graphs
    ]
    policy = parts.policy
    return [*before, *graphs, {
        "op": "policy",
        "version": STEPS["policy"],
        "policy": policy.name,
        "file": policy.file,
        "inputs": dict(policy.inputs),
        "parameters": {name: float(value) for name, value in policy.parameters.items()},
        "decides": policy.decides,
    }]  # fmt: skip


def _json(value: Json) -> bytes:
    return (indented(value) + "\n").encode()


def _proved(bundle: Bundle, parts: Parts) -> Bundle:
    """Refuse a bundle that answers its golden rows otherwise than whoever trained it."""
    found = bundle.selftest()
    if parts.golden.rows and not found.ok:
        what = (
            f"the bundle and its trainer disagree on {found.n_rows} golden rows: {found.n_decisions} "
            f"decisions differ, the worst prediction is {found.worst:.3g} times the tolerance off"
        )
        raise BundleError(what, where=parts.name, fix="report it: preprocessing or an exported model isn't faithful")
    return bundle


def _write_all(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    for path in {(folder / name).parent for name in files}:
        sync_folder(path)
