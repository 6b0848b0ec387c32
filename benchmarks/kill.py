"""Claim: killed with -9 at random moments and started again, no finished unit of work is done twice.

``python benchmarks/kill.py`` runs a driver with 41 small units in two worker processes, kills its process
group at random moments, starts it again, and prints for each kill what stood at that moment. At the end it
compares with a run that nobody disturbed: the same results, a ledger and artifacts that are whole, and no
worker that outlived its driver.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

import mulle
from mulle.compute.local import LocalWorkshop
from mulle.core import settings
from mulle.core.errors import StoreError, WorkError
from mulle.core.project import DataPart, Page
from mulle.core.registry import import_file
from mulle.core.work import Job, Order, Ref, unit
from mulle.store.workspace import Workspace

N_DRAWS = 36
N_SUMS = 4
N_UNITS = N_DRAWS + N_SUMS + 1
AT_WORK = 0.7
"""The share of kills that are timed from the first unit on; the others may hit the start."""
DIE_WITHIN_S = 2.0
"""How long a worker may take to die after its driver."""


# ---------------------------------------------------------------- the units
@unit("kill.draw")
def draw(job: Job) -> None:
    """Take a while, and leave a number."""
    note_begin(job)
    rng = job.rng("draw")
    time.sleep(rng.uniform(0.02, 0.3))
    job.write("number.json", rng.random())


@unit("kill.sum")
def add_up(job: Job) -> None:
    """Add up the numbers of the inputs."""
    note_begin(job)
    job.write("number.json", sum(job.inputs[name].json("number.json") for name in sorted(job.inputs)))


def note_begin(job: Job) -> None:
    """Write down, beside everything that Mulle keeps, which unit is begun in which life of the driver."""
    life = Path("life").read_text("utf-8")
    with Path("begun").open("a", encoding="utf-8") as file:
        file.write(f"{life} {job.params['name']}\n")


# ---------------------------------------------------------------- the driver, in its own process
def drive() -> None:
    """Do all units in the present folder, or what is left of them, and write the total."""
    here = Path(__file__)
    import_file(here)
    with Workspace.open(".", write=True, command="kill.py") as space:
        folder = space.run_folder(space.begin({}))
        Page(data=DataPart(target="y"))
        with LocalWorkshop(space, folder, workers=2, files=[here]) as shop:
            Path("total").write_text(repr(total(shop)), "utf-8")


def total(shop: LocalWorkshop) -> float:
    """Draw numbers, add them up in four heaps, and add up the heaps."""
    names = [f"draw {n}" for n in range(N_DRAWS)]
    drawn: dict[str, Ref] = {}
    for done in shop.work_all([Order(unit="kill.draw", params={"name": name}) for name in names]):
        if done.ref is None:
            raise done.error or WorkError("nothing came back", fix="look at the log")
        drawn[str(done.order.params["name"])] = done.ref
    heaps = {f"heap {n}": add(shop, f"sum {n}", [drawn[name] for name in names[n::N_SUMS]]) for n in range(N_SUMS)}
    last = add(shop, "total", list(heaps.values()))
    return float(last.json("number.json"))


def add(shop: LocalWorkshop, name: str, refs: Sequence[Ref]) -> Ref:
    """Order one sum."""
    inputs = {f"{i:02}": ref for i, ref in enumerate(refs)}
    return shop.work(Order(unit="kill.sum", params={"name": name}, inputs=inputs))


# ---------------------------------------------------------------- the one who kills
@dataclass(slots=True)
class Project:
    """A folder with a driver that is killed again and again."""

    folder: Path
    life: int = 0
    kept: set[str] = field(default_factory=set)
    """Names of the units that were finished at the last kill."""
    faults: list[str] = field(default_factory=list)

    def live(self, seconds: float | None = None, *, at_work: bool = False) -> bool:
        """Start the driver and kill it after so many seconds (at work, if so asked); return whether it had ended."""
        self.life += 1
        (self.folder / "life").write_text(str(self.life), "utf-8")
        driver = subprocess.Popen(
            [sys.executable, __file__, "--drive"],
            cwd=self.folder,
            env={**settings.environment(), "PYTHONPATH": str(self.folder.parent / "frozen")},
            start_new_session=True,
        )
        while at_work and driver.poll() is None and not self.is_at_work():
            time.sleep(0.005)
        try:
            if driver.wait(seconds) != 0:
                self.faults.append(f"life {self.life} ended with status {driver.returncode}")
        except subprocess.TimeoutExpired:
            self.kill(driver)
        self.compare()
        return driver.returncode != -signal.SIGKILL

    def is_at_work(self) -> bool:
        """Return whether a unit was begun in this life."""
        return any(life == self.life for life, _ in self.begun())

    def kill(self, driver: subprocess.Popen[bytes]) -> None:
        """Kill the driver, which shares no process group with its workers."""
        workers = psutil.Process(driver.pid).children(recursive=True)
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
        self.see_them_dead(workers)

    def see_them_dead(self, workers: list[psutil.Process]) -> None:
        """Note each worker that outlived its driver."""
        end = time.perf_counter() + DIE_WITHIN_S
        while (alive := [worker for worker in workers if lives(worker)]) and time.perf_counter() < end:
            time.sleep(0.01)
        self.faults += [f"worker {worker.pid} outlived its driver in life {self.life}" for worker in alive]

    def compare(self) -> None:
        """Note each unit that was begun in this life although it was finished before."""
        lines = self.begun()
        again = {name for life, name in lines if life == self.life} & self.kept
        self.faults += [f"'{name}' was done again in life {self.life}" for name in sorted(again)]
        names = self.finished()
        self.faults += [f"'{name}' was forgotten by life {self.life}" for name in sorted(self.kept - set(names))]
        self.faults += [f"'{name}' is kept twice" for name in sorted(set(names)) if names.count(name) > 1]
        self.kept = set(names)

    def begun(self) -> list[tuple[int, str]]:
        """Return the life and the name of each unit that was begun."""
        file = self.folder / "begun"
        lines = file.read_text("utf-8").splitlines() if file.exists() else []
        return [(int(life), name) for life, name in (line.split(" ", 1) for line in lines)]

    def finished(self) -> list[str]:
        """Return the names of the units that the ledger knows and whose folders are whole."""
        try:
            with Workspace.open(self.folder, write=False) as space:
                return [str(row.params["name"]) for row in space.ledger.units() if space.find(row.key)]
        except StoreError:  # killed before there was a ledger
            return []

    def result(self) -> tuple[str, dict[str, str]]:
        """Return the total, and the content of each unit's work by its name."""
        with Workspace.open(self.folder, write=False) as space:
            by_name = {str(row.params["name"]): row.artifact for row in space.ledger.units()}
        return (self.folder / "total").read_text("utf-8"), by_name

    def inspect(self) -> None:
        """Note whatever is not whole at the end."""
        with Workspace.open(self.folder, write=False) as space:
            rows = space.ledger.units()
            refs = [ref for row in rows if (ref := space.find(row.key))]
            damage = [line for ref in refs for line in space.artifacts.damage(ref)]
        if len(refs) != N_UNITS:
            self.faults.append(f"{len(refs)} units are kept instead of {N_UNITS}")
        with sqlite3.connect(self.folder / ".mulle" / "ledger.db") as connection:
            said = connection.execute("PRAGMA integrity_check").fetchone()[0]
        connection.close()
        left = [str(p) for p in (self.folder / ".mulle").glob("tmp/*")]
        self.faults += damage + [f"left behind: {path}" for path in left] + ([said] if said != "ok" else [])


