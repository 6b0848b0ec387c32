import json
import os
import signal
import subprocess
import sys

import polars as pl
import pytest
from click.testing import CliRunner

from mulle.cli.main import cli
from mulle.core.errors import ProjectError
from mulle.store.lock import Lock
from mulle.store.log import Change, Feedback, Group, Log, Promise, Row

PAGE = '[data]\nsource = "people.csv"\ntarget = "y"\nkey = "person"\ngroup = "household"\n'


@pytest.fixture
def project(tmp_path):
    """A project that has served three predictions, and holds two cached tables."""
    (tmp_path / "mulle.toml").write_text(PAGE)
    rows = [
        Row(f"p{n}", 1_795_000_000.0 + n, "b6", 1, arm, 1.0, "", unit, b'{"age": 41}', b'{"score": 0.3}')
        for n, (unit, arm) in enumerate([("7", "old"), ("8", "new"), ("7", "new")])
    ]
    with Log.open(tmp_path / ".mulle" / "log", tend=False) as log:
        log.append(
            Group(rows=rows, feedback=[Feedback("f", "p0", "outcome", b"1", "crm", 0.0)], promise=Promise.SYNCED)
        )
    for name, column in {"aaa": "person", "bbb": "household"}.items():
        folder = tmp_path / ".mulle" / "artifacts" / name
        folder.mkdir(parents=True)
        pl.DataFrame({column: [7, 9] if name == "aaa" else [1, 2], "x": [0.1, 0.2]}).write_parquet(folder / "t.parquet")
        folder.with_name(f"{name}.files").touch()
    return tmp_path


def run(project, *words):
    return CliRunner().invoke(cli, [*words, "-p", str(project / "mulle.toml")])


def test_the_log_is_exported_with_its_feedback(project):
    out = project / "served.csv"
    done = run(project, "log", "export", str(out), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"path": str(out), "rows": 3}
    assert list(pl.read_csv(out)["outcome"]) == [1, None, None]


def test_the_export_takes_dates_and_an_arm(project):
    out = str(project / "served.parquet")
    assert "2 rows" in run(project, "log", "export", out, "--arm", "new").stderr
    assert "0 rows" in run(project, "log", "export", out, "--until", "2026-01-01").stderr
    assert "3 rows" in run(project, "log", "export", out, "--since", "2026-01-01T08:30+01:00").stderr
    wrong = run(project, "log", "export", out, "--since", "yesterday")
    assert wrong.exit_code == 2
    assert "write 2026-11-22" in wrong.stderr


def test_a_unit_is_forgotten_in_log_and_cache_and_what_stays_is_said(project):
    done = run(project, "forget", "7", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["rows"], told["feedback"], told["artifacts"]) == (2, 1, ["aaa"])
    assert any("backups" in line for line in told["left"])
    assert sorted(path.name for path in (project / ".mulle" / "artifacts").iterdir()) == ["bbb", "bbb.files"]
    with Log.open(project / ".mulle" / "log", tend=False) as log:
        assert [row.unit for chunk in log.read() for row in chunk] == ["8"]
    assert json.loads(run(project, "forget", "7", "--json").stdout)["rows"] == 0


def test_a_unit_that_was_logged_by_its_hash_is_forgotten_by_its_key(project):
    from mulle.server.record import hashed_unit, salt_of

    unit = hashed_unit("7", salt_of(project / ".mulle"))
    with Log.open(project / ".mulle" / "log", tend=False) as log:
        log.append(Group(rows=[Row("hashed", 0.0, "b", 1, "champion", 1.0, "", unit, b"{}", b"{}")]))
    told = json.loads(run(project, "forget", "7", "--json").stdout)
    assert told["rows"] == 3, "two from before the column was hashed, one from after"
    with Log.open(project / ".mulle" / "log", tend=False) as log:
        assert [row.unit for chunk in log.read() for row in chunk] == ["8"]


def left_in(project):
    with Log.open(project / ".mulle" / "log", tend=False) as log:
        return [row.id for chunk in log.read() for row in chunk], [
            told.id for chunk in log.read(Feedback) for told in chunk
        ]


