"""The report as one file."""

import copy
import json
import re
from html import unescape
from html.parser import HTMLParser

import pytest

from mulle.core.check import Check, Interval, Outcome, Status
from mulle.core.errors import StoreError
from mulle.core.figure import Axis, Figure, Mark
from mulle.core.jsonable import to_json
from mulle.report.fragment import checks_html, figure_html, run_html
from mulle.report.page import page_html, write_report
from mulle.report.run import read_run

VOID = {"meta", "link", "br", "img", "input", "hr"}
HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"


class Reader(HTMLParser):
    """Reads a page, sees that tags are closed, and keeps what a browser would load."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.loads, self.ids, self.words = [], [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.loads += [v for k, v in attributes if k in {"src", "href", "srcset", "data", "action", "poster"}]
        self.ids += [v for k, v in attributes if k == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.loads += [v for k, v in attributes if k in {"src", "href"}]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def html(run):
    return page_html(run)


@pytest.fixture(scope="module")
def page(html):
    return Reader(html)


def test_the_page_opens_with_the_decision_in_plain_words(page, run):
    start = page.text[page.text.index("Ship? No.") :]
    places = [
        start.index(words)
        for words in (*run["decision"]["because"][:2], run["decision"]["worth"], run["decision"]["next"])
    ]
    assert places == sorted(places)
    assert places[-1] < start.index("The seven gates")


def test_the_headline_numbers_carry_their_intervals(page):
    assert "1,240 EUR" in page.text
    assert "910 to 1,560 EUR" in page.text


def test_all_seven_gates_are_told_in_words_also_the_one_that_did_not_run(page):
    strip = page.text[page.text.index("The seven gates") :]
    assert re.search(r"The question undecided .*The data shut .*The model open .*The sealed test not run", strip)


def test_the_page_loads_nothing_from_elsewhere(html, page):
    assert all(v.startswith(("#", "data:image/")) for v in page.loads)
    assert not re.search(r"url\(|@import|https?://", html)
    assert "default-src 'none'" in html


def test_only_our_own_script_may_run(html, page):
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert "script-src 'sha256-" in html
    assert not [1 for _, attributes in page.tags for name in attributes if name.startswith("on")]


def test_every_figure_has_words_for_the_blind_and_its_numbers(page, run):
    drawings = [a for tag, a in page.tags if tag == "svg" and a.get("role") == "img"]
    assert all(a["aria-label"] for a in drawings)
    n_figures = sum(len(o["figures"]) for o in run["outcomes"])
    assert [tag for tag, _ in page.tags].count("figure") == n_figures
    assert page.text.count("The numbers") == n_figures


def test_ids_are_unique_and_links_lead_somewhere(page):
    assert len(page.ids) == len(set(page.ids))
    assert {v[1:] for v in page.loads if v.startswith("#")} <= set(page.ids)


def test_failed_checks_come_first_and_passed_ones_are_folded(html):
    data = html[html.index('id="stage-2"') : html.index('id="stage-3"')]
    order = ["data.twins_across_sides", "data.drift", "data.leak", "3 checks passed", "data.ranges"]
    assert [data.index(w) for w in order] == sorted(data.index(w) for w in order)
    assert 'class="passed"' in data[: data.index("data.ranges")]


def test_an_override_stands_with_its_reason_in_its_stage_and_at_the_end(page):
    assert page.text.count("Jana of marketing checked it") == 2


def test_the_page_ends_with_how_it_was_made(page, run):
    end = page.text[page.text.rindex("How this was made") :]
    assert run["id"] in end
    assert "versions.numpy" in end
    assert 'target = "churned"' in end


def test_the_same_run_gives_the_same_file(run, html):
    assert page_html(copy.deepcopy(run)) == html


def test_the_file_of_a_table_like_this_is_small(html):
    assert len(html.encode()) < 500_000


def hostile(run):
    """Put hostile words wherever a run carries words."""

    def turned(value, key=""):
        if isinstance(value, dict):
            return {k: turned(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [turned(v, key) for v in value]
        keep = {"status", "verdict", "kind", "role", "scale", "stage", "stamp", "started", "finished"}
        return HOSTILE if isinstance(value, str) and key not in keep else value

    return turned(run) | {"facts": {HOSTILE: HOSTILE}, "stamp": HOSTILE}


def test_no_word_of_a_run_becomes_a_tag(run):
    html = page_html(hostile(run))
    page = Reader(html)
    names = [tag for tag, _ in page.tags]
    assert names.count("script") == 1
    assert "img" not in names
    assert not [1 for _, attributes in page.tags for name in attributes if name.startswith("on")]


@pytest.mark.parametrize("make", [run_html, lambda r: checks_html([c for o in read_run(r).outcomes for c in o.checks])])
def test_fragments_escape_and_close_their_tags(run, make):
    for held in (run, hostile(run)):
        page = Reader(make(held))
        assert not {"script", "img", "html", "body"} & {tag for tag, _ in page.tags}


def test_the_styles_of_a_fragment_touch_nothing_else_on_the_page(run):
    css = re.search(r"<style>(.*?)</style>", run_html(run), re.DOTALL).group(1)
    bare = re.sub(r"@media[^{]*\{", "", css)
    selectors = [
        s.strip() for rule in re.findall(r"([^{}]+)\{", bare) for s in re.sub(r"\([^)]*\)", "", rule).split(",")
    ]
    assert [s for s in selectors if s and ".mu" not in s] == []


def test_a_figure_can_be_shown_alone():
    figure = Figure(
        name="f",
        title="T",
        says="S",
        x=Axis(label=""),
        y=Axis(label=""),
        marks=[Mark(kind="line", x=[1, 2], y=[1, 2])],
    )
    assert "<path" in figure_html(figure)


def test_hundreds_of_columns_are_limited_and_told_in_words(run):
    many = copy.deepcopy(run)
    column = next(f for f in many["outcomes"][1]["figures"] if f["name"].startswith("column."))
    many["outcomes"][1]["figures"] += [column | {"name": f"column.c{i}", "title": f"c{i}"} for i in range(500)]
    html = page_html(many)
    assert "492 more figures, in words" in html
    assert len(html.encode()) < 1_000_000


def test_a_check_with_everything_shows_everything():
    check = Check(
        name="data.x",
        status=Status.UNANSWERED,
        says="What?",
        fix="mulle set x=1",
        value=0.5,
        bar="≤ 0.1 (yours)",
        interval=Interval(low=0.4, high=0.6, confidence=0.9),
        n_rows=1200,
        needed_rows=3400,
        undo="mulle set x=0",
    )
    words = Reader(checks_html([check])).text
    for part in (
        "Unanswered",
        "mulle set x=1",
        "0.5",
        "0.4 to 0.6, 90% sure",
        "1,200 rows",
        "about 3,400 rows",
        "mulle set x=0",
    ):
        assert part in words


def test_an_override_of_a_check_that_passed_changes_nothing():
    check = Check(name="a", status=Status.PASS, says="ok", override="just in case")
    assert "Passed by a person" not in checks_html([check])


def test_a_run_is_read_from_its_folder_and_its_file(run, html, tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(run), "utf-8")
    out = write_report(tmp_path, tmp_path / "new" / "report.html")
    assert out.read_text("utf-8") == html == page_html(tmp_path / "run.json")
    assert [p.name for p in out.parent.iterdir()] == ["report.html"]


def test_a_bare_run_gives_a_whole_page():
    assert "not run" in Reader(page_html({"id": "r", "project": "p"})).text


def test_a_run_that_is_absent_or_broken_says_what_to_type(tmp_path):
    with pytest.raises(StoreError, match="there is no such run"):
        write_report(tmp_path / "nowhere", tmp_path / "r.html")
    odd = '{"id": "r", "project": "p", "outcomes": [{"stage": "d", "question": "", "answer": "", "checks": [%s]}]}'
    unknown = odd % '{"name": "a", "status": "MAYBE", "says": ""}'
    for text in (unknown, "{", "[]", '{"id": "r"}', '{"id": "r", "project": "p", "outcomes": [{"stage": "data"}]}'):
        (tmp_path / "run.json").write_text(text, "utf-8")
        with pytest.raises(StoreError, match=r"fix: +mulle run"):
            write_report(tmp_path, tmp_path / "r.html")


def test_a_report_that_cannot_be_written_says_where(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"fix: +move that file away"):
        write_report({"id": "r", "project": "p"}, tmp_path / "file" / "report.html")


def test_facts_of_a_stage_may_be_nested(run):
    nested = copy.deepcopy(run)
    nested["outcomes"][0]["facts"] = to_json({"rows": 3, "sides": {"train": 2, "test": 1}, "kinds": ["a", "b"]})
    assert read_run(nested).outcomes[0].facts["sides"]["train"] == 2


def told(page):
    """Return a page's words on one line."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_a_value_is_told_in_the_unit_of_its_bar_and_a_note_wants_nothing():
    def told_of(status, bar):
        check = Check(name="data.twins", status=status, says="Twins.", value=0.129, bar=bar)
        outcome = Outcome(stage="data", question="q", answer="a", checks=[check])
        return told(page_html({"id": "r", "project": "p", "outcomes": [to_json(outcome)]}))

    note = told_of(Status.NOTE, "≤ 5 % (mulle default)")
    assert "measured 12.9%" in note
    assert "usual ≤ 5 %" in note
    assert "wanted" not in note
    assert "wanted ≤ 0.55" in told_of(Status.FAIL, "≤ 0.55 (5 % by chance)")
    assert "measured 0.129" in told_of(Status.FAIL, "≤ 0.55 (5 % by chance)")


