"""The Open Inference Protocol, version 2 (KServe, Triton): the same model for clients that speak it.

One input a column, each of the shape ``[n]`` or ``[n, 1]``; one output a number of the prediction, and the decision.
The same service answers it, with the same log and the same limits. Errors have this protocol's own form.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec

from mulle import __version__
from mulle.server.about import columns
from mulle.server.app import Finder, Reply, Request, Route, answered
from mulle.server.problem import Problem
from mulle.server.served import Served
from mulle.server.service import Service
from mulle.server.wire import UNSET, InferRequest, PredictRequest, Row, Tensor, encode, infer_request

TYPES = {"number": "FP64", "place": "FP64", "boolean": "BOOL"}
"""The datatype of a column by its kind; words, moments and pictures are ``BYTES``."""
NUMBERS = frozenset(["FP16", "FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"])
DATATYPES = (*sorted(NUMBERS), "BOOL", "BYTES")


class Protocol:
    """Answers the protocol's routes."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def routes(self) -> Mapping[str, Mapping[str, Route]]:
        """Return its routes; the model's are found by its name."""
        return {
            "/v2": {"GET": self._told(self._server)},
            "/v2/health/live": {"GET": self._told(self._live)},
            "/v2/health/ready": {"GET": self._told(self._ready)},
        }

    def under(self) -> Mapping[str, Finder]:
        """Return who finds the routes of a model."""
        look, infer = {"GET": self._told(self._look)}, {"POST": self._told(self._infer)}
        nowhere = {"GET": self._told(self._look), "POST": self._told(self._infer)}

        def found(path: str) -> Mapping[str, Route]:
            try:
                rest = self._model(path)[1]
            except Problem:
                return nowhere
            return {"": look, "ready": look, "infer": infer}.get("/".join(rest), nowhere)

        return {"/v2/": found}

    def _told(self, route: Callable[[Request], Awaitable[Reply]]) -> Route:
        async def answered(request: Request) -> Reply:
            try:
                return await route(request)
            except Problem as problem:
                return self._refused(problem)

        return answered

    def _refused(self, problem: Problem) -> Reply:
        self.service.metrics.count("mulle_rejected_total", problem.reason)
        text = ": ".join(part for part in (problem.where, problem.what) if part)
        headers = [(b"retry-after", b"%d" % problem.retry_after_s)] if problem.retry_after_s else []
        headers += [(b"connection", b"close")] if problem.ends_connection else []
        body = encode({"error": f"{text}; {problem.fix}" if problem.fix else text})
        return Reply(body, status=problem.status, headers=tuple(headers))

    # ---------------------------------------------------------------- what is there

    async def _server(self, _: Request) -> Reply:
        return Reply(encode({"name": "mulle", "version": __version__, "extensions": []}))

    async def _live(self, _: Request) -> Reply:
        return Reply(b'{"live":true}')

    async def _ready(self, _: Request) -> Reply:
        return _readiness(ready=self.service.ready)

    async def _look(self, request: Request) -> Reply:
        served, rest = self._model(request.path)
        if rest == ["ready"]:
            return _readiness(ready=self.service.ready)
        if rest:
            raise _nowhere()
        return Reply(encode(described(served)))

    def _model(self, path: str) -> tuple[Served, list[str]]:
        """Return the model that a path names, and what stands behind its name."""
        served = self.service.line().champion
        name, *rest = path.removeprefix("/v2/models/").split("/") if path.startswith("/v2/models/") else ("",)
        if name != served.bundle.manifest.name:
            raise _nowhere()
        if rest[:1] == ["versions"]:
            if rest[1:2] != [version_of(served)]:
                raise Problem(404, "there is no such version here", where="path", fix="GET /v2/models/NAME names it")
            rest = rest[2:]
        return served, rest

    # ---------------------------------------------------------------- inference

    async def _infer(self, request: Request) -> Reply:
        served, rest = self._model(request.path)
        if rest != ["infer"]:
            raise _nowhere()
        asked = InferRequest(inputs=[])

        def read(body: bytes) -> PredictRequest:
            nonlocal asked
            asked = infer_request(body)
            _check_outputs(asked, [*served.bundle.score_columns, "decision"])
            return PredictRequest(rows=rows_of(asked, most=self.service.limits.rows), unit=_unit(asked))

        answer = await answered(self.service, request, read)
        return Reply(encode(inferred(served, asked, msgspec.json.decode(answer))))


def _nowhere() -> Problem:
    return Problem(404, "there is no such model here", where="path", fix="GET /v2 names it")


def _readiness(*, ready: bool) -> Reply:
    return Reply(b'{"ready":true}') if ready else Reply(b'{"ready":false}', status=503)


def version_of(served: Served) -> str:
    """Return the model's version in this protocol: the bundle's hash, and the version of its parameters where changed."""
    return _version(served.name, served.version)


def _version(bundle: str, version: int) -> str:
    return f"{bundle}-{version}" if version else bundle


