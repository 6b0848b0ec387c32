"""Bundles that can't be opened or trusted: each is refused with a fix, before anything of it is used."""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from mulle.core.errors import BundleError
from mulle.export.bundle import zip_bundle
from mulle.runtime import Bundle
from mulle.runtime.archive import is_safe_name
from mulle.runtime.onnx_file import points_outside


def edit(folder, change, *, rehash=()):
    """Change the manifest of a bundle; ``rehash`` names files whose hash is to be made right again."""
    path = folder / "manifest.json"
    said = json.loads(path.read_text("utf-8"))
    for name in rehash:
        said["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    change(said)
    path.write_text(json.dumps(said), "utf-8")


def packed(folder, out):
    with zipfile.ZipFile(out, "w") as archive:
        for path in folder.rglob("*"):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return out


def test_a_zip_opens_as_its_folder_does(toy, toy_folder, tmp_path):
    zipped = Bundle.load(zip_bundle(toy_folder, tmp_path / "toy.zip"))
    assert zipped.hash == toy.hash
    assert zipped.selftest().ok
    assert sorted(path.name for path in tmp_path.iterdir()) == ["toy.bundle", "toy.zip"]


@pytest.mark.parametrize("name", ["model.onnx", "policy.onnx", "card.md", "golden/rows.json"])
def test_a_changed_file_is_found_by_its_hash(toy_folder, name):
    path = toy_folder / name
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(BundleError, match=f"'{name}' isn't what was packaged.*\n.*\n.*get the bundle again"):
        Bundle.load(toy_folder)


def test_a_missing_file_and_one_too_many_are_named(toy_folder):
    (toy_folder / "notes.txt").write_text("hello")
    with pytest.raises(BundleError, match=r"'notes.txt' doesn't belong to it\n.*\n.*take it out"):
        Bundle.load(toy_folder)
    (toy_folder / "notes.txt").unlink()
    (toy_folder / "card.md").unlink()
    with pytest.raises(BundleError, match=r"'card.md' is missing from it\n.*\n.*get the bundle again"):
        Bundle.load(toy_folder)


def test_a_link_is_not_followed(toy_folder, tmp_path):
    (toy_folder / "card.md").rename(tmp_path / "card.md")
    (toy_folder / "card.md").symlink_to(tmp_path / "card.md")
    with pytest.raises(BundleError, match=r"is a link or a device.*\n.*\n.*don't use it"):
        Bundle.load(toy_folder)


def test_a_linked_folder_is_not_followed(toy_folder, tmp_path):
    (toy_folder / "golden").rename(tmp_path / "golden")
    (toy_folder / "golden").symlink_to(tmp_path / "golden")
    with pytest.raises(BundleError, match=r"is a link or a device.*\n.*\n.*don't use it"):
        Bundle.load(toy_folder)


@pytest.mark.parametrize("name", ["../evil.onnx", "/etc/evil", "a\\..\\evil", "C:evil", "a//b", "./a", "a\x00b"])
def test_a_name_that_leads_out_is_refused(toy_folder, tmp_path, name):
    out = packed(toy_folder, tmp_path / "toy.zip")
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr(zipfile.ZipInfo("x" * len(name)), b"evil")
    out.write_bytes(out.read_bytes().replace(b"x" * len(name), name.encode()))
    with pytest.raises(BundleError, match="fix:"):
        Bundle.load(out)


def test_a_link_in_a_zip_is_refused(toy_folder, tmp_path):
    out = packed(toy_folder, tmp_path / "toy.zip")
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(BundleError, match=r"'link' is a link or a device.*\n.*\n.*don't use it"):
        Bundle.load(out)


def test_a_doubled_entry_is_refused(toy_folder, tmp_path):
    out = packed(toy_folder, tmp_path / "toy.zip")
    with zipfile.ZipFile(out, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("card.md", "another")
    with pytest.raises(BundleError, match=r"holds 'card.md' twice\n.*\n.*don't use it"):
        Bundle.load(out)


def test_a_bomb_is_not_unpacked(toy_folder, tmp_path):
    out = packed(toy_folder, tmp_path / "toy.zip")
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(50_000_000))
    assert out.stat().st_size < 200_000
    with pytest.raises(BundleError, match=r"holds more than 1 MB\n.*\n.*max_bytes"):
        Bundle.load(out, max_bytes=1_000_000)


def test_a_folder_that_is_too_large_is_refused(toy_folder):
    with pytest.raises(BundleError, match=r"holds more than 0 MB\n.*\n.*max_bytes"):
        Bundle.load(toy_folder, max_bytes=2_000)


@pytest.mark.parametrize("content", [b"", b"PK", b"not a bundle at all", b"\x00" * 4096])
def test_a_foreign_file_is_refused(tmp_path, content):
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(BundleError, match=r"can't be read as a bundle.*\n.*\n.*that Mulle wrote"):
        Bundle.load(tmp_path / "x.zip")


def test_a_folder_that_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(BundleError, match=r"has no manifest.json\n.*\n.*that Mulle wrote"):
        Bundle.load(tmp_path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_zip_is_refused(toy_folder, tmp_path, share):
    content = packed(toy_folder, tmp_path / "toy.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BundleError, match=r"can't be read as a bundle.*\n.*\n.*copy it again"):
        Bundle.load(tmp_path / "cut.zip")


def test_any_flipped_byte_of_a_zip_is_found_or_changes_nothing(toy_folder, tmp_path):
    content = bytearray(packed(toy_folder, tmp_path / "toy.zip").read_bytes())
    truth = Bundle.load(toy_folder)
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(content), 150):
        content[at] ^= 0xFF
        (tmp_path / "flipped.zip").write_bytes(content)
        try:
            assert Bundle.load(tmp_path / "flipped.zip").model_hash == truth.model_hash
        except BundleError as error:
            assert error.fix  # either way is well; a crash or another model isn't  # noqa: PT017
        content[at] ^= 0xFF


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m.update(format="other"), "no bundle of Mulle's\n.*\n.*that Mulle wrote"),
        (lambda m: m.update(version=2), "version 2 of the format.*\n.*\n.*pip install -U mulle"),
        (lambda m: m.update(version=True), "fix:"),
        (lambda m: m["steps"].insert(0, {"op": "lookup", "version": 1}), "isn't built yet.*\n.*\n.*pip"),
        (lambda m: m["steps"].insert(0, {"op": "python", "version": 1}), "is unknown\n.*\n.*pip install"),
        (lambda m: m["steps"][0].update(version=9), "version 9.*\n.*\n.*pip install -U mulle"),
        (lambda m: m["steps"].pop(), "last step must be the only policy\n.*\n.*get the bundle again"),
        (lambda m: m.pop("classes"), "'classes' is missing\n.*\n.*get the bundle again"),
        (lambda m: m.update(classes=[]), "there are no classes\n.*\n.*get"),
        (lambda m: m.update(stamp="golden"), "not one of draft, ready\n.*\n.*get"),
        (lambda m: m.update(request=[]), "at least one\n.*\n.*get"),
        (lambda m: m["request"][0].update(wire="pickle"), "not one of number, string, bytes\n.*\n.*get"),
        (lambda m: m["request"][0].update(kind="spell"), "can't read values of the kind 'spell'"),
        (lambda m: m["request"][0].update(wire="bytes"), "bytes need a step.*\n.*\n.*get"),
        (lambda m: m["request"].append(dict(m["request"][0])), "two features have one name\n.*\n.*get"),
        (lambda m: m["request"].append({**m["request"][0], "name": "more"}), "shape|dimension|failed"),
        (lambda m: m["steps"][0].update(file="../model.onnx"), "isn't among its files\n.*\n.*get"),
        (lambda m: m["steps"][0].update(outputs=["other"]), "which no graph gives\n.*\n.*get"),
        (lambda m: m["steps"][1]["parameters"].update(threshold="high"), "must be a number\n.*\n.*get"),
        (lambda m: m["steps"][1]["parameters"].update(other=1.0), "takes .*\n.*\n.*package it again"),
        (lambda m: m.update(classes=["only"]), "class that isn't there"),
    ],
)  # fmt: skip
def test_a_manifest_whose_parts_do_not_fit_is_refused(toy_folder, change, says):
    edit(toy_folder, change)
    with pytest.raises(BundleError, match=says):
        Bundle.load(toy_folder)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b'{"a": NaN}',
        b'{"format": "mulle-bundle", "format": "x"}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_a_manifest_that_is_no_json_is_refused(toy_folder, content):
    (toy_folder / "manifest.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"fix:   (get the bundle again|give the path of a bundle)"):
        Bundle.load(toy_folder)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_value_anywhere_in_the_manifest_gives_anything_but_an_error_with_a_fix(toy_folder, data):
    path = toy_folder / "manifest.json"
    content = path.read_bytes()
    said = json.loads(content)
    held = said
    while True:
        key = data.draw(st.sampled_from(sorted(held) if isinstance(held, dict) else range(len(held))))
        if isinstance(held[key], dict | list) and held[key] and data.draw(st.booleans()):
            held = held[key]
            continue
        held[key] = data.draw(st.sampled_from([None, 0, -1, 1e300, "", "x", [], {}, [1], {"a": 1}, True, [[]]]))
        break
    path.write_text(json.dumps(said), "utf-8")
    try:
        Bundle.load(toy_folder)
    except BundleError as error:
        assert error.fix  # noqa: PT017
    finally:
        path.write_bytes(content)


def test_a_graph_that_points_at_another_file_is_refused(toy_folder, tmp_path):
    model = onnx.load(toy_folder / "model.onnx")
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(800))
    tensor = TensorProto(name="leak", data_type=TensorProto.DOUBLE, dims=[100])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=str(secret))
    model.graph.initializer.append(tensor)
    (toy_folder / "model.onnx").write_bytes(model.SerializeToString())
    edit(toy_folder, lambda _: None, rehash=["model.onnx"])
    with pytest.raises(BundleError, match=r"points at data in another file\n.*\n.*don't use it"):
        Bundle.load(toy_folder)


