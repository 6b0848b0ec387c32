from collections.abc import Iterator
from pathlib import Path

import pytest

from mulle.compute.local import LocalWorkshop
from mulle.compute.serial import SerialWorkshop
from mulle.core.registry import import_file
from mulle.store.workspace import Workspace

UNITS = Path(__file__).parent / "units_for_tests.py"
collect_ignore = [UNITS.name]  # imported as a user's file is, under one name in every process
import_file(UNITS)


@pytest.fixture
def space(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(tmp_path, write=True) as opened:
        yield opened


@pytest.fixture
def local(space: Workspace) -> Iterator[LocalWorkshop]:
    with LocalWorkshop(space, space.home, workers=2, files=[UNITS], grace_s=0.3) as workshop:
        yield workshop


@pytest.fixture
def serial(space: Workspace) -> SerialWorkshop:
    return SerialWorkshop(space, space.home, files=[UNITS])


@pytest.fixture(params=["serial", "local"])
def workshop(request: pytest.FixtureRequest) -> LocalWorkshop | SerialWorkshop:
    return request.getfixturevalue(request.param)
