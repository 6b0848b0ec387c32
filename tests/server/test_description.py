"""``/openapi.json`` says what the server does: held against it by a tool that knows neither."""

from __future__ import annotations

import json
import subprocess
import sys

import msgspec
import pytest

from mulle.server.openapi import WHY, description
from mulle.server.served import Served

from .pages_fixtures import ROW, make_bundle, running  # noqa: TID252  # tests have no package to be named by

SAME_LENGTH = """
# That all inputs have one length, and which types a column takes, can't be said in JSON Schema.
[[operations]]
include-path-regex = "/infer$"
checks.positive_data_acceptance.enabled = false
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("described") / "toy")


@pytest.fixture(scope="module")
def told(bundle):
    return description(Served(bundle))


def references(held):
    if isinstance(held, dict):
        yield from [held["$ref"]] if "$ref" in held else []
        for value in held.values():
            yield from references(value)
    if isinstance(held, list):
        for value in held:
            yield from references(value)


def test_every_reference_leads_somewhere(told):
    names = {f"#/components/schemas/{name}" for name in told["components"]["schemas"]}
    assert set(references(told)) <= names


def test_every_route_of_the_server_is_described(told, bundle):
    with running(bundle) as server:
        served = server.ask("/openapi.json")[1]
        assert served["paths"].keys() == told["paths"].keys()
        for path, methods in told["paths"].items():
            assert server.ask(path.replace("{version}", bundle.hash[:16]), method="PATCH")[0] == 405
            assert all(
                int(status) in WHY or status == "200" for held in methods.values() for status in held["responses"]
            )


def test_a_row_s_schema_has_the_bundle_s_columns_kinds_and_usual_values(told, bundle):
    row = told["components"]["schemas"]["Row"]
    assert row["required"] == list(bundle.columns)
    assert row["properties"]["job"]["examples"] == ["clerk", "smith", "박사"]
    assert "enum" not in row["properties"]["job"]
    assert row["properties"]["lat"]["maximum"] == 90
    assert row["examples"] == [bundle.profile.typical(bundle.columns)]
    assert "number" in row["properties"]["age"]["type"]
    assert "null" in row["properties"]["age"]["type"]


def test_the_typical_row_is_answered(told, bundle):
    with running(bundle) as server:
        assert server.ask("/v1/predict", {"row": told["components"]["schemas"]["Row"]["examples"][0]})[0] == 200


def test_unknown_columns_are_described_as_they_are_treated(bundle):
    assert description(Served(bundle), closed=True)["components"]["schemas"]["Row"]["additionalProperties"] is False
    with running(bundle, unknown="reject") as server:
        assert server.ask("/openapi.json")[1]["components"]["schemas"]["Row"]["additionalProperties"] is False
        assert server.ask("/v1/predict", {"row": {**ROW, "shoe": 42}})[0] == 422


def test_no_value_of_the_data_stands_in_a_description_that_needs_no_key(bundle):
    closed = description(Served(bundle), needs_key=True)
    words = msgspec.json.encode(closed).decode()
    assert not any(word in words for word in ("clerk", "smith", "박사", "2024", "lie between"))
    assert closed["paths"]["/v1/predict"]["post"]["security"] == [{"key": []}]
    assert "security" not in closed["paths"]["/livez"]["get"]


@pytest.mark.slow
def test_schemathesis_finds_nothing(bundle, tmp_path):
    (tmp_path / "held.toml").write_text(SAME_LENGTH, "utf-8")
    report = tmp_path / "report.json"
    with running(bundle, log=str(tmp_path / "log.sqlite")) as server:
        told = subprocess.run(
            [
                sys.executable, "-m", "schemathesis.cli", "--config-file", str(tmp_path / "held.toml"),
                "run", f"{server.url}/openapi.json", "--max-examples", "15", "--seed", "1",
                "--phases", "examples,coverage,fuzzing", "--continue-on-failure", "--no-color",
                "--report", "json", "--report-json-path", str(report),
            ],
            capture_output=True, text=True, timeout=500, check=False, cwd=tmp_path,
        )  # fmt: skip
        assert server.ask("/livez")[0] == 200
    assert told.returncode == 0, told.stdout[-6000:] + told.stderr[-1000:]
    assert json.loads(report.read_text("utf-8"))