@pytest.mark.parametrize("deep", [False, True])
def test_external_data_is_found_in_attributes_and_subgraphs(deep):
    tensor = TensorProto(name="t", data_type=TensorProto.FLOAT, dims=[1])
    tensor.external_data.add(key="location", value="/etc/passwd")
    node = helper.make_node("Constant", [], ["y"], value=tensor)
    if deep:
        branch = helper.make_graph([node], "branch", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])])
        node = helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch)
    assert points_outside(helper.make_model(helper.make_graph([node], "g", [], [])).SerializeToString())


def test_the_word_location_alone_is_no_external_data():
    node = helper.make_node("Constant", [], ["y"], value_string="location")
    whole = helper.make_tensor("location", TensorProto.FLOAT, [2], np.ones(2, np.float32).tobytes(), raw=True)
    whole.data_location = TensorProto.DEFAULT
    graph = helper.make_graph([node], "g", [], [], initializer=[whole])
    assert not points_outside(helper.make_model(graph).SerializeToString())


@given(st.binary(max_size=200))
def test_any_bytes_are_walked_or_refused(content):
    try:
        points_outside(b"location" + content)
    except ValueError as error:
        assert str(error)  # noqa: PT017


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x00\x00\x00\x00ORTM" + bytes(100)])
def test_what_is_no_onnx_graph_is_refused(toy_folder, content):
    (toy_folder / "model.onnx").write_bytes(content)
    edit(toy_folder, lambda _: None, rehash=["model.onnx"])
    with pytest.raises(BundleError, match=r"can't be opened as an ONNX graph.*\n.*\n.*get the bundle again"):
        Bundle.load(toy_folder)


@given(st.text(max_size=12))
def test_a_safe_name_stays_within_any_folder(name):
    if is_safe_name(name):
        assert (Path("/bundle") / name).resolve().is_relative_to("/bundle")
