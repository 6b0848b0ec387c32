"""What the page keeps out of the log stays out: a typo, another folder's page and a swap lose none of it silently."""

from __future__ import annotations

import json
import logging
from contextlib import closing

import pytest

from mulle.cli.serve import _told
from mulle.core.errors import UnknownName
from mulle.core.project import ServerPart
from mulle.server import run
from mulle.server.privacy import Privacy, asked_by
from mulle.server.record import hashed_unit, keyed, salt_of
from mulle.store.log import Row
from mulle.store.log.export import opened
from mulle.store.log.history import Wanted, entries

from . import live as lives  # noqa: TID252  # tests have no package to be named by
from .pages_fixtures import JOBS, ROW, make_bundle, running  # noqa: TID252

PAGE = '[project]\nname = "other"\n[data]\nsource = "x.csv"\ntarget = "y"\nignore = ["jobs"]\n'


@pytest.mark.parametrize("name", ["jobb", "Job ", "agee"])
def test_a_server_does_not_start_when_a_column_that_should_be_secret_is_mistyped(small, tmp_path, name):
    options = run.Options(bundle=small, home=tmp_path, port=0, privacy=Privacy(leave_out=[name]))
    with pytest.raises(UnknownName, match="would be logged as it is"):
        run.serve(options, said=lambda _: pytest.fail("it listens"))


def test_a_name_like_no_column_is_warned_of_and_one_of_the_data_is_not(caplog):
    privacy = Privacy(leave_out=["fax"], hashed=["age"])
    with caplog.at_level(logging.WARNING):
        privacy.check(["age", "job"])
    assert "'fax'" in caplog.text
    caplog.clear()
    privacy.check(["age", "job"], elsewhere=["fax"])
    Privacy(hashed=["jobs"]).check(["job"], elsewhere=["jobs"])
    Privacy(hashed=["jobs", "job"]).check(["job"])
    assert "'fax'" not in caplog.text


def test_what_a_bundle_hashes_is_hashed_beside_another_page_too(bundles, tmp_path):
    bundle = bundles(
        "secretive", page={"server": {"hashed": ["id"], "leave_out": ["job"]}, "data": {"ignore": ["fax"]}}
    )
    page = tmp_path / "mulle.toml"
    assert _told(bundle, page)[0] == ServerPart(hashed=["id"], leave_out=["job"])
    page.write_text(PAGE + '[server]\nmax_rows = 7\nhashed = ["age"]\n')
    part, elsewhere = _told(bundle, page)
    assert (part.max_rows, part.hashed, part.leave_out) == (7, ["age", "id"], ["job"])
    assert elsewhere == ["jobs", "fax"]


@pytest.mark.parametrize("page", [{}, {"server": []}, {"server": {"hashed": "id", "leave_out": [1, None]}}])
def test_the_page_of_a_bundle_may_hold_anything(page):
    assert asked_by(page).columns == frozenset()


@pytest.mark.parametrize("force", [False, True])
def test_a_swap_logs_nothing_that_the_new_bundles_page_keeps_secret(small, bundles, tmp_path, force):
    secretive = bundles("secretive", page={"server": {"hashed": ["job"], "leave_out": ["age"]}}, stamp="ready")
    with lives.live(small, tmp_path, privacy={"hashed": ["age"]}) as one:
        assert one.predict({"age": 41, "job": "before"})[0] == 200
        assert one.admin("POST", "bundle", {"path": str(secretive), "force": force})[0] == 200
        assert one.predict({"age": 41, "job": "after"})[0] == 200
        assert one.admin("POST", "bundle", {"path": str(small), "force": True})[0] == 200, "which asks for less"
        assert one.predict({"age": 41, "job": "after"})[0] == 200
        assert one.stop() == 0
    salt = salt_of(tmp_path)
    reader, _ = opened(tmp_path / "log")
    with closing(reader):
        first, *others = [json.loads(row.inputs) for chunk in entries(reader, Row, Wanted()) for row in chunk]
    assert first["job"] == "before"
    assert first["age"] == {"hash": keyed(41, b"")}
    for inputs in others:
        assert inputs["job"] == {"hash": keyed("after", salt)}
        assert "age" not in inputs
    assert len(others) == 2


