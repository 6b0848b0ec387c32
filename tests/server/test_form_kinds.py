"""Pictures, texts and lists of words in the page at ``/``, chosen and typed in a real Chromium, on a desktop and a phone."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from .pages_browser import BROWSER, browser  # noqa: TID252  # tests have no package to be named by
from .pages_fixtures import SEEN_ROW, make_seen, png, running  # noqa: TID252

pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")]
PICTURE, NOTE, TAGS, AGE = (f"#field-{i}" for i in range(4))
SHOWN = "document.querySelector('.preview').hidden === false && document.querySelector('.preview').naturalWidth > 0"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(make_seen(tmp_path_factory.mktemp("kinds") / "seen")) as held:
        yield held


@pytest.fixture
def tab(tmp_path):
    with browser(tmp_path / "profile") as held:
        yield held


@pytest.fixture
def file(tmp_path):
    (tmp_path / "scan.png").write_bytes(SEEN_ROW["picture"])
    return tmp_path / "scan.png"


def asked(tab):
    """Press Predict; return what the page says."""
    tab.js("(() => { delete document.body.dataset.done; document.getElementById('answer').replaceChildren(); })()")
    tab.click("#go")
    tab.wait("document.body.dataset.done && document.querySelector('.alert, .why')")
    return tab.text("#answer")


def probability(server, **changed):
    row = {**SEEN_ROW, **changed}
    row["picture"] = base64.b64encode(row["picture"]).decode()
    share = 100 * server.ask("/v1/predict", {"row": row})[1]["prediction"]["probability_yes"]
    return f"{round(share, 1 if 10 <= share <= 90 else 2):g} %"


@pytest.mark.parametrize("width", [1280, 390])
def test_a_row_with_a_picture_a_text_and_a_list_is_answered_as_by_the_api(server, tab, file, width):
    tab.size(width, 850)
    tab.open(server.url)
    tab.choose(PICTURE, file)
    tab.wait(SHOWN)
    tab.type(NOTE, SEEN_ROW["note"])
    tab.type(TAGS, " , ".join(SEEN_ROW["tags"]))
    tab.type(AGE, "44")
    said = asked(tab)
    assert probability(server) in said
    assert "A typical row with this very picture" in said
    assert "tags blue ink, pen (typically not known)" in said
    assert "What the picture itself does isn't told" in said
    assert tab.js("document.documentElement.scrollWidth") == width
    assert tab.faults() == []


def test_a_picture_is_needed_and_must_be_one(server, tab, tmp_path, file):
    tab.open(server.url)
    assert "A picture is needed" in asked(tab)
    (tmp_path / "letter.png").write_bytes(b"this is no picture")
    tab.choose(PICTURE, tmp_path / "letter.png")
    assert "This is no PNG or JPEG picture" in asked(tab)
    assert tab.js(f"document.activeElement === document.querySelector('{PICTURE}')")
    tab.choose(PICTURE, file)
    tab.wait(SHOWN)
    assert "The model gives" in asked(tab)


def test_what_is_shown_is_what_is_sent(server, tab, file):
    tab.open(server.url)
    tab.choose(PICTURE, file)
    tab.wait(SHOWN)
    asked(tab)
    tab.click("#reset")
    tab.wait("document.querySelector('.preview').hidden")
    assert tab.js(f"document.querySelector('{PICTURE}').files.length") == 0
    assert "A picture is needed" in asked(tab)
    tab.choose(PICTURE, file)
    tab.wait(SHOWN)
    field = f"document.querySelector('{PICTURE}')"  # and thought better of it: what a browser does when none is chosen
    tab.js(f"(() => {{ {field}.value = ''; {field}.dispatchEvent(new Event('change')); }})()")
    tab.wait("document.querySelector('.preview').hidden")
    assert "A picture is needed" in asked(tab)


def test_a_telephones_picture_is_made_smaller_and_that_is_said(server, tab, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (1500, 2000), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.jpg", quality=95)
    assert (tmp_path / "photo.jpg").stat().st_size > 1024**2, "larger than a request may be"
    tab.open(server.url)
    tab.choose(PICTURE, tmp_path / "photo.jpg")
    tab.wait(SHOWN)
    assert "made smaller to be sent: from 2000 × 1500 to" in tab.text(".is-image")
    assert "The model gives" in asked(tab)
    tab.click("#link")
    tab.wait("document.getElementById('link').textContent.includes('without the picture')")
    assert len(tab.js("location.href")) < 1000


def test_a_link_brings_a_small_picture_and_a_list_along(server, tab):
    row = {**SEEN_ROW, "picture": base64.b64encode(png(200)).decode()}
    tab.open(f"{server.url}/#row={quote(json.dumps(row))}&go=1", f"document.querySelector('.why') && {SHOWN}")
    assert probability(server, picture=png(200)) in tab.text("#answer")
    assert tab.js(f"document.querySelector('{TAGS}').value") == "blue ink, pen"
    assert (
        tab.js("[...document.querySelectorAll('[aria-pressed=true]')].map((e) => e.textContent).sort().join()")
        == "blue ink,pen"
    )


def test_frequent_words_are_put_in_and_taken_out_by_a_click(server, tab, file):
    tab.open(server.url)
    tab.choose(PICTURE, file)
    tab.wait(SHOWN)
    chips = tab.js("[...document.querySelectorAll('.chips button')].map((e) => e.textContent)")
    assert sorted(chips) == ["black ink", "blue ink", "pen", "pencil", "photo", "scan"]
    tab.type(TAGS, "crayon")
    for name in ("pen", "scan", "pen"):
        tab.click(f".chips button:nth-child({chips.index(name) + 1})")
    assert tab.js(f"document.querySelector('{TAGS}').value") == "crayon, scan"
    tab.type(NOTE, SEEN_ROW["note"])
    tab.type(AGE, "44")
    assert probability(server, tags=["crayon", "scan"]) in asked(tab)


def test_text_of_the_form_is_shown_and_never_run(server, tab, file):
    tab.open(server.url)
    tab.choose(PICTURE, file)
    tab.wait(SHOWN)
    nasty = "<img src=x onerror=document.title='hit'>"
    tab.type(NOTE, nasty)
    tab.type(TAGS, nasty)
    assert nasty in asked(tab)
    assert "hit" not in tab.js("document.title")
