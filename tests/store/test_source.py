"""Files as people have them are read; what can't be read is said with its place and a way out."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mulle.core.errors import DataError
from mulle.store.csv_file import read_csv
from mulle.store.source import Source, fingerprint, read_source

ROWS = "1,2,3\n" * 300


def written(folder: Path, name: str, content: str | bytes) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return name


def opened(folder: Path, content: str | bytes, name: str = "a.csv") -> Source:
    return read_source(written(folder, name, content), root=folder)


def rows(source: Source) -> list[tuple[object, ...]]:
    return source.table.lazy().collect().rows()


# ------------------------------------------------------------------------------------------------ encodings, delimiters


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_encodings_are_found_out(tmp_path, encoding):
    source = opened(tmp_path, "name,n\nJosé,1\nZoë,2\n".encode(encoding))
    assert rows(source) == [("José", 1), ("Zoë", 2)]


def test_korean_files_of_old_are_read(tmp_path):
    source = opened(tmp_path, "지역,값\n서울,1\n부산,2\n".encode("cp949"))
    assert rows(source) == [("서울", 1), ("부산", 2)]
    assert "CP949" in source.notes[0]


def test_lines_of_mixed_encodings_are_each_read_and_counted(tmp_path):
    source = opened(tmp_path, b"a,b\n" + "1,é\n".encode() + "2,é\n".encode("cp1252"))
    assert rows(source) == [(1, "é"), (2, "é")]
    assert "1 of 3 lines are not UTF-8" in source.notes[0]


@pytest.mark.parametrize(("mark", "word"), [(";", "';'"), ("\t", "tabs"), ("|", "'|'")])
def test_delimiters_are_found_out(tmp_path, mark, word):
    source = opened(tmp_path, f"a{mark}b\n1,5{mark}x\n2,5{mark}y\n")
    assert rows(source) == [("1,5", "x"), ("2,5", "y")]
    assert word in source.notes[0]


def test_a_column_alone_stays_one_column(tmp_path):
    assert rows(opened(tmp_path, "a\n1\n2\n")) == [(1,), (2,)]


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ('a,b\n1,"x\ny"\n2,z\n', [(1, "x\ny"), (2, "z")]),
        ('a,b\n1,"x, y"\n2,"say ""hi"""\n', [(1, "x, y"), (2, 'say "hi"')]),
        ('a,b\n1,5" pipe\n2,y\n3,z\n', [(1, '5" pipe'), (2, "y"), (3, "z")]),
        ("a,b\r\n1,x\r\n\r\n2,y", [(1, "x"), (2, "y")]),
    ],
    ids=["line ends in quotes", "delimiters in quotes", "a lone quote", "carriage returns"],
)
def test_quotes_and_line_ends(tmp_path, content, wanted):
    assert rows(opened(tmp_path, content)) == wanted


