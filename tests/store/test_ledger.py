import shutil
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import create_engine, insert, inspect, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from mulle.core.check import Check, Outcome, Status
from mulle.core.errors import StoreError
from mulle.core.jsonable import from_json
from mulle.store import ledger as ledger_module
from mulle.store import tables
from mulle.store.ledger import EventKind, Ledger, OlderLedger, upgrade

MIGRATIONS = Path(ledger_module.__file__).parent / "migrations"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "ledger.db"


def test_a_run_is_found_as_it_began(file):
    at = datetime(2026, 11, 22, 10, 2, tzinfo=timezone(timedelta(hours=9)))
    with Ledger.open(file, write=True) as ledger:
        run = ledger.begin(
            {"data": {"target": "y"}}, question="q", code="c", versions={"numpy": "2"}, seed=2**40, at=at
        )
        row = ledger.run(run)
    assert run.startswith("20261122-010200-")
    assert (row.started_at, row.page, row.question, row.code) == (at, {"data": {"target": "y"}}, "q", "c")
    assert (row.versions, row.seed, row.started_at.tzinfo) == ({"numpy": "2"}, 2**40, UTC)


def test_an_outcome_comes_back_as_it_went_in(file):
    check = Check(name="data.rows", status=Status.FAIL, says="40 rows", fix="bring more", value=40.0)
    outcome = Outcome(stage="data", question="?", answer="!", checks=(check,), facts={"n": 40})
    with Ledger.open(file, write=True) as ledger:
        run = ledger.begin({})
        ledger.append(EventKind.OUTCOME, outcome, run_id=run)
        (event,) = ledger.events(run_id=run, kind=EventKind.OUTCOME)
    assert from_json(Outcome, event.body) == outcome


def test_events_come_in_the_order_in_which_they_happened(file):
    with Ledger.open(file, write=True) as ledger:
        one, two = ledger.begin({}), ledger.begin({})
        numbers = [ledger.append("scored", n, run_id=run) for n, run in enumerate([one, two, one])]
        assert numbers == sorted(numbers)
        assert [event.body for event in ledger.events(run_id=one)] == [0, 2]
        assert [event.body for event in ledger.events(kind="scored")] == [0, 1, 2]
        assert [row.id for row in ledger.runs()] == sorted([one, two], key=[one, two].index)


def test_an_event_of_a_run_that_never_was_is_refused(file):
    with Ledger.open(file, write=True) as ledger, pytest.raises(StoreError, match="FOREIGN KEY"):
        ledger.append("end", {}, run_id="nobody")


def test_a_run_that_never_was_is_told(file):
    with Ledger.open(file, write=True) as ledger, pytest.raises(StoreError, match="mulle history"):
        ledger.run("nobody")


def test_the_later_of_two_rows_of_a_key_counts(file):
    with Ledger.open(file, write=True) as ledger:
        assert ledger.artifact("k") is None
        ledger.keep("k", "u", "first", params={"n": 1}, seconds=0.5)
        ledger.keep("k", "u", "second", params={"n": 1}, seconds=0.5)
        assert ledger.artifact("k") == "second"
        assert [row.artifact for row in ledger.units()] == ["first", "second"]


def test_what_was_written_stands_when_it_is_opened_again(file):
    with Ledger.open(file, write=True) as ledger:
        run = ledger.begin({})
    with Ledger.open(file, write=False) as ledger:
        assert [row.id for row in ledger.runs()] == [run]


def test_one_opened_for_reading_can_not_be_written(file):
    Ledger.open(file, write=True).close()
    with Ledger.open(file, write=False) as ledger, pytest.raises(StoreError, match="make the file"):
        ledger.begin({})


def test_it_can_be_read_while_another_writes(file):
    with Ledger.open(file, write=True) as writer, Ledger.open(file, write=False) as reader:
        run = writer.begin({})
        assert reader.run(run).id == run


