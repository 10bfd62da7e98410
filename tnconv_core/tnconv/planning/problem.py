"""A network as the search sees it: operands as bits, labels as bits."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from tnconv.axis import Axis
from tnconv.network import Input, Network, Operand, Pattern, Reindex, SubNetwork
from tnconv.planning.mirror import Mirror, find_mirror
from tnconv.planning.site import Constraint
from tnconv.planning.structure import Memo, structure_of


class Problem:
    """Operands of a flat network; arrays first bits, constraints where they stand.

    What depends on its labels alone is its :class:`Structure`; the rest depends on
    sizes and records.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        #: all operands, in the network's order
        self.operands = network.operands
        self.structure = structure = structure_of(network)
        #: the set of all operands, and the labels of the output
        self.full, self.out = structure.full, structure.out
        #: positions of the operands that are arrays, and of patterns and index maps
        self.arrays, self.constraints = structure.arrays, structure.constraints
        #: the labels of each operand, as a set and one by one
        self.legs, self.leg_bits = structure.legs, structure.leg_bits
        self.union, self.alive = structure.union, structure.alive
        found = enumerate(network.label_sizes)
        #: one bit per label
        self.label_bits = {label: 1 << j for j, (label, _) in found}
        sizes = {1 << j: size for j, (_, size) in enumerate(network.label_sizes)}
        #: the product of the sizes of a set of labels
        self.size = Memo(self._size, {0: 1, **sizes}).__getitem__
        #: the largest size in a set of labels; 1 where it is empty
        self.longest = Memo(self._longest, {0: 1, **sizes}).__getitem__
        #: a set of bits as labels
        self.names = Memo(self._names).__getitem__

    @cached_property
    def mirror(self) -> Mirror | None:
        """The exchange of two copies of one sub-network, if there are such."""
        return find_mirror(self.network)

    def _size(self, mask: int) -> int:
        rest = mask & (mask - 1)  # less the lowest bit
        return self.size(rest) * self.size(mask ^ rest)

    def _longest(self, mask: int) -> int:
        rest = mask & (mask - 1)
        return max(self.longest(rest), self.longest(mask ^ rest))

    def _names(self, mask: int) -> frozenset[str]:
        return frozenset([a for a, bit in self.label_bits.items() if bit & mask])

    @cached_property
    def makeup(self) -> Callable[[int], int]:
        """How many operands of each kind are in a subset; copies agree in it.

        A unit of its kind for each operand; equal but for labels is of one kind.
        """
        number: dict[object, int] = {}
        kinds = [number.setdefault(_kind(op), len(number)) for op in self.operands]
        known = {0: 0, **{1 << j: 1 << 16 * kind for j, kind in enumerate(kinds)}}
        return Memo(self._makeup, known).__getitem__

    def _makeup(self, subset: int) -> int:
        rest = subset & (subset - 1)
        return self.makeup(rest) + self.makeup(subset ^ rest)

    @cached_property
    def has_copies(self) -> bool:
        """Whether an array is read twice, so that subsets may be copies."""
        kinds = [_kind(self.operands[j]) for j in self.arrays]
        return len(set(kinds)) < len(kinds)

    def constraint(self, j: int) -> Constraint:
        """The constraint at position ``j``."""
        op = self.operands[j]
        assert isinstance(op, (Pattern, Reindex))
        return op

    def axes(self, j: int) -> tuple[Axis, ...]:
        """The axes of the array at position ``j``."""
        op = self.operands[j]
        assert isinstance(op, (Input, SubNetwork))
        return op.axes

    def components(self) -> list[int]:
        """The connected parts, as sets of operands."""
        left, parts = set(range(len(self.operands))), []
        while left:
            part, labels, grew = 0, 0, {left.pop()}
            while grew:
                for j in grew:
                    part |= 1 << j
                    labels |= self.legs[j]
                grew = {j for j in left if self.legs[j] & labels}
                left -= grew
            parts.append(part)
        return sorted(parts)


def _kind(op: Operand) -> object:
    """What copies of an operand share."""
    if isinstance(op, Input):
        return op.name, op.conjugate
    if isinstance(op, SubNetwork):
        return id(op)
    return op.index if isinstance(op, Pattern) else op.map
