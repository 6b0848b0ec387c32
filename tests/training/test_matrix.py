"""The matrix that families share, as it is written."""

from pathlib import Path

import numpy as np
import pytest

from mulle.training.fold import write_matrix


@pytest.mark.parametrize("shape", [(7, 3), (1, 1), (5, 0), (0, 4)])
def test_a_matrix_written_in_parts_is_numpys_own_file_to_the_byte(tmp_path: Path, shape: tuple[int, int]) -> None:
    matrix = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    np.save(tmp_path / "whole.npy", matrix, allow_pickle=False)
    write_matrix(tmp_path / "parts.npy", shape, [matrix[:2], matrix[2:]])
    assert (tmp_path / "parts.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
