"""Files of rows in, files of answers out."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mulle.core.errors import DataError, StoreError
from mulle.operate.predict import predict_file

N = 1_000
CUT_OFF = gzip.compress(b"id,age,job,lat,lon\n" + b"1,2,3,4,5\n" * 90_000)[:200]
TABLE = pl.DataFrame(
    {
        "id": [f"c{i}" for i in range(N)],
        "age": [None if i % 50 == 0 else i / 10 for i in range(N)],
        "job": [["clerk", "smith", "박사", "other"][i % 4] for i in range(N)],
        "lat": [float(i % 90) for i in range(N)],
        "lon": [float(i % 180) for i in range(N)],
        "shoe": [42] * N,
    }
)


WRITERS = {
    ".csv": lambda table, path: table.write_csv(path),
    ".tsv": lambda table, path: table.write_csv(path, separator="\t"),
    ".csv.gz": lambda table, path: path.write_bytes(gzip.compress(table.write_csv().encode())),
    ".csv.zst": lambda table, path: table.write_csv(path, compression="zstd"),
    ".jsonl": lambda table, path: table.write_ndjson(path),
    ".jsonl.gz": lambda table, path: path.write_bytes(gzip.compress(table.write_ndjson().encode())),
    ".json": lambda table, path: path.write_text(json.dumps(table.to_dicts()), "utf-8"),
    ".parquet": lambda table, path: table.write_parquet(path),
    ".arrow": lambda table, path: table.write_ipc(path),
    ".arrows": lambda table, path: table.write_ipc_stream(path),
}


def write(table, path):
    WRITERS["".join(path.suffixes)](table, path)
    return path


def read(path):
    match "".join(path.suffixes):
        case ".csv" | ".csv.gz":
            return pl.read_csv(path)
        case ".tsv":
            return pl.read_csv(path, separator="\t")
        case ".jsonl":
            return pl.read_ndjson(path)
        case ".parquet":
            return pl.read_parquet(path)
        case _:
            return pl.read_ipc(path)


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != "toy.bundle")


@pytest.mark.parametrize(
    "ending",
    [".csv", ".tsv", ".csv.gz", ".csv.zst", ".jsonl", ".jsonl.gz", ".json", ".parquet", ".arrow", ".arrows"],
)
def test_every_format_gives_the_same_answers(toy, tmp_path, ending):
    source = write(TABLE, tmp_path / f"in{ending}")
    seen = []
    summary = predict_file(toy, source, tmp_path / "out.csv", chunk_rows=300, progress=seen.append)
    truth = toy.predict(TABLE)
    found = read(tmp_path / "out.csv")
    assert found.columns == ["id", "probability_yes", "decision"]
    assert found["id"].to_list() == TABLE["id"].to_list()
    assert found["probability_yes"].to_list() == pytest.approx(truth.prediction[:, 0].tolist(), abs=1e-12)
    assert found["decision"].to_list() == truth.decision.tolist()
    assert (summary.rows, summary.predicted, summary.rejected) == (N, N, 0)
    assert summary.unknown == ("shoe",)
    assert sum(summary.decisions.values()) == N
    assert seen[-1] == N
    assert len(seen) >= 4
    assert names(tmp_path) == [f"in{ending}", "out.csv"]


def test_words_of_another_encoding_are_read_from_zstandard_as_from_a_plain_file(toy, tmp_path):
    content = "id,age,job,lat,lon\nZoë,40,smith,1,2\n".encode("cp1252")
    (tmp_path / "in.csv.zst").write_bytes(pa.compress(content, codec="zstd", asbytes=True))
    predict_file(toy, tmp_path / "in.csv.zst", tmp_path / "out.csv")
    assert read(tmp_path / "out.csv")["id"].to_list() == ["Zoë"]


def test_a_packed_file_that_was_cut_off_is_said_and_leaves_nothing(toy, tmp_path):
    whole = pa.compress(TABLE.write_csv().encode(), codec="zstd", asbytes=True)
    (tmp_path / "in.csv.zst").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="check that it is whole"):
        predict_file(toy, tmp_path / "in.csv.zst", tmp_path / "out.csv")
    assert names(tmp_path) == ["in.csv.zst"]


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".csv.gz", ".jsonl", ".parquet", ".arrow", ".feather"])
def test_answers_are_written_as_the_ending_says(toy, tmp_path, ending):
    out = tmp_path / f"out{ending}"
    predict_file(toy, write(TABLE, tmp_path / "in.parquet"), out, chunk_rows=300)
    found = read(out)
    assert found.height == N
    assert found["decision"].to_list() == toy.predict(TABLE).decision.tolist()
    assert names(tmp_path) == ["in.parquet", out.name]


def test_rows_that_cannot_be_scored_go_to_the_rejected_file_with_number_and_reason(toy, tmp_path):
    (tmp_path / "in.csv").write_text(
        textwrap.dedent("""\
            id,age,job,lat,lon
            a,40,smith,1,2
            b,old,smith,1,2
            c,40,smith,1
            d,40,"two
            lines",1,2

            e,40,smith,1,2,extra,=1+1
            f,,,,
            """),
        "utf-8",
    )
    summary = predict_file(toy, tmp_path / "in.csv", tmp_path / "out.csv", chunk_rows=2)
    assert (summary.rows, summary.predicted, summary.rejected) == (6, 3, 3)
    assert read(tmp_path / "out.csv")["id"].to_list() == ["a", "d", "f"]
    with (tmp_path / "out.csv.rejected").open(newline="") as stream:
        rejected = list(csv.DictReader(stream))
    assert [(row["row"], row["id"]) for row in rejected] == [("2", "b"), ("3", "c"), ("5", "e")]
    assert rejected[0]["reason"] == "column 'age': 'old' is not a number"
    assert rejected[1]["reason"] == "line 4 has 4 fields, the header 5"
    assert rejected[2]["reason"] == 'line 8 has 7 fields, the header 5; beyond it: ["extra", "=1+1"]'
    assert summary.rejected_to == str(tmp_path / "out.csv.rejected")


def test_a_rejected_file_of_an_earlier_time_does_not_stay(toy, tmp_path):
    (tmp_path / "out.csv.rejected").write_text("old")
    predict_file(toy, write(TABLE, tmp_path / "in.csv"), tmp_path / "out.csv")
    assert names(tmp_path) == ["in.csv", "out.csv"]


def test_lines_that_are_no_json_are_rejected_one_by_one(toy, tmp_path):
    good = {"id": 1, "age": 3, "job": "smith", "lat": 1, "lon": 2}
    lines = [
        json.dumps(good),
        "{broken",
        "[1]",
        json.dumps({**good, "id": "x", "age": [1]}),
        json.dumps({"id": 2}),
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(lines), "utf-8")
    summary = predict_file(toy, tmp_path / "in.jsonl", tmp_path / "out.parquet")
    assert (summary.rows, summary.predicted, summary.rejected) == (5, 2, 3)
    assert read(tmp_path / "out.parquet")["id"].to_list() == ["1", "2"]
    rejected = pl.read_csv(tmp_path / "out.parquet.rejected")
    assert rejected["row"].to_list() == [2, 3, 4]
    assert "{broken" in rejected["reason"][0]


def test_half_a_character_travels_as_its_escape(toy, tmp_path):
    row = {"id": "x\ud800", "age": 1, "job": "a\ud800", "lat": 1, "lon": 2}
    (tmp_path / "in.jsonl").write_text(json.dumps(row) + "\n" + json.dumps({**row, "age": "\ud800"}))
    summary = predict_file(toy, tmp_path / "in.jsonl", tmp_path / "out.csv")
    assert (summary.predicted, summary.rejected) == (1, 1)
    assert read(tmp_path / "out.csv")["id"].to_list() == ["x\\ud800"]
    assert "x\\ud800" in (tmp_path / "out.csv.rejected").read_text("utf-8")


def test_ids_of_mixed_types_across_chunks_become_text(toy, tmp_path):
    rows = [{"id": i if i < 3 else f"x{i}", "age": 1, "job": "", "lat": 0, "lon": 0} for i in range(6)]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, rows)))
    predict_file(toy, tmp_path / "in.jsonl", tmp_path / "out.parquet", chunk_rows=3)
    assert read(tmp_path / "out.parquet")["id"].to_list() == ["0", "1", "2", "x3", "x4", "x5"]


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_wide_tables_come_in_shorter_chunks(toy, tmp_path, monkeypatch, ending):
    monkeypatch.setattr("mulle.operate.reading._CELLS", 600)
    monkeypatch.setattr("mulle.operate.reading._LINES_CHARS", 8_000)
    seen = []
    predict_file(toy, write(TABLE, tmp_path / f"in{ending}"), tmp_path / "out.csv", progress=seen.append)
    assert len(seen) >= 9
    assert read(tmp_path / "out.csv")["id"].to_list() == TABLE["id"].to_list()


def test_without_a_key_rows_are_numbered(toy, tmp_path):
    predict_file(toy, write(TABLE.drop("id").head(3), tmp_path / "in.csv"), tmp_path / "out.csv")
    assert read(tmp_path / "out.csv")["row"].to_list() == [1, 2, 3]


@pytest.mark.parametrize("delimiter", [";", "|", "\t"])
def test_the_delimiter_is_the_one_under_which_the_columns_are_there(toy, tmp_path, delimiter):
    TABLE.with_columns(job=pl.lit("a,b")).write_csv(tmp_path / "in.csv", separator=delimiter)
    assert predict_file(toy, tmp_path / "in.csv", tmp_path / "out.csv").predicted == N


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings_that_people_have_are_read(toy, tmp_path, encoding):
    text = "id,age,job,lat,lon\nMüller,40,smith,1,2\n"
    (tmp_path / "in.csv").write_bytes(text.encode(encoding))
    predict_file(toy, tmp_path / "in.csv", tmp_path / "out.csv")
    assert read(tmp_path / "out.csv")["id"].to_list() == ["Müller"]


def test_a_quote_that_is_never_closed_loses_no_row_silently(toy, tmp_path):
    text = 'id,age,job,lat,lon\na,1,smith,1,2\nb,1,"smith,1,2\nc,1,smith,1,2\n'
    (tmp_path / "in.csv").write_text(text)
    summary = predict_file(toy, tmp_path / "in.csv", tmp_path / "out.csv")
    assert (summary.predicted, summary.rejected) == (1, 1)
    assert "c,1,smith" in (tmp_path / "out.csv.rejected").read_text()


def test_a_header_alone_gives_an_empty_table(toy, tmp_path):
    for name in ("in.csv", "in.parquet"):
        summary = predict_file(toy, write(TABLE.head(0), tmp_path / name), tmp_path / "out.parquet")
        assert summary.rows == 0
        assert read(tmp_path / "out.parquet").height == 0


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("in.csv", b"", "is empty\n.*\n.*give a file with rows"),
        ("in.csv", b"id,Age,job,lat,lon\n1,2,3,4,5\n", "column 'age' is missing\n.*\n.*did you mean 'Age'"),
        ("in.csv", b"id,age,age,job,lat,lon\n", "'age' stands there twice\n.*line 1\n.*rename or drop"),
        ("in.parquet", b"PAR1 and nothing more", "can't be read.*\n.*\n.*check that it is whole"),
        ("in.csv.gz", CUT_OFF, "can't be read.*\n.*\n.*whole"),
        ("in.json", b"[1, 2]", "no list of rows\n.*\n.*list of objects"),
        ("in.jsonl", b'{"a": 1}\n', "columns 'age', .* missing\n.*\n.*add it"),
    ],
)  # fmt: skip
def test_a_source_that_gives_no_answer_is_refused_and_leaves_nothing(toy, tmp_path, *, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=says):
        predict_file(toy, tmp_path / name, tmp_path / "out.csv")
    assert names(tmp_path) == [name]


def test_a_source_that_is_not_there_and_one_that_is_the_output_are_refused(toy, tmp_path):
    with pytest.raises(DataError, match="correct the path"):
        predict_file(toy, tmp_path / "no.csv", tmp_path / "out.csv")
    source = write(TABLE, tmp_path / "in.csv")
    with pytest.raises(DataError, match="write the answers to another file"):
        predict_file(toy, source, source)
    with pytest.raises(DataError, match="end it in"):
        predict_file(toy, source, tmp_path / "out.xlsx")
    with pytest.raises(DataError, match="name a file in it"):
        predict_file(toy, source, tmp_path)


def test_a_folder_that_is_not_there_is_said_so(toy, tmp_path):
    with pytest.raises(StoreError, match=r"can't be written.*\n.*\n.*folder"):
        predict_file(toy, write(TABLE, tmp_path / "in.csv"), tmp_path / "no" / "out.csv")


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are of POSIX")
@pytest.mark.parametrize("ending", [".csv", ".parquet", ".csv.gz"])
def test_a_full_disk_leaves_nothing_half_written(toy_folder, tmp_path, ending):
    write(pl.concat([TABLE] * 100), tmp_path / "in.parquet")
    (tmp_path / f"out{ending}").write_text("from before")
    program = f"""
        import resource, signal
        from pathlib import Path
        from mulle.core.errors import StoreError
        from mulle.operate.predict import predict_file
        from mulle.runtime import Bundle
        folder = Path({str(tmp_path)!r})
        bundle = Bundle.load({str(toy_folder)!r})
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        try:
            predict_file(bundle, folder / "in.parquet", folder / "out{ending}")
        except StoreError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    assert "can't be written: the file would be larger than is allowed" in done.stdout
    assert "free some room" in done.stdout
    assert names(tmp_path) == ["in.parquet", f"out{ending}"]
    assert (tmp_path / f"out{ending}").read_text() == "from before"


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    table=st.lists(st.lists(CELLS, min_size=2, max_size=7), max_size=12),
    chunk_rows=st.integers(1, 5),
    raw=st.booleans(),
)
def test_whatever_a_csv_file_holds_every_record_is_predicted_or_rejected_with_its_text(
    toy, tmp_path, *, table, chunk_rows, raw
):
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    with source.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "age", "job", "lat", "lon"])
        if raw:  # quotes and line ends as they come
            stream.writelines(",".join(cells) + "\n" for cells in table)
        else:
            writer.writerows(table)
    with source.open(encoding="utf-8", newline="") as stream:
        n_records = sum(bool(record) for record in csv.reader(stream)) - 1
    summary = predict_file(toy, source, out, chunk_rows=chunk_rows)
    assert summary.rows == n_records == summary.predicted + summary.rejected
    with out.open(encoding="utf-8", newline="") as stream:
        assert sum(1 for _ in csv.reader(stream)) - 1 == summary.predicted
    if summary.rejected_to is not None:
        with Path(summary.rejected_to).open(encoding="utf-8", newline="") as stream:
            rejected = list(csv.DictReader(stream))
        assert len(rejected) == summary.rejected
        assert all(row["reason"] and row["row"] for row in rejected)


def test_bytes_that_are_no_text_are_read_as_windows_and_lose_no_row(toy, tmp_path):
    line = b"id,age,job,lat,lon\n"
    (tmp_path / "in.csv").write_bytes(line + bytes(range(128, 256)) + b",1,smith,1,2\nb,2,smith,1,2\n")
    assert predict_file(toy, tmp_path / "in.csv", tmp_path / "out.csv").predicted == 2
