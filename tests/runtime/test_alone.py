"""The runtime stands alone: numpy and onnxruntime, and no other package of anybody's."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import venv
from pathlib import Path

import pytest

from mulle.export.bundle import zip_bundle

ROOT = Path(__file__).parents[2]
ROWS = [
    {"age": 40, "job": "smith", "lat": 10, "lon": 20},
    {"age": None, "job": "박사", "lat": None, "lon": None},
]

FOREIGN = """
    import importlib.util, json, sys
    {program}
    own = {{"mulle", "numpy", "onnxruntime", "__main__", "__mp_main__", "_distutils_hack"}}
    tops = {{name.partition(".")[0] for name in sys.modules}} - own - set(sys.stdlib_module_names)
    print(json.dumps(sorted(top for top in tops if not top.startswith(("_virtualenv", "__editable__")))))
"""


def foreign_modules(program):
    """Run a program in a fresh interpreter and return what it imported that is nobody's business there."""
    text = textwrap.dedent(FOREIGN).format(program=program)
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_importing_the_runtime_loads_numpy_at_most_and_not_even_onnxruntime():
    assert foreign_modules("import mulle.runtime; assert 'onnxruntime' not in sys.modules") == []


def test_serving_a_bundle_loads_numpy_and_onnxruntime_only(toy_folder):
    program = (
        f"from mulle.runtime import Bundle; b = Bundle.load({str(toy_folder)!r}); rows = {ROWS!r};"
        " assert b.predict_one(rows[0]).decision == b.predict(rows).decision[0]; assert b.selftest().ok"
    )
    assert foreign_modules(program) == []


def test_the_runtime_imports_nothing_of_mulle_above_it():
    program = "from mulle.runtime import bundle, decode, encode, tokenise;"
    program += " rooms = {n.split('.')[1] for n in sys.modules if n.startswith('mulle.')};"
    program += " assert rooms == {'runtime', 'core'}, rooms"
    assert foreign_modules(program) == []


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_fresh_environment_with_numpy_and_onnxruntime_alone_serves_a_bundle(toy, toy_folder, tmp_path):
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path / "wheel", ROOT)
    (wheel,) = (tmp_path / "wheel").glob("mulle-*.whl")
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    run(python, "-m", "pip", "install", "--quiet", "numpy", "onnxruntime")
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", wheel)
    program = f"""
        import json
        from mulle.runtime import Bundle
        bundle = Bundle.load({str(zip_bundle(toy_folder, tmp_path / "toy.zip"))!r})
        assert bundle.selftest().ok
        rows = {ROWS!r}
        print(json.dumps([bundle.predict_one(rows[0]).decision, bundle.predict(rows).prediction.tolist()]))
    """
    decision, prediction = json.loads(run(python, "-I", "-c", textwrap.dedent(program)))
    assert decision == toy.predict_one(ROWS[0]).decision
    assert prediction == pytest.approx(toy.predict(ROWS).prediction)