@given(
    st.lists(st.tuples(st.text('ab",\n ;é', max_size=6), st.text('xy",\n', max_size=6)), min_size=1, max_size=20),
    st.sampled_from([",", ";", "\t"]),
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_csv_writer_writes_comes_back(tmp_path, cells, mark):
    frame = pl.DataFrame(
        {"first": [a for a, _ in cells], "second": [b for _, b in cells], "last": ["end"] * len(cells)}
    )
    path = tmp_path / "round.csv"
    frame.write_csv(path, separator=mark, quote_style="always")
    held = read_csv(path)
    assert not held.broken
    assert held.table.fill_null("").rows() == frame.rows()


# ------------------------------------------------------------------------------------------------ headers, cells


def test_a_file_without_a_header_gets_names(tmp_path):
    source = opened(tmp_path, "1,2.5,x\n2,3.5,y\n")
    assert source.table.lazy().collect_schema().names() == ["column_1", "column_2", "column_3"]
    assert source.n_rows == 2
    assert "has no header" in source.notes[0]


def test_years_may_be_a_header(tmp_path):
    source = opened(tmp_path, "country,2019,2020\nKorea,1,2\nFrance,3,4\n")
    assert source.table.lazy().collect_schema().names() == ["country", "2019", "2020"]


def test_names_are_stripped_and_that_is_said(tmp_path):
    source = opened(tmp_path, "\ufeffa, b ,\n1,2,3\n")
    assert source.table.lazy().collect_schema().names() == ["a", "b", "column_3"]
    assert "a.csv: spaces around the name of 'b' were removed" in source.notes


def test_numbers_are_settled_only_where_nothing_is_lost(tmp_path):
    source = opened(tmp_path, "zip,n,x,big,mixed\n01234,1,1.5,12345678901234567890,1\n99999,,2,2,two\n")
    types = dict(source.table.lazy().collect_schema())
    assert types == {"zip": pl.String, "n": pl.Int64, "x": pl.Float64, "big": pl.String, "mixed": pl.String}
    assert rows(source)[0] == ("01234", 1, 1.5, "12345678901234567890", "1")


# ------------------------------------------------------------------------------------------------ broken lines


def test_a_few_ragged_lines_are_kept_aside_with_their_numbers(tmp_path):
    text = f'a,b,c\n{ROWS}1,2\n4,,\n5,"x\ny",\n{ROWS}6,7,8,9\n\n7,,0\n'
    source = opened(tmp_path, text)
    assert source.n_rows == 603
    assert [(f.line, f.text) for f in source.faults] == [(302, "1,2"), (606, "6,7,8,9")]
    assert source.faults[0].why == "2 fields, not 3"
    assert "2 lines don't fit the header" in source.notes[0]


def test_too_many_ragged_lines_end_it_with_the_first(tmp_path):
    with pytest.raises(DataError, match="30 of 330 lines") as caught:
        opened(tmp_path, "a,b,c\n" + ROWS + "1,2\n" * 30)
    assert caught.value.where.endswith("a.csv, line 302")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "empty"),
        ("\n \n", "empty"),
        ("a,b\n", "no rows"),
        ("a,b,a\n1,2,3\n", "two columns are called 'a': number 1 and number 3"),
        ("a, a\n1,2\n", "two columns"),
    ],
    ids=["nothing", "blank", "header only", "twice", "twice once stripped"],
)
def test_files_without_an_answer_end_it(tmp_path, content, says):
    with pytest.raises(DataError, match=says):
        opened(tmp_path, content)


# ------------------------------------------------------------------------------------------------ other formats


FRAME = pl.DataFrame({"a": [1, 2], "b": ["x", None]})


def test_parquet_arrow_and_lines_give_the_same(tmp_path):
    FRAME.write_parquet(tmp_path / "t.parquet")
    FRAME.write_ipc(tmp_path / "t.arrow")
    FRAME.write_ndjson(tmp_path / "t.jsonl")
    FRAME.write_csv(tmp_path / "t.csv")
    for name in ("t.parquet", "t.arrow", "t.jsonl", "t.csv"):
        assert rows(read_source(name, root=tmp_path)) == FRAME.rows()


def test_packed_files_are_unpacked(tmp_path):
    plain = "name,n\nJosé,1\nZoë,2\n"
    assert rows(opened(tmp_path, gzip.compress(plain.encode()), "t.csv.gz")) == [("José", 1), ("Zoë", 2)]
    pl.DataFrame({"name": ["José"], "n": [1]}).lazy().sink_csv(tmp_path / "t.csv.zst", compression="zstd")
    assert rows(read_source("t.csv.zst", root=tmp_path)) == [("José", 1)]
    (tmp_path / "t.jsonl.gz").write_bytes(gzip.compress(b'{"a": 1}\n{"a": 2}\n'))
    assert rows(read_source("t.jsonl.gz", root=tmp_path)) == [(1,), (2,)]


CITIES = "Stadt,n\nZürich,1\nZörich,2\n"


