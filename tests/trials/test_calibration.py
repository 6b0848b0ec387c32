import numpy as np
import onnxruntime as ort
import pytest

from mulle.core.loss import logistic, softmax
from mulle.export.calibration import emit_calibration
from mulle.export.graph import Graph
from mulle.trials.calibration import calibrate, calibrated


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