def served(project, *rows):
    kept = [Row(id_, 1.8e9, "b6", 1, "champion", 1.0, "", unit, inputs, b"{}") for id_, unit, inputs in rows]
    told = [Feedback(f"on {row.id}", row.id, "outcome", b"1", "", 1.8e9) for row in kept]
    with Log.open(project / ".mulle" / "log", tend=False) as log:
        log.append(Group(rows=kept, feedback=told, promise=Promise.SYNCED))


def test_an_empty_key_forgets_nobody(project):
    served(project, ("nobody's", "", b'{"age":3}'))
    before = left_in(project)
    refused = run(project, "forget", "")
    assert refused.exit_code == 2, refused.output
    assert "give the key of one unit" in refused.stderr
    with Log.open(project / ".mulle" / "log", tend=False) as log, pytest.raises(ProjectError, match="one unit"):
        log.forget("")
    assert left_in(project) == before


def test_rows_that_hold_the_key_in_a_column_go_whatever_their_unit(project):
    served(
        project,
        ("of-two-0", "", b'{"person":7,"age":41}'),
        ("of-two-1", "", b'{"person":70,"age":7}'),
        ("of-two-0~shadow", "", b"{}"),
        ("by mail", "9", '{"mail":"kim@한국.kr"}'.encode()),
    )
    told = json.loads(run(project, "forget", "7", "--json").stdout)
    assert (told["rows"], told["feedback"]) == (4, 3)
    told = json.loads(run(project, "forget", "kim@한국.kr", "--column", "mail", "--json").stdout)
    assert (told["rows"], told["feedback"]) == (1, 1)
    assert any("mulle forget 9" in line for line in told["left"])
    assert left_in(project) == (["p1", "of-two-1"], ["on of-two-1"])


def test_rows_that_hold_the_key_in_a_column_go_from_rotated_files_too(project):
    served(project, ("of-two-0", "", b'{"person":7}'), ("of-two-1", "", b'{"person":70}'))
    with Log.open(project / ".mulle" / "log", tend=False) as log:
        log.rotate(everything=True)
    told = json.loads(run(project, "forget", "7", "--json").stdout)
    assert (told["rows"], told["feedback"], told["files"]) == (3, 2, 1)
    assert left_in(project) == (["p1", "of-two-1"], ["on of-two-1"])


def test_a_number_is_found_however_it_was_written(project):
    served(project, ("p7", "7.0", b'{"person":7.0}'), ("pq", "", b'{"person":7.0}'), ("pr", "7.5", b'{"person":7.5}'))
    told = json.loads(run(project, "forget", "7", "--json").stdout)
    assert told["rows"] == 4
    assert left_in(project)[0] == ["p1", "pr"]


HASHED = PAGE + '[server]\nhashed = ["person"]\n'


def hashing(project, salt, *people):
    from mulle.server.record import Recorder, hashed_unit

    recorder = Recorder(columns=("person", "age"), leave_out=(), hashed=["person"], salt=salt)
    for n, person in enumerate(people):
        served(
            project, (f"h{person}{n}", hashed_unit(str(person), salt), recorder.inputs({"person": person, "age": 41}))
        )


def test_rows_hashed_by_a_salt_that_is_not_here_are_said_to_be_out_of_reach(project, monkeypatch):
    from mulle.server.record import salt_of

    (project / "mulle.toml").write_text(HASHED)
    salt_of(project / ".mulle")
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("MULLE_LOG_SALT", "the pods' own")
        hashing(project, salt_of(project / ".mulle"), "CUST-777777", "CUST-8")
    done = run(project, "forget", "CUST-777777")
    assert done.exit_code == 1, done.output
    assert "2 rows that say whose they are by a hash alone" in done.stderr
    monkeypatch.setenv("MULLE_LOG_SALT", "the pods' own")
    done = run(project, "forget", "CUST-777777", "--json")
    assert (done.exit_code, json.loads(done.stdout)["rows"]) == (0, 1), done.output


