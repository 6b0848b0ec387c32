"""A loss of parts is fitted part by part by families that never heard of it."""

import numpy as np
import pytest

from mulle.core.errors import ProjectError
from mulle.core.loss import each, logistic
from mulle.models import Column, Family, Rows, Training, families
from mulle.models.fit import fit_loss
from mulle.models.stopping import Deadline, best, stalled
from mulle.testing import scores

RNG = np.random.default_rng(0)
MATRIX = RNG.normal(size=(200, 3)).astype(np.float32)
LABELS = (MATRIX[:, :2] + 0.3 * RNG.normal(size=(200, 2)) > 0).astype(np.float64)


def training(**more):
    columns = [Column(name=name, feature=name) for name in "abc"]
    rows = Rows(matrix=MATRIX[:150], target=LABELS[:150])
    valid = Rows(matrix=MATRIX[150:], target=LABELS[150:])
    held = {"rows": rows, "valid": valid, "columns": columns, "loss": each(logistic(), 2)}
    return Training(**{**held, "rng": np.random.default_rng(1), **more})


@pytest.mark.parametrize("name", families.names())
def test_every_family_fits_two_labels_at_once(name):
    fitted = fit_loss(families.get(name), training(), {"iterations": 40})
    raw = scores(fitted.scorer, MATRIX[150:])
    cut = 0.0 if fitted.scorer.space == "raw" else 0.5
    assert ((raw > cut) == LABELS[150:]).mean() > 0.8
    assert len(fitted.valid_curve) == len(fitted.train_curve) > 0


def test_a_part_is_what_the_family_fits_on_that_column_alone():
    family = families.get("linear")
    fitted = fit_loss(family, training(), {})
    alone = family.fit(
        training(
            rows=Rows(matrix=MATRIX[:150], target=LABELS[:150, 1]),
            valid=Rows(matrix=MATRIX[150:], target=LABELS[150:, 1]),
            loss=logistic(),
        ),
        {},
    )
    assert np.array_equal(scores(fitted.scorer, MATRIX)[:, 1:], scores(alone.scorer, MATRIX))


def test_a_loss_that_a_family_does_not_take_is_refused_with_those_it_takes():
    class Means(type(families.get("linear"))):
        name = "means"
        losses = frozenset({"squared"})

    assert issubclass(Means, Family)
    with pytest.raises(ProjectError, match="it takes squared"):
        fit_loss(Means(), training(), {})


def test_time_is_shared_among_the_parts():
    fitted = fit_loss(families.get("lightgbm"), training(seconds=0.0), {})
    assert fitted.stopped == "time"
    assert fitted.scorer.n_outputs == 2


def test_a_deadline_counts_down():
    assert 9 < Deadline(10.0).left_s <= 10
    assert Deadline(None).left_s == float("inf")


@pytest.mark.parametrize(("curve", "n"), [([], 0), ([2.0], 1), ([3.0, 1.0, 1.0], 2)])
def test_the_best_is_the_first_of_the_lowest(curve, n):
    assert best(curve) == n


def test_a_curve_that_still_falls_has_not_stalled():
    assert not stalled([5.0, 4.0, 3.0, 2.0], 2)
    assert stalled([5.0, 4.0, 4.0, 4.5], 2)
