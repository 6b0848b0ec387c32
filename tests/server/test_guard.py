"""Who may ask: Host, Origin, rates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.core.errors import ProjectError
from mulle.server.guard import Guard, own_names, scope_of
from mulle.server.problem import Problem
from mulle.server.rates import Rate, Rates

from .live import ROW, live  # noqa: TID252  # tests have no package to be named by

POST = {"method": "POST", "path": "/v1/predict", "http_version": "1.1", "client": ("203.0.113.7", 5)}
HOME = Guard(hosts=own_names("127.0.0.1", ["mulle.lan"]))


@pytest.mark.parametrize("host", [b"127.0.0.1:8080", b"localhost", b"LOCALHOST:1", b"[::1]:8080", b"mulle.lan:80"])
def test_loopback_is_known_by_its_own_names(host):
    HOME.admit(POST, host, b"", b"")


@pytest.mark.parametrize(
    ("host", "status"),
    [(b"evil.example", 421), (b"localhost.evil.example:8080", 421), (b"127.0.0.1.nip.io", 421), (b"", 400),
     (b"localhost@evil", 400), (b"localhost:80:80", 400), (b"localhost/", 400), (b", ", 400), (b"\xff", 400)],
)  # fmt: skip
def test_other_names_are_refused(host, status):
    with pytest.raises(Problem) as refused:
        HOME.admit(POST, host, b"", b"")
    assert refused.value.status == status
    assert refused.value.fix


def test_names_that_clients_make_up_are_not_remembered_without_end():
    guard = Guard()
    for i in range(10_000):
        guard.admit(POST, b"host%d" % i, b"", b"")
    assert len(guard._known) <= 64


@pytest.mark.parametrize(
    "origin", [b"https://evil.example", b"null", b"http://127.0.0.1:3000", b"http://localhost:8080"]
)
def test_pages_of_other_sites_may_not_post(origin):
    with pytest.raises(Problem, match="other sites") as refused:
        HOME.admit(POST, b"127.0.0.1:8080", origin, b"")
    assert refused.value.status == 403


def test_our_own_page_and_allowed_sites_may_post_and_all_may_read():
    HOME.admit(POST, b"127.0.0.1:8080", b"http://127.0.0.1:8080", b"")
    HOME.admit({**POST, "method": "GET"}, b"127.0.0.1:8080", b"https://evil.example", b"")
    Guard(origins={"https://shop.example"}).admit(POST, b"api.example", b"https://Shop.example", b"")


def test_a_route_that_nobody_listed_needs_a_key():
    assert scope_of("POST", "/v1/feedback") == "feedback"
    assert scope_of("POST", "/anything") == "predict"
    assert scope_of("GET", "/v1/anything") == "predict"
    assert scope_of("GET", "/v2/health/ready") == ""
    assert scope_of("GET", "/") == ""


def test_a_site_that_was_allowed_is_answered_so_that_its_browser_shows_it(small, tmp_path):
    with live(small, tmp_path, access={"origins": ["https://shop.example"]}) as one:
        before, _, headers = one.ask("OPTIONS", "/v1/predict", Origin="https://shop.example")
        assert (before, headers["access-control-allow-origin"]) == (200, "https://shop.example")
        status, _, headers = one.ask("POST", "/v1/predict", {"row": ROW}, Origin="https://shop.example")
        assert (status, headers["access-control-allow-origin"]) == (200, "https://shop.example")
        status, _, headers = one.ask("POST", "/v1/predict", {"row": ROW}, Origin="https://evil.example")
        assert (status, "access-control-allow-origin" in headers) == (403, False)
        assert one.ask("OPTIONS", "/v1/predict", Origin="https://evil.example")[0] == 405


# ------------------------------------------------------------------------------------------ rates


@given(st.lists(st.floats(0, 0.5), max_size=200), st.integers(1, 20), st.floats(0.5, 50))
def test_no_client_ever_gets_more_than_its_rate_and_burst(waits, burst, per_s):
    rates, now, passed = Rates(Rate(per_s=per_s, burst=burst)), 100.0, []
    for wait in waits:
        now += wait
        if rates.wait("one", now=now) == 0:
            passed.append(now)
    for i, begin in enumerate(passed):
        within = len(passed) - i
        assert within <= burst + (passed[-1] - begin) * per_s + 1e-6


@given(st.integers(1, 30), st.floats(0.5, 50))
def test_who_waits_as_told_is_let_pass(burst, per_s):
    rates, now = Rates(Rate(per_s=per_s, burst=burst)), 0.0
    for _ in range(burst * 3):
        wait = rates.wait("one", now=now)
        now += wait
        assert wait == 0 or rates.wait("one", now=now + 1e-6) == 0


def test_clients_do_not_share_a_bucket_and_are_forgotten_in_time():
    rates = Rates(Rate(per_s=1.0, burst=1), most=1000)
    for i in range(5000):
        assert rates.wait(f"client {i}", now=i * 1e-6) == 0
    assert len(rates) <= 1000
    assert rates.wait("client 4999", now=0.1) > 0, "the newest are remembered"


@given(st.integers(1, 50), st.floats(0.5, 500), st.integers(1, 16))
def test_workers_together_let_no_more_pass_than_one_server_alone(burst, per_s, n):
    whole = Rate(per_s=per_s, burst=burst)
    share = whole.share(n)
    assert share.per_s * n == pytest.approx(whole.per_s)
    assert share.burst >= 1
    assert share.burst * n <= max(n, whole.burst)


@pytest.mark.parametrize("text", ["", "fast", "0/s", "5/fortnight", "5/s burst 0", "-1/s"])
def test_what_is_no_rate_says_how_one_is_written(text):
    with pytest.raises(ProjectError, match=r"write 100/s"):
        Rate.of(text)


def test_too_many_requests_are_told_when_to_come_again(small, tmp_path):
    with live(small, tmp_path, access={"rate": "2/m"}) as one:
        assert [one.predict()[0] for _ in range(3)] == [200, 200, 429]
        status, told, headers = one.predict()
        assert (status, told["title"]) == (429, "Too Many Requests")
        assert 25 <= int(headers["retry-after"]) <= 30
        assert one.ask("GET", "/livez")[0] == 200, "probes aren't counted"
