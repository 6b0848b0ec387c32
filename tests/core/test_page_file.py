"""Reading a page: all faults at once, each with place and fix; changing it keeps what people wrote."""

import os
import re
import stat
import tomllib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mulle.core import page_file
from mulle.core.errors import MulleError, ProjectError, StoreError, UnknownName
from mulle.core.page_fault import all_keys, field_at
from mulle.core.page_file import (
    Candidate,
    Guessed,
    Open,
    Unsure,
    check_names,
    json_schema,
    load_page,
    make_page,
    open_questions,
    render,
    set_key,
    set_keys,
    write_page,
)
from mulle.core.project import VARIABLE, Page
from mulle.core.schema import LeftOut

SMALL = '[data]\nsource = "a.csv"\ntarget = "churned"\n'


@pytest.fixture
def page(tmp_path):
    """Write a page and return its path."""

    def written(text, encoding="utf-8"):
        path = tmp_path / "mulle.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    return written


def faults_of(path, **how):
    with pytest.raises(MulleError, match="fix") as caught:
        load_page(path, **how)
    error = caught.value
    return list(getattr(error, "faults", ())) or [error]


# ------------------------------------------------------------------------------------------ not a page at all


def test_an_absent_page_says_how_to_get_one(tmp_path):
    with pytest.raises(ProjectError, match=r"(?s)no project file 'mulle.toml'.*mulle init FILE --target COLUMN"):
        load_page(tmp_path / "mulle.toml")


def test_an_empty_page_says_how_to_get_one(page):
    for text in ("", "  \n\n", b"\xef\xbb\xbf"):
        with pytest.raises(ProjectError, match=r"(?s)'mulle.toml' is empty.*mulle init"):
            load_page(page(text))


def test_a_folder_is_no_page_but_the_page_in_it_is_named(page, tmp_path):
    page(SMALL)
    with pytest.raises(ProjectError, match=r"(?s)is a folder, not a project file.*name the file: .*mulle\.toml"):
        load_page(tmp_path)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="rights do not bind this user")
def test_a_page_that_may_not_be_read_says_so(page):
    path = page(SMALL)
    path.chmod(0)
    with pytest.raises(ProjectError, match="make it readable"):
        load_page(path)


def test_another_encoding_is_named_with_its_line(page):
    with pytest.raises(ProjectError, match=r"(?s)not UTF-8: byte 0xe9.*line 2.*save it as UTF-8"):
        load_page(page('[data]\ntarget = "café"\n', "latin-1"))
    with pytest.raises(ProjectError, match=r"(?s)written in UTF-16.*save it as UTF-8"):
        load_page(page(SMALL, "utf-16"))


def test_a_byte_order_mark_is_no_fault(page):
    assert load_page(page(SMALL, "utf-8-sig")).data.target == "churned"


def test_windows_line_ends_are_no_fault(page):
    assert load_page(page(SMALL.replace("\n", "\r\n"))).data.target == "churned"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[data]\ntarget = churned\n", 'put text in quotes: target = "churned"'),
        ('[data]\ntarget = "churned\n', "close the quotes"),
        ("[data\ntarget = 1\n", "close the bracket"),
        ("[data]\ntarget\n", "each line is [table], or key = value"),
        ('data:\n  target: "x"\n', "each line is [table], or key = value"),
        ("[data]\nx = {a = 1, a = 2}\n", "keep one of the two"),
    ],
)
def test_what_is_not_toml_is_shown_with_a_cure(page, text, says):
    with pytest.raises(ProjectError, match=re.escape(says)) as caught:
        load_page(page(text))
    assert re.fullmatch(r"mulle\.toml, line \d+, column \d+", caught.value.where)


