"""What a network reads of one array, as an array of its own.

A backward pass that reads a part of an array has no need of the rest: :func:`split`
cuts a network in two, one to run while the array is there and one to run later on what
the first one kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

from tnconv.axis import Axis
from tnconv.edits import find_input
from tnconv.network import Input, Network


@dataclass(frozen=True)
class Split:
    """``rest`` is the network, reading in the place of an array what ``taken`` gives.

    ``taken`` is None where the array is read whole.
    """

    taken: Network | None
    rest: Network


def split(network: Network, name: str) -> Split:
    """Read no more of input ``name`` than the network does.

    Of an axis whose positions nest (a slice, a step, ``(g c)`` with some of ``c``) what
    is read is taken; of any other the range from the first position read to the last.
    Raises NetworkError unless exactly one input has that name.

    >>> from tnconv.edits import restrict
    >>> from tnconv.networks import conv_weight_vjp
    >>> whole = conv_weight_vjp((8, 3, 9), (8, 4, 7), 3)
    >>> half = split(restrict(whole, "n", 4, 4), "x")
    >>> half.taken.shape, half.rest.arguments["x"]
    ((4, 3, 9), (4, 3, 9))
    >>> split(whole, "x").taken is None
    True
    """
    at = find_input(network, name)
    op = network.operands[at]
    assert isinstance(op, Input)
    sizes = dict(network.sizes)
    often = Counter(label for axis in op.axes for label in axis.labels)
    read: list[Axis] = []
    kept: list[Axis] = []
    given: list[Axis] = []
    for axis in op.axes:
        own = all(often[label] == 1 for label in axis.labels)
        if own and axis.in_bounds(network.sizes) and _nests(axis, network.sizes):
            length = prod(network.sizes[label] for label in axis.labels)
            whole = Axis.of(length, *axis.labels, sizes=network.sizes)
            ways = (axis, whole, whole)
        else:
            ways = _range(axis, network, sizes)
        for axes, way in zip((read, kept, given), ways, strict=True):
            axes.append(way)
    if all(axis.is_plain(sizes) or axis.is_composite(sizes) for axis in read):
        return Split(None, network)
    operands = list(network.operands)
    operands[at] = replace(op, axes=tuple(given))
    taken = Network.build((Input(name, tuple(read)),), kept, sizes)
    return Split(taken, network.with_operands(operands))


def _nests(axis: Axis, sizes: Mapping[str, int]) -> bool:
    """Whether the labels address different positions, as the digits of a number do."""
    reach = 0
    for label, step in sorted(axis.terms, key=lambda term: abs(term[1])):
        if abs(step) <= reach:
            return False
        reach += abs(step) * (sizes[label] - 1)
    return True


def _range(
    axis: Axis, network: Network, sizes: dict[str, int]
) -> tuple[Axis, Axis, Axis]:
    """How the range that is read is taken and kept, and read later."""
    first, last = axis.reach(network.sizes)
    start = min(max(first, axis.low), axis.high)
    stop = max(start, min(last + 1, axis.high))
    length = stop - start
    label = next(name for n in range(len(sizes) + 1) if (name := f"p{n}") not in sizes)
    sizes[label] = length
    kept = Axis(length, ((label, 1),))
    later = Axis(length, axis.terms, axis.offset - start)
    return Axis(axis.size, ((label, 1),), start), kept, later
