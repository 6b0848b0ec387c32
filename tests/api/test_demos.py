"""A demo that can't be laid out is said, and is no fault of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from mulle.core.errors import StoreError
from mulle.demos.folders import write_demo


def test_a_place_that_cannot_be_written_is_named_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"where: .*file(.|\n)*fix: +move that file away"):
        write_demo("income", tmp_path / "file" / "mulle-income")