def test_a_bundle_whose_page_looks_mistyped_is_not_swapped_in_as_it_would_not_be_served(small, bundles, tmp_path):
    mistyped = bundles("mistyped", page={"server": {"hashed": ["jobb"]}}, stamp="ready")
    meant = bundles("meant", page={"server": {"hashed": ["jobb"]}, "data": {"ignore": ["jobb"]}}, stamp="ready")
    with lives.live(small, tmp_path) as one:
        status, told, _ = one.admin("POST", "bundle", {"path": str(mistyped), "force": True})
        assert (status, told["fix"]) == (422, "write 'job'; if there is a 'jobb' too, name it under [data] ignore")
        assert one.admin("POST", "bundle", {"path": str(meant), "force": True})[0] == 200


def test_a_unit_that_is_named_where_the_key_is_left_out_is_known_by_its_hash(small):
    from mulle.runtime.bundle import Bundle
    from mulle.server.served import Lineup, Served
    from mulle.server.service import Service
    from mulle.server.wire import PredictRequest

    line, salt = Lineup(champion=Served(Bundle.load(small))), b"s" * 16
    service = Service(lineup=line, log=None, privacy=Privacy(leave_out=["id"], salt=salt))
    asked = PredictRequest(row={**lives.ROW, "id": "customer 7"}, unit="customer 7")
    assert service.unit_of(asked, asked.asked(), ["id"]) == hashed_unit("customer 7", salt)


def test_a_page_that_leaves_something_out_has_a_salt(tmp_path):
    assert run.settings(ServerPart(leave_out=["id"]), tmp_path)["privacy"].salt
    assert not run.settings(ServerPart(), tmp_path)["privacy"].salt


@pytest.fixture(scope="module")
def open_bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("told") / "toy")


def told_of(server, row):
    about, described = server.ask("/v1/about")[1], server.ask("/openapi.json")[1]
    return about, described, server.ask("/v1/explain", {"row": row})[1]


def test_no_value_of_training_is_told_of_a_column_that_the_log_does_not_hold_as_it_is(open_bundle):
    row = {**ROW, "job": "mine"}
    with running(open_bundle) as server:
        plain = told_of(server, row)
    assert all(any(job in str(told) for job in JOBS) for told in plain), "else this test shows nothing"
    with running(open_bundle, privacy=Privacy(hashed=["job"], leave_out=["age"])) as server:
        about, described, why = told_of(server, row)
        against = server.ask("/v1/explain", {"row": row, "against": {"job": "smith"}})[1]
    assert not [job for told in (about, described, why) for job in JOBS if job in str(told)]
    columns = {column["name"]: column for column in about["columns"]}
    assert not {"low", "high", "typical"} & set(columns["age"])
    assert {"low", "high", "typical"} <= set(columns["lat"])
    assert not {change["column"] for change in why["changes"]} & {"age", "job"}
    assert (why["compared_with"]["job"], why["score"]) == (None, plain[2]["score"])
    assert against["compared_with"]["job"] == "smith", "what the client sent it may hear"


def test_a_server_that_follows_releases_keeps_out_what_the_page_of_each_bundle_asks_for(
    small, bundles, tmp_path, caplog
):
    from mulle.runtime.bundle import Bundle
    from mulle.server.parameters import Tuning
    from mulle.server.served import Lineup, Served
    from mulle.server.service import Service

    plain, secretive, mistyped = (
        Served(Bundle.load(path))
        for path in (
            small,
            bundles("secretive", page={"server": {"hashed": ["job"], "leave_out": ["age"]}}),
            bundles("mistyped", page={"server": {"hashed": ["latt"]}}),
        )
    )
    service = Service(lineup=None, log=None)

    def taken(lineup):
        run._taken(service, Tuning(None), tmp_path, lineup)
        assert service.lineup.champion.bundle.hash == lineup.champion.bundle.hash
        return service.privacy

    assert taken(Lineup(champion=plain)) == Privacy()
    secret = Privacy(leave_out=["age"], hashed=["job"], salt=salt_of(tmp_path))
    assert taken(Lineup(champion=plain, shadow=secretive)) == secret
    assert taken(Lineup(champion=plain)) == secret
    with caplog.at_level(logging.ERROR):
        assert taken(Lineup(champion=mistyped)).hashed == ["job", "latt"]
    assert "'lat' would be logged as it is" in caplog.text