def test_the_faulty_line_is_shown_with_a_mark_below_it(page):
    with pytest.raises(ProjectError, match="not TOML") as caught:
        load_page(page("[data]\ntarget = churned\n"))
    assert str(caught.value) == (
        "this is not TOML: invalid value\n"
        "     2 | target = churned\n"
        "       |          ^\n"
        "  where: mulle.toml, line 2, column 10\n"
        '  fix:   put text in quotes: target = "churned"'
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[data]\ntarget = 'x'\n\ntarget = 'y'\n", r"\[data\] target stands twice, on lines 2 and 4"),
        ("[data]\ntarget = 'x'\n[code]\n[data]\nkey = 'k'\n", r"\[data\] stands twice, on lines 1 and 4"),
    ],
)
def test_a_key_or_table_that_stands_twice_is_named_with_both_lines(page, text, says):
    with pytest.raises(ProjectError, match=f"(?s){says}.*keep one of the two"):
        load_page(page(text))


# ------------------------------------------------------------------------------------------ single faults


@pytest.mark.parametrize(
    ("line", "what", "fix"),
    [
        ("nmae = 1", "key 'nmae' is unknown", "did you mean 'name'?"),
        ("name = 3", "name = 3 is not text", 'write name = "churn"'),
        ('name = ""', 'name = "" is empty', 'write name = "churn"'),
        ("seed = 1.5", "seed = 1.5 is not a whole number", "write seed = 0"),
        ("seed = true", "seed = true is not a whole number", "write seed = 0"),
        ("seed = -1", "seed = -1 is out of range: it must be at least 0", "write seed = 0"),
        ('serving = "onlin"', "serving 'onlin' is unknown", "did you mean 'online'?"),
        ("serving = 3", "serving = 3 is not known", "write one of batch, online"),
        ('metric = "auc"', "key 'metric' is unknown", "it belongs in [objective]"),
        ('goal = "${NOT_SET_ANYWHERE}"', "variable NOT_SET_ANYWHERE is not set", "export NOT_SET_ANYWHERE="),
    ],
)
def test_a_wrong_key_of_a_table_is_told_with_line_and_fix(page, line, what, fix):
    (fault,) = faults_of(page(f"{SMALL}\n[project]\n# words\n{line}\n"))
    assert what in fault.what
    assert fix in fault.fix
    assert fault.where.startswith("mulle.toml, line 7: [project] ")


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ("[objective]\nbudget = 60", "budget = 60 is neither text nor a table", 'write budget = "5m"'),
        ('[objective]\nbudget = "60"', 'budget = "60" is not a span of time', "say the unit: 60s or 60m"),
        ("[objective]\nbudget = { trials = 0 }", "trials = 0 is out of range", "write trials = 40"),
        ("[objective]\nbudget = { trails = 9 }", "key 'trails' is unknown", "did you mean 'trials'?"),
        ("[objective]\ncosts = 3", "costs = 3 is neither text nor a table", "write costs = { false_positive"),
        ('[objective]\ncosts = "dunno"', 'costs = "dunno" is not an amount', 'or "unknown"'),
        (
            "[objective]\ncosts = { false_pos = 1 }",
            "key 'false_pos' is unknown",
            "did you mean 'false_positive'?",
        ),
        ("[objective]\ncosts = { false_positive = -1 }", "must be at least 0", "write false_positive = 1.5"),
        ('[objective]\nmin_gain = "0.1"', 'min_gain = "0.1" is not a number', "write min_gain = 0.01"),
        ("[objective]\nmin_gain = nan", "min_gain = nan is not a finite number", "write min_gain = 0.01"),
        ("[objective]\nmin_gain = inf", "min_gain = inf is not a finite number", "write min_gain = 0.01"),
        (
            '[objective]\nfamilies = "linear"',
            'families = "linear" is not a list',
            'write families = ["linear"',
        ),
        ("[limits]\nsize_mb = 0", "must be more than 0", "write size_mb = 20"),
        ('[slices]\nname = "new"', "is not a list", "write the header with two brackets: [[slices]]"),
        ('[[slices]]\nname = "new"', "key 'where' is missing", 'add where = "months < 3"'),
        ('[[overrides]]\ncheck = "a"\nreason = "ok"', "shorter than 10 letters", 'write reason = "'),
        ("[checks]\ndata.missing = 'a lot'", 'data.missing = "a lot" is not a number', "write"),
        ("[features]\nx = 3", "x = 3 is not text", 'write x = "spend / months"'),
        ("[objectiv]\nx = 1", "table 'objectiv' is unknown", "did you mean 'objective'?"),
        ("[fairness]\nmeasure = 'parity'", "measure 'parity' is unknown", "known: demographic_parity"),
        ("[fairness]\nmax_gap = 0.1", "max_gap means nothing without measure", "add measure ="),
        ("[fairness]\nmeasure = 'error'", "measure means nothing without columns", "add columns ="),
        ("[baseline]\nold_system = 'churned'", "is also named as old_system", "name the column"),
    ],
)
def test_each_fault_says_what_was_seen_and_what_to_type(page, text, what, fix):
    (fault,) = faults_of(page(f"{SMALL}{text}\n"))
    assert what in fault.what
    assert fix in fault.fix
    assert fault.where.startswith("mulle.toml, line ")


