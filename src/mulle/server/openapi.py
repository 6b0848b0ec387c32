"""``GET /openapi.json``: every route, every status that it can answer, and the bundle's own columns, as OpenAPI 3.1."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from mulle import __version__
from mulle.core.online import LARGEST
from mulle.server.app import Reply, Request, Route
from mulle.server.guard import Guard, scope_of
from mulle.server.problem import JSON as PROBLEM
from mulle.server.problem import title
from mulle.server.schema import row_schema
from mulle.server.served import Served
from mulle.server.service import Service
from mulle.server.v2 import DATATYPES, version_of
from mulle.server.wire import encode

Schema = dict[str, Any]
ANY = (400, 408, 421, 431, 500)
"""Statuses that any route can answer: no HTTP, too slow, a foreign Host, headers too long, a fault of ours."""
BODY = (413, 415, 422, 503, 504)
GUARDED = (401, 403, 429)
WHY: Mapping[int, str] = {
    400: "This is no HTTP, or no strict JSON.",
    401: "A key is needed: `Authorization: Bearer KEY`.",
    403: "The key opens something else, or a page of another site asks.",
    404: "There is nothing under this path.",
    405: "The path doesn't take this method.",
    408: "The request did not come in time.",
    409: "The idempotency key came with another body before.",
    413: "Too many bytes, or too many rows.",
    415: "The body isn't `application/json`.",
    421: "The server isn't known by the name in the Host header.",
    422: "A value, a column or a field is wrong; `where` says which.",
    429: "This client asks too often; `Retry-After` says when to ask again.",
    431: "The headers are too long.",
    500: "Something went wrong here; nothing is wrong with the request.",
    503: "Not now; `Retry-After` says when to ask again.",
    504: "The model did not answer in time.",
}


class Description:
    """Describes what is served; put together once for each champion."""

    def __init__(self, service: Service, guard: Guard | None = None) -> None:
        self.service, self.guard = service, guard
        self._told: tuple[Served, bool, bytes] | None = None

    def routes(self) -> Mapping[str, Mapping[str, Route]]:
        """Return its routes."""
        return {"/openapi.json": {"GET": self.describe}}

    async def describe(self, _: Request) -> Reply:
        """Answer a request."""
        served, needs_key = self.service.line().champion, self._needs_key
        if self._told is None or self._told[0] is not served or self._told[1] is not needs_key:
            told = description(
                served, closed=self.service.unknown == "reject", needs_key=needs_key, secret=self.service.secret
            )
            self._told = served, needs_key, encode(told)
        return Reply(self._told[2], headers=((b"cache-control", b"no-cache"),))

    @property
    def _needs_key(self) -> bool:
        keys = self.guard.keys if self.guard is not None else None
        return keys is not None and bool(keys.needed)


def description(
    served: Served, *, closed: bool = False, needs_key: bool = False, secret: Collection[str] = ()
) -> Schema:
    """Describe the API of a bundle in service.

    Parameters
    ----------
    served
        The champion.
    closed
        Whether columns that it doesn't use are refused.
    needs_key
        Whether a key is asked for; then no value of the data stands in the description, which needs none.
    secret
        Columns of which no value stands in it, key or not.

    Returns
    -------
    dict
        OpenAPI 3.1.
    """
    bundle = served.bundle
    name = bundle.manifest.name
    told: Schema = {
        "openapi": "3.1.0",
        "info": {"title": name, "version": f"{served.name}-{served.version}", "description": _says(served)},
        "paths": {**_native(), **_probes(), **_pages(), **_v2(name, version_of(served))},
        "components": {"schemas": _schemas(served, closed=closed, told=not needs_key, secret=secret)},
    }
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            _finish(path, method, operation, needs_key=needs_key)
    if needs_key:
        told["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return told


def _says(served: Served) -> str:
    manifest = served.bundle.manifest
    goal = manifest.page.get("project", {}).get("goal", "") if manifest.page else ""
    draft = " It is a draft: not every check has passed." if manifest.stamp == "draft" else ""
    return f"{goal}{'.' if goal and goal[-1] not in '.!?' else ''} Served by Mulle {__version__}.{draft}".strip()


# ------------------------------------------------------------------------------------------------ routes


def _native() -> Schema:
    example = {"$ref": "#/components/schemas/PredictRequest"}
    return {
        "/v1/predict": {
            "post": {
                "summary": "Score rows and decide",
                "description": "One `row` or many `rows`. Each answer has a prediction, the decision that the policy "
                "takes, and an id to send feedback to.",
                "parameters": [_IDEMPOTENCY],
                "requestBody": _body(example),
                "responses": _ok({"$ref": "#/components/schemas/PredictAnswer"}, *BODY, 409),
            }
        },
        "/v1/explain": {
            "post": {
                "summary": "Say why a row is scored as it is",
                "description": "What each column adds to the score of a typical row (Shapley values; they add up to "
                "the prediction), and what would change the decision. It is kept in no log.",
                "requestBody": _body({"$ref": "#/components/schemas/ExplainRequest"}),
                "responses": _ok({"$ref": "#/components/schemas/ExplainAnswer"}, *BODY),
            }
        },
        "/v1/feedback": {
            "post": {
                "summary": "Say what became of a prediction",
                "requestBody": _body({"$ref": "#/components/schemas/FeedbackRequest"}),
                "responses": _ok({"$ref": "#/components/schemas/FeedbackAnswer"}, *BODY),
            }
        },
        "/v1/about": {
            "get": {
                "summary": "What is served, and what is usual in its columns",
                "responses": _ok({"type": "object", "required": ["name", "columns", "bundle"]}, 503),
            }
        },
    }


_IDEMPOTENCY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key and body again give the same answer, kept once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]([ -~]*[!-~])?$"},
}


def _probes() -> Schema:
    status = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
    return {
        "/livez": {"get": {"summary": "Whether the process answers", "responses": _probe(status)}},
        "/readyz": {"get": {"summary": "Whether predictions can be answered", "responses": _probe(status)}},
        "/metrics": {"get": {"summary": "Counters for Prometheus", "responses": _plain("text/plain")}},
    }


def _pages() -> Schema:
    return {
        "/": {"get": {"summary": "A form, for people", "responses": _plain("text/html")}},
        "/docs": {"get": {"summary": "This description, for people", "responses": _plain("text/html")}},
        "/openapi.json": {
            "get": {"summary": "This description", "responses": _ok({"type": "object", "required": ["openapi"]}, 503)}
        },
    }


def _probe(schema: Schema) -> Schema:
    both = {"description": "Yes.", "content": {"application/json": {"schema": schema}}}
    return {"200": both, "503": {**both, "description": "No."}}


def _plain(kind: str) -> Schema:
    return {"200": {"description": "As it says.", "content": {kind: {"schema": {"type": "string"}}}}}


def _v2(name: str, version: str) -> Schema:
    ready = {"type": "object", "required": ["ready"], "properties": {"ready": {"type": "boolean"}}}
    live = {"type": "object", "required": ["live"], "properties": {"live": {"type": "boolean"}}}
    model = {"type": "object", "required": ["name", "versions", "platform", "inputs", "outputs"]}
    server = {"type": "object", "required": ["name", "version", "extensions"]}
    told = _ok({"$ref": "#/components/schemas/InferAnswer"}, *BODY, 404, 409)
    paths: Schema = {
        "/v2": {"get": {"summary": "Which server this is", "responses": _ok(server)}},
        "/v2/health/live": {"get": {"summary": "Whether the process answers", "responses": _ok(live)}},
        "/v2/health/ready": {"get": {"summary": "Whether it is ready", "responses": _probe(ready)}},
    }
    for path, words in ((f"/v2/models/{name}", ""), (f"/v2/models/{name}/versions/{{version}}", ", by version")):
        by = {"parameters": [{**_VERSION, "schema": {"enum": [version]}}]} if words else {}
        infer = {"requestBody": _body({"$ref": "#/components/schemas/InferRequest"}), "responses": told}
        asked = {"parameters": [*by.get("parameters", []), _IDEMPOTENCY]}
        paths[path] = {
            "get": {"summary": f"The model's inputs and outputs{words}", **by, "responses": _ok(model, 404, 503)}
        }
        paths[f"{path}/ready"] = {
            "get": {
                "summary": f"Whether the model is ready{words}",
                **by,
                "responses": {**_ok(ready, 404), **_probe(ready)},
            }
        }
        paths[f"{path}/infer"] = {"post": {"summary": f"Score columns{words}", **asked, **infer}}
    return paths


_VERSION: Schema = {
    "name": "version",
    "in": "path",
    "required": True,
    "description": "As `GET /v2/models/…` names it.",
}


def _body(schema: Schema) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _ok(schema: Schema, *statuses: int) -> Schema:
    told: Schema = {"200": {"description": "The answer.", "content": {"application/json": {"schema": schema}}}}
    return told | {str(status): {} for status in statuses}


def _finish(path: str, method: str, operation: Schema, *, needs_key: bool) -> None:
    """Add what all routes have in common: a name, the statuses, and whether a key is needed."""
    operation["operationId"] = f"{method}_{path.strip('/').replace('/', '_') or 'form'}"
    scope = scope_of(method.upper(), path)
    statuses = {*(int(s) for s in operation["responses"]), *ANY, *(GUARDED if scope else ())}
    v2 = path.startswith("/v2")
    operation["responses"] = {
        str(s): operation["responses"].get(str(s)) or _problem(s, v2=v2) for s in sorted(statuses)
    }
    if needs_key and scope:
        operation["security"] = [{"key": []}]


def _problem(status: int, *, v2: bool) -> Schema:
    content = {PROBLEM.decode(): {"schema": {"$ref": "#/components/schemas/Problem"}}}
    if v2:  # the guard and the connection answer before the protocol's own routes do
        content["application/json"] = {"schema": {"$ref": "#/components/schemas/InferError"}}
    held: Schema = {"description": WHY[status], "content": content}
    if status in {429, 503}:
        held["headers"] = {"Retry-After": {"description": "In seconds.", "schema": {"type": "integer"}}}
    return held


# ------------------------------------------------------------------------------------------------ schemas


def _schemas(served: Served, *, closed: bool, told: bool, secret: Collection[str]) -> Schema:
    row = row_schema(served.bundle, closed=closed, told=told, secret=secret)
    return dict(_components(served, row))


def _components(served: Served, row: Schema) -> Iterator[tuple[str, Schema]]:
    ref = {"$ref": "#/components/schemas/Row"}
    yield "Row", row
    yield (
        "Value",
        {
            "description": "Any value of a column.",
            "type": ["string", "number", "boolean", "array", "null"],
            "items": {"type": ["string", "number"]},
        },
    )
    unit = {"type": ["string", "integer"], "description": "Who asks: the same unit always meets the same model."}
    yield (
        "PredictRequest",
        {
            "type": "object",
            "properties": {"row": ref, "rows": {"type": "array", "items": ref, "minItems": 1}, "unit": unit},
            "oneOf": [{"required": ["row"]}, {"required": ["rows"]}],
            "additionalProperties": False,
        },
    )
    against = {**row, "required": [], "description": "Values to compare with, in place of typical ones."}
    yield (
        "ExplainRequest",
        {
            "type": "object",
            "properties": {
                "row": ref,
                "against": {key: value for key, value in against.items() if key != "examples"},
                "output": {"enum": list(served.bundle.score_columns)},
                "unit": unit,
            },
            "required": ["row"],
            "additionalProperties": False,
        },
    )
    yield from _answers(served)
    yield from _feedback()
    yield from _inference()
    text = {"type": "string"}
    yield (
        "Problem",
        {
            "type": "object",
            "description": "What is wrong, where, and what to do (RFC 9457).",
            "properties": {"title": text, "status": {"type": "integer"}, "detail": text, "where": text, "fix": text},
            "required": ["title", "status", "detail"],
            "examples": [{"title": title(422), "status": 422, "detail": "…", "where": "row 0, column 'x'", "fix": "…"}],
        },
    )


def _answers(served: Served) -> Iterator[tuple[str, Schema]]:
    bundle = served.bundle
    share = {"type": "number", "minimum": 0, "maximum": 1} if bundle.classes else {"type": "number"}
    decision = {"enum": list(bundle.classes)} if bundle.classes else {"type": "number"}
    names = list(bundle.score_columns)
    prediction = {"type": "object", "properties": dict.fromkeys(names, share), "required": names}
    one = {"prediction_id": {"type": "string"}, "prediction": prediction, "decision": decision}
    by = {"bundle": {"type": "string"}, "version": {"type": "integer"}, "arm": {"type": "string"}}
    yield "Prediction", {"type": "object", "properties": one, "required": list(one)}
    many = {"predictions": {"type": "array", "items": {"$ref": "#/components/schemas/Prediction"}}}
    yield (
        "PredictAnswer",
        {
            "description": "One answer for `row`, a list of them for `rows`.",
            "oneOf": [
                {"type": "object", "properties": {**held, **by}, "required": [*held, *by]} for held in (one, many)
            ],
        },
    )
    number, text = {"type": "number"}, {"type": "string"}
    effect = {
        "feature": text,
        "value": {"type": "object"},
        "typical": {"type": "object"},
        "effect": number,
        "error": number,
    }
    change: Schema = {"column": text, "value": {}, "to": {}, "decision": decision, "score": number}
    listed = {
        "effects": {"type": "array", "items": {"type": "object", "properties": effect, "required": list(effect)}},
        "changes": {"type": "array", "items": {"type": "object", "properties": change, "required": list(change)}},
    }
    told: Schema = {
        "output": {"enum": names},
        "scale": {"enum": ["probability", "value"]},
        "score": number,
        "base": number,
    }
    rest = {
        "decision": decision,
        "prediction": prediction,
        "compared_with": {"type": "object"},
        "origin": text,
        "exact": {"type": "boolean"},
        "n_rows": {"type": "integer"},
        "parameters": {"type": "object", "additionalProperties": number},
    }
    held = {**told, **listed, **rest, **by}
    yield "ExplainAnswer", {"type": "object", "properties": held, "required": list(held)}


def _feedback() -> Iterator[tuple[str, Schema]]:
    countable = {"minimum": -LARGEST, "maximum": LARGEST}
    value = {"type": ["string", "number", "boolean"], **countable}
    id_ = {"type": "string", "minLength": 1, "maxLength": 64}
    values = {"type": "object", "additionalProperties": {"type": "number", **countable}}
    yield (
        "FeedbackRequest",
        {
            "type": "object",
            "properties": {
                "prediction_id": id_,
                "outcome": {**value, "description": "The true class or number."},
                "correction": {**value, "description": "A later, better outcome."},
                "values": {**values, "description": "What it was worth, by the name of the online metric."},
                "source": {"type": "string"},
            },
            "required": ["prediction_id"],
            "anyOf": [
                {"required": ["outcome"]},
                {"required": ["correction"]},
                {"required": ["values"], "properties": {"values": {"minProperties": 1}}},
            ],
            "additionalProperties": False,
        },
    )
    names = {"type": "array", "items": {"type": "string"}}
    kept = {"prediction_id": id_, "kept": names}
    unknown = {**names, "description": "Of those, what is none of the classes in service: kept, and as a class wrong."}
    yield "FeedbackAnswer", {"type": "object", "properties": {**kept, "unknown": unknown}, "required": list(kept)}


def _inference() -> Iterator[tuple[str, Schema]]:
    text, shape = {"type": "string"}, {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2}
    scalar = {"type": ["string", "number", "boolean", "null"]}
    tensor = {
        "name": text,
        "datatype": {"enum": list(DATATYPES)},
        "shape": shape,
        "data": {"type": "array", "minItems": 1},
    }
    named = {"type": "object", "properties": {"name": text}, "required": ["name"]}
    yield (
        "InferRequest",
        {
            "type": "object",
            "description": "One input a column, of the shape `[n]` or `[n, 1]`.",
            "properties": {
                "id": text,
                "parameters": {"type": "object", "additionalProperties": scalar},
                "inputs": {
                    "type": "array",
                    "minItems": 1,
                    "items": {"type": "object", "properties": tensor, "required": list(tensor)},
                },
                "outputs": {"type": "array", "items": named},
            },
            "required": ["inputs"],
        },
    )
    output = {"type": "object", "properties": tensor, "required": list(tensor)}
    answer = {"model_name": text, "model_version": text, "parameters": {"type": "object"}}
    held = {**answer, "outputs": {"type": "array", "items": output}}
    yield "InferAnswer", {"type": "object", "properties": {**held, "id": text}, "required": list(held)}
    yield "InferError", {"type": "object", "properties": {"error": text}, "required": ["error"]}
