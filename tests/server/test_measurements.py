"""What feedback may measure: a number that nobody can count by is refused at the door."""

from __future__ import annotations

import json

import pytest

from mulle.core.online import LARGEST

from .live import ROW  # noqa: TID252  # tests have no package to be named by


@pytest.mark.parametrize("number", ["9" * 400, "-" + "9" * 309, "1.7e308", "-1.0000001e100"])
@pytest.mark.parametrize("body", ['"outcome":%s', '"correction":%s', '"values":{"revenue":%s}'])
def test_a_number_beyond_what_can_be_counted_is_refused(server, body, number):
    told = {"prediction_id": "0" * 28, **json.loads("{" + body % number + "}")}
    status, answer = server.ask("POST", "/v1/feedback", told)[:2]
    assert status == 422, answer
    assert number not in str(answer)


def test_large_numbers_that_can_be_counted_are_kept(server):
    id_ = server.ask("POST", "/v1/predict", {"row": ROW})[1]["prediction_id"]
    told = {"prediction_id": id_, "outcome": int(LARGEST), "values": {"revenue": -LARGEST, "happy": 1e-320}}
    assert server.ask("POST", "/v1/feedback", told)[0] == 200
