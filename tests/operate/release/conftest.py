"""A log for simulated people."""

from __future__ import annotations

import pytest

from .people import People  # noqa: TID252  # tests have no package to be named by


@pytest.fixture
def people(tmp_path):
    return People(tmp_path / "log")