def test_the_tables_and_the_migrations_agree(tmp_path):
    made, migrated = tmp_path / "made.db", tmp_path / "migrated.db"
    Ledger.open(made, write=True).close()
    engine = create_engine(f"sqlite:///{migrated}")
    upgrade(engine)
    assert shape(create_engine(f"sqlite:///{made}")) == shape(engine)


def shape(engine):
    seen = inspect(engine)
    held = {
        name: (
            [(c["name"], str(c["type"]), c["nullable"], c["primary_key"]) for c in seen.get_columns(name)],
            sorted((i["name"], tuple(i["column_names"])) for i in seen.get_indexes(name)),
            [(k["constrained_columns"], k["referred_table"]) for k in seen.get_foreign_keys(name)],
        )
        for name in seen.get_table_names()
    }
    with engine.connect() as connection:
        revision = connection.scalar(text("select version_num from alembic_version"))
    engine.dispose()
    return held, revision


@pytest.fixture
def scripts(tmp_path):
    """The steps as a later Mulle might have them."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    (folder / "versions" / "r0002.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n"
        "revision = '0002'\ndown_revision = '0001'\n\n"
        "def upgrade():\n    op.add_column('runs', sa.Column('place', sa.String(20)))\n"
    )
    return folder


def test_an_older_ledger_is_brought_up_to_date_and_keeps_its_rows(file, scripts):
    with Ledger.open(file, write=True) as ledger:
        run = ledger.begin({})
        upgrade(ledger.engine, scripts=scripts)
        with ledger.engine.connect() as connection:
            assert connection.execute(text("select id, place from runs")).all() == [(run, None)]


def test_a_step_that_fails_half_way_changes_nothing(file, scripts):
    step = scripts / "versions" / "r0002.py"
    step.write_text(step.read_text() + "    op.execute('select from nowhere')\n")
    with Ledger.open(file, write=True) as ledger:
        with pytest.raises(Exception, match="syntax error"):
            upgrade(ledger.engine, scripts=scripts)
        assert "place" not in {c["name"] for c in inspect(ledger.engine).get_columns("runs")}
    Ledger.open(file, write=True).close()


def test_a_newer_ledger_is_refused(file, scripts):
    with Ledger.open(file, write=True) as ledger:
        upgrade(ledger.engine, scripts=scripts)
    for write in (True, False):
        with pytest.raises(StoreError, match="pip install --upgrade mulle"):
            Ledger.open(file, write=write)


def test_an_older_ledger_is_not_touched_by_a_reader(file):
    sqlite3.connect(file).close()
    file.touch()
    with pytest.raises(OlderLedger, match="mulle run"):
        Ledger.open(file, write=False)
    assert file.stat().st_size == 0


@pytest.mark.parametrize(
    "content", [b"this is no database at all, but a text", b"SQLite format 3\x00" + b"\xff" * 4000]
)
def test_a_file_that_is_no_ledger_is_told_and_left_alone(file, content):
    file.write_bytes(content)
    with pytest.raises(StoreError, match="move the file away") as caught:
        Ledger.open(file, write=True)
    assert caught.value.where == str(file)
    assert file.read_bytes() == content


def test_a_folder_in_the_place_of_the_file_is_told(file):
    file.mkdir()
    with pytest.raises(StoreError, match="see that its folder is there"):
        Ledger.open(file, write=True)


def test_a_path_with_odd_letters_works(tmp_path):
    folder = tmp_path / "50% of?#a b 물레"
    folder.mkdir()
    with Ledger.open(folder / "ledger.db", write=True) as ledger:
        ledger.begin({})
    assert (folder / "ledger.db").is_file()


def test_every_statement_can_be_said_to_postgresql():
    said = [CreateTable(table) for table in tables.metadata.sorted_tables]
    said += [insert(tables.runs), select(tables.units).where(tables.units.c.key == "k").limit(1)]
    text_ = "\n".join(str(s.compile(dialect=postgresql.dialect())) for s in said)
    assert "TIMESTAMP WITH TIME ZONE" in text_
    assert "SERIAL" in text_
