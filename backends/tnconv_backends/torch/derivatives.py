"""Derived networks: VJP, JVP and batched version of any network, as networks.

A name that several operands read gives one network per operand; their results add up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace as with_fields

from tnconv.edits import batch, conjugated, replace, transpose
from tnconv.network import Input, Network, Operand, SubNetwork


def vjps(network: Network, name: str, cotangent: str) -> tuple[Network, ...]:
    """PyTorch's gradient with respect to ``name``: transposes of the conjugate.

    With ``dL = Re(conj(cotangent) d out)`` the other operands are conjugated; where the
    operand itself reads a conjugate, the cotangent is, and the others are not.
    """
    found = []
    for j, op in enumerate(network.operands):
        if isinstance(op, Input) and op.name == name:
            found.append(_vjp(network, j, cotangent))
        elif isinstance(op, SubNetwork) and name in op.network.arguments:
            outer = _vjp(_opened(network, j), j, cotangent)
            between = fresh(op.network, cotangent)
            found += [
                replace(inner, between, outer)
                for inner in vjps(op.network, name, between)
            ]
    return tuple(found)


def _vjp(network: Network, at: int, cotangent: str) -> Network:
    op = network.operands[at]
    assert isinstance(op, Input)
    own = fresh(network, f"{op.name}'")
    operands = list(network.operands)
    operands[at] = with_fields(op, name=own)
    found = transpose(network.with_operands(operands), own, cotangent)
    *others, last = conjugated(found).operands
    assert isinstance(last, Input)
    plain = found.with_operands([*others, with_fields(last, conjugate=False)])
    return conjugated(plain) if op.conjugate else plain


def _opened(network: Network, at: int) -> Network:
    """The network reading an array where it had a sub-network."""
    op = network.operands[at]
    assert isinstance(op, SubNetwork)
    operands = list(network.operands)
    operands[at] = Input(fresh(network, "part"), op.axes)
    return network.with_operands(operands)


def jvps(network: Network, name: str, tangent: str) -> Iterator[Network]:
    """The network with the tangent in the place of each operand that reads ``name``."""
    for j, op in enumerate(network.operands):
        terms: list[Operand] = []
        if isinstance(op, Input) and op.name == name:
            terms = [with_fields(op, name=tangent)]
        elif isinstance(op, SubNetwork) and name in op.network.arguments:
            inner = jvps(op.network, name, tangent)
            terms = [with_fields(op, network=part) for part in inner]
        for term in terms:
            operands = (*network.operands[:j], term, *network.operands[j + 1 :])
            yield network.with_operands(operands)


def batched(network: Network, names: frozenset[str], size: int) -> Network:
    """The network with one more leading axis on the named inputs and on its result."""
    outside = {op.name for op in network.inputs}
    inside = {
        j: op
        for j, op in enumerate(network.operands)
        if isinstance(op, SubNetwork) and names & set(op.network.arguments)
    }
    opened, parts = network, {}
    for j, op in inside.items():
        name = fresh(opened, "part")
        parts[name] = batched(op.network, names, size)
        operands = list(opened.operands)
        operands[j] = Input(name, op.axes)
        opened = opened.with_operands(operands)
    found = batch(opened, (names & outside) | set(parts), size)
    for name, part in parts.items():
        found = replace(found, name, part)
    return found


def readers(network: Network, name: str) -> int:
    """How many operands read array ``name``, inside sub-networks as well."""
    return sum(
        op.name == name if isinstance(op, Input) else readers(op.network, name)
        for op in network.operands
        if isinstance(op, (Input, SubNetwork))
    )


def fresh(network: Network, name: str) -> str:
    """A name that no array of the network has, made from ``name``."""
    while name in network.arguments:
        name += "'"
    return name
