"""The walk of docs/tutorials/release.md against a live server with simulated users: the good get through."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections import Counter
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pytest

from mulle.core.check import Status, Verdict
from mulle.core.project import ReleasePart
from mulle.core.settings import environment
from mulle.export.bundle import Golden, GraphPart, write_bundle
from mulle.export.graph import Graph
from mulle.operate.release.online import OnlineLog
from mulle.operate.release.state import Refused, Step
from mulle.operate.release.steps import Releases
from mulle.operate.release.walk import Walk

pytestmark = pytest.mark.slow

PAGE = ReleasePart(
    online_metric="correct",
    smallest_effect=0.15,
    worth=2.0,
    guardrails={"correct": 0.1},
    mirror=1.0,
    shadow_rows=100,
    agreement=0.4,
    max_slowdown=50.0,  # this machine has other work too
    canary_units=3,
    looks=2,
    whole_weeks=False,
)
ROW = {"job": "clerk", "lat": 0.0, "lon": 0.0}


def graph(age, lat):
    """Return a model that weighs people's age and where they live; in truth only age counts."""
    g = Graph()
    numbers = g.input("numbers", "double", [None, 3])
    g.input("strings", "string", [None, 1])
    score = g.node("MatMul", numbers, g.const(np.array([[age], [lat], [0.0]])))
    g.output(g.node("Sigmoid", score), "prediction", "double", [None, 1])
    return g.to_bytes()


@pytest.fixture
def bundle(tmp_path, toy_parts):
    def make(name, *, age, lat=0.0):
        golden = Golden(rows=[{**ROW, "age": 1.0}, {**ROW, "age": -2.0}])
        graphs = [GraphPart(content=graph(age, lat))]
        write_bundle(tmp_path / name, toy_parts(graphs=graphs, golden=golden, stamp="ready", card=f"# {name}\n"))
        return tmp_path / name

    return make


@pytest.fixture
def home(tmp_path):
    (tmp_path / ".mulle").mkdir()
    return tmp_path / ".mulle"


@pytest.fixture
def walk(home):
    def make(**overrides):
        return Walk(
            home=home, page=PAGE, log=home / "log", overrides={k.replace("__", "."): v for k, v in overrides.items()}
        )

    return make


@pytest.fixture
def users(home):
    """Start a server that follows the project; hand out simulated users; stop it."""
    page = home.parent / "mulle.toml"
    page.write_text('[data]\nsource = "a.csv"\ntarget = "b"\n', encoding="utf-8")
    started = []

    def start():
        command = [sys.executable, "-m", "mulle", "serve", "--port", "0", "-p", str(page)]
        server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**environment(), "NO_COLOR": "1"})
        for line in server.stderr:
            if found := re.search(r"http://([\d.]+):(\d+)", line):
                started.append((server, Users(found[1], int(found[2]))))
                return started[-1][1]
        raise AssertionError("the server didn't start")

    yield start
    for server, people in started:
        people.line.close()
        server.terminate()
        assert server.wait(20) == 0
        server.stderr.close()


class Users:
    """People whose truth is: yes when their age is above 0, but for one in ten."""

    def __init__(self, host, port):
        self.line = HTTPConnection(host, port, timeout=20)
        self.n = 0
        self.rng = np.random.default_rng(7)

    def post(self, path, body):
        self.line.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = self.line.getresponse()
        return answer.status, json.loads(answer.read())

    def come(self, n):
        """Let n new users ask and, later, tell what was true; return who answered."""
        arms = Counter()
        for _ in range(n):
            self.n += 1
            age = float(self.rng.normal())
            status, told = self.post(
                "/v1/predict", {"row": {**ROW, "age": age, "lat": float(self.rng.normal()), "id": self.n}}
            )
            assert status == 200, told
            arms[told["arm"], told["bundle"]] += 1
            truth = (age > 0) is (self.rng.random() > 0.1)
            feedback = {"prediction_id": told["prediction_id"], "outcome": "yes" if truth else "no"}
            assert self.post("/v1/feedback", feedback)[0] == 200
        return arms


def wait_for(condition, seconds=60.0):
    end = time.perf_counter() + seconds
    while not condition():
        assert time.perf_counter() < end, "it didn't come to pass"
        time.sleep(0.05)


def serves(users, arms):
    """Wait until exactly these arms answer."""
    wait_for(lambda: {arm for arm, _ in users.come(30)} == arms)


def shadowed(home, people, since, n):
    """Let users come until so many were mirrored: the server tries a bundle first, which takes what it takes."""
    wait_for(lambda: (people.come(20), len(OnlineLog(home / "log").pairs(since=since)) >= n)[1], 60)


def in_force(home, people, held):
    """Let users come until the server deals them by a step: it follows the ledger, and tries a bundle before that."""
    wait_for(lambda: (people.come(20), met(home, held.trial, since=held.since))[1])


def met(home, trial, *, since):
    """Return how many units met a challenger in a trial so far."""
    return len(OnlineLog(home / "log").trial(trial, since=since).arms["challenger"].exposed)


def through_the_shadow(home, walk, people):
    assert walk().shadow().state.challenger.step is Step.SHADOW
    with pytest.raises(Refused, match="a canary comes before a trial"):
        walk().trial()
    assert {arm for arm, _ in people.come(150)} == {"champion"}
    shadowed(home, people, walk().stands().state.challenger.since, 120)


