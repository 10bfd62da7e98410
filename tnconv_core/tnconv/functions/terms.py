"""Networks whose results are added: the first as a whole, the others where they write.

Of a term that fills a block of the result only that block is computed. Terms that
differ in axes of one position alone are computed once: so the last column of a
Kronecker factor with a bias, real, is the last row as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from tnconv.axis import Axis
from tnconv.execution.expression import searched
from tnconv.network import Network

Array = Any
Entry = Callable[[Sequence[Array]], Array]
#: a slice of every axis, and the shape of what is there
Spot = tuple[tuple[slice, ...], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Part:
    """A network, and the places of the result that it is added to."""

    network: Network
    spots: tuple[Spot, ...]


def parts(terms: Sequence[Network], dtype: str) -> list[Part]:
    """The blocks that terms fill, each network once."""
    found: dict[Network, list[Spot]] = {}
    given: dict[Network, Network] = {}
    for term in terms:
        network, where = _block(term)
        key = _squeezed(searched(network, dtype))
        network = given.setdefault(key, network)
        shape = tuple(at.stop - at.start for at in where)
        found.setdefault(network, []).append((where, shape))
    return [Part(network, tuple(spots)) for network, spots in found.items()]


def summed(first: Entry, others: Sequence[tuple[Entry, Part]]) -> Entry:
    """The sum of all terms, in the memory of the first."""

    def total(given: Sequence[Array]) -> Array:
        found = first(given)
        for entry, part in others:
            block = entry(given)
            for where, shape in part.spots:
                found[where] += block.reshape(shape)
        return found

    return total


def _squeezed(network: Network) -> Network:
    """The network without output axes of one position."""
    axes = [axis for axis in network.output if axis.size != 1 or axis.terms]
    return network.with_operands(network.operands, axes)


def _block(network: Network) -> tuple[Network, tuple[slice, ...]]:
    """A network that gives only the block of the result that is written, and where."""
    axes, where, sizes = [], [], network.sizes
    for axis in network.output:
        count = prod(sizes[label] for label in axis.labels)
        small = Axis(count, axis.terms)
        start = axis.offset
        whole = axis == Axis(axis.size, axis.terms, start)  # nothing is cut off
        if whole and small.is_composite(sizes) and 0 <= start <= axis.size - count:
            axes.append(small)
            where.append(slice(start, start + count))
        else:
            axes.append(axis)
            where.append(slice(0, axis.size))
    found = Network.build(network.operands, axes, sizes, network.scale)
    return found, tuple(where)