def test_a_hashed_number_is_forgotten_by_its_digits_also_where_its_row_has_no_unit(project):
    from mulle.server.record import Recorder, salt_of

    (project / "mulle.toml").write_text(HASHED)
    salt = salt_of(project / ".mulle")
    hashing(project, salt, 12345678, 12345678.0)
    recorder = Recorder(columns=("person", "age"), leave_out=(), hashed=["person"], salt=salt)
    served(project, ("of many", "", recorder.inputs({"person": 12345678, "age": 2})))
    assert json.loads(run(project, "forget", "12345678", "--json").stdout)["rows"] == 3


def test_without_a_column_that_names_people_the_cache_is_said_to_be_unsearched(project):
    (project / "mulle.toml").write_text('[data]\nsource = "people.csv"\ntarget = "y"\n')
    done = run(project, "forget", "7")
    assert done.exit_code == 0, done.output
    assert "--column NAME" in done.stderr
    assert json.loads(run(project, "forget", "7", "--column", "person", "--json").stdout)["artifacts"] == ["aaa"]


SERVE = """
import sys, time
from mulle.store.log import Log
log = Log.open(sys.argv[1], command="mulle serve", tend=False)
print("serving", flush=True)
time.sleep(60)
"""


def test_while_a_server_runs_forgetting_is_refused_and_exporting_is_not(project):
    log = project / ".mulle" / "log"
    with subprocess.Popen([sys.executable, "-c", SERVE, str(log)], stdout=subprocess.PIPE) as server:
        assert server.stdout.readline() == b"serving\n"
        refused = run(project, "forget", "7")
        exported = run(project, "log", "export", str(project / "served.jsonl"))
        os.kill(server.pid, signal.SIGTERM)
    assert (refused.exit_code, exported.exit_code) == (2, 0), refused.output
    assert "mulle serve" in refused.stderr
    assert (project / ".mulle" / "artifacts" / "aaa").exists(), "nothing is half forgotten"


def test_while_a_run_goes_on_forgetting_is_refused_before_anything_goes(project):
    with Lock(project / ".mulle", command="mulle run"):
        refused = run(project, "forget", "7")
    assert refused.exit_code == 2
    with Log.open(project / ".mulle" / "log", tend=False) as log:
        assert len([row for chunk in log.read() for row in chunk]) == 3


def test_without_a_log_there_is_nothing_to_export(tmp_path):
    (tmp_path / "mulle.toml").write_text(PAGE)
    refused = run(tmp_path, "log", "export", str(tmp_path / "out.csv"))
    assert refused.exit_code == 2
    assert "nothing has been logged here" in refused.stderr
    assert run(tmp_path, "forget", "7").exit_code == 0


def test_no_unit_is_a_formula_in_a_spreadsheet(project):
    served(project, ("sly", "=1+1", b"{}"), ("number", "-5", b"{}"))
    assert run(project, "log", "export", str(project / "served.csv")).exit_code == 0
    assert list(pl.read_csv(project / "served.csv", schema_overrides={"unit": pl.String})["unit"][-2:]) == [
        "'=1+1",
        "-5",
    ]
    assert run(project, "log", "export", str(project / "served.jsonl")).exit_code == 0
    assert '"unit": "=1+1"' in (project / "served.jsonl").read_text(encoding="utf-8")


def test_who_changed_the_parameters_is_told(project):
    assert "nobody changed a parameter" in run(project, "log", "changes").stderr
    change = Change(1, 1_795_000_000.0, "b6" * 32, b'{"threshold": 0.33}', "kim")
    with Log.open(project / ".mulle" / "log", tend=False) as log:
        log.append(Group(changes=[change], promise=Promise.SYNCED))
    told = run(project, "log", "changes")
    assert told.exit_code == 0, told.output
    assert told.stdout.split() == [
        "2026-11-18",
        "11:06:40Z",
        "b6" * 8,
        "version",
        "1",
        "threshold",
        "=",
        "0.33",
        "by",
        "kim",
    ]
    assert json.loads(run(project, "log", "changes", "--json").stdout)["changes"][0]["who"] == "kim"
