"""Claim: a whole run, killed with -9 at random moments and started again, ends as if nobody had disturbed it.

``python benchmarks/kill_run.py`` runs ``mulle run`` on a real table with a budget in trials, once in peace. Then it
runs the same page in other folders, every second one with the first's lock, as a clone has it; kills the process group
at moments spread over the time that the undisturbed run took (a moment comes when as much work is done as was done
then); and starts it again each time until it ends. It prints what stood at each kill, and compares at the end: no unit
of work kept twice, what was finished before a kill found again, every unit's work the same to the byte, the same
headline numbers, the same bundle (but for the run's name in it), the same seal.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import tomllib
import zipfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil

import mulle
from mulle.core import settings
from mulle.store.artifacts import Artifacts

PAGE = """\
[project]
name = "tumours"

[data]
source = "tumours.parquet"
target = "target"

[objective]
budget = {{ trials = {trials} }}
families = {families}
protocol = "kfold"
"""
FAMILIES = "linear,lightgbm,catboost,extra_trees"
TRIALS = 12
"""More than the families' own configurations, so that Optuna proposes some."""
HERE_ONLY = "problem.read"
"""The unit whose key names the folder that it reads from."""
MEASURED = "package.measure"
"""The unit whose work is times, which no two runs share."""
LIVES = 5
"""How often one project's run is killed before it may end."""
DIE_WITHIN_S = 2.0
"""How long a worker may take to die after its driver."""


