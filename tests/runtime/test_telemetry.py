"""Opening a bundle sends nothing to anybody: ONNX Runtime's telemetry is off before it is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mulle.core.settings import refuse_telemetry

OPEN = """
import os, sys
from mulle.runtime import Bundle
Bundle.load(sys.argv[1])
print(os.environ["ORT_DISABLE_TELEMETRY"])
"""


def test_telemetry_is_off_before_a_bundle_is_opened(toy_folder: Path) -> None:
    told = {"HOME": "/proc/nowhere", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", OPEN, str(toy_folder)], env=told, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1"
    assert "telemetry" not in done.stderr  # where it is on, it says that it can't keep its identifier there


@pytest.mark.parametrize(("asked", "quiet"), [("0", False), ("1", True)])
def test_a_person_may_say_otherwise(monkeypatch: pytest.MonkeyPatch, asked: str, quiet: bool) -> None:
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", asked)
    assert refuse_telemetry() is quiet
