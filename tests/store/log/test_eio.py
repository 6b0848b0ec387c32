"""A disk that answers EIO: it is told, it mends by itself, and a sync that failed once is never trusted to have happened."""

import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.store.log.conftest import all_rows

from mulle.core.settings import environment
from mulle.store.log import Log

SHIM = Path(__file__).with_name("failing.c")
PROGRAM = """
import sys, threading
import mulle.store.log.sqlite as sqlite
from mulle.store.log import Group, Log, Promise, Row
log = Log.open(sys.argv[1], tend=False)
log.find("none")  # a reader that stays, as a server has one
print("ready", flush=True)
for line in sys.stdin:
    name, promise = line.split()
    row = Row(name, 0.0, "b", 1, "a", 1.0, "", "u", b'"' + b"x" * 6000 + b'"', b"{}")
    heard, said = threading.Event(), []
    log.append(Group(rows=[row], promise=Promise(promise), done=lambda error: (said.append(error), heard.set())))
    heard.wait()
    print("no" if said[0] else "yes", log.dropped, log.fault or "", flush=True)
"""


def compiled(folder: Path) -> Path:
    """Return the shim, compiled."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("EIO was NOT tried: that needs a C compiler, on Linux")
    out = folder / "failing.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(out), str(SHIM), "-ldl"], check=True)
    return out


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("shim"))


class Failing:
    """A program that writes a log as it is told, on a disk that fails as it is told."""

    def __init__(self, shim: Path, home: Path) -> None:
        self.folder, self.disk, self.switch = home / "log", home / "disk", home / "switch"
        self.disk.mkdir()
        variables = {"LD_PRELOAD": shim, "EIO_ROOT": self.folder, "EIO_DISK": self.disk, "EIO_SWITCH": self.switch}
        env = {**environment(), **{name: str(value) for name, value in variables.items()}}
        words = [sys.executable, "-c", PROGRAM, str(self.folder)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        assert self.process.stdout.readline() == "ready\n"

    def put(self, name: str, promise: str) -> tuple[bool, int, str]:
        """Append a row; return whether it was acknowledged, how many were dropped so far, and the log's fault."""
        self.process.stdin.write(f"{name} {promise}\n")
        self.process.stdin.flush()
        said, dropped, *fault = self.process.stdout.readline().split(maxsplit=2)
        return said == "yes", int(dropped), fault[0].strip() if fault else ""

    def fail(self, how: str) -> None:
        self.switch.write_text(how)

    def mend(self) -> None:
        self.switch.unlink()

    def until_kept(self, name: str, promise: str) -> list[str]:
        """Append until a row is acknowledged; return its name."""
        end, n = time.monotonic() + 10, 0
        while not self.put(f"{name}{n}", promise)[0]:
            assert time.monotonic() < end, "it did not recover"
            time.sleep(0.01)
            n += 1
        return [f"{name}{n}"]

    def after_the_power_went(self) -> set[str]:
        """Kill the program; return what a new one finds on the disk."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        for image in self.disk.iterdir():
            if not (self.folder / image.name).exists():
                image.unlink()
        with Log.open(self.disk, tend=False) as log:
            return {one.id for one in all_rows(log)}

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def failing(shim, tmp_path):
    made = Failing(shim, tmp_path)
    yield made
    made.close()


def test_writes_that_fail_are_told_counted_and_mended(failing):
    assert failing.put("before", "synced") == (True, 0, "")
    failing.fail("ws")
    for n in range(5):
        kept, dropped, fault = failing.put(f"written{n}", "written")
        assert (kept, dropped) == (False, n + 1)
        assert fault == "the disk refused to write the log"
    assert failing.put("synced", "synced")[:2] == (False, 5), "what asked for synced was refused, not dropped"
    failing.mend()
    after = failing.until_kept("after", "synced")
    assert failing.put("last", "written")[2] == ""
    assert failing.after_the_power_went() >= {"before", *after}


def test_a_sync_that_failed_is_not_trusted_to_succeed_next_time(failing):
    kept = [name for name in ("first", "second") if failing.put(name, "synced")[0]]
    for n in range(5):  # what these write is in the way of all that follows, once a sync of it has failed
        assert failing.put(f"written{n}", "written")[0]
    failing.fail("s")
    assert not failing.put("refused", "synced")[0]
    failing.mend()
    kept += failing.until_kept("after", "synced")
    kept += [name for name in (f"later{n}" for n in range(5)) if failing.put(name, "synced")[0]]
    assert len(kept) == 8
    assert failing.after_the_power_went() >= set(kept)


@pytest.mark.slow
def test_while_a_program_reads_what_is_in_doubt_nothing_is_acknowledged(failing):
    assert failing.put("before", "synced")[0]
    other = sqlite3.connect(failing.folder / "log.db", isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM predictions").fetchone()
    failing.fail("s")
    assert not failing.put("refused", "synced")[0]
    failing.mend()
    time.sleep(0.1)
    kept, _, fault = failing.put("held", "synced")
    while "a program that reads the log" not in fault:
        assert not kept
        kept, _, fault = failing.put("held", "synced")
    other.close()
    after = failing.until_kept("after", "synced")
    assert failing.after_the_power_went() >= {"before", *after}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_no_synced_row_is_lost_on_a_disk_that_fails_again_and_again(failing, seed):
    rng, kept = np.random.default_rng(seed), []
    for n in range(60):
        if rng.random() < 0.15:
            failing.fail(str(rng.choice(["s", "w", "ws"])))
            for k in range(rng.integers(1, 6)):
                failing.put(f"{n}-{k}", str(rng.choice(["written", "synced"])))
                time.sleep(rng.random() * 0.06)
            failing.mend()
            kept += failing.until_kept(f"{n}-mended-", "synced")
        promise = str(rng.choice(["written", "written", "synced"]))
        if failing.put(str(n), promise)[0] and promise == "synced":
            kept.append(str(n))
        time.sleep(rng.random() * 0.03)
    kept += failing.until_kept("last", "synced")
    assert len(kept) > 5
    assert failing.after_the_power_went() >= set(kept)


def test_the_disk_that_fails_does_keep_what_was_synced_and_lose_what_was_only_written(failing):
    # Without this, the tests above could pass for a shim that keeps everything, or fail for one that keeps nothing
    assert failing.put("synced", "synced")[0]
    assert failing.put("written", "written")[0]
    assert failing.after_the_power_went() == {"synced"}
