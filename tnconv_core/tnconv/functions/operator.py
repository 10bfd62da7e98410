"""A network as a linear operator on flat vectors.

A network is linear in every array that it reads once. With the others held fixed it is
a matrix, which is never formed: a product is one contraction, and so is one with the
adjoint, the network transposed and conjugated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from dataclasses import replace as with_fields
from math import prod
from typing import Any

from tnconv.axis import Axis
from tnconv.edits import batch, conjugated, find_input, replace, transpose
from tnconv.errors import ArgumentError
from tnconv.execution.expression import places_of
from tnconv.functions.contract import contract
from tnconv.network import Input, Network, SubNetwork
from tnconv.splice import splice

Array = Any


@dataclass(frozen=True, eq=False)
class Operator:
    """The matrix that a network is in one of its arrays; :func:`operator` makes it.

    It has what ``scipy.sparse.linalg.aslinearoperator`` asks for: ``shape``, ``dtype``,
    ``matvec``, ``rmatvec``, ``matmat`` and ``rmatmat``. Vectors are arrays of the
    library, dtype and device of the fixed arrays.
    """

    network: Network = field(repr=False)
    argument: str
    arrays: Mapping[str, Array] = field(repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Entries of the result, and of the argument."""
        return prod(self.network.shape), prod(self.network.arguments[self.argument])

    @property
    def dtype(self) -> Any:
        """The dtype of the fixed arrays, and of every vector."""
        return next(iter(self.arrays.values())).dtype

    def matvec(self, vector: Array) -> Array:
        """Multiply a vector of shape (columns,) or (columns, 1), in the same shape."""
        return self._run("matvec", vector, (1,))

    def matmat(self, matrix: Array) -> Array:
        """Multiply every column of a matrix (columns, any) in one contraction."""
        return self._run("matmat", matrix, tuple(matrix.shape[1:2]))

    def rmatvec(self, vector: Array) -> Array:
        """Multiply the adjoint by a vector of shape (rows,) or (rows, 1)."""
        return self.adjoint().matvec(vector)

    def rmatmat(self, matrix: Array) -> Array:
        """Multiply the adjoint by every column of a matrix (rows, any)."""
        return self.adjoint().matmat(matrix)

    def adjoint(self) -> Operator:
        """The conjugate transpose: VJPs where this is a Jacobian."""
        turned = conjugated(transpose(self.network, self.argument, self.argument))
        *others, last = turned.operands
        assert isinstance(last, Input)
        operands = (*others, with_fields(last, conjugate=False))
        return Operator(turned.with_operands(operands), self.argument, self.arrays)

    def _run(self, name: str, array: Array, columns: tuple[int, ...]) -> Array:
        have = tuple(array.shape)
        if have[:1] != self.shape[1:] or have[1:] not in ((), columns):
            raise ArgumentError(
                f"{name}: the operator has shape {self.shape}, got an array of shape "
                f"{have}; give ({self.shape[1]},) or a column each, ({self.shape[1]}, "
                "columns); reshape(-1) flattens an array"
            )
        network = _on_columns(self.network, self.argument, have[1:])
        arrays = {**self.arrays, self.argument: array}
        return contract(network, *(arrays[name] for name in network.arguments))


def operator(network: Network, argument: str, **arrays: Array) -> Operator:
    """Make the linear operator that a network is in one of its arrays.

    The flattened result is ``operator.matvec`` of the flattened argument:

    | network | argument | what it is |
    |---|---|---|
    | ``networks.conv`` | "weight" | the Jacobian in the weight |
    | ``networks.conv`` | "x" | that in the input, the Toeplitz matrix |
    | ``networks.ggn_product`` | "vector" | the layer's block of the GGN |
    | ``networks.gram_product`` | "vector" | its Gram matrix |
    | ``networks.kfac_product`` | "vector" | the Kronecker product of factors |

    Args:
        network: any network that reads ``argument`` once and without conjugation.
        argument: the name of the array that vectors stand for.
        arrays: every other array of the network, by name.

    Raises:
        ArgumentError: arrays are missing, unknown or of other shapes.
        ArrayError: libraries, dtypes or devices of the arrays differ.
        NetworkError: ``argument`` is not the name of exactly one input.

    >>> import numpy as np, tnconv
    >>> x = np.array([[[1.0, 2.0, 3.0]]])
    >>> network = tnconv.networks.conv(x.shape, (1, 1, 2))
    >>> jacobian = tnconv.operator(network, "weight", x=x)
    >>> jacobian.shape, jacobian.matvec(np.array([1.0, 10.0]))
    ((2, 2), array([21., 32.]))
    >>> jacobian.rmatvec(np.array([1.0, 1.0]))
    array([3., 5.])
    """
    if not isinstance(network, Network):
        raise ArgumentError(f"operator: takes a Network, got {network!r:.60}")
    at = find_input(network, argument)
    operand = network.operands[at]
    fixed = [name for name in network.arguments if name != argument]
    if sorted(fixed) != sorted(arrays) or not fixed:
        raise ArgumentError(
            f"operator: the network reads {', '.join(network.arguments)}; give all but "
            f"{argument!r} by name, got {sorted(arrays)}"
        )
    if isinstance(operand, Input) and operand.conjugate:
        raise ArgumentError(
            f"operator: {argument!r} is read conjugated, which is not linear; "
            "give edits.conjugated(network)"
        )
    nested = [op.network for op in network.operands if isinstance(op, SubNetwork)]
    if any(argument in inner.arguments for inner in nested):
        raise ArgumentError(
            f"operator: {argument!r} is read inside a sub-network as well"
        )
    ordered = {name: arrays[name] for name in fixed}
    places_of("operator", list(ordered.values()), fixed)
    for name, array in ordered.items():
        if tuple(array.shape) != network.arguments[name]:
            raise ArgumentError(
                f"operator: {name} has shape {tuple(array.shape)}, the network takes "
                f"{network.arguments[name]}"
            )
    return Operator(network, argument, ordered)


def _on_columns(network: Network, name: str, columns: tuple[int, ...]) -> Network:
    """The network from flat arrays to flat arrays, with an axis of columns behind."""
    if columns:
        network = batch(network, (name,), columns[0])
    taken = _labels("a", network.arguments[name])
    made = _labels("b", network.shape)
    count = len(columns)
    flat = Input(name, _flat(taken, count))
    network = replace(network, name, Network.build((flat,), _axes(taken), taken))
    whole = SubNetwork(network, _axes(made))
    return splice(Network.build((whole,), _flat(made, count), made), 0)


def _labels(stem: str, shape: tuple[int, ...]) -> dict[str, int]:
    return {f"{stem}{axis}": size for axis, size in enumerate(shape)}


def _axes(sizes: Mapping[str, int]) -> tuple[Axis, ...]:
    return tuple(Axis(size, ((label, 1),)) for label, size in sizes.items())


def _flat(sizes: Mapping[str, int], columns: int) -> tuple[Axis, ...]:
    """All axes but the leading ``columns`` as one, then those."""
    rest = tuple(sizes)[columns:]
    one = Axis.of(prod(sizes[label] for label in rest), *rest, sizes=sizes)
    return (one, *_axes(sizes)[:columns])
