"""The edits: every derived operation is one network and a few of these.

``remove`` opens the legs of an operand (its Jacobian), ``attach`` contracts what leaves
the output (a cotangent, a tangent), ``transpose`` is both (a VJP), ``replace`` puts a
network in an operand's place (layers in a row, factorized kernels), ``restrict`` keeps
a slice of a label (sub-tensor access), ``pair`` multiplies a network with a copy of
itself (Gram matrices, Kronecker factors), ``batch`` gives some operands one more leg.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace as with_fields

from tnconv.axis import Axis
from tnconv.errors import NetworkError
from tnconv.network import Input, Network, Operand, SubNetwork
from tnconv.restrict import restrict as restrict
from tnconv.splice import splice


def find_input(network: Network, name: str) -> int:
    """The position of the only input called ``name``."""
    found = [
        j
        for j, op in enumerate(network.operands)
        if isinstance(op, Input) and op.name == name
    ]
    if len(found) != 1:
        raise NetworkError(
            f"edit: {len(found)} inputs are called {name!r} (need exactly one); "
            f"the network has {sorted(network.arguments)}"
        )
    return found[0]


def remove(network: Network, name: str) -> Network:
    """Take input ``name`` out and append its axes to the output.

    The result is the Jacobian of the network with respect to that input: axes of the
    output first, then those of the input. Raises NetworkError unless exactly one input
    has that name.

    >>> from tnconv.networks import conv
    >>> remove(conv((2, 3, 8), (4, 3, 3)), "weight").shape
    (2, 4, 6, 4, 3, 3)
    """
    at = find_input(network, name)
    operand = network.operands[at]
    assert isinstance(operand, Input)
    kept = network.operands[:at] + network.operands[at + 1 :]
    return network.with_operands(kept, network.output + operand.axes)


def attach(
    network: Network, name: str, axes: int, *, keep: Sequence[str] = ()
) -> Network:
    """Contract the first ``axes`` axes of the output with a new input ``name``.

    Labels in ``keep`` are not summed: each becomes a leading axis of the new output.
    """
    if name in network.arguments:
        raise NetworkError(f"attach: an input is called {name!r} already")
    taken, rest = network.output[:axes], network.output[axes:]
    kept = tuple(Axis(network.sizes[label], ((label, 1),)) for label in keep)
    return network.with_operands((*network.operands, Input(name, taken)), kept + rest)


def transpose(
    network: Network, name: str, cotangent: str, *, keep: Sequence[str] = ()
) -> Network:
    """The VJP: exchange the output with input ``name``; no conjugation.

    ``keep`` names labels to leave unsummed, as leading axes (per-example gradients).

    >>> from tnconv.networks import conv
    >>> transpose(conv((2, 3, 8), (4, 3, 3)), "x", "cotangent").shape
    (2, 3, 8)
    """
    jacobian = remove(network, name)
    return attach(jacobian, cotangent, len(network.output), keep=keep)


def rename_inputs(network: Network, names: Mapping[str, str]) -> Network:
    """The same network reading arrays of other names."""

    def renamed(op: Operand) -> Operand:
        if isinstance(op, Input):
            return with_fields(op, name=names.get(op.name, op.name))
        if isinstance(op, SubNetwork):
            return with_fields(op, network=rename_inputs(op.network, names))
        return op

    return network.with_operands(map(renamed, network.operands))


def replace(network: Network, name: str, other: Network) -> Network:
    """Put ``other`` in the place of input ``name``: layers in a row, factorized
    kernels.

    ``other`` is spliced in where the two views agree, and stays a sub-network where
    they do not. Inputs of one name in both are one array (:func:`rename_inputs` tells
    them apart). Raises NetworkError unless exactly one input has that name and the
    shape of ``other``.

    >>> from tnconv.networks import conv
    >>> first = rename_inputs(conv((2, 3, 8), (4, 3, 3)), {"weight": "first"})
    >>> both = replace(conv(first.shape, (5, 4, 3)), "x", first)
    >>> both.shape, both.arguments["first"]
    ((2, 5, 4), (4, 3, 3))
    """
    at = find_input(network, name)
    operand = network.operands[at]
    assert isinstance(operand, Input)
    if other.shape != operand.shape:
        raise NetworkError(
            f"replace: input {name!r} has shape {operand.shape}, "
            f"the network in its place gives {other.shape}"
        )
    other = conjugated(other) if operand.conjugate else other
    operands = list(network.operands)
    operands[at] = SubNetwork(other, operand.axes)
    return splice(network.with_operands(operands), at)


def join(
    first: Network,
    second: Network,
    *,
    shared: Iterable[str] = (),
    output: Sequence[str] | None = None,
) -> Network:
    """The product of two networks as one.

    Labels in ``shared`` mean the same leg in both; every other label of ``second`` is
    renamed where the first has it. ``output`` lists labels, an axis each; labels left
    out are summed. By default the axes of both outputs follow one another, a shared
    label kept once.
    """
    shared = tuple(shared)
    for label in shared:
        if first.sizes.get(label) != second.sizes.get(label):
            raise NetworkError(
                f"join: shared label {label!r} has sizes {first.sizes.get(label)} and "
                f"{second.sizes.get(label)}"
            )
    second = second.rename(_fresh_names(second, first, shared))
    sizes = {**first.sizes, **second.sizes}
    operands = first.operands + second.operands
    if output is not None:
        axes: tuple[Axis, ...] = tuple(Axis(sizes[a], ((a, 1),)) for a in output)
    else:
        seen = {axis.terms for axis in first.output}
        rest = (a for a in second.output if a.terms not in seen or not a.terms)
        axes = (*first.output, *rest)
    scale = first.scale * second.scale
    used = {label for op in operands for label in op.labels}
    used |= {label for axis in axes for label in axis.labels}
    for label in set(sizes) - used:
        scale *= sizes[label]
    return Network.build(operands, axes, sizes, scale)


def pair(
    network: Network,
    *,
    shared: Iterable[str] = (),
    output: Sequence[str] | None = None,
    conjugate: bool = True,
) -> Network:
    """The network times a copy of itself; the copy is conjugated.

    Labels in ``shared`` are one leg in both copies; labels of the copy get a prime.
    """
    copy = conjugated(network) if conjugate else network
    return join(network, copy, shared=shared, output=output)


def conjugated(network: Network) -> Network:
    """The same network reading complex conjugates."""

    def flip(op: Operand) -> Operand:
        if isinstance(op, Input):
            return with_fields(op, conjugate=not op.conjugate)
        if isinstance(op, SubNetwork):
            return with_fields(op, network=conjugated(op.network))
        return op

    return network.with_operands(map(flip, network.operands))


def without_conjugates(network: Network) -> Network:
    """The same network on real arrays, where a conjugate is the array itself."""

    def plain(op: Operand) -> Operand:
        if isinstance(op, Input):
            return with_fields(op, conjugate=False)
        if isinstance(op, SubNetwork):
            return with_fields(op, network=without_conjugates(op.network))
        return op

    return network.with_operands(map(plain, network.operands))


def batch(network: Network, names: Iterable[str], size: int) -> Network:
    """Give the named inputs, and the output, one more leading axis of ``size``.

    The same labels everywhere else: one call in the place of ``size`` calls.
    """
    names, label = set(names), network.fresh("v")
    axis = Axis(size, ((label, 1),))
    operands = tuple(
        with_fields(op, axes=(axis, *op.axes))
        if isinstance(op, Input) and op.name in names
        else op
        for op in network.operands
    )
    sizes = {**network.sizes, label: size}
    return Network.build(operands, (axis, *network.output), sizes, network.scale)


def _fresh_names(
    network: Network, other: Network, shared: tuple[str, ...]
) -> dict[str, str]:
    names: dict[str, str] = {}
    taken = set(other.sizes) | set(network.sizes)
    for label in network.sizes:
        if label in shared or label not in other.sizes:
            continue
        new = label + "'"
        while new in taken:
            new += "'"
        taken.add(new)
        names[label] = new
    return names
