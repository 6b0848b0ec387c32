"""A small builder of ONNX graphs: append a node, get the name of its output.

Opset 21 and ai.onnx.ml 5 are named outright, so that a newer onnx doesn't change what older runtimes can read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 21
OPSET_ML = 5
IR_VERSION = 10
ML = "ai.onnx.ml"

DType = Literal["float", "double", "int64", "string", "bool"]
_DTYPES: dict[str, int] = {
    "float": TensorProto.FLOAT,
    "double": TensorProto.DOUBLE,
    "int64": TensorProto.INT64,
    "string": TensorProto.STRING,
    "bool": TensorProto.BOOL,
}


class Graph:
    """An ONNX graph while it is built. Values are named by the strings that `node` returns.

    Examples
    --------
    >>> g = Graph()
    >>> x = g.input("x", "double", [None, 2])
    >>> g.output(g.node("Mul", x, g.const(np.array([2.0, 3.0]))), "y", "double", [None, 2])
    >>> len(g.build().graph.node)
    2
    """

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._initializers: list[onnx.TensorProto] = []

    def input(self, name: str, dtype: DType, shape: Sequence[int | None]) -> str:
        """Declare an input. ``None`` in the shape is the number of rows."""
        dims = [d if d is not None else "rows" for d in shape]
        self._inputs.append(helper.make_tensor_value_info(name, _DTYPES[dtype], dims))
        return name

    def output(self, value: str, name: str, dtype: DType, shape: Sequence[int | None]) -> None:
        """Declare that a value leaves the graph under a name of its own."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        dims = [d if d is not None else "rows" for d in shape]
        self._outputs.append(helper.make_tensor_value_info(name, _DTYPES[dtype], dims))

    def const(self, value: ArrayLike, dtype: Any = None) -> str:
        """Add a constant, or find the equal one that is there already. Strings become string tensors."""
        array = np.asarray(value, dtype=dtype)
        if array.dtype.kind in "US":
            array = array.astype(object)
        content = repr(array.tolist()).encode() if array.dtype == object else array.tobytes()
        key = (array.dtype.str, array.shape, content)
        if key not in self._constants:
            name = f"c{len(self._constants)}"
            self._initializers.append(numpy_helper.from_array(array, name))
            self._constants[key] = name
        return self._constants[key]

    def node(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Append a node with one output and return that output's name."""
        name = f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, list(inputs), [name], domain=domain, **attributes))
        return name

    def columns(self, source: str, index: Sequence[int]) -> str:
        """Take columns of a matrix by position; all columns in order cost nothing."""
        return self.node("Gather", source, self.const(list(index), np.int64), axis=1)

    def concat(self, values: Sequence[str]) -> str:
        """Join matrices side by side; one alone is returned as it is."""
        return values[0] if len(values) == 1 else self.node("Concat", *values, axis=1)

    def cast(self, value: str, dtype: DType) -> str:
        """Change the type of a value."""
        return self.node("Cast", value, to=_DTYPES[dtype])

    def build(self) -> onnx.ModelProto:
        """Return the checked model.

        Raises
        ------
        onnx.checker.ValidationError
            When the graph is not well formed: a fault of ours.
        """
        graph = helper.make_graph(self._nodes, "mulle", self._inputs, self._outputs, initializer=self._initializers)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML, OPSET_ML)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="mulle")
        onnx.checker.check_model(model)
        return model

    def to_bytes(self) -> bytes:
        """Return the checked model as bytes."""
        return bytes(self.build().SerializeToString())


Floats = NDArray[np.floating[Any]]
