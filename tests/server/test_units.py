"""Who is asking: one unit, however its number is written."""

from __future__ import annotations

import logging

import pytest

from mulle.runtime.bundle import Bundle
from mulle.server.run import Options, prepared
from mulle.server.service import Privacy, Service
from mulle.server.wire import PredictRequest


@pytest.fixture
def unit_of():
    service = Service(lineup=None, log=None)
    yield lambda value: service.unit_of(PredictRequest(row={"id": value}), [{"id": value}], ("id",))
    service.close()


@pytest.mark.parametrize(
    ("value", "unit"), [(7, "7"), (7.0, "7"), ("7.0", "7.0"), (7.5, "7.5"), (2.0**60, "1.152921504606847e+18")]
)
def test_a_whole_number_is_one_unit_with_a_point_and_without(unit_of, value, unit):
    assert unit_of(value) == unit


def test_an_explicit_unit_is_the_same_one():
    service = Service(lineup=None, log=None)
    assert service.unit_of(PredictRequest(row={}, unit=7.0), [{}], ()) == "7"
    service.close()


@pytest.mark.parametrize(("salt", "said"), [("", 1), ("one for all servers", 0)])
def test_a_server_that_hashes_into_a_shared_log_by_a_salt_of_its_own_says_so(small, monkeypatch, caplog, salt, said):
    monkeypatch.setenv("MULLE_LOG_SALT", salt)
    options = Options(bundle=small, log="postgresql://db.example/log", privacy=Privacy(hashed=["id"], salt=b"s" * 32))
    with caplog.at_level(logging.WARNING, "mulle.server"):
        assert prepared(options).lineup.champion.bundle.hash == Bundle.load(small).hash
    assert len([line for line in caplog.messages if "MULLE_LOG_SALT" in line]) == said
