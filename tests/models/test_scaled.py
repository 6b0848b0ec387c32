"""A large matrix of zeros and ones is multiplied as what it is, not as what is written out."""

import numpy as np
import pytest
from scipy import sparse

from mulle.models import scaled as scaled_
from mulle.models.scaled import Scaled
from mulle.models.scaling import scaling


@pytest.fixture
def wide(monkeypatch):
    """A matrix that counts as large here: words, one column a level, and one column of numbers."""
    monkeypatch.setattr(scaled_, "MOST_DOUBLES", 1000)
    rng = np.random.default_rng(0)
    words = (rng.random((300, 60)) < 0.03).astype(np.float32)
    return np.hstack([words, rng.normal(5, 3, (300, 1)).astype(np.float32)])


def test_sparse_products_are_those_of_the_scaled_matrix(wide):
    mean, scale = scaling(wide)
    held, rng = Scaled.of(wide, mean=mean, scale=scale), np.random.default_rng(1)
    weights, slope = rng.normal(size=(61, 2)), rng.normal(size=(300, 2))
    dense = (wide.astype(float) - mean) / scale
    assert sparse.issparse(held.held)
    np.testing.assert_allclose(held.times(weights), dense @ weights, atol=1e-9)
    np.testing.assert_allclose(held.back(slope), dense.T @ slope, atol=1e-9)


def test_other_rows_are_scaled_by_the_same_means(wide):
    mean, scale = scaling(wide)
    other, weights = wide[:50], np.random.default_rng(2).normal(size=(61, 1))
    like = Scaled.of(wide, mean=mean, scale=scale).like(other, mean=mean, scale=scale)
    np.testing.assert_allclose(like.times(weights), ((other.astype(float) - mean) / scale) @ weights, atol=1e-9)


def test_a_matrix_of_numbers_stays_dense(monkeypatch):
    monkeypatch.setattr(scaled_, "MOST_DOUBLES", 1000)
    matrix = np.random.default_rng(0).normal(size=(200, 20)).astype(np.float32)
    mean, scale = scaling(matrix)
    assert Scaled.of(matrix, mean=mean, scale=scale).held.dtype == np.float32