def described(served: Served) -> dict[str, Any]:
    """Return the metadata of a model.

    Parameters
    ----------
    served
        The model.

    Returns
    -------
    dict
        Name, versions, platform, and its inputs and outputs with their types and shapes.
    """
    bundle = served.bundle
    inputs = {column["name"]: TYPES.get(column["kind"], "BYTES") for column in columns(bundle)}
    decides = "BYTES" if bundle.classes else "FP64"
    outputs = {**dict.fromkeys(bundle.score_columns, "FP64"), "decision": decides}
    return {
        "name": bundle.manifest.name,
        "versions": [version_of(served)],
        "platform": "mulle_bundle",
        "inputs": [{"name": n, "datatype": t, "shape": [-1]} for n, t in inputs.items()],
        "outputs": [{"name": n, "datatype": t, "shape": [-1]} for n, t in outputs.items()],
    }


def rows_of(asked: InferRequest, *, most: int) -> list[Row]:
    """Turn columns into rows.

    Parameters
    ----------
    asked
        The request.
    most
        How many rows there may be.

    Returns
    -------
    list of dict
        Values by column name, null where the protocol sends null.

    Raises
    ------
    Problem
        422 when an input isn't one column, or they differ in length; 413 when there are too many rows.

    Examples
    --------
    >>> age = Tensor(name="age", datatype="FP64", shape=[2, 1], data=[39, 50])
    >>> rows_of(InferRequest(inputs=[age]), most=10)
    [{'age': 39}, {'age': 50}]
    """
    names = [tensor.name for tensor in asked.inputs]
    if not names or len(set(names)) < len(names):
        raise Problem(422, "give each column once", where="body, inputs", fix="one input a column")
    held = [_column(tensor) for tensor in asked.inputs]
    n_rows = len(held[0])
    if any(len(column) != n_rows for column in held):
        raise Problem(422, "the inputs differ in length", where="body, inputs", fix="one value a row in each")
    if n_rows > most:
        raise Problem(413, f"there are more than {most:,} rows", where="body, inputs", fix="send them in parts")
    return [dict(zip(names, row, strict=True)) for row in zip(*held, strict=True)]


def _column(tensor: Tensor) -> Sequence[Any]:
    where = f"input '{tensor.name[:80]}'"
    if tensor.datatype not in DATATYPES:
        raise Problem(422, "its datatype isn't known here", where=where, fix=f"use {', '.join(DATATYPES)}")
    data: Sequence[Any] = tensor.data
    if tensor.shape[1:] == [1] and any(isinstance(value, list) for value in data):
        if not all(isinstance(value, list) and len(value) == 1 for value in data):
            raise Problem(422, "its data doesn't have its shape", where=where, fix="send one value a row")
        data = [value[0] for value in data]
    if tensor.shape not in ([len(data)], [len(data), 1]):
        raise Problem(422, "its shape isn't that of its data", where=where, fix="use the shape [n] or [n, 1]")
    if tensor.datatype == "BYTES":
        return data
    wanted: tuple[type, ...] = (bool,) if tensor.datatype == "BOOL" else (int, float)
    if not all(value is None or type(value) in wanted for value in data):
        raise Problem(422, "a value isn't of its datatype", where=where, fix="send numbers, true or false as it says")
    return data


def _unit(asked: InferRequest) -> Any:
    held = {} if asked.parameters is UNSET else asked.parameters
    unit = held.get("unit", UNSET)
    if unit is not UNSET and (isinstance(unit, bool) or not isinstance(unit, str | int)):
        raise Problem(422, "the unit must be a text or a whole number", where="body, parameters", fix="leave it out")
    return unit


def inferred(served: Served, asked: InferRequest, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Turn an answer into outputs, one a number of the prediction, and the decision.

    Parameters
    ----------
    served
        The champion when it was asked; the model's name stands in the answer, and the version of who answered.
    asked
        The request; it may name the outputs that it wants.
    answer
        As ``/v1/predict`` gives it.

    Returns
    -------
    dict
        The protocol's answer; prediction ids, arm and version stand in its parameters.
    """
    held = answer["predictions"]
    names = list(held[0]["prediction"])
    told = {name: [one["prediction"][name] for one in held] for name in names}
    told["decision"] = [one["decision"] for one in held]
    wanted = _wanted(asked)
    _check_outputs(asked, told)  # a challenger's may be others
    outputs = [
        {"name": name, "datatype": _datatype(told[name]), "shape": [len(held)], "data": told[name]}
        for name in wanted or told
    ]
    by = {name: answer[name] for name in ("arm", "bundle", "version")}
    named = {"model_name": served.bundle.manifest.name, "model_version": _version(answer["bundle"], answer["version"])}
    ids = {"prediction_ids": ",".join(one["prediction_id"] for one in held)}
    id_ = {} if asked.id is UNSET else {"id": asked.id}
    return {**named, **id_, "parameters": {**by, **ids}, "outputs": outputs}


def _wanted(asked: InferRequest) -> list[str]:
    return [output.name for output in ([] if asked.outputs is UNSET else asked.outputs)]


def _check_outputs(asked: InferRequest, known: Collection[str]) -> None:
    if any(name not in known for name in _wanted(asked)):
        raise Problem(422, "there is no such output", where="body, outputs", fix="GET /v2/models/NAME names them")


def _datatype(values: Sequence[Any]) -> str:
    return "BYTES" if isinstance(values[0], str) else "FP64"
