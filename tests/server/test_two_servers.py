"""Two servers that share one log in PostgreSQL, as the exported recipe runs them, answer alike."""

from __future__ import annotations

import time

import pytest
from tests.store.log.test_postgres import server as postgres  # noqa: F401  # a fixture, asked for by its name

from .live import live  # noqa: TID252  # tests have no package to be named by


def version(one):
    return one.predict()[1]["version"]


def test_a_parameter_that_one_server_was_told_is_in_force_in_the_other_within_a_second_or_two(small, tmp_path, request):
    url = request.getfixturevalue("postgres").url
    with live(small, tmp_path / "a", log=url) as a, live(small, tmp_path / "b", log=url) as b:
        first = version(a) + 1
        assert a.admin("POST", "parameters", {"threshold": 0.33, "who": "ann"})[0] == 200
        end = time.monotonic() + 5
        while version(b) != first and time.monotonic() < end:
            time.sleep(0.05)
        assert (version(a), version(b)) == (first, first)
        assert b.admin("GET", "status")[1]["serving"][0]["parameters"] == {"threshold": 0.33}
        assert b.admin("POST", "parameters", {"threshold": 0.4})[0] == 200
        assert version(b) == first + 1


@pytest.mark.slow
def test_a_database_that_stops_for_a_while_ends_no_server_that_looks_into_it(small, tmp_path, request):
    held = request.getfixturevalue("postgres")
    with live(small, tmp_path, log=held.url) as one:
        held.stop()
        time.sleep(1.5)
        assert one.predict()[0] == 200
        held.start()
        end = time.monotonic() + 15
        while one.admin("POST", "parameters", {"threshold": 0.2})[0] != 200 and time.monotonic() < end:
            time.sleep(0.2)
        assert one.predict()[1]["version"] > 0
        assert one.process.poll() is None
