"""The steps before the graph: text to hashed tokens, images to pixels."""

from __future__ import annotations

import base64
import io
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.core.errors import BundleError
from mulle.runtime import decode, tokenise
from mulle.runtime.encode import Unreadable

TEXT = {"op": "tokenise", "version": 1, "analyzer": "text", "width": 512, "word_ngrams": [1, 2], "char_ngrams": [3, 5]}
IMAGE = {"op": "decode", "version": 1, "size": [8, 8], "channels": 1, "width": 64}


def picture(size: tuple[int, int] = (8, 8), mode: str = "L", form: str = "PNG", colour: object = 128) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.new(mode, size, colour).save(out, form)
    return out.getvalue()


def test_a_token_lands_in_the_bucket_that_the_spec_says():
    step = TEXT | {"word_ngrams": [1, 2], "char_ngrams": [0, 0]}
    row = tokenise.run(step, ["Red fox"])[0]
    wanted = {crc32(token.encode()) % 512 for token in ("wred", "wfox", "wred fox")}
    assert set(np.flatnonzero(row)) == wanted
    assert row[sorted(wanted)] == pytest.approx([1 / np.sqrt(3)] * 3)


def test_character_ngrams_run_over_a_padded_word():
    step = TEXT | {"word_ngrams": [0, 0], "char_ngrams": [3, 4]}
    row = tokenise.run(step, ["ox"])[0]
    assert set(np.flatnonzero(row)) == {crc32(t.encode()) % 512 for t in ("c ox", "cox ", "c ox ")}


@pytest.mark.parametrize(
    ("one", "two"), [("서울에서", "서울에서"), ("ＡＢＣ", "abc"), ("Cafe\u0301!", "café"), ("a\tb", "A b")]
)
def test_forms_of_the_same_text_are_one(one, two):
    assert np.array_equal(*tokenise.run(TEXT, [one, two]))


@given(st.lists(st.text(max_size=40), max_size=6))
def test_a_row_has_length_one_or_zero_and_the_sparse_form_agrees(texts):
    rows = tokenise.run(TEXT, texts)
    lengths = np.linalg.norm(rows, axis=1)
    assert np.all(np.isclose(lengths, 1, atol=1e-5) | (lengths == 0))
    starts, buckets, weights = tokenise.sparse(TEXT, texts)
    assert np.count_nonzero(rows) == starts[-1] == len(buckets) == len(weights)


def test_long_text_is_cut_and_empty_text_is_zero():
    step = TEXT | {"max_chars": 10}
    long, cut, nothing = tokenise.run(step, ["word " * 100, "word word ", ""])
    assert np.array_equal(long, cut)
    assert not nothing.any()


@pytest.mark.parametrize("broken", [{"version": 2}, {"analyzer": "bytes"}, {"op": "decode"}])
def test_an_unknown_tokeniser_is_refused(broken):
    with pytest.raises(BundleError, match="not known here"):
        tokenise.run(TEXT | broken, ["a"])


def test_images_of_all_modes_become_pixels_between_0_and_1():
    data = [picture(), picture(mode="RGB", colour=(128, 128, 128)), picture(mode="RGBA", colour=(0, 0, 0, 0))]
    data += [
        picture(form="JPEG"),
        picture(mode="P", colour=0),
        picture(mode="1", colour=1),
        picture(form="WEBP", mode="RGB"),
    ]
    pixels, bad = decode.run(IMAGE, data)
    assert not bad.any()
    assert pixels[0] == pytest.approx(128 / 255)
    assert pixels[2] == pytest.approx(1.0)  # what is transparent is white
    assert pixels.min() >= 0
    assert pixels.max() <= 1


def test_sixteen_bit_grey_keeps_its_shades():
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.full((8, 8), 32_896, np.uint16)).save(out, "PNG")
    assert decode.run(IMAGE, [out.getvalue()])[0][0] == pytest.approx(128 / 255)


def test_the_camera_may_have_been_held_sideways():
    from PIL import Image

    grid = np.zeros((4, 8), np.uint8)
    grid[:, :4] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90°
    out = io.BytesIO()
    Image.fromarray(grid).save(out, "PNG", exif=exif)
    pixels = decode.pixels(out.getvalue(), (8, 4), 1)[..., 0]
    assert pixels[0].mean() > 0.9
    assert pixels[-1].mean() < 0.1


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"%PDF-1.4", picture()[:40], b"\x89PNG\r\n\x1a\n" + b"\0" * 50, None, 3.5], ids=repr
)
def test_what_is_no_image_is_bad_and_black(data):
    pixels, bad = decode.run(IMAGE, [data])
    assert bad.tolist() == [True]
    assert not pixels.any()


def test_a_small_file_with_too_many_pixels_is_refused_before_it_is_unpacked():
    huge = picture((6000, 5000), mode="1", colour=0)
    assert len(huge) < 50_000
    with pytest.raises(Unreadable, match="too large"):
        decode.pixels(huge, (8, 8), 1)


def test_base64_is_taken_and_paths_only_under_a_given_root(tmp_path):
    data = picture()
    coded = base64.b64encode(data).decode()
    assert decode.content(coded) == decode.content(f"data:image/png;base64,{coded}") == data
    inside, outside = tmp_path / "in", tmp_path / "out.png"
    inside.mkdir()
    (inside / "a.png").write_bytes(data)
    outside.write_bytes(data)
    assert decode.content("a.png", inside) == data
    with pytest.raises(Unreadable, match="outside"):
        decode.content("../out.png", inside)
    with pytest.raises(Unreadable, match="bytes or base64"):
        decode.content(str(inside / "a.png"))


@pytest.mark.parametrize("broken", [{"version": 2}, {"channels": 4}, {"op": "tokenise"}])
def test_an_unknown_decoder_is_refused(broken):
    with pytest.raises(BundleError, match="not known here"):
        decode.run(IMAGE | broken, [b""])