def through_the_canary(home, walk, people):
    stood = walk().canary()
    assert stood.moved, stood.evidence
    assert stood.state.challenger.share == 0.01
    with pytest.raises(Refused, match="the canary has 1% of the units"):
        walk().trial()
    for share in (0.05, 0.25):
        at_this_share = stood.state.challenger
        wait_for(lambda held=at_this_share: (people.come(100), met(home, held.trial, since=held.since) >= 3)[1])
        stood = walk().canary()
        assert stood.state.challenger.share == share, stood.evidence
    in_force(home, people, stood.state.challenger)
    wait_for(lambda: (people.come(20), walk().stands().verdict is Verdict.OPEN)[1])


def through_the_trial(home, walk, people):
    trial = walk().trial()
    assert trial.moved, trial.evidence
    n_units = trial.state.challenger.design["n_units"]
    assert 100 < n_units < 1500
    with pytest.raises(Refused, match="the look isn't due"):
        walk().judge()
    in_force(home, people, trial.state.challenger)
    people.come(n_units + 20)
    ruling = walk().judge().evidence.ruling
    assert ruling.decision == "promote", ruling.says
    assert ruling.money["correct"].value > 200


def test_a_good_candidate_becomes_champion_and_can_be_rolled_back(bundle, home, walk, users):
    walk().start(bundle("old", age=1.0, lat=1.5))
    assert walk().promote().state.champion.bundle
    people = users()
    old = next(iter(people.come(300)))[1]

    walk().start(bundle("good", age=3.0))
    through_the_shadow(home, walk, people)
    through_the_canary(home, walk, people)
    through_the_trial(home, walk, people)
    new = walk().promote()
    assert new.moved
    serves(people, {"champion"})
    ((_, now_serving),) = people.come(20)
    assert now_serving == new.state.champion.bundle[:16] != old

    began = time.perf_counter()
    Releases(home).back("rollback", why="somebody complained")
    wait_for(lambda: set(people.come(1)) == {("champion", old)})
    assert time.perf_counter() - began < 2.0


def test_a_candidate_that_decides_otherwise_is_turned_away_by_the_shadow(bundle, home, walk, users):
    walk().start(bundle("good", age=3.0))
    walk().promote()
    people = users()
    people.come(5)
    walk().start(bundle("contrary", age=-3.0))
    walk().shadow()
    shadowed(home, people, walk().stands().state.challenger.since, 100)
    stood = walk().canary()
    assert not stood.moved
    assert stood.verdict is Verdict.SHUT
    assert {check.name for check in stood.evidence.checks if check.status == Status.FAIL} == {"release.agreement"}
    assert Releases(home).back("withdraw", why="decides otherwise")[1].challenger is None


def test_a_bad_candidate_that_was_waved_through_is_stopped_by_its_guardrail(bundle, walk, users):
    walk().start(bundle("good", age=3.0))
    walk().promote()
    people = users()
    people.come(100)
    walk().start(bundle("contrary", age=-3.0))
    waved = {"release__steps": "no shadow: it is Friday"}
    assert walk(**waved).canary(0.25).moved
    serves(people, {"champion", "challenger"})
    wait_for(lambda: (people.come(100), walk().stands().verdict is Verdict.SHUT)[1], 60)
    failed = {check.name for check in walk().stands().evidence.checks if check.status == Status.FAIL}
    assert failed == {"release.guardrail.correct"}
    watched = walk().watch()
    assert watched.moved
    assert watched.state.challenger is None
    serves(people, {"champion"})


def test_a_draft_is_not_released_without_a_reason(home, walk, tmp_path, toy_parts):
    write_bundle(tmp_path / "draft", toy_parts(stamp="draft"))
    with pytest.raises(Refused, match=r"the bundle is a draft[\s\S]*release\.assessed"):
        walk().start(tmp_path / "draft")
    stood = walk(release__assessed="agreed with the board").start(tmp_path / "draft")
    assert stood.state.challenger.version.override == "agreed with the board"
    assert list(Path(home / "releases").iterdir())


def ask(people, unit, age):
    """Let a known user ask, and tell what was true; return who answered."""
    status, told = people.post("/v1/predict", {"row": {**ROW, "age": age, "lat": 0.5, "id": unit}})
    assert status == 200, told
    feedback = {"prediction_id": told["prediction_id"], "outcome": "yes" if age > 0 else "no"}
    assert people.post("/v1/feedback", feedback)[0] == 200
    return told["arm"]


def crowd(people, arms, n):
    """Let n new users come, and remember which model each met."""
    for _ in range(n):
        unit = 10_000 + len(arms)
        arms[unit] = ask(people, unit, float(people.rng.normal()))


def test_a_trial_by_thompson_gives_a_good_candidate_most_users_and_each_user_one_model(bundle, walk, users):
    walk().start(bundle("old", age=1.0, lat=6.0))
    walk().promote()
    people, arms = users(), {}
    people.come(200)
    walk().start(bundle("good", age=3.0))
    held = walk(release__steps="the shadow was on Tuesday").trial("thompson").state.challenger
    step = held.design["n_units"] // held.design["looks"] + 1
    serves(people, {"champion", "challenger"})
    crowd(people, arms, step)
    dealt = walk().watch()
    assert dealt.dealt["share"] > 0.9, dealt.dealt
    early = dict(arms)
    moved = [unit for unit, arm in early.items() if arm == "champion"]
    assert len(moved) > step // 4
    new: dict[int, str] = {}
    wait_for(lambda: (crowd(people, new, 30), list(new.values())[-30:].count("challenger") >= 24)[1])
    assert {ask(people, unit, 1.0) for unit in moved} == {"champion"}  # though nearly all who come now meet the other
    crowd(people, arms, step)
    judged = walk().judge()
    assert judged.evidence.ruling.decision in {"promote", "inconclusive"}, judged.evidence.says
    ratio = next(check for check in judged.evidence.checks if check.name == "release.ratio")
    assert ratio.status == Status.PASS, ratio.says
