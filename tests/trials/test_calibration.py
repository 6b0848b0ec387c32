import numpy as np
import onnxruntime as ort
import pytest

from mulle.core.loss import logistic, softmax
from mulle.export.calibration import emit_calibration
from mulle.export.graph import Graph
from mulle.trials.calibration import _isotonic, calibrate, calibrated


def rng(seed=0):
    return np.random.default_rng(seed)


def rows(n, bend):
    """Probabilities that are bent away from the true ones, and what happened."""
    true = rng().random(n)
    y = (rng(1).random(n) < true).astype(float)
    return true, y, bend(true)[:, None]


def test_a_true_model_is_left_alone():
    _, y, p = rows(5000, lambda t: t)
    assert calibrate(p, y, logistic(), None, rng=rng()).steps is None


@pytest.mark.parametrize(
    "bend",
    [lambda t: 0.5 + (t - 0.5) / 3, lambda t: t**3, lambda t: 0.2 + 0.6 * t**2],
    ids=["timid", "low", "squeezed"],
)
def test_a_bent_model_is_mended_in_order(bend):
    true, y, p = rows(8000, bend)
    found = calibrate(p, y, logistic(), None, rng=rng())
    mended = calibrated(p, found.steps)
    assert np.abs(mended[:, 0] - true).mean() < 0.03
    assert np.abs(found.prediction[:, 0] - true).mean() < 0.03
    order = np.argsort(p[:, 0])
    assert (np.diff(mended[order, 0]) >= -1e-12).all()


def test_isotonic_needs_a_thousand_rows_of_each_class():
    _, y, p = rows(1500, lambda t: 0.2 + 0.6 * t**2)
    assert min(y.sum(), 1500 - y.sum()) < 1000
    assert calibrate(p, y, logistic(), None, rng=rng()).steps["kind"] == "platt"


def test_only_one_probability_is_calibrated():
    p = rng().random((50, 3))
    found = calibrate(p, np.zeros(50), softmax(3), None, rng=rng())
    assert found.steps is None
    assert found.prediction is p


@pytest.mark.parametrize("kind", ["platt", "isotonic"])
def test_the_graph_gives_the_calibrations_own_values(kind):
    steps = {
        "platt": {"kind": "platt", "a": 1.7, "b": -0.4},
        "isotonic": {"kind": "isotonic", "x": [0.0, 0.3, 0.31, 1.0], "y": [0.0, 0.1, 0.5, 0.999]},
    }[kind]
    g = Graph()
    value = emit_calibration(g, g.input("p", "double", [None, 1]), steps)
    g.output(value, "q", "double", [None, 1])
    at = np.concatenate([[0.0, 1.0, 0.3, 0.31], rng().random(500)])[:, None]
    session = ort.InferenceSession(g.to_bytes(), providers=["CPUExecutionProvider"])
    assert session.run(None, {"p": at})[0] == pytest.approx(calibrated(at, steps), abs=1e-12)


def weighted_twice(kind_of_rows: int = 3000):
    """Return squeezed probabilities with whole weights, and the same rows written out as often as they weigh."""
    held = np.random.default_rng(5)
    truth = held.random(kind_of_rows)
    y = (held.random(kind_of_rows) < truth).astype(float)
    weight = held.integers(0, 4, kind_of_rows).astype(float)
    return (0.25 + truth / 2)[:, None], y, weight


def test_a_weight_of_three_is_a_row_that_stands_three_times():
    p, y, weight = weighted_twice()
    often = np.repeat(np.arange(len(y)), weight.astype(int))
    ours = calibrate(p, y, logistic(), np.arange(len(y)), rng=rng(), weight=weight).steps
    theirs = calibrate(p[often], y[often], logistic(), often, rng=rng()).steps
    grid = np.linspace(0.26, 0.74, 40)[:, None]
    assert ours["kind"] == theirs["kind"]
    assert np.abs(calibrated(grid, ours) - calibrated(grid, theirs)).max() < 0.02


def test_isotonic_steps_are_sklearns_with_sample_weights():
    from sklearn.isotonic import IsotonicRegression

    p, y, weight = weighted_twice(8000)
    steps = _isotonic(p, y, weight / weight.mean())
    oracle = IsotonicRegression(y_min=0, y_max=1).fit(p[:, 0], y, sample_weight=weight)
    grid = np.linspace(0.3, 0.7, 50)
    assert np.abs(calibrated(grid[:, None], steps)[:, 0] - oracle.predict(grid)).mean() < 0.02
