"""Bundles for the server's tests, and one server that tests of its manners share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mulle.export.bundle import GraphPart, Parts, write_bundle

from . import live as lives  # noqa: TID252  # tests have no package to be named by


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory, toy_maker: Callable[..., Parts]) -> Callable[..., Path]:
    """Return a maker of bundles: a name, and what is otherwise than in the small one."""

    def made(name: str, **changes: Any) -> Path:
        folder = tmp_path_factory.mktemp(name) / "bundle"
        write_bundle(folder, toy_maker(**changes))
        return folder

    return made


@pytest.fixture(scope="session")
def small(bundles: Callable[..., Path]) -> Path:
    """Return the folder of a small bundle."""
    return bundles("small")


@pytest.fixture(scope="session")
def looping(bundles: Callable[..., Path]) -> Path:
    """Return the folder of a bundle whose model counts for a long time when the age is above 1,000."""
    return bundles("looping", graphs=[GraphPart(content=lives.looping_graph())])


@pytest.fixture(scope="session")
def server(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[lives.Live]:
    """Return a server of the small bundle that all tests of bad manners share."""
    limits = {"head_s": 1.0, "body_s": 1.0, "idle_s": 2.0}
    with lives.live(small, tmp_path_factory.mktemp("home"), limits=limits) as one:
        yield one
