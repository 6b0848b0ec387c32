"""Simple first: a baseline stands until clearly beaten, luck does not choose, and whoever asks for speed gets no ensemble."""

from types import SimpleNamespace

import numpy as np
import pytest

from mulle.core.errors import DataError
from mulle.metrics import metrics
from mulle.models.base import Config
from mulle.stages.base import Scored
from mulle.stages.choice import choose
from mulle.training.search import PROPOSED

N = 600
RNG = np.random.default_rng(7)
TARGET = RNG.normal(size=N)
NOISE = RNG.normal(size=(4, N))
METRIC = metrics.get("rmse")


def scored(name: str, error: np.ndarray, *, baseline: bool = False, rank: int = 50, folds: bool = True) -> Scored:
    prediction = (TARGET + error)[:, None]
    return Scored(
        name=name,
        family=name,
        title=name,
        config=Config(name=name, rank=rank),
        prepared=None,
        folds=[SimpleNamespace(json=lambda _: {"n_parameters": 10})] if folds else [],  # type: ignore[list-item]
        prediction=prediction,
        value=METRIC(TARGET, prediction, None),
        seconds=0.1,
        baseline=baseline,
    )


def chosen(all_: list[Scored], *, protocol: str = "kfold", latency: float | None = None) -> tuple[str, str]:
    limits = SimpleNamespace(latency_ms_p95=latency, rows_per_second=None)
    turn = SimpleNamespace(rng=lambda _: np.random.default_rng(0), deadline=None, page=SimpleNamespace(limits=limits))
    prepared = SimpleNamespace(
        target=TARGET, units=np.arange(N, dtype=np.uint64), protocol=protocol, weight_of=lambda _: None
    )
    searched, says = choose(turn, SimpleNamespace(metric=METRIC), prepared, all_)  # type: ignore[arg-type]
    return searched.names, says


LINEAR = scored("linear", NOISE[0], baseline=True)


def test_what_is_clearly_better_takes_the_place_of_the_baseline():
    assert chosen([LINEAR, scored("trees", 0.5 * NOISE[0])])[0] == "trees"


def test_what_is_better_by_a_hair_does_not():
    name, says = chosen([LINEAR, scored("trees", NOISE[0] + 0.02 * NOISE[1])])
    assert name == "linear"
    assert says.startswith("linear was kept, as nothing beats it clearly: trees gains")


def test_where_folds_share_their_training_rows_a_gain_has_to_be_larger():
    # Found by looking for a share of the error between one plain standard error of the gain and one that counts the folds
    for share in np.linspace(0.01, 0.2, 40):
        trees = scored("trees", (1 - share) * NOISE[0] + 0.35 * NOISE[1])
        names = [chosen([LINEAR, trees], protocol=protocol)[0] for protocol in ("holdout", "kfold")]
        assert names != ["linear", "trees"]
        if names == ["trees", "linear"]:
            return
    pytest.fail("no gain was enough for a hold-out and too little for folds")


def test_a_proposal_that_owes_its_place_to_luck_gives_way_to_the_portfolio():
    first = scored("portfolio", 0.5 * NOISE[0])
    lucky = [
        scored(f"tpe {i}", 0.5 * (NOISE[0] + 0.03 * RNG.normal(size=N)), rank=PROPOSED + i, baseline=False)
        for i in range(30)
    ]
    best = min(lucky, key=lambda s: METRIC.error(s.value))
    assert METRIC.error(best.value) < METRIC.error(first.value), "the case that is meant"
    assert chosen([LINEAR, first, *lucky], latency=1.0)[0] == "portfolio"


def test_an_ensemble_is_kept_where_its_gain_is_clear_and_nobody_asks_for_speed():
    far = scored("linear", 5.0 * NOISE[0], baseline=True)
    both = [scored("one", 0.4 * NOISE[1]), scored("two", 0.4 * NOISE[2])]
    assert chosen([far, *both])[0] in {"one + two", "two + one"}
    alone, says = chosen([far, *both], latency=5.0)
    assert alone in {"one", "two"}
    assert "the page asks for speed" in says


def test_with_nothing_that_can_ship_the_budget_is_named():
    with pytest.raises(DataError, match=r"no configuration could be fitted within the budget"):
        chosen([scored("constant", NOISE[0], baseline=True, folds=False)])
