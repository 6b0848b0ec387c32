"""Dense layers as plain arrays: linear models and small networks, with the scaling of their inputs inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mulle.core.errors import NotFittedError
from mulle.export.constant import emit_constant
from mulle.export.graph import Graph
from mulle.export.scorer import Scorer, Space

Doubles = NDArray[np.float64]
Activation = Literal["relu", "tanh", "identity"]
_OPS: dict[Activation, str] = {"relu": "Relu", "tanh": "Tanh"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Stack:
    """One network: the columns that it reads, and its layers in order.

    Parameters
    ----------
    columns
        Positions in the matrix ``[inputs]``.
    weights, biases
        Of each layer, ``[inputs, outputs]`` and ``[outputs]``. The activation stands after all but the last.
    """

    columns: NDArray[np.int64]
    weights: tuple[Doubles, ...]
    biases: tuple[Doubles, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Layers(Scorer):
    """The mean of one or more stacks of dense layers, in float64.

    Scaling of inputs is folded into the first layer and scaling of the target into the last, so that nothing
    but products and activations is left.

    Parameters
    ----------
    space, n_outputs
        See `Scorer`.
    activation
        Between the layers of all stacks.
    stacks
        At least one.

    Examples
    --------
    >>> model = Layers.linear([[2.0], [3.0]], [1.0], space="raw")
    >>> model.n_parameters()
    3
    >>> other = Layers.linear([[4.0], [1.0]], [2.0], space="raw")
    >>> Layers.merge([model, other], [[0, 1], [0, 2]]).stacks[0].weights
    (array([[3. ],
           [1.5],
           [0.5]]),)
    """

    form: ClassVar[str] = "layers"

    space: Space
    n_outputs: int
    activation: Activation
    stacks: tuple[Stack, ...]

    @classmethod
    def of(
        cls,
        weights: Sequence[ArrayLike],
        biases: Sequence[ArrayLike],
        *,
        space: Space,
        activation: Activation = "relu",
        mean: ArrayLike = 0.0,
        scale: ArrayLike = 1.0,
    ) -> Self:
        """Make one stack that reads all columns in order.

        Parameters
        ----------
        weights, biases
            Of each layer, as for `Stack`.
        space
            What comes out.
        activation
            Between layers.
        mean, scale
            The first layer was trained on ``(x - mean) / scale``; folded into it.

        Returns
        -------
        Layers
            Of plain float64 arrays.
        """
        w = [np.array(each, np.float64) for each in weights]
        b = [np.array(each, np.float64) for each in biases]
        n_inputs = len(w[0])
        shift, spread = np.broadcast_to(mean, n_inputs), np.broadcast_to(scale, n_inputs)
        w[0] = w[0] / spread[:, None]
        b[0] = b[0] - shift @ w[0]
        stack = Stack(columns=np.arange(n_inputs), weights=tuple(w), biases=tuple(b))
        return cls(space=space, n_outputs=len(b[-1]), activation=activation, stacks=(stack,))

    @classmethod
    def linear(
        cls,
        weights: ArrayLike,
        bias: ArrayLike,
        *,
        space: Space,
        mean: ArrayLike = 0.0,
        scale: ArrayLike = 1.0,
    ) -> Self:
        """Make a linear model from weights ``[columns, outputs]`` on scaled columns and a bias ``[outputs]``.

        Returns
        -------
        Layers
            One layer.
        """
        return cls.of([weights], [bias], space=space, activation="identity", mean=mean, scale=scale)

    def n_parameters(self) -> int:
        """Return the number of weights and biases.

        Returns
        -------
        int
            Of all stacks.
        """
        return sum(array.size for stack in self.stacks for array in (*stack.weights, *stack.biases))

    def emit(self, g: Graph, matrix: str) -> str:
        """Append the layers; see `Scorer.emit`.

        Returns
        -------
        str
            A float64 value ``[rows, n_outputs]``.
        """
        rows = g.cast(matrix, "double")
        parts = [self._emit_stack(g, rows, stack) for stack in self.stacks]
        if len(parts) == 1:
            return parts[0]
        # onnxruntime has Sum, but no Mean, in float64.
        return g.node("Mul", g.node("Sum", *parts), g.const(np.float64(1.0 / len(parts))))

    def _emit_stack(self, g: Graph, rows: str, stack: Stack) -> str:
        if not len(stack.columns):
            return emit_constant(g, rows, stack.biases[-1])
        value = g.columns(rows, stack.columns.tolist())
        for i, (weight, bias) in enumerate(zip(stack.weights, stack.biases, strict=True)):
            if i and self.activation != "identity":
                value = g.node(_OPS[self.activation], value)
            value = g.node("Add", g.node("MatMul", value, g.const(weight)), g.const(bias))
        return value

    @classmethod
    def constant(cls, bias: ArrayLike, *, space: Space) -> Self:
        """Make the model that gives ``bias`` for every row and reads no column.

        Returns
        -------
        Layers
            A linear stack without columns.
        """
        return cls.linear(np.empty((0, np.size(bias))), bias, space=space)

    def save(self, path: Path) -> None:
        """Write all arrays as one ``.npz`` without objects."""
        arrays: dict[str, NDArray[Any]] = {}
        for i, stack in enumerate(self.stacks):
            arrays[f"columns_{i}"] = stack.columns
            for j, (weight, bias) in enumerate(zip(stack.weights, stack.biases, strict=True)):
                arrays |= {f"weight_{i}_{j}": weight, f"bias_{i}_{j}": bias}
        words = {"form": self.form, "space": self.space, "activation": self.activation}
        np.savez(path, **{name: np.array(word) for name, word in words.items()}, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read back what `save` wrote.

        Returns
        -------
        Layers
            Equal to what was saved, bit for bit.
        """
        with np.load(path, allow_pickle=False) as held:
            arrays = dict(held)
        n_stacks = sum(name.startswith("columns_") for name in arrays)
        stacks = tuple(_stack(arrays, i) for i in range(n_stacks))
        return cls(
            space=cast("Space", str(arrays["space"])),
            n_outputs=len(stacks[0].biases[-1]),
            activation=cast("Activation", str(arrays["activation"])),
            stacks=stacks,
        )

    @classmethod
    def merge(cls, scorers: Sequence[Self], columns: Sequence[Sequence[int]]) -> Self:
        """Average: linear models by their weights, networks by their outputs; see `Scorer.merge`.

        Returns
        -------
        Layers
            One stack when all are linear, else all stacks side by side.

        Raises
        ------
        NotFittedError
            When a member is itself a bag of another size.
        """
        first = scorers[0]
        if len({len(s.stacks) for s in scorers}) > 1:
            raise NotFittedError(
                "members of different numbers of stacks can't be averaged with equal weights",
                fix="merge the members of one bag, each once",
            )
        moved = [
            Stack(columns=np.asarray(at, np.int64)[stack.columns], weights=stack.weights, biases=stack.biases)
            for scorer, at in zip(scorers, columns, strict=True)
            for stack in scorer.stacks
        ]
        stacks = (_averaged(moved),) if all(len(stack.weights) == 1 for stack in moved) else tuple(moved)
        activation = next((s.activation for s in scorers if s.activation != "identity"), "identity")
        return cls(
            space=first.space,
            n_outputs=first.n_outputs,
            activation=cast("Activation", activation),
            stacks=stacks,
        )


def _stack(arrays: dict[str, NDArray[Any]], i: int) -> Stack:
    depth = sum(name.startswith(f"bias_{i}_") for name in arrays)
    return Stack(
        columns=arrays[f"columns_{i}"],
        weights=tuple(arrays[f"weight_{i}_{j}"] for j in range(depth)),
        biases=tuple(arrays[f"bias_{i}_{j}"] for j in range(depth)),
    )


def _averaged(stacks: Sequence[Stack]) -> Stack:
    """Return one linear stack over the union of columns, its weights the mean."""
    columns, place = np.unique(np.concatenate([s.columns for s in stacks]), return_inverse=True)
    weight = np.zeros((len(columns), stacks[0].weights[0].shape[1]))
    np.add.at(weight, place, np.concatenate([s.weights[0] for s in stacks]))
    bias = np.mean([s.biases[0] for s in stacks], axis=0)
    return Stack(columns=columns, weights=(weight / len(stacks),), biases=(bias,))