@pytest.mark.parametrize(
    ("line", "what", "fix"),
    [
        ('key = ["id", "churned"]', "the target 'churned' is also named as key", "take it out of key"),
        ('ignore = ["churned"]', "the target 'churned' is also named as ignore", "take it out of ignore"),
        ('keep = ["a"]\nignore = ["a"]', "column 'a' stands in keep and in ignore", "keep one"),
        ('places = [["lat"]]', 'places = ["lat"] is not a list of two', 'write places = [["lat", "lon"]]'),
        ('places = [["a", "b", "c"]]', "is not a list of two", 'write places = [["lat", "lon"]]'),
        ("test_fraction = 0.9", "it must be less than 0.9", "write test_fraction = 0.2"),
        (
            'test_from = "last week"',
            'test_from = "last week" is not a date',
            'write a date like "2026-01-31"',
        ),
        ("test_from = 2026-01-01", "test_from means nothing without time", "add time ="),
        ('label_delay = "30d"', "label_delay means nothing without time", "add time ="),
        ('label_delay = "a month"', "is not a span of time", "write a number with its unit"),
    ],
)
def test_each_fault_of_the_data_table_is_told(page, line, what, fix):
    (fault,) = faults_of(page(f"{SMALL}{line}\n"))
    assert what in fault.what
    assert fix in fault.fix


def test_a_page_without_data_is_told_how_to_begin(page):
    (fault,) = faults_of(page('[project]\nname = "x"\n'))
    assert fault.what == "the table [data] is missing"
    assert "mulle init FILE --target COLUMN" in fault.fix


def test_a_key_outside_any_table_is_sent_home(page):
    faults = faults_of(page('target = "x"\n[data]\nsource = "a.csv"\ntarget = "x"\n'))
    assert [fault.fix for fault in faults] == ["it belongs in [data]"]


def test_two_slices_of_one_name_are_told(page):
    one = '[[slices]]\nname = "new"\nwhere = "months < 3"\n'
    (fault,) = faults_of(page(SMALL + one + one))
    assert fault.what == "two slices are called 'new'"
    assert fault.where == "mulle.toml, line 7: [[slices]] number 2"


def test_all_faults_are_told_at_once_in_the_order_of_the_file(page):
    text = '[project]\nnmae = "x"\n[data]\ntraget = "y"\nsource = "${NOPE_X}"\n[objective]\nbudget = "soon"\n'
    with pytest.raises(ProjectError, match="4 faults") as caught:
        load_page(page(text))
    assert str(caught.value).startswith("4 faults:\n1. ")
    assert [fault.where for fault in caught.value.faults] == [
        "mulle.toml, line 2: [project] nmae",
        "mulle.toml, line 4: [data] traget",
        "mulle.toml, line 5: [data] source",
        "mulle.toml, line 7: [objective] budget",
    ]


def test_a_misspelt_key_is_told_once_and_not_as_missing_too(page):
    (fault,) = faults_of(page('[data]\ntraget = "y"\n'))
    assert isinstance(fault, UnknownName)


