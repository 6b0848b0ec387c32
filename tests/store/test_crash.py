# our own script
"""Killed at any moment at which it asks something of the file system, a workspace is whole afterwards."""

import subprocess
import sys
import textwrap

import pytest

CRASH = """
import os, signal, sys, warnings
from pathlib import Path
from mulle.compute.key import Ground
from mulle.compute.serial import SerialWorkshop
from mulle.core.project import DataPart, Page
from mulle.core.work import Order, unit
from mulle.store.workspace import Workspace
import mulle.store.ledger, filelock

ASKED = {
    "open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.scandir", "sqlite3.connect", "os.fsync",
}
home = Path(sys.argv[1])
Ground.here()  # read the source once, here: it is not what is tested

@unit("crash.count")
def count(job):
    with Path("begun").open("a") as file:
        file.write(f"{job.params['n']}\\n")
    job.write("answer.json", job.params["n"])
    (job.out / "deep").mkdir()
    (job.out / "deep" / "more").write_text("x" * 100)

def run(after):
    with Workspace.open(".", write=True, command="crash") as space:
        space.begin({})
        shop = SerialWorkshop(space, space.home)
        for n in range(2):
            shop.work(Order(unit="crash.count", params={"n": n}))
            kept.append(n)

def fork(work):
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return os.waitpid(pid, 0)[1]

def die_at(moment):
    seen = 0
    def hook(event, args):
        nonlocal seen
        if event in ASKED:
            seen += 1
            if seen == moment:
                os.kill(os.getpid(), signal.SIGKILL)
    def work():
        sync = os.fsync
        os.fsync = lambda handle: (sys.audit("os.fsync", handle), sync(handle))[1]
        sys.addaudithook(hook)
        run(moment)
    return work

def look():
    with Workspace.open(".", write=False) as space:
        rows = space.ledger.units()
        found = [row.params["n"] for row in rows if space.find(row.key)]
        harm = [line for row in rows for line in space.artifacts.damage(space.find(row.key))]
    Path("found").write_text(repr((found, harm)))

kept = []
moment = 0
while True:
    moment += 1
    folder = home / str(moment)
    folder.mkdir()
    os.chdir(folder)
    died = fork(die_at(moment)) != 0
    ledger = Path(".mulle/ledger.db")
    before = []
    if ledger.exists() and fork(look) == 0:
        before, harm = eval(Path("found").read_text())
        assert not harm, (moment, harm)
    begun = Path("begun").read_text().split() if Path("begun").exists() else []
    assert fork(lambda: run(0)) == 0, f"could not go on after moment {moment}"
    again = Path("begun").read_text().split()[len(begun):]
    assert not set(map(int, again)) & set(before), f"done again after moment {moment}: {again}, kept {before}"
    assert fork(look) == 0
    found, harm = eval(Path("found").read_text())
    assert (sorted(found), harm) == ([0, 1], []), (moment, found, harm)
    assert not list(Path(".mulle").glob("tmp/*")), moment
    assert len(list(Path(".mulle/artifacts").iterdir())) == 4, moment
    if not died:
        break
print(moment)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
def test_killed_at_any_moment_nothing_finished_is_done_twice_and_nothing_is_half_written(tmp_path):
    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CRASH), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr[-3000:]
    assert int(told.stdout) > 50
