"""API keys: made once, kept as a hash, ended within a second."""

from __future__ import annotations

import json
import stat
import threading
import time
import timeit

import pytest

from mulle.core.errors import DataError, ProjectError, StoreError, UnknownName
from mulle.server.guard import Guard, check_exposure
from mulle.server.keys import KeyFile, Keys
from mulle.server.problem import Problem

from .live import live  # noqa: TID252  # tests have no package to be named by


@pytest.fixture
def file(tmp_path):
    return KeyFile(tmp_path / "keys.json")


ANYWHERE = "0.0.0.0"  # noqa: S104  # nothing listens there


def bearer(token: str) -> bytes:
    return f"Bearer {token}".encode()


def test_a_key_opens_its_scopes_and_nothing_else(file):
    keys = Keys(file.path)
    assert not keys.needed
    token = file.add("shop", scopes=["predict", "feedback"])
    keys.look()
    assert keys.needed
    assert keys.admit(bearer(token), "predict") == "shop"
    with pytest.raises(Problem, match="may not explain") as refused:
        keys.admit(bearer(token), "explain")
    assert (refused.value.status, "--scope explain" in refused.value.fix) == (403, True)


@pytest.mark.parametrize(
    "header", [b"", b"Basic YTpi", b"Bearer ", b"Bearer mlk_" + b"x" * 43, b"mlk_x", b"Bearer \xff", b"B" * 9000]
)
def test_what_is_no_key_is_told_the_same(file, header):
    file.add("shop", scopes=["predict"])
    with pytest.raises(Problem, match="API key") as refused:
        Keys(file.path).admit(header, "predict")
    assert refused.value.status == 401
    assert "mulle key add" in refused.value.fix


def test_the_file_holds_no_key_and_only_its_owner_reads_it(file):
    tokens = [file.add(f"client {i}", scopes=["predict"]) for i in range(3)]
    kept = file.path.read_text()
    assert not any(token[4:] in kept for token in tokens)
    assert len(set(tokens)) == 3
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_a_revoked_or_expired_key_opens_nothing_and_the_door_stays_shut(file):
    short, long = file.add("short", scopes=["predict"], lives_s=0.05), file.add("long", scopes=["predict"])
    keys = Keys(file.path)
    time.sleep(0.06)
    file.revoke("long")
    keys.look()
    for token in (short, long):
        with pytest.raises(Problem, match="not valid"):
            keys.admit(bearer(token), "predict")
    assert keys.needed, "the last key was revoked: nobody may ask now, rather than everybody"
    file.path.unlink()
    keys.look()
    assert keys.needed, "nor does it help to delete the file"


def test_a_file_that_cannot_be_read_changes_nothing_in_a_server_that_runs(file):
    token = file.add("shop", scopes=["predict"])
    keys = Keys(file.path)
    file.path.write_text('{"keys": [{"na')
    keys.look()
    assert keys.admit(bearer(token), "predict") == "shop"
    with pytest.raises(StoreError, match=r"can't be read(.|\n)*delete it and add keys anew"):
        Keys(file.path)


def test_names_are_of_one_valid_key_each(file):
    file.add("shop", scopes=["predict"])
    with pytest.raises(DataError, match=r"valid key 'shop' already(.|\n)*'shop-2'"):
        file.add("shop", scopes=["predict"])
    file.revoke("shop")
    file.add("shop", scopes=["predict"])
    assert [key.name for key in file.read()] == ["shop", "shop"]
    with pytest.raises(UnknownName, match=r"did you mean 'shop'"):
        file.revoke("shpo")
    with pytest.raises(UnknownName, match=r"did you mean 'predict'"):
        file.add("other", scopes=["predcit"])
    with pytest.raises(DataError, match=r"letters, digits"):
        file.add("a\nb", scopes=["predict"])


def test_keys_that_are_added_at_once_are_all_kept(file):
    threads = [threading.Thread(target=file.add, args=(f"k{i}",), kwargs={"scopes": ["predict"]}) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key.name for key in file.read()} == {f"k{i}" for i in range(8)}


def test_an_address_that_others_reach_needs_a_key_or_a_word(file):
    with pytest.raises(ProjectError, match=r"no API key(.|\n)*mulle key add NAME(.|\n)*--auth none"):
        check_exposure(ANYWHERE, Keys(file.path), auth="auto")
    check_exposure(ANYWHERE, None, auth="none")
    check_exposure("127.0.0.1", Keys(file.path), auth="auto")
    with pytest.raises(ProjectError, match="no valid API key"):
        check_exposure("127.0.0.1", Keys(file.path), auth="keys")
    file.add("shop", scopes=["predict"])
    check_exposure(ANYWHERE, Keys(file.path), auth="auto")


def test_a_key_costs_a_request_microseconds(file):
    token = bearer(file.add("shop", scopes=["predict"]))
    for i in range(50):
        file.add(f"k{i}", scopes=["predict"])
    guard = Guard(keys=Keys(file.path))
    scope = {"method": "POST", "path": "/v1/predict", "http_version": "1.1", "client": ("127.0.0.1", 1)}
    took = min(timeit.repeat(lambda: guard.admit(scope, b"a", b"", token), number=2000, repeat=7)) / 2000
    assert took < 20e-6, "2 µs on a quiet machine; ten times as much is let pass on a shared one"


@pytest.mark.slow
def test_a_running_server_hears_of_keys_within_a_second(small, tmp_path):
    file = KeyFile(tmp_path / "keys.json")
    with live(small, tmp_path) as one:
        assert one.predict()[0] == 200
        token = file.add("shop", scopes=["predict"])
        time.sleep(1)
        assert one.predict()[0] == 401
        assert one.predict(Authorization=f"Bearer {token}")[0] == 200
        told = {"prediction_id": "a", "outcome": 1}
        assert one.ask("POST", "/v1/feedback", told, Authorization=f"Bearer {token}")[0] == 403
        assert [one.ask("GET", path)[0] for path in ("/livez", "/readyz", "/metrics")] == [200, 200, 200]
        file.revoke("shop")
        time.sleep(1)
        status, told, headers = one.predict(Authorization=f"Bearer {token}")
        assert (status, headers["www-authenticate"]) == (401, "Bearer")
        assert token not in json.dumps(told)
