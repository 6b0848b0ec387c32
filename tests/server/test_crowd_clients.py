"""In a crowd of right and wrong clients each hears the answer to what it asked, once; and nothing of it stays."""

from __future__ import annotations

import asyncio
import time

import pytest

from .crowd_clients import Client, crowd  # noqa: TID252  # tests have no package to be named by
from .live import live  # noqa: TID252

LEFT = ("mulle_waiting_connections", "mulle_waiting_requests", "mulle_inside_requests")


def gauges(one):
    told = one.ask("GET", "/metrics")[1].decode()
    return {name: float(told.partition(f"\n{name} ")[2].split()[0]) for name in LEFT}


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"promise": "synced"}, {"workers": 2}, {"limits": {"turn": 1}}], ids=str)
def test_in_a_crowd_each_hears_its_own_answer_once(small, tmp_path, options):
    with live(small, tmp_path / "home", **options) as one:
        heard = asyncio.run(crowd(one.port, clients=200, seconds=8.0))
        until = time.monotonic() + 10
        while any(gauges(one).values()) and time.monotonic() < until:
            time.sleep(0.1)  # workers tell theirs now and then
        assert not any(gauges(one).values())
        assert one.stop() == 0
    ways = {name for name in vars(Client) if not name.startswith("_")} - {"something", "answer", "reader", "writer"}
    assert set(heard) == ways - {"crowd", "dice"}
