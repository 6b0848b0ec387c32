"""``manifest.json``: what a bundle says of itself, read strictly.

The steps come from a closed vocabulary, each with a version. What isn't known here is refused, never skipped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, cast

from mulle.core.errors import BundleError

FORMAT = "mulle-bundle"
VERSION = 1
MANIFEST = "manifest.json"
CARD = "card.md"
GOLDEN = "golden/rows.json"
STEPS = {"tokenise": 1, "decode": 1, "onnx": 1, "policy": 1}
"""The steps that this runtime can do, with the newest version of each."""
_LATER = {"lookup", "feature", "index"}
_MAX_BYTES = 64 * 1024**2
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphStep:
    """An ``onnx`` step: a graph, and the scores that it gives, each ``[rows, outputs]``."""

    file: str
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStep:
    """The ``policy`` step: from scores to a decision, with parameters that change without retraining."""

    policy: str
    file: str
    inputs: Mapping[str, str]
    """Score as the policy names it → output of a graph."""
    parameters: Mapping[str, float]
    decides: Literal["class", "value"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All that stands in ``manifest.json``.

    ``request`` has one entry a feature: *name*, *kind*, *wire*, *columns*, *options*, and *step* where one
    stands before the graph. ``said`` is the whole file as it was read.
    """

    name: str
    created: str
    mulle: str
    files: Mapping[str, str]
    question: str
    task: str
    classes: tuple[str, ...]
    key: tuple[str, ...]
    request: tuple[Mapping[str, Any], ...]
    before: Mapping[str, Mapping[str, Any]]
    """The ``tokenise`` and ``decode`` steps by feature."""
    graphs: tuple[GraphStep, ...]
    policy: PolicyStep
    stamp: Literal["draft", "ready"]
    run: str = ""
    page: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)
    said: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, content: bytes, *, where: str) -> Manifest:
        """Read the file.

        Parameters
        ----------
        content
            The bytes of ``manifest.json``.
        where
            The bundle, for messages.

        Returns
        -------
        Manifest
            With every part checked.

        Raises
        ------
        BundleError
            When it isn't a manifest, when it needs a newer Mulle, or when its parts don't fit together.
        """
        said = _Part(_strict_json(content, where), where, "manifest.json")
        _check_format(said)
        request = tuple(_entry(part) for part in said.parts("request"))
        steps = said.parts("steps")
        for step in steps:
            _check_step(step)
        policies = [_policy(step) for step in steps if step["op"] == "policy"]
        if len(policies) != 1 or steps[-1]["op"] != "policy":
            raise said.fault("the last step must be the only policy")
        manifest = cls(
            name=said.text("name"),
            created=said.text("created"),
            mulle=said.text("mulle"),
            files={name: said.part("files").text(name) for name in said.part("files").held},
            question=said.text("question"),
            task=said.text("task"),
            classes=said.texts("classes"),
            key=said.texts("key"),
            request=request,
            before={s.text("feature"): s.held for s in steps if s["op"] in {"tokenise", "decode"}},
            graphs=tuple(_graph(step) for step in steps if step["op"] == "onnx"),
            policy=policies[0],
            stamp=said.choice("stamp", ("draft", "ready")),
            run=said.text("run"),
            page=said.part("page").held,
            metrics=said.part("metrics").held,
            state=said.part("state").held,
            said=said.held,
        )
        _check_joints(manifest, said)
        return manifest

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the raw columns that a request must have, each once, in order."""
        return tuple(dict.fromkeys(name for entry in self.request for name in entry["columns"]))

    def prediction_columns(self, width: int) -> tuple[str, ...]:
        """Return how the columns of a prediction are called in a table.

        Parameters
        ----------
        width
            The number of outputs.

        Returns
        -------
        tuple
            ``probability_<class>`` for classes (for two of them the second one's only), else ``prediction``.
        """
        return prediction_columns(self.classes, width)


def prediction_columns(classes: Sequence[str], width: int) -> tuple[str, ...]:
    """Return how the columns of a prediction are called; see `Manifest.prediction_columns`.

    Examples
    --------
    >>> prediction_columns(["no", "yes"], 1), prediction_columns([], 1)
    (('probability_yes',), ('prediction',))
    """
    if classes and width == len(classes):
        return tuple(f"probability_{name}" for name in classes)
    if len(classes) == 2 and width == 1:  # noqa: PLR2004
        return (f"probability_{classes[1]}",)
    return ("prediction",) if width == 1 else tuple(f"prediction_{i}" for i in range(width))


class _Part:
    """One object of the manifest, with its place for messages."""

    def __init__(self, held: dict[str, Any], where: str, path: str) -> None:
        self.held = held
        self._where = where
        self._path = path

    def __getitem__(self, key: str) -> Any:
        return self._get(key, object)

    def text(self, key: str) -> str:
        return self._get(key, str)

    def texts(self, key: str) -> tuple[str, ...]:
        held = self._get(key, list)
        if not all(isinstance(value, str) for value in held):
            raise self.fault(f"'{key}' must be a list of texts")
        return tuple(held)

    def part(self, key: str) -> _Part:
        return _Part(self._get(key, dict), self._where, f"{self._path}, {key}")

    def parts(self, key: str) -> list[_Part]:
        held = self._get(key, list)
        if not held or not all(isinstance(value, dict) for value in held):
            raise self.fault(f"'{key}' must be a list of objects, at least one")
        return [_Part(value, self._where, f"{self._path}, {key}[{i}]") for i, value in enumerate(held)]

    def choice(self, key: str, known: tuple[T, ...]) -> T:
        if self._get(key, object) not in known:
            raise self.fault(f"'{key}' is {self.held[key]!r}, not one of {', '.join(map(str, known))}")
        return cast("T", self.held[key])

    def whole(self, key: str) -> int:
        held = self._get(key, int)
        if isinstance(held, bool):
            raise self.fault(f"'{key}' must be a whole number")
        return held

    def fault(self, what: str, fix: str = "") -> BundleError:
        fix = fix or "get the bundle again from where it was made"
        return BundleError(f"the manifest is wrong: {what}", where=f"{self._where}, {self._path}", fix=fix)

    def _get(self, key: str, kind: type[T]) -> T:
        if key not in self.held:
            raise self.fault(f"'{key}' is missing")
        if not isinstance(self.held[key], kind):
            raise self.fault(f"'{key}' is {type(self.held[key]).__name__}, not {kind.__name__}")
        return cast("T", self.held[key])


def _strict_json(content: bytes, where: str) -> dict[str, Any]:
    try:
        if len(content) > _MAX_BYTES:
            raise ValueError(f"it is larger than {_MAX_BYTES:,} bytes")  # noqa: TRY301
        said = json.loads(content, object_pairs_hook=_no_doubles, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        what = f"manifest.json can't be read: {error}"
        raise BundleError(what, where=where, fix="get the bundle again from where it was made") from error
    if not isinstance(said, dict):
        raise BundleError("manifest.json holds no object", where=where, fix="give the path of a bundle")
    return said


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    held = dict(pairs)
    if len(held) != len(pairs):
        raise ValueError("a key stands in it twice")
    return held


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _check_format(said: _Part) -> None:
    if said.held.get("format") != FORMAT:
        raise said.fault("this is no bundle of Mulle's", fix="give the path of a bundle that Mulle wrote")
    if said.whole("version") != VERSION:
        what = f"it has version {said['version']} of the format; this Mulle reads version {VERSION}"
        raise said.fault(what, fix="pip install -U mulle, or package it again with this one")


def _check_step(step: _Part) -> None:
    op = step.text("op")
    if op not in STEPS:
        told = "isn't built yet" if op in _LATER else "is unknown"
        fix = f"pip install -U mulle; this one knows {', '.join(STEPS)}"
        raise step.fault(f"the step '{op}' {told}", fix=fix)
    if not 1 <= step.whole("version") <= STEPS[op]:
        what = f"the step '{op}' has version {step['version']}; this Mulle knows versions up to {STEPS[op]}"
        raise step.fault(what, fix="pip install -U mulle, or package it again with this one")


def _entry(part: _Part) -> Mapping[str, Any]:
    part.text("name"), part.text("kind"), part.part("options")
    part.choice("wire", ("number", "string", "bytes"))
    if not part.texts("columns"):
        raise part.fault("'columns' is empty")
    if part.held.get("step") is not None:
        _check_step(part.part("step"))
    elif part.held["wire"] == "bytes":
        raise part.fault("bytes need a step before the graph")
    return part.held


def _graph(step: _Part) -> GraphStep:
    return GraphStep(file=step.text("file"), outputs=step.texts("outputs"))


def _policy(step: _Part) -> PolicyStep:
    inputs, parameters = step.part("inputs"), step.part("parameters")
    return PolicyStep(
        policy=step.text("policy"),
        file=step.text("file"),
        inputs={name: inputs.text(name) for name in inputs.held},
        parameters={name: _number(parameters, name) for name in parameters.held},
        decides=step.choice("decides", ("class", "value")),
    )


def _number(part: _Part, key: str) -> float:
    held = part[key]
    if isinstance(held, bool) or not isinstance(held, int | float) or not math.isfinite(held):
        raise part.fault(f"'{key}' must be a number")
    return float(held)


def _check_joints(manifest: Manifest, said: _Part) -> None:
    """Check that the parts name each other rightly: features, steps, scores, files."""
    names = [entry["name"] for entry in manifest.request]
    if len(set(names)) != len(names):
        raise said.fault("two features have one name")
    wanted = {entry["name"]: entry["step"] for entry in manifest.request if entry.get("step")}
    if {name: dict(step) for name, step in manifest.before.items()} != {
        name: {**step, "feature": name} for name, step in wanted.items()
    }:
        raise said.fault("the steps before the graph aren't those of the features")
    _check_scores(manifest, said)
    lacking = [f for f in _step_files(manifest) if f not in manifest.files]
    if lacking:
        raise said.fault(f"'{lacking[0]}' isn't among its files")


def _check_scores(manifest: Manifest, said: _Part) -> None:
    scores = [name for graph in manifest.graphs for name in graph.outputs]
    if not scores or len(set(scores)) != len(scores):
        raise said.fault("each graph must give scores of its own")
    unknown = sorted(set(manifest.policy.inputs.values()) - set(scores))
    if unknown or not manifest.policy.inputs:
        raise said.fault(f"the policy takes '{unknown[0] if unknown else ''}', which no graph gives")
    if manifest.policy.decides == "class" and not manifest.classes:
        raise said.fault("the policy decides on a class and there are no classes")


def _step_files(manifest: Manifest) -> Sequence[str]:
    return [*(graph.file for graph in manifest.graphs), manifest.policy.file]
