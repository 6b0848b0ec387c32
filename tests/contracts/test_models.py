"""Every registered model family keeps the contract."""

import numpy as np
import pytest

from mulle.core.loss import logistic
from mulle.models import Column, Rows, Training, families
from mulle.testing import check_model


@pytest.mark.slow
@pytest.mark.parametrize("name", families.names())
def test_a_family_keeps_its_contract_for_every_loss_it_takes(name):
    check_model(families.get(name))


@pytest.mark.parametrize("name", families.names())
def test_configurations_have_names_of_their_own_and_one_suits_any_table(name):
    configs = families.get(name).configs
    assert len({config.name for config in configs}) == len(configs)
    assert any(config.min_rows == 0 for config in configs)


def test_no_two_configurations_of_all_families_share_a_rank():
    ranks = [config.rank for family in families for config in family.configs]
    assert len(set(ranks)) == len(ranks)


@pytest.mark.parametrize("name", families.names())
def test_a_draw_from_the_search_space_can_be_fitted(name):
    rng = np.random.default_rng(7)
    matrix = rng.normal(size=(60, 3)).astype(np.float32)
    training = Training(
        rows=Rows(matrix=matrix, target=(matrix[:, 0] > 0).astype(np.float64)),
        valid=None,
        columns=[Column(name=name, feature=name) for name in "abc"],
        loss=logistic(),
        rng=rng,
    )
    family = families.get(name)
    assert family.fit(training, {**family.space(Draws(rng)), "iterations": 3}).iterations == 3


class Draws:
    """Draws at random what Optuna would draw with care."""

    def __init__(self, rng):
        self.rng = rng

    def suggest_float(self, name, low, high, *, log=False):  # noqa: ARG002
        return float(self.rng.uniform(low, high))

    def suggest_int(self, name, low, high, *, log=False):  # noqa: ARG002
        return int(self.rng.integers(low, high + 1))

    def suggest_categorical(self, name, choices):  # noqa: ARG002
        return choices[int(self.rng.integers(len(choices)))]
