"""Run the fast tests on the oldest versions that pyproject.toml allows: a clean environment, every `>=` read as `==`.

    python tools/oldest.py [--keep FOLDER]

Some of the oldest have no wheel for the Python that runs this; then a lower Python is needed, and the script says so.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

PYPROJECT = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))


def oldest(requirement: str) -> str:
    """Turn `numpy>=2.1` into `numpy==2.1.*`."""
    name, version = re.fullmatch(r"([A-Za-z0-9_.-]+(?:\[[^\]]*\])?)>=([0-9.]+).*", requirement).groups()
    parts = version.split(".")
    return f"{name}=={version}.*" if len(parts) < 3 else f"{name}=={version}"


def main() -> int:
    """Install and test; return pytest's exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.keep or Path(temporary) / "venv"
        if not (folder / "bin" / "python").exists():
            venv.create(folder, with_pip=True)
        python = folder / "bin" / "python"
        pinned = [oldest(r) for r in PYPROJECT["project"]["dependencies"]]
        tests = PYPROJECT["dependency-groups"]["test"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *pinned, *tests], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--editable", "."], check=True)
        command = [python, "-m", "pytest", "-n", "2", "-m", "not slow", "-p", "no:cacheprovider"]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
