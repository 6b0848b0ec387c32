"""What a finished run leaves for *assess*: names of artifacts and a few numbers, as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mulle.core.errors import StoreError
from mulle.core.jsonable import from_json, to_json
from mulle.core.work import Ref
from mulle.models.base import Config
from mulle.policies import Costs
from mulle.splits.seal import Seal
from mulle.stages.base import Baselines, Evaluated, Framed, Packaged, Prepared, Scored, Searched
from mulle.stages.sealing import Sealed
from mulle.trials.estimate import Estimate

Find = Callable[[str], Ref | None]


def write_handover(path: Path, left: Mapping[str, Any]) -> None:
    """Write what *assess* needs of what the stages left."""
    framed, prepared, evaluated = left["problem"], left["data"], left["evaluate"]
    best = _comparable(framed, left["baseline"])
    held = {
        "framed": {
            "source": framed.source.hash,
            "development": framed.sides.development.hash,
            "sealed": framed.sides.sealed.hash if framed.sides.sealed else None,
            "seal": to_json(framed.sides.seal),
            "guessed": framed.guessed.hash,
            "metric": framed.metric_name,
            "policy": framed.policy_name,
            "costs": to_json(framed.costs),
        },
        "prepared": {
            "rows": prepared.rows.hash,
            "folds": prepared.folds.hash,
            "features": list(prepared.features),
            "protocol": prepared.protocol,
            "n_folds": prepared.n_folds,
        },
        "baseline": {
            "title": best.title,
            "value": best.value,
            "prepared": best.prepared.hash if best.prepared else None,
            "folds": [ref.hash for ref in best.folds],
        },
        "evaluated": {
            "calibration": to_json(evaluated.calibration),
            "parameters": dict(evaluated.parameters),
            "policy_says": evaluated.policy_says,
            "facts": to_json(dict(evaluated.facts) | {"compared": best.title}),
            "estimate": to_json(evaluated.estimate),
        },
        "members": _members(left["model"]),
        "package": {"bundle": left["package"].bundle.hash, "measured": to_json(left["package"].measured)},
    }
    draft = path.with_suffix(".part")  # a killed run leaves none rather than a torn one
    draft.write_text(json.dumps(held, ensure_ascii=False, indent=1), "utf-8")
    draft.replace(path)


def _members(searched: Searched) -> list[dict[str, Any]]:
    """Return the recipe of what ships: each member's family, parameters and share, and how long its folds were trained."""
    return [
        {
            "family": searched.scored[i].family,
            "title": searched.scored[i].title,
            "params": dict(searched.scored[i].config.params),
            "share": share,
            "iterations": [int(ref.json("fold.json").get("iterations", 0)) for ref in searched.scored[i].folds],
        }
        for i, share in searched.members
    ]


def _comparable(framed: Framed, baselines: Baselines) -> Scored:
    """Return the best baseline that can be scored on sealed rows: the constant, or one with fitted folds."""
    able = [s for s in baselines.scored if s.folds or s.name == "constant"]
    return Baselines(scored=able).best(framed.metric)


def read_handover(path: Path, find: Find) -> dict[str, Any]:
    """Read it back.

    Parameters
    ----------
    path
        The file.
    find
        From an artifact's hash to the artifact.

    Returns
    -------
    dict
        What each stage left, by stage.

    Raises
    ------
    StoreError
        When an artifact is gone.
    """
    held = json.loads(path.read_text("utf-8"))

    def ref(name: str) -> Ref:
        found = find(name)
        if found is None:
            raise StoreError(
                f"an artifact of the last run is gone ({name[:12]})", where=str(path.parent), fix="mulle run"
            )
        return found

    framed = _framed(held["framed"], ref)
    prepared = _prepared(held["prepared"], ref)
    return {
        "problem": framed,
        "data": prepared,
        "baseline": Baselines(scored=[_baseline(held["baseline"], ref)]),
        "evaluate": _evaluated(held["evaluated"]),
        "members": held.get("members", []),
        "package": Packaged(bundle=ref(held["package"]["bundle"]), measured=held["package"]["measured"]),
    }


def _framed(held: Mapping[str, Any], ref: Callable[[str], Ref]) -> Framed:
    sides = Sealed(
        seal=from_json(Seal, held["seal"]),
        development=ref(held["development"]),
        sealed=ref(held["sealed"]) if held["sealed"] else None,
    )
    return Framed(
        source=ref(held["source"]),
        sides=sides,
        guessed=ref(held["guessed"]),
        metric_name=held["metric"],
        metric_why="",
        policy_name=held["policy"],
        costs=from_json(Costs, held["costs"]),
    )


def _prepared(held: Mapping[str, Any], ref: Callable[[str], Ref]) -> Prepared:
    return Prepared(
        rows=ref(held["rows"]),
        folds=ref(held["folds"]),
        features=tuple(held["features"]),
        protocol=held["protocol"],
        n_folds=held["n_folds"],
    )


def _baseline(held: Mapping[str, Any], ref: Callable[[str], Ref]) -> Scored:
    return Scored(
        name=held["title"],
        family=held["title"],
        title=held["title"],
        config=Config(name=held["title"]),
        prepared=ref(held["prepared"]) if held["prepared"] else None,
        folds=[ref(name) for name in held["folds"]],
        prediction=np.zeros((0, 1)),
        value=held["value"],
        seconds=0.0,
        baseline=True,
    )


def _evaluated(held: Mapping[str, Any]) -> Evaluated:
    return Evaluated(
        calibration=held["calibration"],
        parameters=held["parameters"],
        policy_says=held["policy_says"],
        facts=held["facts"],
        estimate=from_json(Estimate, held["estimate"]),
        words=(),
        failures=(),
        prediction=np.zeros((0, 1)),
    )
