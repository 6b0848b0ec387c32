"""A logged prediction is asked once more."""

from __future__ import annotations

import json

import pytest

from mulle.core.errors import BundleError, DataError
from mulle.operate.replay import replay
from mulle.store.log import Change, Feedback, Group, Log, Row

INPUTS = {"age": 40, "job": "smith", "lat": 10.0, "lon": 20.0}


@pytest.fixture
def home(tmp_path, toy_folder):
    releases = tmp_path / ".mulle" / "releases"
    releases.mkdir(parents=True)
    toy_folder.rename(releases / "toy")
    return tmp_path / ".mulle"


@pytest.fixture
def bundle(toy):
    return toy


def told(bundle, **changes):
    answer = bundle.predict_one(INPUTS)
    output = {
        "prediction": dict(zip(bundle.score_columns, answer.prediction, strict=True)),
        "decision": answer.decision,
    }
    row = Row(
        "p1",
        5.0,
        bundle.hash[:16],
        0,
        "champion",
        1.0,
        "",
        "",
        json.dumps(INPUTS).encode(),
        json.dumps(output).encode(),
    )
    return row._replace(**changes)


def kept(home, *groups):
    with Log.open(home / "log", tend=False) as log:
        for group in groups:
            log.append(group)
    return home / "log"


def named(bundle, home):
    (home / "releases" / "toy").rename(home / "releases" / bundle.hash[:16])


def test_the_same_bundle_answers_the_same(bundle, home):
    named(bundle, home)
    feedback = Feedback("f1", "p1", "outcome", b'"yes"', "crm", 9.0)
    found = replay("p1", log=kept(home, Group(rows=[told(bundle)], feedback=[feedback])), home=home)
    assert found.agrees
    assert found.now["decision"] == "yes"
    assert [one.kind for one in found.feedback] == ["outcome"]


def test_the_parameters_that_were_in_force_decide(bundle, home):
    named(bundle, home)
    change = Change(3, 1.0, bundle.hash[:16], b'{"threshold": 0.999}', "ann")
    row = told(bundle, version=3)
    found = replay("p1", log=kept(home, Group(rows=[row], changes=[change])), home=home)
    assert found.now["decision"] == "no"
    assert not found.agrees


def test_a_rotated_prediction_is_found(bundle, home):
    named(bundle, home)
    with Log.open(home / "log", tend=False) as log:
        log.append(Group(rows=[told(bundle)]))
        while log.pending:
            pass
        log.rotate(everything=True)
    assert replay("p1", log=home / "log", home=home).agrees


def test_what_the_log_does_not_hold_cannot_be_replayed(bundle, home):
    named(bundle, home)
    hidden = json.dumps({**INPUTS, "job": {"hash": "ab"}}).encode()
    log = kept(home, Group(rows=[told(bundle, inputs=hidden), told(bundle, id="p2", version=9)]))
    with pytest.raises(DataError, match="doesn't hold 'job' as it was sent"):
        replay("p1", log=log, home=home)
    with pytest.raises(DataError, match="parameters of version 9"):
        replay("p2", log=log, home=home)
    with pytest.raises(DataError, match="holds no prediction 'p3'"):
        replay("p3", log=log, home=home)


def test_another_bundle_is_not_asked_instead(bundle, home):
    log = kept(home, Group(rows=[told(bundle)._replace(bundle="ffff")]))
    with pytest.raises(BundleError, match="isn't in the project"):
        replay("p1", log=log, home=home)
    with pytest.raises(BundleError, match="isn't this one"):
        replay("p1", log=log, home=home, bundle=home / "releases" / "toy")


def test_a_broken_bundle_of_another_run_does_not_end_the_search(bundle, home):
    broken = home / "runs" / "2026-9" / "bundle"
    broken.mkdir(parents=True)
    (broken / "manifest.json").write_text("{")
    whole = home / "runs" / "2026-1" / "bundle"
    whole.parent.mkdir(parents=True)
    (home / "releases" / "toy").rename(whole)
    log = kept(home, Group(rows=[told(bundle)]))
    assert replay("p1", log=log, home=home).agrees
    with pytest.raises(BundleError, match="manifest"):
        replay("p1", log=log, home=home, bundle=broken)