def lives(process: psutil.Process) -> bool:
    """Return whether a process still runs; one that is dead and only waits to be counted does not."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def main() -> int:
    """Kill, compare, print."""
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    words.add_argument("--kills", type=int, default=20)
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--drive", action="store_true", help="be the driver (for this script itself)")
    asked = words.parse_args()
    if asked.drive:
        drive()
        return 0
    with tempfile.TemporaryDirectory() as home:
        faults = torment(Path(home), kills=asked.kills, rng=np.random.default_rng(asked.seed))
    print(f"\n{asked.kills} kills, {len(faults)} faults")
    print("\n".join(faults))
    return 1 if faults else 0


def torment(home: Path, *, kills: int, rng: np.random.Generator) -> list[str]:
    """Kill a driver at random moments until it has been killed so often; return what was not as promised."""
    # a copy of the source: who edits it meanwhile changes every key, and all would rightly be done again
    shutil.copytree(Path(mulle.__file__).parent, home / "frozen" / "mulle")
    calm = make(home / "calm")
    started = time.perf_counter()
    calm.live()
    lasts = time.perf_counter() - started
    print(f"undisturbed: {lasts:.1f} s, {N_UNITS} units, total {calm.result()[0]}")
    print(f"{'kill':>4} {'s after':>8} {'':<10} {'kept':>5} {'begun':>6}")
    projects: list[Project] = []
    killed = 0
    while killed < kills or not projects[-1].life:
        project = make(home / f"project {len(projects)}")
        projects.append(project)
        killed += torment_one(project, kills - killed, before=killed, lasts=lasts, rng=rng)
        if project.result() != calm.result():
            project.faults.append(f"{project.folder.name}: not what the undisturbed run found")
        project.inspect()
    calm.inspect()
    return [fault for project in [calm, *projects] for fault in project.faults]


def torment_one(project: Project, kills: int, *, before: int, lasts: float, rng: np.random.Generator) -> int:
    """Kill one project's driver at most so often, then let it end; return how often it was killed."""
    for n in range(kills):
        at_work = bool(rng.random() < AT_WORK)
        seconds = rng.uniform(0.0, 1.0 if at_work else lasts / 3)
        if project.live(seconds, at_work=at_work):
            return n
        since = "first unit" if at_work else "start"
        counts = f"{len(project.kept):>5} {len(project.begun()):>6}"
        print(f"{before + n + 1:>4} {seconds:>8.2f} {since:<10} {counts}", flush=True)
    project.live()
    return kills


def make(folder: Path) -> Project:
    """Make an empty project."""
    folder.mkdir()
    return Project(folder)


if __name__ == "__main__":
    sys.exit(main())
