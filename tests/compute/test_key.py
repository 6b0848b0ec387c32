import dataclasses
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mulle
from mulle.compute.key import Ground, ticket, unit_seed
from mulle.compute.source import DOORS, code_hash, digest, files_hash, inner_hash, neighbours, own_code_hash, versions
from mulle.core.work import Order, Ref

GROUND = Ground(code="c", versions={"numpy": "2"}, seed=0)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
params = st.dictionaries(st.text(max_size=4), plain, max_size=3)


def key(order=None, **changes):
    order = order or Order(unit="test.draw", params={"n": 1})
    return ticket(order, dataclasses.replace(GROUND, **changes)).key


@settings(deadline=None)
@given(held=params)
def test_the_order_of_parameters_does_not_matter(held):
    backwards = dict(reversed(held.items()))
    assert key(Order(unit="test.square", params=held)) == key(Order(unit="test.square", params=backwards))


@settings(deadline=None)
@given(one=params, two=params)
def test_other_parameters_have_another_key_and_another_seed(one, two):
    same = digest(one) == digest(two)
    assert (key(Order(unit="test.square", params=one)) == key(Order(unit="test.square", params=two))) == same
    assert same or unit_seed(0, "u", one) != unit_seed(0, "u", two)


@settings(deadline=None)
@given(seed=st.integers(0, 2**63), held=params)
def test_a_seed_suits_every_library(seed, held):
    assert 0 <= unit_seed(seed, "u", held) < 2**31


@pytest.mark.parametrize(
    "changes",
    [{"code": "d"}, {"versions": {"numpy": "3"}}, {"seed": 1}, {"threads": 2}],
    ids=lambda c: next(iter(c)),
)
def test_code_versions_seed_and_threads_change_the_key(changes):
    assert key(**changes) != key()


def test_the_seed_hangs_on_neither_code_nor_versions_nor_threads():
    order = Order(unit="test.square")
    other = Ground(code="d", versions={}, seed=0, threads=4)
    assert ticket(order, GROUND).seed == ticket(order, other).seed


def test_inputs_count_by_content_and_by_name():
    def with_inputs(**inputs):
        return key(Order(unit="test.sum", inputs=inputs))

    here = Ref("h", Path("here"))
    assert with_inputs(a=here) == with_inputs(a=Ref("h", Path("there")))
    assert len({with_inputs(a=here), with_inputs(b=here), with_inputs(a=Ref("i", Path("here")))}) == 3


def test_seconds_do_not_count():
    assert key(Order(unit="test.draw", seconds=3)) == key(Order(unit="test.draw"))


def test_doors_do_not_count_as_code_and_everything_else_does(tmp_path):
    for name in ("core", *DOORS):
        (tmp_path / name).mkdir()
        (tmp_path / name / "part.py").write_text("1")
    before = inner_hash(tmp_path)
    for door in DOORS:
        (tmp_path / door / "part.py").write_text("2")
    assert inner_hash(tmp_path) == before
    (tmp_path / "core" / "part.py").write_text("2")
    assert inner_hash(tmp_path) != before


def test_mulles_own_code_is_read_from_where_it_lies():
    assert own_code_hash.__wrapped__() == inner_hash(Path(mulle.__file__).parent)


def test_the_users_code_counts_by_content_wherever_it_lies(tmp_path):
    mine, moved = tmp_path / "mine.py", tmp_path / "deep" / "mine.py"
    mine.write_text("x = 1\n")
    moved.parent.mkdir()
    shutil.copy(mine, moved)
    assert code_hash([mine]) == code_hash([moved]) != code_hash()
    mine.write_text("x = 2\n")
    assert files_hash([mine]) != files_hash([moved])


def test_every_library_that_matters_is_among_the_versions():
    found = versions()
    assert {
        "numpy",
        "polars",
        "scikit-learn",
        "lightgbm",
        "catboost",
        "onnx",
        "onnxruntime",
        "python",
    } <= set(found)
    assert "absent" not in found.values()


def test_a_module_that_the_users_file_imports_counts_and_others_beside_it_do_not(tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text("import json\nfrom prices.euro import rate\n\ndef late():\n    import costs\n")
    (tmp_path / "prices").mkdir()
    for name in ("prices/__init__.py", "prices/euro.py", "prices/base.py", "costs.py", "other.py"):
        (tmp_path / name).write_text("")
    (tmp_path / "prices" / "euro.py").write_text("from . import base\nrate = 1\n")
    held = ["mine.py", "prices/__init__.py", "prices/euro.py", "costs.py", "prices/base.py"]
    assert sorted(neighbours([mine])) == sorted(held)
    before = code_hash([mine])
    (tmp_path / "other.py").write_text("x = 1")
    assert code_hash([mine]) == before
    for name in held[1:]:
        (tmp_path / name).write_text((tmp_path / name).read_text() + "\ny = 2\n")
        assert code_hash([mine]) != before
        before = code_hash([mine])


def test_files_that_import_each_other_end(tmp_path):
    (tmp_path / "a.py").write_text("import b")
    (tmp_path / "b.py").write_text("import a")
    assert list(neighbours([tmp_path / "a.py"])) == ["a.py", "b.py"]


def test_a_distribution_that_offers_parts_counts_by_its_version(tmp_path, monkeypatch):
    for version in ("1.0", "1.1"):
        held = tmp_path / version / f"mulle_more-{version}.dist-info"
        held.mkdir(parents=True)
        (held / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mulle-more\nVersion: {version}\n")
        (held / "entry_points.txt").write_text("[mulle.metrics]\nmore = more:metric\n")
        with monkeypatch.context() as patch:
            patch.syspath_prepend(str(tmp_path / version))
            assert versions()["mulle-more"] == version
