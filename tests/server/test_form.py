"""The page at ``/``, used by a person's means in a real Chromium: typing, keys, clicks, a phone and a desktop."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from mulle.export.bundle import stamp_bundle
from mulle.runtime import Bundle
from mulle.server.guard import Guard
from mulle.server.keys import KeyFile, Keys

from .pages_browser import BROWSER, browser  # noqa: TID252  # tests have no package to be named by
from .pages_fixtures import ROW, make_bundle, make_classes, make_number, running  # noqa: TID252

pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")]
DONE = "document.body?.dataset.done && document.querySelector('.why')"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("form") / "toy"
    make_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def server(folder):
    with running(Bundle.load(folder)) as held:
        yield held


@pytest.fixture
def tab(tmp_path):
    with browser(tmp_path / "profile") as held:
        yield held


def field(name):
    return f'[id="{name}"]'


def id_of(tab, label):
    return tab.js(f"[...document.querySelectorAll('label')].find((l) => l.textContent === {json.dumps(label)}).htmlFor")


@pytest.mark.parametrize("width", [1280, 390])
def test_a_row_is_filled_in_and_answered_with_its_reasons(server, tab, width):
    tab.size(width, 850)
    tab.open(server.url)
    assert tab.js("document.title") == "toy · Mulle"
    tab.type(field(id_of(tab, "age")), "63")
    tab.js(f"document.getElementById('{id_of(tab, 'job')}').value = JSON.stringify('smith')")
    tab.click("#go")
    tab.wait(DONE)
    row = {**server.ask("/openapi.json")[1]["components"]["schemas"]["Row"]["examples"][0], "age": 63, "job": "smith"}
    answer, why = (server.ask(path, {"row": row})[1] for path in ("/v1/predict", "/v1/explain"))
    text = tab.text("#answer")
    assert tab.text(".verdict") == answer["decision"] == "yes"
    assert f"{100 * answer['prediction']['probability_yes']:.2f} %" in text
    assert "the threshold of 50 %" in text
    first = why["effects"][0]
    assert f"{first['feature']} smith (typically clerk)" in text
    assert f"raises it by {100 * first['effect']:.1f} points" in text
    assert f"by bundle {answer['bundle']}, champion" in text
    assert "What would change the decision" in text
    assert tab.js("document.documentElement.scrollWidth") == width
    assert tab.faults() == []
    assert {url.split("/")[2] for url in tab.asked() if url.startswith("http")} == {server.url.split("/")[2]}


def test_it_is_used_by_the_keyboard_alone(server, tab):
    tab.size(1280, 850)
    tab.open(server.url)
    tab.js("document.getElementById('field-0').focus()")
    tab.js("document.getElementById('field-0').select()")
    tab.call("Input.insertText", text="70")
    for _ in range(10):  # a date has three stops
        if tab.js("document.activeElement.id") != "go":
            tab.press("Tab")
    assert tab.js("document.activeElement.id") == "go"
    tab.press("Enter")
    tab.wait(DONE)
    assert tab.text("#heard")


def test_a_value_that_is_refused_is_marked_at_its_field(server, tab):
    tab.size(1280, 850)
    tab.open(server.url)
    tab.type("#field-0", "old")
    tab.press("Enter")
    tab.wait("document.querySelector('.alert')")
    assert tab.js("document.activeElement.id") == "field-0"
    assert tab.js("document.activeElement.getAttribute('aria-invalid')") == "true"
    assert "This is no number" in tab.text("#field-0-problem")
    tab.type("#field-0", "44")
    tab.press("Enter")
    tab.wait(DONE)
    assert tab.js("document.querySelectorAll('[aria-invalid]').length") == 0


@pytest.mark.parametrize("way", ["?", "#"])
def test_a_link_fills_a_row_in_and_asks(server, tab, way):
    tab.size(390, 850)
    tab.open(f"{server.url}/{way}row={quote(json.dumps(ROW))}&go=1", DONE)
    assert tab.js("document.getElementById('field-0').value") == "39"
    assert tab.text(".verdict") == server.ask("/v1/predict", {"row": ROW})[1]["decision"]


def test_what_would_change_it_can_be_tried(server, tab):
    tab.size(1280, 850)
    tab.open(f"{server.url}/#row={quote(json.dumps(ROW))}&go=1", DONE)
    before = tab.text(".verdict")
    tab.click(".change button")
    tab.wait(f"document.querySelector('.verdict').innerText !== {json.dumps(before)}")


def test_a_word_that_is_not_in_the_list_and_nothing_at_all_can_be_sent(server, tab):
    tab.size(1280, 850)
    row = {**ROW, "job": "astronaut", "age": None}
    tab.open(f"{server.url}/#row={quote(json.dumps(row))}&go=1", DONE)
    job = id_of(tab, "job")
    assert tab.js(f"document.getElementById('{job}-other').value") == "astronaut"
    share = server.ask("/v1/predict", {"row": row})[1]["prediction"]["probability_yes"]
    assert f"{100 * share:.1f} %" in tab.text("#answer")


def test_a_draft_says_so_and_which_checks_failed(tab, tmp_path):
    make_bundle(tmp_path / "draft")
    stamp_bundle(tmp_path / "draft", stamp="draft", run="r", failed=["data.twins", "model.gain"])
    with running(Bundle.load(tmp_path / "draft")) as server:
        tab.open(server.url)
        assert "This model is a draft: 2 checks failed (data.twins, model.gain)" in tab.text("#draft")
    stamp_bundle(tmp_path / "draft", stamp="ready", run="r")
    with running(Bundle.load(tmp_path / "draft")) as server:
        tab.open(server.url)
        assert tab.js("document.getElementById('draft').hidden")


def test_a_key_is_asked_for_and_kept_for_this_tab_only(folder, tab, tmp_path):
    secret = KeyFile(tmp_path / "keys.json").add("page", scopes=("predict", "explain"))
    guard = Guard(keys=Keys(tmp_path / "keys.json", needed=True))
    with running(Bundle.load(folder), guard=guard) as server:
        tab.size(1280, 850)
        tab.open(server.url)
        assert tab.text("h1") == "A key is needed"
        tab.js("window.words = document.createRange(); words.selectNodeContents(document.querySelector('#key button'))")
        assert tab.js("words.getClientRects().length") == 1, "a button's words stand on one line"
        tab.type("#key-value", "wrong")
        tab.press("Enter")
        tab.wait("document.getElementById('key-hint').innerText.includes('not valid')")
        tab.type("#key-value", secret)
        tab.press("Enter")
        tab.wait("document.body.dataset.ready")
        tab.click("#go")
        tab.wait(DONE)
        assert tab.js("sessionStorage.getItem('mulle-key')") == secret
        assert tab.js("localStorage.length") == 0
        assert tab.js("document.cookie") == ""


def test_names_from_the_data_are_shown_and_never_run(tab, tmp_path):
    nasty = "<img src=x onerror=document.title='hit'>"
    make_bundle(tmp_path / "nasty", name=nasty, classes=["no", nasty])
    with running(Bundle.load(tmp_path / "nasty")) as server:
        tab.open(f"{server.url}/#row={quote(json.dumps({**ROW, 'job': nasty}))}&go=1", DONE)
        assert tab.text("h1") == nasty
        tab.open(f"{server.url}/docs", "document.body?.dataset.done")
        assert nasty in tab.text("h1")
        assert "hit" not in tab.js("document.title").replace(nasty, "")
        assert tab.js("document.querySelectorAll('img').length") == 0


def test_a_server_that_went_away_is_told(folder, tab):
    with running(Bundle.load(folder)) as server:
        tab.open(server.url)
    tab.click("#go")
    tab.wait("document.querySelector('.alert')")
    assert "the server can't be reached" in tab.text(".alert")


def test_every_field_has_a_label_and_the_page_a_language(server, tab):
    tab.open(server.url)
    assert tab.js("document.documentElement.lang") == "en"
    fields = "[...document.querySelectorAll('#ask input, #ask select, #ask textarea')]"
    assert tab.js(f"{fields}.filter((e) => !e.labels.length && !e.ariaLabel).length") == 0
    assert tab.js("document.querySelectorAll('h1').length") == 1


@pytest.mark.parametrize("width", [1280, 390])
def test_the_api_page_shows_every_route_and_its_python_runs(server, tab, width):
    import subprocess
    import sys

    tab.size(width, 850)
    tab.open(f"{server.url}/docs", "document.body?.dataset.done")
    told = server.ask("/openapi.json")[1]
    shown = tab.js("[...document.querySelectorAll('details .path')].map((e) => e.textContent)")
    assert set(told["paths"]) | set(told["components"]["schemas"]) <= set(shown)
    assert tab.js("document.documentElement.scrollWidth") == width
    for path in ("/v1/predict", "/v1/explain", "/v2/models/toy/infer"):
        code = tab.js(
            "(() => { const d = [...document.querySelectorAll('details')].find((e) => e.querySelector('.path').textContent"
            f" === {json.dumps(path)}); d.open = true; [...d.querySelectorAll('[role=tab]')][1].click();"
            " return d.querySelector('pre').textContent; })()"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert "yes" in done.stdout or "no" in done.stdout
    assert tab.faults() == []


def test_several_classes_are_ranked_and_the_decided_one_is_explained(tab, tmp_path):
    with running(make_classes(tmp_path / "classes")) as server:
        tab.open(f"{server.url}/#row={quote(json.dumps({**ROW, 'age': 80}))}&go=1", DONE)
        answer = server.ask("/v1/predict", {"row": {**ROW, "age": 80}})[1]
        ranked = sorted(answer["prediction"], key=answer["prediction"].get, reverse=True)
        shown = tab.js("[...document.querySelectorAll('.ranks li > span:first-child')].map((e) => e.textContent)")
        assert [f"probability_{name}" for name in shown] == ranked
        assert tab.text(".verdict") == answer["decision"] == shown[0]
        assert f"for '{answer['decision']}'" in tab.text(".why")


def test_a_number_is_shown_among_the_others_and_has_no_decision_to_change(tab, tmp_path):
    with running(make_number(tmp_path / "number")) as server:
        tab.open(f"{server.url}/#row={quote(json.dumps(ROW))}&go=1", DONE)
        value = server.ask("/v1/predict", {"row": ROW})[1]["prediction"]["prediction"]
        assert tab.text(".verdict") == f"{float(f'{value:.4g}'):,.0f}"
        assert "of 100 predictions" in tab.text("#answer")
        assert "What would change" not in tab.text("#answer")
        assert tab.faults() == []
