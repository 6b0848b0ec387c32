"""Each word does what it says, and leaves with the right code."""

# ruff: noqa: ARG001  # fixtures are asked for by name; the stand-in keeps the signatures

import json
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from mulle.cli.main import cli
from mulle.cli.words import ALL, LATER

HEAVY = {
    "numpy",
    "polars",
    "pydantic",
    "rich",
    "sklearn",
    "scipy",
    "lightgbm",
    "catboost",
    "optuna",
    "onnx",
    "PIL",
}


def test_help_imports_nothing_heavy_and_names_every_word():
    code = (
        "import sys\nfrom mulle.cli.main import main\nsys.argv = ['mulle', '--help']\n"
        "try:\n    main()\nfinally:\n    print('LOADED', *sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # our own words
    shown, _, loaded = done.stdout.partition("LOADED")
    assert not HEAVY & set(loaded.split())
    assert all(f"\n  {word} " in shown for word in ALL)


def test_python_m_mulle_is_mulle():
    done = subprocess.run([sys.executable, "-m", "mulle", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("mulle ")


@pytest.mark.parametrize("word", sorted(ALL))
def test_each_word_has_help_and_imports_nothing_it_need_not(word, mulle_):
    done = mulle_(word, "--help")
    assert done.exit_code == 0
    assert f"Usage: mulle {word}" in done.stdout


def leaves(word):
    """Return the words that do something: a group's own ones instead of the group's."""
    command = cli.get_command(click.Context(cli), word)
    return [(word, inner) for inner in command.commands] if isinstance(command, click.Group) else [(word,)]


@pytest.mark.parametrize(
    "words", [words for word in sorted(ALL.keys() - LATER) for words in leaves(word)], ids=" ".join
)
def test_each_word_that_is_built_speaks_json(words, mulle_):
    assert "--json" in mulle_(*words, "--help").stdout


@pytest.mark.parametrize("word", sorted(LATER))
def test_a_word_that_is_not_built_says_so_and_what_to_do_until_then(word, mulle_):
    done = mulle_(word, "anything", "--port", "80")
    assert done.exit_code == 2
    assert f"mulle {word} is not built yet" in done.stderr
    assert "fix    mulle" in done.stderr or "fix    bring" in done.stderr


def test_a_misspelt_word_is_guessed(mulle_):
    done = mulle_("asess")
    assert done.exit_code == 2
    assert done.stderr == (
        "error  word 'asess' is unknown\n"
        "where  mulle asess\n"
        "fix    did you mean 'assess'? mulle --help lists all words\n"
    )


def test_a_misspelt_option_is_guessed(mulle_):
    done = mulle_("run", "--bugdet", "5m")
    assert done.exit_code == 2
    assert "--budget" in done.stderr
    assert "mulle run --help" in done.stderr


# ------------------------------------------------------------------------------------------ exit codes


def test_a_run_that_completes_leaves_with_0_although_a_gate_is_shut(project, api, runs, mulle_):
    api.ends = runs.FakeRun([runs.problem(runs.COSTS), runs.data(runs.TWINS)])
    done = mulle_("run")
    assert done.exit_code == 0
    assert "ship? no: 1 FAIL, 1 UNANSWERED" in done.stdout


def test_strict_leaves_with_1_when_a_gate_is_shut(project, api, runs, mulle_):
    api.ends = runs.FakeRun([runs.data(runs.TWINS)])
    assert mulle_("run", "--strict").exit_code == 1
    assert mulle_("check", "--strict").exit_code == 1


def test_assess_always_leaves_with_1_when_a_gate_is_shut(project, api, runs, mulle_):
    api.ends = runs.FakeRun([runs.data(runs.TWINS)])
    assert mulle_("assess").exit_code == 1


def test_an_overridden_failure_does_not_shut_the_gate(project, api, runs, mulle_):
    api.ends = runs.FakeRun(
        [runs.data(runs.TWINS.overridden("agreed with Ana, two tills")), runs.sealed()], stamp="ready"
    )
    done = mulle_("assess")
    assert done.exit_code == 0
    assert "ship? yes" in done.stdout


def test_open_gates_without_the_sealed_test_are_not_a_yes(project, api, mulle_):
    assert "ship? not yet: the sealed test has not been opened" in mulle_("run").stdout


def test_what_the_person_can_mend_leaves_with_2(project, api, mulle_):
    project.write_text('[data]\ntraget = "x"\n')
    done = mulle_("run")
    assert done.exit_code == 2
    assert "did you mean 'target'?" in done.stderr
    assert not done.stdout


def test_a_fault_of_ours_leaves_with_3_and_a_trace_in_a_file(project, api, mulle_):
    api.raises = ZeroDivisionError("division by zero")
    done = mulle_("run")
    assert done.exit_code == 3
    assert "this is a fault of Mulle, not yours: ZeroDivisionError: division by zero" in done.stderr
    assert "Traceback" not in done.stderr
    (trace,) = (project.parent / ".mulle" / "faults").iterdir()
    assert "ZeroDivisionError" in trace.read_text("utf-8")


def test_an_interrupt_leaves_with_130_and_says_what_is_kept(project, api, mulle_):
    api.raises = KeyboardInterrupt()
    done = mulle_("run")
    assert done.exit_code == 130
    assert "What was finished is kept: the same command goes on from there." in done.stderr


def test_an_interrupt_of_what_keeps_nothing_says_so(project, api, mulle_, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "predict", stopped)
    done = mulle_("predict", "a.zip", "in.csv", "out.csv")
    assert done.exit_code == 130
    assert "Nothing of it is kept: the same command begins again." in done.stderr


def test_a_try_that_was_stopped_goes_on_as_a_run(project, api, runs, mulle_):
    api.ends = runs.FakeRun([runs.problem()], interrupted=True)
    done = mulle_("try", "a.csv", "--target", "y")
    assert done.exit_code == 130
    assert "mulle run goes on from there" in done.stderr


def test_the_end_of_a_file_is_no_interrupt(project, api, mulle_):
    api.raises = EOFError("Compressed file ended before the end-of-stream marker was reached")
    done = mulle_("run")
    assert done.exit_code == 3
    assert "EOFError: Compressed file ended" in done.stderr


def test_a_partial_run_is_shown_and_leaves_with_130(project, api, runs, mulle_):
    api.ends = runs.FakeRun([runs.problem()], interrupted=True)
    done = mulle_("run")
    assert done.exit_code == 130
    assert "ship? not yet: the run was stopped" in done.stdout


# ------------------------------------------------------------------------------------------ results and words


def test_json_is_the_only_thing_on_stdout(project, api, mulle_):
    done = mulle_("run", "--json")
    assert json.loads(done.stdout)["verdict"] == "open"
    assert "Can these rows answer it?" in done.stderr


def test_with_json_an_error_is_told_to_machines_too(project, mulle_):
    project.write_text('[data]\ntraget = "x"\n[project]\nnmae = 1\n')
    done = mulle_("render", "--json")
    assert done.exit_code == 2
    errors = json.loads(done.stdout)["errors"]
    assert [error["what"] for error in errors] == ["key 'traget' is unknown", "key 'nmae' is unknown"]
    assert all(error["where"] and error["fix"] for error in errors)
    assert mulle_("render").stdout == ""


def test_budget_and_overrides_reach_the_run(project, api, mulle_):
    mulle_("run", "--budget", "5m", "--set", "costs.false_negative=20", "--until", "baseline")
    assert (api.told["budget"], api.told["until"]) == ("5m", "baseline")
    assert api.told["project"].objective.costs.false_negative == 20


def test_check_stops_after_the_data(project, api, mulle_):
    mulle_("check")
    assert api.told["until"] == "data"


def test_assess_hands_the_reason_on(project, api, mulle_):
    mulle_("assess", "--again", "the label was mended")
    assert api.told["again"] == "the label was mended"


def test_try_tells_its_guesses_and_leaves_the_page_behind(tmp_path, monkeypatch, api, mulle_):
    monkeypatch.chdir(tmp_path)
    done = mulle_("try", "churn.csv", "--target", "churned")
    assert done.exit_code == 0
    assert "7,043 × 21 columns of churn.csv" in done.stderr
    assert 'fax (always "no")' in done.stderr
    assert (tmp_path / "mulle.toml").is_file()


def test_init_prints_the_page_and_the_next_word(tmp_path, monkeypatch, api, mulle_):
    monkeypatch.chdir(tmp_path)
    done = mulle_("init", "churn.csv", "--target", "churned")
    assert done.stdout == (tmp_path / "mulle.toml").read_text("utf-8")
    assert "mulle run" in done.stderr


def test_demo_is_laid_out_in_its_own_folder(tmp_path, monkeypatch, api, mulle_):
    monkeypatch.chdir(tmp_path)
    mulle_("demo", "digits")
    assert (api.told["name"], str(api.told["folder"])) == ("digits", "mulle-digits")


def test_set_changes_the_page_and_says_what(project, mulle_):
    done = mulle_("set", "costs.false_negative=20", "budget=5m")
    assert done.exit_code == 0
    assert "objective.costs.false_negative = 20" in done.stderr
    assert 'budget = "5m"' in project.read_text("utf-8")


def test_set_changes_nothing_when_one_of_two_is_wrong(project, mulle_):
    before = project.read_bytes()
    done = mulle_("set", "budget=5m", "test_fraction=2")
    assert done.exit_code == 2
    assert "mulle set test_fraction=2" in done.stderr
    assert project.read_bytes() == before


def test_render_never_shows_a_secret(project, monkeypatch, mulle_):
    monkeypatch.setenv("SECRET_URL", "postgres://ana:hunter2@db")
    project.write_text('[data]\nsource = "${SECRET_URL}"\ntarget = "x"\n')
    for words in (["render"], ["render", "--json"]):
        done = mulle_(*words)
        assert done.exit_code == 0
        assert "${SECRET_URL}" in done.stdout
        assert "hunter2" not in done.output


def test_schema_is_json_for_editors(tmp_path, mulle_):
    schema = json.loads(mulle_("schema").stdout)
    assert schema["required"] == ["data"]
    assert mulle_("schema", "--out", str(tmp_path / "s.json")).exit_code == 0
    assert json.loads((tmp_path / "s.json").read_text("utf-8")) == schema


def test_history_and_status_are_shown_as_columns(project, api, mulle_):
    assert mulle_("history").stdout.splitlines()[1].split() == ["r1", "shut", "1,200"]
    assert "mulle assess" in mulle_("status").stdout
    assert json.loads(mulle_("history", "--json").stdout)[0]["run"] == "r1"


def test_looking_without_a_page_says_how_to_get_one(tmp_path, monkeypatch, api, mulle_):
    monkeypatch.chdir(tmp_path)
    done = mulle_("history")
    assert done.exit_code == 2
    assert "mulle init FILE --target COLUMN" in done.stderr


def test_report_prints_its_path_alone(project, api, mulle_):
    assert mulle_("report").stdout.strip() == str(project.parent / "report.html")


def test_compare_and_rows_speak_to_people_on_stderr(project, api, mulle_):
    assert "they do not differ" in mulle_("compare", "r1", "r2").stderr
    assert "5,634 rows" in mulle_("rows", "out.parquet").stderr


def test_predict_counts_what_it_rejected(api, mulle_):
    done = mulle_("predict", "bundle", "in.csv", "out.csv")
    assert ["rejected", "2"] in [line.split() for line in done.stdout.splitlines()]


def test_parts_are_grouped_by_room_and_one_room_may_be_asked_for(api, mulle_):
    shown = mulle_("parts").stdout
    assert shown.index("kinds") < shown.index("metrics") < shown.index("accuracy")
    assert "number" not in mulle_("parts", "metrics").stdout
    assert json.loads(mulle_("parts", "kinds", "--json").stdout) == {"kinds": {"number": "a number"}}


def test_a_room_that_is_none_is_guessed(api, mulle_):
    done = mulle_("parts", "metrix")
    assert done.exit_code == 2
    assert "did you mean 'metrics'?" in done.stderr


def test_doctor_names_versions_and_finds_this_machine_fit(project, mulle_):
    done = mulle_("doctor")
    assert done.exit_code == 0
    assert "onnxruntime" in done.stdout
    assert "can be written to" in done.stdout


def test_doctor_leaves_with_2_where_nothing_can_be_written(tmp_path, mulle_):
    done = mulle_("doctor", "--folder", str(tmp_path / "absent"))
    assert done.exit_code == 2
    assert "can't be written to" in done.stdout


def test_a_name_that_is_set_is_held_against_the_parts_that_there_are(project, mulle_):
    before = project.read_text("utf-8")
    done = mulle_("set", "objective.metric=acuracy")
    assert done.exit_code == 2
    assert "metric 'acuracy' is unknown" in done.stderr
    assert "did you mean 'accuracy'?" in done.stderr
    assert project.read_text("utf-8") == before
    assert mulle_("set", "objective.metric=accuracy").exit_code == 0
    assert 'metric = "accuracy"' in project.read_text("utf-8")


def test_nothing_is_cut_for_a_pipe(project, api, mulle_, monkeypatch):
    long = {"run": "r1", "started": "2026-11-22T12:00:50+00:00", "chosen": "bag of " + "catboost, " * 30 + "linear"}
    monkeypatch.setattr(api, "history", lambda _: [long])
    monkeypatch.delenv("COLUMNS", raising=False)
    said = CliRunner().invoke(cli, ["history"]).stdout
    assert long["started"] in said
    assert long["chosen"] in said
