"""The textbook chain of a factorized kernel: one layer for each factor, and its price.

The chain takes the factors that carry the layer's input channels first, those that
carry its output channels last, the others between in their order. It is what is
usually run; here it is one plan of many, and what multiply-adds are counted on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from tnconv.errors import ArgumentError
from tnconv.network import Input, Network


@dataclass(frozen=True, slots=True)
class Stage:
    """One layer of the chain.

    ``before`` are the labels that come in, ``labels`` those of the factor, ``after``
    those that go on; ``taken`` are the spatial axes whose kernel positions the factor
    carries. Batch and map positions are not listed.
    """

    factor: str
    before: tuple[str, ...]
    labels: tuple[str, ...]
    after: tuple[str, ...]
    taken: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Roles:
    """What the labels of a dense weight are to the layer."""

    group: tuple[str, ...]
    into: tuple[str, ...]
    out: tuple[str, ...]
    spatial: Mapping[str, int]


def chain(
    network: Network, *, groups: int = 1, transposed: bool = False
) -> tuple[Stage, ...]:
    """The stages from the layer's input channels to its output channels.

    Raises ArgumentError where an operand is no factor with a label for each axis.

    >>> from tnconv.factor import KernelShape, format_network
    >>> network = format_network("tucker2", KernelShape((8, 4, 3)), (5, 2))
    >>> [stage.factor for stage in chain(network)]
    ['in', 'core', 'out']
    """
    roles = _roles(network, groups, transposed)
    order = sorted(_factors(network), key=lambda f: _place(f.labels, roles))
    state = (*roles.group, *roles.into)
    stages = []
    for at, factor in enumerate(order):
        needed = {a for other in order[at + 1 :] for a in other.labels}
        needed |= {*roles.group, *roles.out}
        met = dict.fromkeys((*state, *factor.labels))
        after = tuple(a for a in met if a in needed and a not in roles.spatial)
        taken = {roles.spatial[a] for a in factor.labels if a in roles.spatial}
        stages.append(
            Stage(factor.name, state, factor.labels, after, tuple(sorted(taken)))
        )
        state = after
    return tuple(stages)


def macs(
    network: Network,
    output_size: Sequence[int],
    input_size: Sequence[int],
    *,
    groups: int = 1,
    transposed: bool = False,
) -> int:
    """Multiply-adds of the chain for one example.

    An axis of the map has its input size until a factor takes its kernel positions, and
    its output size from then on; the kernel of a transposed layer meets every position
    of its input.
    """
    sizes, maps, total = network.sizes, list(input_size), 0
    for stage in chain(network, groups=groups, transposed=transposed):
        met = list(maps)
        for axis in stage.taken:
            maps[axis] = output_size[axis]
            met[axis] = (input_size if transposed else output_size)[axis]
        labels = {*stage.before, *stage.labels}
        total += prod(sizes[a] for a in labels) * prod(met)
    return total


def _factors(network: Network) -> tuple[Input, ...]:
    for op in network.operands:
        if not (
            isinstance(op, Input)
            and all(axis.is_plain(network.sizes) for axis in op.axes)
        ):
            raise ArgumentError(
                f"factorized kernel: the operand on {', '.join(op.labels)} is no "
                "factor with one label for each axis, so there is no textbook chain"
            )
    return network.inputs


def _roles(network: Network, groups: int, transposed: bool) -> _Roles:
    first, second, *rest = (axis.labels for axis in network.output)
    grouped = groups > 1 and len(first) > 1 and network.sizes[first[0]] == groups
    group, first = (first[:1], first[1:]) if grouped else ((), first)
    into, out = (first, second) if transposed else (second, first)
    return _Roles(group, into, out, {a: j for j, axis in enumerate(rest) for a in axis})


def _place(labels: Sequence[str], roles: _Roles) -> int:
    """First what carries channels in, last what carries channels out."""
    if any(label in roles.out for label in labels):
        return 2
    return 0 if any(label in roles.into for label in labels) else 1
