"""What ``mulle doctor`` looks at. Each finding is a check: what was seen, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from mulle import __version__
from mulle.core.check import Check, Status
from mulle.core.settings import CALM, environment

NEEDED = (
    "numpy",
    "polars",
    "scikit-learn",
    "lightgbm",
    "catboost",
    "optuna",
    "onnx",
    "onnxruntime",
    "sqlalchemy",
)
EXTRAS = {"pandas": "frames from pandas", "pyarrow": "frames from PyArrow"}
ENOUGH_GB = 2.0
"""Free space below which a run may fill the disk: bundle, folds and ledger take some hundred megabytes."""


def examine(folder: str | Path) -> Sequence[Check]:
    """Look the machine and the project's folder over.

    Parameters
    ----------
    folder
        Where a run would write.

    Returns
    -------
    Sequence
        One check a finding.

    Examples
    --------
    >>> next(check.says for check in examine(".") if check.name == "mulle") == __version__
    True
    """
    return [*_versions(), *_hardware(), *_disk(Path(folder)), *_threads(), *_extras()]


def _passed(name: str, says: str) -> Check:
    return Check(name=name, status=Status.PASS, says=says)


def _versions() -> Iterator[Check]:
    yield _passed("mulle", __version__)
    yield _passed("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for package in NEEDED:
        try:
            yield _passed(package, importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            fix = f"pip install {package}"
            yield Check(name=package, status=Status.FAIL, says="not installed", fix=fix)
    yield _passed("sqlite", sqlite3.sqlite_version)


def _hardware() -> Iterator[Check]:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield _passed("cores", f"{allowed} of {os.cpu_count()} may be used")
    memory = _memory_gb()
    if memory is not None:
        says = f"{memory:.1f} GB"
        few = memory < ENOUGH_GB
        fix = "take fewer rows, or a larger machine" if few else ""
        yield Check(name="memory", status=Status.NOTE if few else Status.PASS, says=says, fix=fix, value=memory)


def _memory_gb() -> float | None:
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names:
        return None
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = Path("/sys/fs/cgroup/memory.max")
    words = limit.read_text("ascii").strip() if limit.is_file() else "max"
    return min(total, int(words) if words.isdigit() else total) / 2**30


def _disk(folder: Path) -> Iterator[Check]:
    free = shutil.disk_usage(folder if folder.exists() else Path.cwd()).free / 2**30
    short = free < ENOUGH_GB
    status = Status.FAIL if short else Status.PASS
    fix = "free some space; .mulle/ may be deleted" if short else ""
    yield Check(name="disk", status=status, says=f"{free:.1f} GB free", fix=fix, value=free)
    try:
        with tempfile.TemporaryFile(dir=folder):
            yield _passed("folder", f"{folder.absolute()} can be written to")
    except OSError as error:
        says = f"{folder.absolute()} can't be written to: {error.strerror}"
        yield Check(name="folder", status=Status.FAIL, says=says, fix="choose another folder, or change its rights")


def _threads() -> Iterator[Check]:
    # OpenMP that spins while it waits makes a fit of 2.8 s take 35.6 s beside other work
    told = environment()
    calm = told.get("OMP_WAIT_POLICY", "").upper() == CALM["OMP_WAIT_POLICY"]
    says = "threads wait without spinning" if calm else "threads spin while they wait: slow beside other work"
    fix = "" if calm else f"export OMP_WAIT_POLICY={CALM['OMP_WAIT_POLICY']}"
    yield Check(name="openmp", status=Status.PASS if calm else Status.NOTE, says=says, fix=fix)
    if sys.stdout.encoding and "utf" not in sys.stdout.encoding.lower():
        says = f"the terminal speaks {sys.stdout.encoding}: signs are written in ASCII"
        yield Check(name="terminal", status=Status.NOTE, says=says, fix="export PYTHONUTF8=1")


def _extras() -> Iterator[Check]:
    for package, use in EXTRAS.items():
        there = importlib.util.find_spec(package) is not None
        says = f"{importlib.metadata.version(package)}, for {use}" if there else f"not there; only needed for {use}"
        fix = "" if there else f"pip install {package}"
        yield Check(name=package, status=Status.PASS if there else Status.NOTE, says=says, fix=fix)
