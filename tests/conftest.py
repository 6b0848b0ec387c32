"""Fixtures that tests of several rooms share: a small bundle that is real in every part."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from mulle.export.bundle import Golden, GraphPart, Parts, PolicyPart, write_bundle
from mulle.export.graph import ML, Graph
from mulle.runtime import Bundle

JOBS = {"clerk": -1.0, "smith": 1.0, "박사": 2.0}


def toy_graph() -> bytes:
    """Return 1 / (1 + exp(-(age / 10 + (lat - lon) / 100 + job))); what is missing or unseen is 0."""
    g = Graph()
    numbers, strings = g.input("numbers", "double", [None, 3]), g.input("strings", "string", [None, 1])
    filled = g.node("Where", g.node("IsNaN", numbers), g.const(0.0), numbers)
    linear = g.node("MatMul", filled, g.const(np.array([[0.1], [0.01], [-0.01]])))
    job = g.node(
        "LabelEncoder",
        strings,
        domain=ML,
        keys_strings=list(JOBS),
        values_floats=list(JOBS.values()),
        default_float=0.0,
    )
    score = g.node("Sigmoid", g.node("Add", linear, g.cast(job, "double")))
    g.output(score, "prediction", "double", [None, 1])
    return g.to_bytes()


def toy_policy() -> bytes:
    """Return a graph that decides on class 1 from the threshold on."""
    g = Graph()
    score, threshold = g.input("score", "double", [None, 1]), g.input("parameter_threshold", "double", [])
    above = g.cast(g.node("GreaterOrEqual", score, threshold), "int64")
    g.output(g.node("Reshape", above, g.const([-1], np.int64)), "decision", "int64", [None])
    return g.to_bytes()


def make_toy_parts(**changes: object) -> Parts:
    entries = [
        {"name": "age", "kind": "number", "wire": "number", "columns": ["age"], "options": {}, "step": None},
        {
            "name": "job",
            "kind": "category",
            "wire": "string",
            "columns": ["job"],
            "options": {},
            "step": None,
        },
        {
            "name": "home",
            "kind": "place",
            "wire": "number",
            "columns": ["lat", "lon"],
            "options": {},
            "step": None,
        },
    ]
    rows = [
        {"age": 40, "job": "smith", "lat": 10.0, "lon": 20.0},
        {"age": None, "job": "", "lat": None, "lon": None},
        {"age": "1,000", "job": "never seen", "lat": -1, "lon": 2},
        {"age": -50, "job": "박사", "lat": 0, "lon": 0},
    ]
    held = {
        "name": "toy",
        "task": "binary",
        "classes": ["no", "yes"],
        "key": ["id"],
        "request": entries,
        "graphs": [GraphPart(content=toy_graph())],
        "policy": PolicyPart(name="threshold", content=toy_policy(), decides="class", parameters={"threshold": 0.5}),
        "card": "# Toy\n",
        "golden": Golden(rows=rows),
        "created": datetime(2026, 11, 22, tzinfo=UTC),
    }
    return Parts(**{**held, **changes})  # type: ignore[arg-type]


@pytest.fixture
def toy_parts() -> Callable[..., Parts]:
    """Return a maker of the parts of a bundle with a number, a category and a place; give changes by name."""
    return make_toy_parts


@pytest.fixture(scope="session")
def toy_maker() -> Callable[..., Parts]:
    """Return the same maker, for fixtures that live longer than a test."""
    return make_toy_parts


@pytest.fixture
def toy_folder(tmp_path: Path) -> Path:
    """Return the folder of that bundle."""
    write_bundle(tmp_path / "toy.bundle", make_toy_parts())
    return tmp_path / "toy.bundle"


@pytest.fixture
def toy(toy_folder: Path) -> Bundle:
    """Return that bundle, open."""
    return Bundle.load(toy_folder)
