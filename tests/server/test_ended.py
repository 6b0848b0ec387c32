"""A server that has lost what goes on beside its answers stops, and says that it did not end well."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, sys
from pathlib import Path
from mulle.server import run

async def ends(_):
    await asyncio.sleep(0.1)
    raise RuntimeError("swept away")

run.sweep = ends
run.serve(run.Options(bundle=Path(sys.argv[1]), home=Path(sys.argv[2]), port=0, log=sys.argv[3]), said=print)
"""


@pytest.mark.parametrize("log", ["", "log"])
def test_it_does_not_leave_with_0_or_no_supervisor_would_start_it_anew(small, tmp_path, log):
    command = [sys.executable, "-c", PROGRAM, str(small), str(tmp_path), log and str(tmp_path / log)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert ended.returncode != 0
    assert "a task beside the answers has ended" in ended.stderr
    assert "RuntimeError: swept away" in ended.stderr
    assert ended.stdout.startswith("http://127.0.0.1")
