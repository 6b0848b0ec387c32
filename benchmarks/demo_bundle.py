"""The bundle that benchmarks of serving ask: the income demo's, made once in build/income, or one that was named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parents[1] / "build" / "income"


def demo_bundle(named: Path | None = None) -> Path:
    """Return a bundle's folder: the one that was named, else the demo's, which takes two minutes the first time."""
    if named is not None:
        return named.resolve()
    if not (HOME / "income.zip").exists():
        subprocess.run([sys.executable, "-m", "mulle", "demo", "income", "--folder", str(HOME)], check=True)
    return max((HOME / ".mulle" / "runs").glob("*/bundle"), key=lambda path: path.parent.name)