def test_known_names_that_are_wrong_are_told_with_their_lines(page):
    path = page(f'{SMALL}kinds = {{ zip = "categry" }}\n[objective]\nmetric = "acuracy"\nfamilies = ["liner"]\n')
    known = {
        "objective.metric": ["accuracy", "roc_auc"],
        "objective.families": ["linear"],
        "objective.policy": ["threshold"],
        "data.kinds": ["category", "number"],
    }
    with pytest.raises(ProjectError, match="3 faults") as caught:
        check_names(load_page(path), known)
    told = [(fault.what, fault.where, fault.fix.split("?")[0]) for fault in caught.value.faults]
    assert told == [
        ("kind 'categry' is unknown", "mulle.toml, line 4: [data] kinds.zip", "did you mean 'category'"),
        ("metric 'acuracy' is unknown", "mulle.toml, line 6: [objective] metric", "did you mean 'accuracy'"),
        (
            "model family 'liner' is unknown",
            "mulle.toml, line 7: [objective] families, number 1",
            "did you mean 'linear'",
        ),
    ]


# -------------------------------------------------------------------------------------- what is kindly read


def test_a_positive_class_may_be_written_as_a_number_or_truth_value(page):
    assert load_page(page(f"{SMALL}positive = 1\n")).data.positive == "1"
    assert load_page(page(f"{SMALL}positive = true\n")).data.positive == "true"


def test_a_date_may_stand_without_quotes(page):
    read = load_page(page(f"{SMALL}time = 'at'\ntest_from = 2026-01-01\n"))
    assert read.data.test_from == "2026-01-01"


def test_bars_of_checks_need_no_quotes(page):
    assert load_page(page(f"{SMALL}[checks]\ndata.missing = 0.9\n")).checks == {"data.missing": 0.9}
    assert load_page(page(f'{SMALL}[checks]\n"data.missing" = 0.9\n')).checks == {"data.missing": 0.9}


def test_a_frozen_page_cannot_be_changed():
    read = make_page({"data": {"target": "x"}})
    with pytest.raises(ValueError, match="frozen"):
        read.data.target = "y"


# ------------------------------------------------------------------------------------------ the environment


def test_variables_are_filled_in_and_doubled_dollars_are_not(page, monkeypatch):
    monkeypatch.setenv("FOLDER", "/data")
    read = load_page(page('[data]\nsource = "${FOLDER}/a.csv"\ntarget = "$${FOLDER}"\n'))
    assert (read.data.source, read.data.target) == ("/data/a.csv", "${FOLDER}")


@pytest.mark.parametrize(
    "line",
    ["task = 3\n[project]\nserving = '${S3CRET}'", "label_delay = '${S3CRET}'", "test_from = '${S3CRET}'"],
)
def test_no_error_shows_what_a_variable_holds(page, monkeypatch, line):
    monkeypatch.setenv("S3CRET", "hunter2")
    with pytest.raises(MulleError, match="S3CRET") as caught:
        load_page(page(f"{SMALL}{line}\n"))
    assert "hunter2" not in str(caught.value)


def test_neither_render_nor_what_is_kept_shows_what_a_variable_holds(page, monkeypatch):
    monkeypatch.setenv("S3CRET", "hunter2")
    path = page('[data]\nsource = "${S3CRET}"\ntarget = "x"\nignore = ["a", "${S3CRET}"]\n')
    read = load_page(path)
    assert read.data.ignore == ["a", "hunter2"]
    assert "hunter2" not in render(read)
    assert "hunter2" not in read.model_dump_json()
    assert read.model_dump(mode="json")["data"]["ignore"] == ["a", "${S3CRET}"]


# ------------------------------------------------------------------------------------------ --set


