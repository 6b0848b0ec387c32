"""A bundle of real parts on real people: the income demo through kinds, LightGBM and the threshold policy."""

from __future__ import annotations

from importlib.resources import as_file, files

import numpy as np
import polars as pl
import pytest

from mulle.core.loss import logistic
from mulle.export.bundle import Golden, GraphPart, PolicyPart, write_bundle
from mulle.export.graph import Graph
from mulle.export.links import emit_link
from mulle.kinds.preparation import Preparation, canonical, declare, request, wires
from mulle.kinds.recognise import guess
from mulle.models.base import Rows, Training, families
from mulle.operate.predict import predict_file
from mulle.policies import policies
from mulle.policies.graph import policy_graph
from mulle.runtime import Bundle
from mulle.runtime.layout import Layout

pytestmark = pytest.mark.slow
N_ROWS = 4_000


@pytest.fixture(scope="module")
def people():
    with as_file(files("mulle.demos").joinpath("income/income.parquet")) as path:
        return pl.read_parquet(path).head(N_ROWS)


@pytest.fixture(scope="module")
def income(people, toy_maker, tmp_path_factory):
    """Train on raw rows and package what came out."""
    raw, target = people.drop("income"), (people["income"] == people["income"].unique().sort()[-1]).to_numpy()
    features = guess(raw)
    encoded = wires(features, canonical(features, raw)[0])
    entries, family = request(features), families.get("lightgbm")
    rng = np.random.default_rng(0)
    prepared = Preparation.fit(
        features, encoded, {k: [v for v in views if v != "target"] for k, views in family.views.items()}, rng=rng
    )
    rows = Rows(matrix=prepared.run(encoded), target=target.astype(float))
    training = Training(rows=rows, valid=None, columns=prepared.columns, loss=logistic(), rng=rng)
    scorer = family.fit(training, {"iterations": 60}).scorer
    g = Graph()
    layout = Layout.of(entries)
    raw_score = scorer.emit(g, prepared.emit(g, layout, declare(g, layout)))
    g.output(emit_link(g, raw_score, logistic()), "prediction", "double", [None, 1])
    parameters = {"threshold": 0.4}
    threshold = policies.get("threshold")
    policy = PolicyPart(
        name="threshold", content=policy_graph(threshold, parameters, 1), decides="class", parameters=parameters
    )
    parts = toy_maker(
        request=entries,
        graphs=[GraphPart(content=g.to_bytes())],
        policy=policy,
        golden=Golden(rows=raw.head(20).to_dicts()),
        key=(),
        classes=["no", "yes"],
    )
    return write_bundle(tmp_path_factory.mktemp("income") / "bundle", parts)


def test_it_tells_the_classes_apart(income, people):
    answer = income.predict(people)
    rich = (people["income"] == people["income"].unique().sort()[-1]).to_numpy()
    assert not answer.rejected.any()
    assert ((answer.decision == "yes") == rich).mean() > 0.8


def test_every_way_to_ask_gives_the_same_answer(income, people, tmp_path):
    some = people.head(300)
    truth = income.predict(some).prediction[:, 0]
    for frame in (some.to_pandas(), some.to_arrow(), some.to_dicts(), some.to_dict(as_series=False)):
        assert income.predict(frame).prediction[:, 0] == pytest.approx(truth, abs=1e-9)
    singles = [income.predict_one(row).prediction[0] for row in some.to_dicts()]
    assert singles == pytest.approx(truth, abs=1e-9)
    some.write_csv(tmp_path / "in.csv")
    predict_file(income, tmp_path / "in.csv", tmp_path / "out.parquet", chunk_rows=70)
    column = income.output_columns[0]
    assert pl.read_parquet(tmp_path / "out.parquet")[column].to_list() == pytest.approx(truth, abs=1e-9)


def test_it_opens_again_and_proves_itself(income):
    assert Bundle.load(income.where).selftest().ok