@dataclass(frozen=True, slots=True)
class Row:
    """A finished unit, as the ledger has it."""

    id: int
    key: str
    unit: str
    artifact: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of an undisturbed run: as seconds from its start, or as work done, and seconds since then."""

    seconds: float
    done: int
    later: float


@dataclass(slots=True)
class Project:
    """A folder in which ``mulle run`` is killed again and again."""

    folder: Path
    kept: list[Row] = field(default_factory=list)
    """What was finished at the last kill."""
    faults: list[str] = field(default_factory=list)

    def live(self, moment: Moment | None = None) -> bool:
        """Start the run and kill it at a moment; return whether it had ended by itself."""
        with (self.folder / "said.txt").open("ab") as said:
            driver = subprocess.Popen(
                [sys.executable, "-P", "-m", "mulle", "run"],
                cwd=self.folder,
                env={**settings.environment(), "PYTHONPATH": str(self.folder.parent / "frozen")},
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
            while moment and driver.poll() is None and self.done() < moment.done:
                time.sleep(0.01)
            try:
                if driver.wait(moment.later if moment else None) != 0:
                    self.faults.append(f"{self.folder.name}: ended with status {driver.returncode}, see {said.name}")
            except subprocess.TimeoutExpired:
                self._kill(driver)
        self._compare()
        return driver.returncode != -signal.SIGKILL

    def _kill(self, driver: subprocess.Popen[bytes]) -> None:
        workers = psutil.Process(driver.pid).children()
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
        end = time.perf_counter() + DIE_WITHIN_S
        while (alive := [worker for worker in workers if lives(worker)]) and time.perf_counter() < end:
            time.sleep(0.01)
        self.faults += [f"{self.folder.name}: worker {worker.pid} outlived its driver" for worker in alive]

    def _compare(self) -> None:
        """Note each unit that was finished before and was forgotten or done again."""
        rows = self.rows()
        gone = set(self.kept) - set(rows)
        self.faults += [f"{self.folder.name}: '{row.unit}' was forgotten" for row in gone]
        twice = [key for key, n in Counter(row.key for row in rows).items() if n > 1]
        self.faults += [f"{self.folder.name}: '{row.unit}' was done twice" for row in rows if row.key in twice]
        self.kept = rows

    def rows(self) -> list[Row]:
        """Return the ledger's finished units, oldest first; none before there is a ledger."""
        file = self.folder / ".mulle" / "ledger.db"
        if not file.exists():
            return []
        with closing(sqlite3.connect(file)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            if "units" not in tables:
                return []
            return [Row(*row) for row in connection.execute("SELECT id, key, unit, artifact FROM units ORDER BY id")]

    def done(self) -> int:
        """Return how many pieces of work are on the shelf."""
        return len(list((self.folder / ".mulle" / "artifacts").glob("*.files")))

    def moment(self, seconds: float) -> Moment:
        """Return the moment so many seconds after the start of a run that has ended."""
        started = (self.folder / "mulle.toml").stat().st_mtime
        files = (self.folder / ".mulle" / "artifacts").glob("*.files")
        before = [at for path in files if (at := path.stat().st_mtime - started) <= seconds]
        return Moment(seconds=seconds, done=len(before), later=seconds - max(before, default=0.0))

    def begun(self) -> int:
        """Return how many units were being done when the run was killed."""
        return len([path for path in (self.folder / ".mulle").glob("tmp/*") if path.is_dir()])

    def lasting(self) -> dict[str, str]:
        """Return each unit's work by key, but for those that differ between folders or runs."""
        return {row.key: row.artifact for row in self.rows() if row.unit not in {HERE_ONLY, MEASURED}}

    def result(self) -> dict[str, Any]:
        """Return what an undisturbed run must share."""
        home = max(path.parent for path in self.folder.glob(".mulle/runs/*/handover.json"))
        run = json.loads((home / "run.json").read_text("utf-8"))
        lock = tomllib.loads((self.folder / "mulle.lock").read_text("utf-8"))
        return {
            "headline": [line for line in run["headline"] if line["label"] != "one row"],  # a time
            "verdict": run["verdict"],
            "bundle": content(self.folder / "tumours.zip"),
            "seal": {name: value for name, value in lock["seal"].items() if name != "made"},
            "work": self.lasting(),
        }

    def inspect(self) -> None:
        """Note whatever is not whole at the end."""
        shelf = Artifacts(self.folder / ".mulle" / "artifacts", self.folder / ".mulle" / "tmp")
        for row in self.rows():
            ref = shelf.find(row.artifact)
            damage = shelf.damage(ref) if ref else [f"the work of '{row.unit}' is gone"]
            self.faults += [f"{self.folder.name}: {line}" for line in damage]
        if self.begun():
            self.faults.append(f"{self.folder.name}: {self.begun()} half-written folders were left behind")


def lives(process: psutil.Process) -> bool:
    """Return whether a process still runs; one that is dead and only waits to be counted does not."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def content(path: Path) -> str:
    """Return a hash of all that a zipped bundle holds, but for the name of the run that stamped it."""
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in sorted(archive.namelist())}
    manifest = json.loads(held.pop("manifest.json"))
    del manifest["run"]
    files = {name: hashlib.sha256(body).hexdigest() for name, body in held.items()}
    return hashlib.sha256(json.dumps([manifest, files], sort_keys=True).encode()).hexdigest()


def main() -> int:
    """Kill, compare, print."""
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    words.add_argument("--kills", type=int, default=20)
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--trials", type=int, default=TRIALS)
    words.add_argument("--families", default=FAMILIES)
    asked = words.parse_args()
    page = PAGE.format(trials=asked.trials, families=json.dumps(asked.families.split(",")))
    with tempfile.TemporaryDirectory() as home:
        faults = torment(Path(home), page, kills=asked.kills, rng=np.random.default_rng(asked.seed))
    print("\n".join(["", *faults]))
    print(f"{'FAIL' if faults else 'PASS'}: {asked.kills} kills, {len(faults)} faults")
    return 1 if faults else 0


def torment(home: Path, page: str, *, kills: int, rng: np.random.Generator) -> list[str]:
    """Kill runs so often at random moments, let each end at last; return what was not as promised."""
    # a copy of the source: who edits it meanwhile changes every key, and all would rightly be done again
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(mulle.__file__).parent, home / "frozen" / "mulle", ignore=without)
    table().write_parquet(home / "tumours.parquet")
    calm = make(home, "calm", page)
    began = time.perf_counter()
    calm.live()
    lasts = time.perf_counter() - began
    if calm.faults:
        return [*calm.faults, (calm.folder / "said.txt").read_text("utf-8")[-2000:]]
    print(f"undisturbed: {lasts:.1f} s, {len(calm.kept)} units of work, {searched(calm)}")
    print(f"{'kill':>4}  {'project':<10} {'moment':>8} {'kept':>5} {'begun':>6}  last finished")
    projects: list[Project] = []
    killed = 0
    while killed < kills:
        lock = calm.folder / "mulle.lock" if len(projects) % 2 else None  # every second one is a clone
        projects.append(make(home, f"project {len(projects)}", page, lock=lock))
        drawn = np.sort(rng.uniform(0.0, lasts, min(LIVES, kills - killed)))
        killed += torment_one(projects[-1], [calm.moment(float(at)) for at in drawn], before=killed)
        compare(projects[-1], calm)
    for project in [calm, *projects]:
        project.inspect()
    tell(calm, projects)
    return [fault for project in [calm, *projects] for fault in project.faults]


def torment_one(project: Project, moments: list[Moment], *, before: int) -> int:
    """Kill one project's run at those moments, then let it end; return how often it was killed."""
    for n, moment in enumerate(moments):
        if project.live(moment):
            return n
        last = project.kept[-1].unit if project.kept else "nothing"
        counts = f"{len(project.kept):>5} {project.begun():>6}"
        print(f"{before + n + 1:>4}  {project.folder.name:<10} {moment.seconds:>6.2f} s {counts}  {last}", flush=True)
    project.live()
    return len(moments)


def compare(project: Project, calm: Project) -> None:
    """Note in what a project that was killed differs from the undisturbed one."""
    ours, theirs = project.result(), calm.result()
    name = project.folder.name
    project.faults += [f"{name}: another {what}" for what in ours if ours[what] != theirs[what]]
    units = {row.key: row.unit for row in [*calm.rows(), *project.rows()]}
    both = ours["work"].keys() & theirs["work"].keys()
    differ = [f"{units[key]} left something else" for key in both if ours["work"][key] != theirs["work"][key]]
    differ += [f"{units[key]} has no counterpart" for key in ours["work"].keys() ^ theirs["work"].keys()]
    project.faults += [f"{name}: {line}" for line in sorted(differ)]


def tell(calm: Project, projects: list[Project]) -> None:
    """Print what was compared, a line a project."""
    print(f"\n{'':<10} {'units':>5} {'twice':>5}  {'metric':>7}  {'bundle':<12}  {'seal':<12}  same work to the byte")
    for project in [calm, *projects]:
        rows, result = project.rows(), project.result()
        twice = len(rows) - len({row.key for row in rows})
        metric = result["headline"][0]["value"]
        salt, bundle = str(result["seal"]["salt"])[:12], str(result["bundle"])[:12]
        same = sum(calm.lasting().get(key) == work for key, work in project.lasting().items())
        words = f"{metric:>7}  {bundle:<12}  {salt:<12}  {same} of {len(calm.lasting())}"
        print(f"{project.folder.name:<10} {len(rows):>5} {twice:>5}  {words}")


def searched(project: Project) -> str:
    """Say what the search came to."""
    home = next(project.folder.glob(".mulle/runs/*"))
    outcomes = json.loads((home / "run.json").read_text("utf-8"))["outcomes"]
    return next(str(outcome["answer"]) for outcome in outcomes if outcome["stage"] == "model")


def table() -> pl.DataFrame:
    """Return 569 tumours with 30 numbers each, malignant or benign."""
    from sklearn.datasets import load_breast_cancer

    held = load_breast_cancer()
    columns = {str(name).replace(" ", "_"): held.data[:, i] for i, name in enumerate(held.feature_names)}
    return pl.DataFrame(columns).with_columns(target=pl.Series(np.array(["malignant", "benign"])[held.target]))


def make(home: Path, name: str, page: str, *, lock: Path | None = None) -> Project:
    """Make a clone of the project: the page, the data, and the lock where there is one."""
    folder = home / name
    folder.mkdir()
    (folder / "mulle.toml").write_text(page, "utf-8")
    shutil.copy(home / "tumours.parquet", folder)
    if lock is not None:
        shutil.copy(lock, folder)
    return Project(folder)


if __name__ == "__main__":
    sys.exit(main())
