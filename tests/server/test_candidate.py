"""A bundle that is tried has so much memory and so much time, and no more."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mulle.core.errors import BundleError
from mulle.export.bundle import GraphPart
from mulle.export.graph import Graph
from mulle.server.candidate import ROOM_BYTES, allowed, held_bytes
from mulle.server.swap import _heard, admitted

from .live import live, with_golden  # noqa: TID252  # tests have no package to be named by

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="others don't hold a process's memory")


def hungry_graph(op):
    """Return a graph that makes 4 × 10⁸ numbers when the age is above 1,000."""
    g = Graph()
    numbers, _ = g.input("numbers", "double", [None, 3]), g.input("strings", "string", [None, 1])
    filled = g.node("Where", g.node("IsNaN", numbers), g.const(0.0), numbers)
    age = g.node("Gather", filled, g.const([0], np.int64), axis=1)
    above = g.node("Greater", g.node("ReduceMax", age, g.const([0, 1], np.int64), keepdims=0), g.const(1000.0))
    times = g.node("Add", g.node("Mul", g.cast(above, "int64"), g.const(4 * 10**8, np.int64)), g.const(1, np.int64))
    shape = g.node("Reshape", times, g.const([-1], np.int64))
    wide = g.cast(g.node(op, shape), "double") if op == "ConstantOfShape" else g.node(op, g.const([0.0]), shape)
    total = g.node("Mul", g.node("ReduceSum", wide, keepdims=0), g.const(0.0))
    g.output(g.node("Sigmoid", g.node("Add", total, age)), "prediction", "double", [None, 1])
    return g.to_bytes()


@on_linux
@pytest.mark.parametrize("op", ["Expand", "Tile", "ConstantOfShape"])
def test_a_bundle_that_wants_all_the_memory_is_refused_and_the_old_one_stays(bundles, small, tmp_path, op):
    folder = bundles(f"hungry{op}", graphs=[GraphPart(content=hungry_graph(op))])
    with_golden(folder, lambda held: held["rows"][0].update(age=2000))
    with live(small, tmp_path / "home") as one:
        before = one.predict()[1]["bundle"]
        status, told, _ = one.admin("POST", "bundle", {"path": str(folder)})
        assert status == 422, told
        assert re.search(r"it wants more memory than 1,\d\d\d MB for its golden rows", told["detail"])
        assert one.predict()[1]["bundle"] == before


@pytest.mark.slow
@on_linux
def test_an_honest_bundle_of_many_weights_has_room(bundles):
    g = Graph()
    numbers, _ = g.input("numbers", "double", [None, 3]), g.input("strings", "string", [None, 1])
    filled = g.node("Where", g.node("IsNaN", numbers), g.const(0.0), numbers)
    weights = g.const(np.full((3, 4_000_000), 0.01, np.float32))
    mean = g.node("ReduceMean", g.node("MatMul", g.cast(filled, "float"), weights), g.const([1], np.int64), keepdims=1)
    g.output(g.node("Sigmoid", g.cast(mean, "double")), "prediction", "double", [None, 1])
    folder = bundles("heavy", graphs=[GraphPart(content=g.to_bytes())])
    assert admitted(folder).manifest.name == "toy"
    assert held_bytes(folder) > 48_000_000
    assert allowed(folder) > ROOM_BYTES


@on_linux
@pytest.mark.parametrize(("bound", "mb"), [("536870912", 512 - 200 + 150), ("max", 1024)])
def test_in_a_container_a_trial_has_what_is_free_there(small, tmp_path, bound, mb):
    own = Path("/proc/self/cgroup").read_text().rpartition("0::/")[2].strip()
    (tmp_path / own).mkdir(parents=True, exist_ok=True)
    (tmp_path / own / "memory.max").write_text(f"{bound}\n")
    (tmp_path / own / "memory.stat").write_text(f"anon {200 * 1024**2}\nfile 7\n")
    assert allowed(small, groups=tmp_path) // 1024**2 == pytest.approx(mb, abs=2)


@pytest.mark.slow
def test_a_trial_ends_by_itself_when_nobody_is_there_to_end_it(looping, tmp_path):
    folder = shutil.copytree(looping, tmp_path / "orphan")
    with_golden(folder, lambda held: held["rows"][0].update(age=1e9))
    words = [sys.executable, "-m", "mulle.server.candidate", str(folder), "2"]
    done = subprocess.run(words, capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGXCPU
    with pytest.raises(BundleError, match=r"SIGXCPU"):
        _heard(done, folder)