@pytest.mark.parametrize(
    ("words", "path", "value"),
    [
        ("objective.budget=5m", "objective.budget", "5m"),
        ("budget=5m", "objective.budget", "5m"),
        ('objective.metric="roc_auc"', "objective.metric", "roc_auc"),
        ("costs.false_negative=20", "objective.costs.false_negative", 20),
        ("data.ignore=['a', 'b']", "data.ignore", ["a", "b"]),
        ("positive=01", "data.positive", "01"),
        ("positive=1.0", "data.positive", "1.0"),
        ("project.goal=3 more", "project.goal", "3 more"),
        ("goal=a = b", "project.goal", "a = b"),
        ("max_gap=0.1", "fairness.max_gap", 0.1),
    ],
)
def test_an_override_takes_toml_else_text_and_short_names(page, words, path, value):
    extra = ["fairness.measure=error", 'fairness.columns=["sex"]'] if "max_gap" in words else []
    held = load_page(page(SMALL), settings=[words, *extra])
    for name in path.split("."):
        held = getattr(held, name)
    assert held == value


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("bugdet=5m", "did you mean 'objective.budget'"),
        ("objectiv.budget=5m", "did you mean 'objective.budget'"),
        ("cost.false_negative=1", "did you mean 'objective.costs.false_negative'"),
        ("xyzzy=1", "known: baseline, checks, code"),
        ("budget", "write --set objective.budget=5m"),
        ("=5", "write --set objective.budget=5m"),
        ("budget=soon", "write a number with its unit"),
        ("name=", "write name ="),
    ],
)
def test_a_wrong_override_is_told_as_it_was_typed(page, words, says):
    (fault,) = faults_of(page(SMALL), settings=[words])
    assert says in fault.fix
    assert fault.where == f"--set {words}"


def test_a_name_that_two_keys_share_must_be_said_in_full(page):
    shared = [keys for keys in all_keys() if keys[-1] == "columns"]
    assert len(shared) == 1  # today no short name is shared; a second one makes this test choose another
    with pytest.raises(UnknownName, match="is unknown"):
        load_page(page(SMALL), settings=["where=x"])  # slices are rows, not one key


# ------------------------------------------------------------------------------------------ mulle set


def test_set_keeps_comments_order_and_line_ends(page):
    text = '# ours\r\n[data]  # here\r\nsource = "a.csv"   # the file\r\ntarget = "churned"\r\n'
    path = page(text)
    set_key(path, "source", "b.csv")
    assert path.read_bytes().decode() == text.replace('"a.csv"', '"b.csv"')


def test_set_answers_an_open_question_in_its_place(page):
    asked = "# costs = { false_positive = … }  # open: what does each mistake cost?"
    asked = f'[objective]\nmetric = "roc_auc"\n{asked}\nbudget = "60s"\n'
    path = page(SMALL + asked)
    set_key(path, "costs.false_negative", "20")
    assert "costs = { false_negative = 20 }  # open: what does each mistake cost?\nbudget" in path.read_text("utf-8")
    set_key(path, "costs.false_positive", "1.5")
    assert "costs = { false_negative = 20, false_positive = 1.5 }\nbudget" in path.read_text("utf-8")


def test_set_replaces_a_word_by_a_table(page):
    path = page(f'{SMALL}[objective]\ncosts = "unknown"\n')
    assert set_key(path, "costs.false_negative", "20").objective.costs.false_negative == 20


def test_set_works_on_a_table_written_out_in_full(page):
    path = page(f"{SMALL}[objective.costs]  # money\nfalse_negative = 1\n")
    set_key(path, "costs.false_negative", "20")
    assert path.read_text("utf-8") == f"{SMALL}[objective.costs]  # money\nfalse_negative = 20\n"


def test_set_knows_keys_whose_name_people_choose(page):
    path = page(f"{SMALL}[checks]\ndata.missing = 0.5\n")
    set_keys(path, ["checks.data.missing=0.9", "checks.data.twins=3", "kinds.zip=category", "features.x=a / b"])
    read = load_page(path)
    assert read.checks == {"data.missing": 0.9, "data.twins": 3}
    assert (read.data.kinds, read.features) == ({"zip": "category"}, {"x": "a / b"})


@pytest.mark.parametrize("words", ["bugdet=5m", "budget=soon", "costs.false_negative=-1", "key=churned"])
def test_set_writes_nothing_when_anything_is_wrong(page, words):
    path = page(SMALL)
    with pytest.raises(ProjectError, match=re.escape(f"mulle set {words}") if "key" not in words else "take it out"):
        set_keys(path, ["seed=3", words])
    assert path.read_text("utf-8") == SMALL
    assert [entry.name for entry in path.parent.iterdir()] == ["mulle.toml"]