def zstd(content: bytes) -> bytes:
    return pa.compress(content, codec="zstd", asbytes=True)


@pytest.fixture
def no_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be where nothing but Polars unpacks Zstandard."""
    for name in ("pyarrow", "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)


def test_other_encodings_are_read_from_zstandard_as_from_gzip(tmp_path):
    packed = {"t.csv.gz": gzip.compress(CITIES.encode("cp1252")), "t.csv.zst": zstd(CITIES.encode("cp1252"))}
    for name, content in packed.items():
        source = opened(tmp_path, content, name)
        assert rows(source) == [("Zürich", 1), ("Zörich", 2)]
        assert "2 of 3 lines are not UTF-8 and were read as CP1252" in source.notes[0]


@pytest.mark.usefixtures("no_pyarrow")
def test_where_only_utf8_can_be_unpacked_no_letter_is_lost_silently(tmp_path):
    assert rows(opened(tmp_path, zstd(CITIES.encode()), "t.csv.zst")) == [("Zürich", 1), ("Zörich", 2)]
    with pytest.raises(DataError, match=r"not UTF-8(.|\n)*fix: +unpack it \(zstd -d\)"):
        opened(tmp_path, zstd(CITIES.encode("cp1252")), "t.csv.zst")


LONG = "".join(f"{i},{i * 7919 % 10007}\n" for i in range(20_000)).encode()


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_a_packed_file_that_was_cut_off_is_said(tmp_path, pack):
    whole = pack(LONG)
    name = "t.csv.gz" if pack is gzip.compress else "t.csv.zst"
    with pytest.raises(DataError, match=r"can't be unpacked to its end(.|\n)*fix: +get the file again"):
        opened(tmp_path, whole[: len(whole) // 2], name)


@pytest.mark.usefixtures("no_pyarrow")
def test_polars_alone_finds_the_cut_too(tmp_path):
    with pytest.raises(DataError, match=r"can't be unpacked to its end(.|\n)*fix: +get the file again"):
        opened(tmp_path, zstd(LONG)[:20_000], "t.csv.zst")


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd])
@pytest.mark.parametrize(("line", "why"), [('{"a": 2, "b":', "at character"), ("[1, 2]", "it is no object")])
def test_a_line_that_is_no_row_of_json_is_named(tmp_path, pack, line, why):
    ending = {bytes: "", gzip.compress: ".gz", zstd: ".zst"}[pack]
    content = pack(f'{{"a": 1}}\n\n{line}\n{{"a": 3}}\n'.encode())
    with pytest.raises(DataError, match=rf"line 3 is no row \(.*{why}.*\): (.|\n)*, line 3\n.*mend that line"):
        opened(tmp_path, content, f"t.jsonl{ending}")


@pytest.mark.parametrize("name", ["s.arrow", "s.feather", "s.arrows"])
def test_an_arrow_stream_is_read_under_any_of_its_endings(tmp_path, name):
    FRAME.write_ipc_stream(tmp_path / name)
    assert rows(read_source(name, root=tmp_path)) == FRAME.rows()


def test_globs_and_folders_join_files_in_order(tmp_path):
    written(tmp_path, "parts/b.csv", "n,x\n3,c\n")
    written(tmp_path, "parts/a.csv", "x,n\na,1\nb,02\n")
    for name in ("parts/*.csv", "parts"):
        source = read_source(name, root=tmp_path)
        assert source.table.lazy().select("x", "n").collect().rows() == [("a", "1"), ("b", "02"), ("c", "3")]


def test_parts_with_other_columns_are_refused(tmp_path):
    written(tmp_path, "a.csv", "x,n\na,1\n")
    written(tmp_path, "b.csv", "x,m\na,1\n")
    with pytest.raises(DataError, match="different columns: m, n"):
        read_source("*.csv", root=tmp_path)


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.jsonl"])
def test_a_file_that_is_not_what_its_ending_says_is_refused(tmp_path, name):
    with pytest.raises(DataError, match="can't be read"):
        opened(tmp_path, b"PAR1 this is not it", name)


def test_frames_of_other_libraries_are_taken(tmp_path):
    pandas, pyarrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"a": [1.0, None], "mixed": ["x", 3]})
    assert rows(read_source(frame, root=tmp_path)) == [(1.0, "x"), (None, "3")]
    assert rows(read_source(pyarrow.table({"a": [1, 2]}), root=tmp_path)) == [(1,), (2,)]
    assert rows(read_source(FRAME.lazy(), root=tmp_path)) == FRAME.rows()
    twice = pandas.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(DataError, match="number 1 and number 2"):
        read_source(twice, root=tmp_path)
    with pytest.raises(DataError, match="can't be a int"):
        read_source(3, root=tmp_path)


def test_a_folder_of_images_is_a_table_with_its_labels(tmp_path):
    from PIL import Image

    for label in ("cat", "dog"):
        out = io.BytesIO()
        Image.fromarray(np.full((4, 4), len(label), np.uint8)).save(out, "PNG")
        written(tmp_path, f"pictures/{label}/1.png", out.getvalue())
    source = read_source("pictures", root=tmp_path)
    assert [r[1] for r in rows(source)] == ["cat", "dog"]
    assert source.table.lazy().collect_schema()["image"] == pl.Binary
    written(tmp_path, "pictures/labels.csv", "file,label\ncat/1.png,meow\n")
    again = read_source("pictures", root=tmp_path)
    assert [r[1] for r in rows(again)] == ["meow", None]
    assert "1 image without a label" in again.notes[0]


def test_images_that_a_csv_names_are_read_from_beside_it(tmp_path):
    written(tmp_path, "data/img/a.png", b"bytes of a")
    written(tmp_path, "secret.png", b"secret")
    written(tmp_path, "data/t.csv", "file,n\nimg/a.png,1\nimg/b.png,2\n../secret.png,3\n")
    source = read_source("t.csv", root=tmp_path / "data")
    assert rows(source) == [(b"bytes of a", 1), (None, 2), (None, 3)]
    assert source.notes == ("the images that 'file' names were read; 2 are not there",)


# ------------------------------------------------------------------------------------------------ nothing there


@pytest.mark.parametrize(
    ("name", "says", "fix"),
    [
        ("peple.csv", "no file 'peple.csv'", "did you mean 'people.csv'"),
        ("*.xml", "no file fits", "pattern"),
        ("s3://b/a.csv", "can't be read yet", "copy"),
        ("no/where.csv", "no folder", "correct"),
        ("", "no source", "source ="),
        ("void", "nothing that can be read", "pattern"),
        ("notes.doc", "ending that isn't known", "known: .csv"),
    ],
)
def test_what_is_not_there_is_said_with_a_way_out(tmp_path, name, says, fix):
    written(tmp_path, "people.csv", "a\n1\n")
    written(tmp_path, "notes.doc", "x")
    written(tmp_path, "void/.hidden", "x")
    with pytest.raises(DataError, match=says) as caught:
        read_source(name, root=tmp_path)
    assert fix in caught.value.fix


def test_the_fingerprint_follows_content_and_nothing_else(tmp_path):
    written(tmp_path, "d/a.csv", "a\n1\n")
    first = fingerprint("d", root=tmp_path)
    assert len(first) == 64
    assert fingerprint("d/*.csv", root=tmp_path) == first
    (tmp_path / "d").rename(tmp_path / "e")
    assert fingerprint("e", root=tmp_path) == first
    written(tmp_path, "e/a.csv", "a\n2\n")
    assert fingerprint("e", root=tmp_path) != first
    assert read_source("e", root=tmp_path).fingerprint == fingerprint("e", root=tmp_path)
    assert fingerprint(FRAME, root=tmp_path) == fingerprint(FRAME.lazy(), root=tmp_path)