def test_a_command_within_a_fix_can_be_copied_alone():
    check = Check(
        name="x", status=Status.FAIL, says="No.", fix="give more time: mulle set objective.budget=5m; or wait"
    )
    outcome = Outcome(stage="data", question="q", answer="a", checks=[check])
    page = page_html({"id": "r", "project": "p", "outcomes": [to_json(outcome)]})
    assert '<code class="command">mulle set objective.budget=5m</code>' in page


def test_the_metric_is_explained_beside_its_first_number():
    facts = {"metric_title": "average precision", "metric_explains": "The mean share of right ones."}
    outcome = Outcome(stage="evaluate", question="q", answer="a", facts=facts)
    lines = [{"label": "average precision", "value": "0.8"}]
    text = told(page_html({"id": "r", "project": "p", "headline": lines, "outcomes": [to_json(outcome)]}))
    assert text.index("The mean share of right ones.") < text.index("The seven gates")
    assert "compared row by row" not in text  # no gain is told, so "paired" needs no telling


def test_small_figures_stand_by_height_so_that_no_row_has_a_hole():
    def bars(i, n):
        mark = Mark(kind="bars", x=[1.0] * n, y=[f"l{k}" for k in range(n)])
        y = Axis(label="", scale="category")
        return Figure(name=f"distribution of c{i}", title=f"c{i}", says="", x=Axis(label="x"), y=y, marks=[mark])

    outcome = Outcome(
        stage="data", question="q", answer="a", figures=[bars(i, n) for i, n in enumerate([16, 2, 16, 2, 2, 16])]
    )
    page = page_html({"id": "r", "project": "p", "outcomes": [to_json(outcome)]})
    order = [int(c) for c in re.findall(r"<h4[^>]*>c(\d)</h4>", page)]
    assert order == [1, 3, 4, 0, 2, 5]


def test_paper_bears_no_tables_of_numbers():
    page = page_html({"id": "r", "project": "p"})
    rules = page[page.index("@media print") :]
    assert ".numbers,.mulle .passed .meta,.mulle .passed details{display:none}" in rules
