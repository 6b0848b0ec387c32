"""The two halves of a hold-out's validation rows: which iteration either is predicted at."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mulle.core.loss import Loss, each, logistic, softmax, squared
from mulle.core.schema import Column
from mulle.export.joined import Joined
from mulle.export.layers import Layers
from mulle.export.scorer import Scorer
from mulle.export.snapshots import Snapshots
from mulle.models import families
from mulle.models.base import Fitted, Rows, Training
from mulle.models.fit import fit_loss
from mulle.training.halves import crosswise, looks
from mulle.training.scoring import native, predict

Floats = NDArray[np.float64]
LOSSES: list[tuple[Loss, Callable[[Floats], Floats]]] = [
    (logistic(), lambda z: (z[:, 0] > 0).astype(float)),
    (softmax(3), lambda z: np.digitize(z[:, 0], [-0.5, 0.5]).astype(float)),
    (squared(), lambda z: z[:, 0]),
    (each(logistic(), 2), lambda z: (z[:, :2] > 0).astype(float)),
]


def rows(n: int, of: Callable[[Floats], Floats], seed: int) -> Rows:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 4))
    return Rows(matrix=z.astype(np.float32), target=of(z + rng.normal(size=z.shape)))


def fit(name: str, loss: Loss, of: Callable[[Floats], Floats]) -> tuple[Fitted, Rows]:
    """Fit a family by its defaults, watched on validation rows."""
    valid = rows(60, of, 1)
    columns = [Column(name=c, feature=c) for c in "abcd"]
    training = Training(
        rows=rows(240, of, 0), valid=valid, columns=columns, loss=loss, rng=np.random.default_rng(0), seconds=None
    )
    return fit_loss(families.get(name), training, {"iterations": 30} if name in {"catboost", "lightgbm"} else {}), valid


def constants(*values: float) -> Fitted:
    """Return a path of constants, a number predicted after each iteration."""
    states = tuple(Layers.constant([value], space="raw") for value in values)
    at = tuple(range(1, len(values) + 1))
    return Fitted(scorer=Snapshots(at, states), valid_curve=[0.0] * len(values))


def asked(target: list[float], weight: list[float] | None = None) -> Rows:
    held = None if weight is None else np.array(weight)
    return Rows(matrix=np.zeros((len(target), 1), np.float32), target=np.array(target), weight=held)


FIRST = np.array([True, True, False, False])


def test_either_half_is_predicted_where_the_other_likes_it_best() -> None:
    prediction, kept = crosswise(constants(1.0, 5.0, 9.0), squared(), asked([1.0, 1.0, 9.0, 9.0]), FIRST)
    assert kept == [3, 1]
    assert prediction[:, 0].tolist() == [9.0, 9.0, 1.0, 1.0]


def test_rows_that_weigh_more_say_more() -> None:
    held = asked([5.0, 5.0, 1.0, 9.0], [1.0, 1.0, 1.0, 100.0])
    assert crosswise(constants(1.0, 5.0, 9.0), squared(), held, FIRST)[1] == [3, 2]


def test_a_half_without_any_weight_counts_its_rows_alike() -> None:
    held = asked([1.0, 1.0, 9.0, 9.0], [0.0, 0.0, 0.0, 2.0])
    assert crosswise(constants(1.0, 5.0, 9.0), squared(), held, FIRST)[1] == [3, 1]


def test_where_a_fit_diverged_it_is_not_cut() -> None:
    with np.errstate(invalid="ignore"):
        prediction, kept = crosswise(constants(2.0, np.nan, 4.0), squared(), asked([2.0] * 4), FIRST)
    assert kept == [1, 1]
    assert np.isfinite(prediction).all()
    assert crosswise(constants(np.nan, 4.0), squared(), asked([2.0] * 4), FIRST)[1] == [2, 2]


@pytest.mark.parametrize(("loss", "of"), LOSSES, ids=lambda x: getattr(x, "name", ""))
@pytest.mark.parametrize("name", ["catboost", "lightgbm", "linear", "network"])
def test_predictions_are_those_of_the_fit_cut_there(name: str, loss: Loss, of: Callable[[Floats], Floats]) -> None:
    fitted, valid = fit(name, loss, of)
    first = np.arange(60) % 3 > 0
    prediction, kept = crosswise(fitted, loss, valid, first)
    for half, n in zip((first, ~first), kept, strict=True):
        cut = predict(fitted.scorer.first(n), loss, valid.matrix[half])
        assert np.allclose(prediction[half], cut, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("loss", "of"), LOSSES, ids=lambda x: getattr(x, "name", ""))
@pytest.mark.parametrize("name", ["catboost", "lightgbm"])
def test_steps_of_trees_add_up_to_the_path(name: str, loss: Loss, of: Callable[[Floats], Floats]) -> None:
    fitted, valid = fit(name, loss, of)
    total: Floats | float = 0.0
    for before, n in ((0, 1), (1, 7), (7, 7), (7, 12), (12, 99)):
        step = fitted.scorer.step(before, n)
        assert step is not None
        total = total + native(step, valid.matrix)
        assert np.allclose(total, native(fitted.scorer.first(n), valid.matrix), rtol=0, atol=1e-12)


def test_states_that_are_no_sums_have_no_steps() -> None:
    path: Scorer = constants(1.0, 2.0).scorer
    assert path.step(0, 1) is None
    assert Joined((path, path)).step(0, 1) is None


@given(cuts=st.sets(st.integers(1, 5000), min_size=1), reached=st.integers(1, 5000))
def test_looks_are_cuts_that_were_reached_both_ends_among_them(cuts: set[int], reached: int) -> None:
    able = sorted(n for n in cuts if n <= reached) or [min(cuts)]
    found = looks(sorted(cuts), reached=reached)
    assert set(found) <= set(able)
    assert (found[0], found[-1]) == (able[0], able[-1])
    assert found == sorted(set(found))
    assert len(found) <= 72