def test_set_keeps_the_rights_of_the_file(page):
    path = page(SMALL)
    path.chmod(0o640)
    set_key(path, "seed", "3")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_set_that_cannot_write_leaves_the_old_page_whole(page, monkeypatch):
    path = page(SMALL)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)  # a full disk, as the system tells it
    with pytest.raises(StoreError, match=r"(?s)the disk is full.*free some space"):
        set_key(path, "seed", "3")
    assert path.read_text("utf-8") == SMALL
    assert [entry.name for entry in path.parent.iterdir()] == ["mulle.toml"]


@given(st.text(st.characters(codec="utf-8")))
@example("${")
@example("$${A} and ${A}")
def test_any_text_can_be_set_and_comes_back(tmp_path_factory, goal):
    path = tmp_path_factory.mktemp("page") / "mulle.toml"
    path.write_text(SMALL, "utf-8")
    written = VARIABLE.sub(lambda name: f"${name[0]}", goal)  # a dollar and a brace alone stand for themselves
    page_file.replace_text(path, f"{SMALL}[project]\ngoal = {page_file.toml(written)}\n")
    assert load_page(path).project.goal == goal


# ------------------------------------------------------------------------------------------ what init writes

FULL = Guessed(
    name="churn",
    source="customers.csv",
    target="churned",
    task="binary",
    task_why="two values, yes and no",
    n_rows=7043,
    n_columns=21,
    positive="yes",
    positive_why="the rarer one (26.5 %): is it what you look for?",
    key=("customer_id",),
    key_why="each value occurs once",
    times=[Candidate(column="snapshot_at", why="dates from 2024-01 to 2026-10")],
    groups=[Candidate(column="household", why="2.1 rows share a value")],
    left_out=[
        LeftOut(column="fax", why='always "no"'),
        LeftOut(column="note_id", why="a new value in each row"),
    ],
    unsure=[Unsure(column="zip code", kind="number", instead="category", why="whole numbers, 812 values")],
    metric="average_precision",
    metric_why="26.5 % are yes: accuracy would flatter",
    questions=[Open(line="min_gain = 0.01", question="which gain is worth having?")],
)


