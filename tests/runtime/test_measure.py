"""What a bundle costs is measured whatever its columns hold."""

from __future__ import annotations

import numpy as np

from mulle.export.bundle import Golden, GraphPart, write_bundle
from mulle.export.graph import Graph
from mulle.runtime.measure import _column, measure


def test_a_bundle_that_reads_lists_of_words_is_measured(tmp_path, toy_parts):
    step = {"op": "tokenise", "version": 1, "feature": "tags", "analyzer": "list", "width": 8}
    entry = {"name": "tags", "kind": "list", "wire": "string", "columns": ["tags"], "options": {}, "step": step}
    g = Graph()
    tensor = g.cast(g.input("tensor_0", "float", [None, 8]), "double")
    g.output(
        g.node("Sigmoid", g.node("ReduceMean", tensor, g.const([1], "int64"), keepdims=1)),
        "prediction",
        "double",
        [None, 1],
    )
    rows = [{"tags": ["pen", "ink"]}, {"tags": ["pen"]}, {"tags": None}]
    parts = toy_parts(request=[entry], graphs=[GraphPart(content=g.to_bytes())], golden=Golden(rows=rows), key=())
    write_bundle(tmp_path / "lists", parts)
    told = measure(tmp_path / "lists", rows)
    assert told["rows_per_second"] > 0
    assert told["latency_ms_p50"] > 0


def test_bytes_stay_whole_in_a_column():
    assert _column([b"a\0\0", None])[0] == b"a\0\0"
    assert isinstance(_column([1.0, None]), np.ndarray)
