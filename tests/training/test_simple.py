"""The one rule: the column whose cuts explain most, found in blocks of columns as one by one."""

import numpy as np
import pytest

from mulle.training.simple import explained

FLAGS = (0.0, 0.01, 0.05, 0.0625, 0.1, 0.5, 0.9, 0.93, 0.95, 0.99, 1.0)


def one_by_one(values, target):
    """The definition: variance between 16 quantile bins of one column, less a bin's worth of chance each."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, 17)[1:-1]))
    bins = np.searchsorted(edges, values, side="left")
    held = [target[bins == b] for b in np.unique(bins)]
    between = sum((h.sum(axis=0) ** 2).sum() / len(h) for h in held) - (target.sum(axis=0) ** 2).sum() / len(target)
    return between - len(held) * target.var(axis=0).sum()


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("n", [7, 16, 17, 33, 500])
def test_blocks_of_columns_give_what_each_gives_alone(n, n_outputs):
    rng = np.random.default_rng(n)
    flags = [(rng.random((n, 1)) < share).astype(float) for share in FLAGS]
    matrix = np.hstack([rng.normal(size=(n, 20)), rng.integers(0, 3, (n, 10)), *flags]).astype(np.float32)
    target = rng.normal(size=(n, n_outputs))
    rows = np.sort(rng.permutation(n)[: max(2, n - 3)])
    alone = [one_by_one(matrix[rows, j], target[rows]) for j in range(matrix.shape[1])]
    np.testing.assert_allclose(explained(matrix, target, rows), alone, atol=1e-9)