def test_what_init_writes_is_a_page_of_about_ten_lines(page):
    text = write_page(FULL)
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", "["))]
    assert 6 <= len(lines) <= 10
    read = load_page(page(text))
    assert (read.data.key, read.data.positive, read.objective.metric) == (
        "customer_id",
        "yes",
        "average_precision",
    )
    assert read.objective.costs == "unknown"


def test_every_guess_stands_with_its_reason_and_every_open_question_with_its_line():
    text = write_page(FULL)
    for reason in (
        "two values, yes and no",
        "each value occurs once",
        "26.5 % are yes",
        'always "no"',
        "812 values",
    ):
        assert reason in text
    assert text.count("# open:") == len(open_questions(FULL)) == 5
    assert '"ship?" stays "no" until you say' in text


def test_every_open_question_can_be_answered_by_mulle_set(page):
    path = page(write_page(FULL))
    answers = ["goal=call them", "time=snapshot_at", "group=household", "min_gain=0.01"]
    set_keys(path, [*answers, "costs.false_positive=1.5", "costs.false_negative=20"])
    assert "open:" not in path.read_text("utf-8")
    read = load_page(path)
    assert (read.data.time, read.data.group, read.objective.min_gain) == ("snapshot_at", "household", 0.01)


def test_a_close_call_becomes_true_by_taking_out_the_mark(page):
    text = write_page(FULL).replace("# kinds.", "kinds.")
    assert load_page(page(text)).data.kinds == {"zip code": "category"}


@given(st.text(min_size=1), st.text(min_size=1), st.text())
def test_no_name_in_the_data_breaks_the_page(target, source, why):
    held = Guessed(
        name="x",
        source=source,
        target=target,
        task="binary",
        task_why=why,
        positive=why,
        positive_why=why,
        key=(target + "_id",),
        groups=[Candidate(column=source, why=why)],
        left_out=[LeftOut(column=why + "x", why=why)],
        unsure=[Unsure(column=source, kind="number", instead="category", why=why)],
        n_rows=1,
        n_columns=1,
    )
    read = tomllib.loads(write_page(held))
    assert (read["data"]["target"], read["data"]["source"]) == (target, source)


# ------------------------------------------------------------------------------------------ every key

RICH = """
[project]
name = "churn"
[data]
target = "churned"
kinds = { zip = "category" }
places = [["lat", "lon"]]
[features]
x = "a / b"
[objective]
costs = { false_negative = 20, currency = "EUR" }
budget = { trials = 40 }
[[slices]]
name = "new"
where = "months < 3"
[[slices]]
name = "old"
where = "months > 9"
max_drop = 0.05
[checks]
data.missing = 0.9
[[overrides]]
check = "data.twins"
reason = "two tills print the same receipt"
"""


@pytest.mark.parametrize("text", [SMALL, RICH])
def test_what_is_rendered_reads_back_as_the_same_page(page, text):
    read = load_page(page(text))
    assert make_page(tomllib.loads(render(read))) == read


def test_render_says_of_each_key_where_it_comes_from(page):
    path = page(f'{SMALL}[objective]\nmetric = "roc_auc"\n')
    shown = render(load_page(path, settings=["seed=3"]))
    assert re.search(r"(?m)^metric = \"roc_auc\"$", shown)
    assert re.search(r"(?m)^budget = \"60s\" +# default$", shown)
    assert re.search(r"(?m)^seed = 3 +# from --set$", shown)
    assert re.search(r"(?m)^# group = \"household\"", shown)


def test_every_key_is_rendered():
    shown = render(make_page({"data": {"target": "x"}}))
    inner = {"costs", "budget", "trials", "false_positive", "false_negative", "currency", "margin"}
    for keys in all_keys():
        if not inner & set(keys):
            assert re.search(rf"(?m)^(# )?({keys[-1]} = |\[+{keys[-1]}\]+)", shown), keys


def test_every_key_says_what_it_means_and_shows_an_example_that_is_right():
    for keys in all_keys():
        field = field_at(keys)
        assert field.description, keys
        assert len(field.description) > 8, keys
        if len(keys) > 1:
            assert field.examples, keys


def test_the_schema_for_editors_describes_every_table_and_key():
    schema = json_schema()
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(Page.model_fields)
    for part in schema["$defs"].values():
        assert all(held["description"] for held in part["properties"].values())
        assert part["additionalProperties"] is False


TWO_TIMES = """\
[project]
# goal = "…"  # open: what for?

[data]
target = "y"
# time = "signed_up"                      # open: dates: does a row know only what came before it?
# time = "seen_at"                        # open: dates: does a row know only what came before it?
# group = "shop"                          # open: do its rows belong together?

[objective]
budget = "60s"
"""


@pytest.mark.parametrize("before", [TWO_TIMES, TWO_TIMES.replace('target = "y"', 'target = "y"\ntime = "signed_up"')])
def test_an_answer_closes_every_comment_that_asked_for_it(tmp_path, before):
    path = tmp_path / "mulle.toml"
    path.write_text(before, "utf-8")
    set_keys(path, ["time=seen_at"])
    text = path.read_text("utf-8")
    assert text.count("seen_at") == 1
    assert "signed_up" not in text
    assert "# group =" in text
    assert "# goal =" in text


def test_a_page_that_a_check_refuses_is_not_written(tmp_path):
    path = tmp_path / "mulle.toml"
    path.write_text('[data]\ntarget = "y"\n', "utf-8")

    def refuse(page, changed):
        check_names(page, {changed[0]: ["accuracy"]})

    with pytest.raises(UnknownName, match="did you mean 'accuracy'"):
        set_keys(path, ["metric=acuracy"], check=refuse)
    assert path.read_text("utf-8") == '[data]\ntarget = "y"\n'
    set_keys(path, ["metric=accuracy"], check=refuse)
