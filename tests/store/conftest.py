# ruff: noqa: S607  # mount, where that may be done
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


class Disk:
    """A file system of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def mount(self, *options: str) -> bool:
        words = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(self.path)]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0

    def remount(self, mode: str) -> bool:
        words = ["mount", "-o", f"remount,{mode}", str(self.path)]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0

    def fill(self) -> None:
        with pytest.raises(OSError, match="No space left"):
            (self.path / "ballast").write_bytes(b"0" * 10_000_000)

    def empty(self) -> None:
        (self.path / "ballast").unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Mount a disk of 512 KB, where that may be done."""
    made = Disk(tmp_path / "disk")
    made.path.mkdir()
    if os.name != "posix" or os.geteuid() != 0 or shutil.which("mount") is None or not made.mount("size=512k"):
        pytest.skip("needs the right to mount a disk")
    yield made
    subprocess.run(["umount", str(made.path)], check=True)
