"""After a loss of power what was promised as *synced* is there: tried on a disk that keeps only what was synced."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.store.log.conftest import all_rows

from mulle.core.settings import environment
from mulle.store.log import Log

SHIM = Path(__file__).with_name("unsynced.c")
APPEND = """
import os, sys, threading, time
import mulle.store.log.sqlite as sqlite
from mulle.store.log import Group, Log, LogFull, Promise, Row
# move the write-ahead log into the file again and again; or never, as that syncs what was only written, too
sqlite.PAUSE_BYTES = sqlite.LIMIT_BYTES = 300_000 if sys.argv[2] == "synced" else 1 << 60
folder, promise, prefix, rotate = sys.argv[1], Promise(sys.argv[2]), sys.argv[3], sys.argv[4] == "rotate"
log = Log.open(folder, tend=False)
os.write(1, b"ready\\n")
def append():
    n = 0
    while True:
        name = f"{prefix}-{n}"
        row = Row(name, 0.0, "b", 1, "a", 1.0, "", "u", b'"' + b"x" * 500 + b'"', b"{}")
        answered = threading.Event()
        def done(error):
            if error is None:
                os.write(1, f"{name}\\n".encode())
            answered.set()
        log.append(Group(rows=[row], promise=promise, done=done))
        answered.wait()
        n += 1
threading.Thread(target=append, daemon=True).start()
while True:
    time.sleep(0.3)
    if rotate:
        log.rotate(everything=True)
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    """Return the compiled shim."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler, on Linux")
    out = tmp_path_factory.mktemp("shim") / "unsynced.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(out), str(SHIM), "-ldl"], check=True)
    return out


class Power:
    """A folder, and beside it what of it is on the disk."""

    def __init__(self, shim: Path, home: Path) -> None:
        self.shim, self.home = shim, home
        self.root, self.n = home / "0" / "log", 0
        self.root.mkdir(parents=True)

    def run(self, promise: str, *, seconds: float, rotate: bool = False) -> list[str]:
        """Append until the power goes; return what was acknowledged."""
        disk = self.home / f"disk{self.n}"
        disk.mkdir()
        self._settle(self.root, disk)
        top = str(self.root.parent)
        variables = {**environment(), "LD_PRELOAD": str(self.shim), "POWER_ROOT": top, "POWER_DISK": str(disk)}
        words = [sys.executable, "-c", APPEND, str(self.root), promise, f"{promise}{self.n}"]
        words.append("rotate" if rotate else "stay")
        with subprocess.Popen(words, stdout=subprocess.PIPE, env=variables) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
            said = process.stdout.read().decode().split("\n")[:-1]
        time.sleep(1.0 if rotate else 0.0)  # one who was just moving rows out ends by itself
        self._go_out(disk)
        return said

    def _settle(self, folder: Path, disk: Path) -> None:
        # All that lies there when the machine starts is on the disk
        code = "import os, sys; from pathlib import Path\n"
        code += (
            "for p in [Path(sys.argv[1]), *Path(sys.argv[1]).rglob('*')]:\n f = os.open(p, os.O_RDONLY); os.fsync(f)"
        )
        top = folder.parent
        variables = {**environment(), "LD_PRELOAD": str(self.shim), "POWER_ROOT": str(top), "POWER_DISK": str(disk)}
        subprocess.run([sys.executable, "-c", code, str(top)], env=variables, check=True)

    def _go_out(self, disk: Path) -> None:
        top = self.root.parent
        self.n += 1
        after = self.home / str(self.n)
        build(disk, name_of(top), after)
        shutil.rmtree(top)
        self.root = after / "log"


def name_of(path: Path) -> str:
    """Return the name that the shim gives to a file."""
    code = subprocess.run(["stat", "-c", "%i", str(path)], capture_output=True, text=True, check=True)  # noqa: S607
    return code.stdout.strip()


def build(disk: Path, inode: str, folder: Path) -> None:
    """Build a folder from what was synced."""
    folder.mkdir()
    found = [path for path in disk.glob(f"{inode}-*") if path.is_file()]
    for line in found[0].read_text().splitlines() if found else []:
        kind, name, called = line.split(" ", 2)
        if kind == "d":
            build(disk, name.split("-")[0], folder / called)
        else:
            content = disk / name
            (folder / called).write_bytes(content.read_bytes() if content.exists() else b"")


@pytest.mark.slow
@pytest.mark.parametrize("rotate", [False, True], ids=["stay", "rotate"])
def test_no_synced_row_is_lost_when_the_power_goes(shim, tmp_path, rotate):
    power, acknowledged = Power(shim, tmp_path), []
    for n in range(6):
        acknowledged += power.run("synced", seconds=0.3 + 0.37 * n, rotate=rotate)
        with_all(power.root, acknowledged)
    assert len(acknowledged) > 100


def with_all(folder, acknowledged):
    with Log.open(folder, tend=False) as log:
        found = [one.id for one in all_rows(log)]
    assert set(acknowledged) <= set(found)
    assert len(found) == len(set(found)), "nothing is there twice"
    assert not list(folder.glob("*corrupt*"))


@pytest.mark.slow
def test_the_disk_that_loses_power_does_lose_what_was_only_written(shim, tmp_path):
    # Without this, the test above could pass for a shim that keeps everything
    power = Power(shim, tmp_path)
    acknowledged = power.run("written", seconds=0.5)
    with Log.open(power.root, tend=False) as log:
        found = {one.id for one in all_rows(log)}
    assert len(set(acknowledged) - found) > 10
    assert not list(power.root.glob("*corrupt*")), "rows are lost, the file is not damaged"
