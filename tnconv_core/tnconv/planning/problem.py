"""A network as the search sees it: operands as bits, labels as bits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from tnconv.axis import Axis
from tnconv.network import Input, Network, Operand, Pattern, Reindex, SubNetwork
from tnconv.planning.mirror import Mirror, find_mirror
from tnconv.planning.site import Constraint


@dataclass(frozen=True)
class Problem:
    """Operands of a flat network; arrays first bits, constraints where they stand."""

    network: Network

    @cached_property
    def operands(self) -> tuple[Operand, ...]:
        """All operands, in the network's order."""
        return self.network.operands

    @cached_property
    def full(self) -> int:
        """The set of all operands."""
        return (1 << len(self.operands)) - 1

    @cached_property
    def arrays(self) -> tuple[int, ...]:
        """Positions of the operands that are arrays."""
        kinds = (Input, SubNetwork)
        return tuple(j for j, op in enumerate(self.operands) if isinstance(op, kinds))

    @cached_property
    def constraints(self) -> tuple[int, ...]:
        """Positions of patterns and index maps."""
        kinds = (Pattern, Reindex)
        return tuple(j for j, op in enumerate(self.operands) if isinstance(op, kinds))

    @cached_property
    def label_bits(self) -> dict[str, int]:
        """One bit per label."""
        return {label: 1 << j for j, (label, _) in enumerate(self.network.label_sizes)}

    @cached_property
    def legs(self) -> tuple[int, ...]:
        """The labels of each operand."""
        return tuple(self.mask(op.labels) for op in self.operands)

    @cached_property
    def mirror(self) -> Mirror | None:
        """The exchange of two copies of one sub-network, if there are such."""
        return find_mirror(self.network)

    @cached_property
    def leg_bits(self) -> tuple[tuple[int, ...], ...]:
        """The labels of each operand one by one, as bits."""
        bits = self.label_bits
        return tuple(tuple(bits[a] for a in op.labels) for op in self.operands)

    @cached_property
    def triples(self) -> dict[int, tuple[int, int, int]]:
        """Input, output and kernel leg of each constraint (index maps: no kernel)."""
        none = (0, 0, 0)
        legs = {j: (*self.leg_bits[j], *none)[:3] for j in self.constraints}
        return {j: (a, b, c) for j, (a, b, c) in legs.items()}

    @cached_property
    def out(self) -> int:
        """The labels of the output."""
        return self.mask(self.network.output_labels)

    def mask(self, labels: tuple[str, ...]) -> int:
        """A set of labels as bits."""
        bits = 0
        for label in labels:
            bits |= self.label_bits[label]
        return bits

    @cached_property
    def _names(self) -> dict[int, frozenset[str]]:
        return {}

    def names(self, mask: int) -> frozenset[str]:
        """A set of bits as labels."""
        found = self._names.get(mask)
        if found is None:
            found = frozenset(a for a, bit in self.label_bits.items() if bit & mask)
            self._names[mask] = found
        return found

    @cached_property
    def _sizes(self) -> dict[int, int]:
        sizes = self.network.sizes
        return {0: 1, **{bit: sizes[a] for a, bit in self.label_bits.items()}}

    def size(self, mask: int) -> int:
        """The product of the sizes of a set of labels."""
        found = self._sizes.get(mask)
        if found is None:
            rest = mask & (mask - 1)  # less the lowest bit
            found = self._sizes[mask] = self.size(rest) * self._sizes[mask ^ rest]
        return found

    def longest(self, mask: int) -> int:
        """The largest size in a set of labels; 1 where it is empty."""
        found = self._longest.get(mask)
        if found is None:
            rest = mask & (mask - 1)
            found = max(self.longest(rest), self._sizes[mask ^ rest])
            self._longest[mask] = found
        return found

    @cached_property
    def _longest(self) -> dict[int, int]:
        return {0: 1}

    @cached_property
    def _unions(self) -> dict[int, int]:
        return {0: 0, **{1 << j: legs for j, legs in enumerate(self.legs)}}

    def union(self, subset: int) -> int:
        """All labels that occur in a subset of operands."""
        found = self._unions.get(subset)
        if found is None:
            rest = subset & (subset - 1)
            found = self._unions[subset] = self.union(rest) | self.union(subset ^ rest)
        return found

    @cached_property
    def _alive(self) -> dict[int, int]:
        return {}

    def alive(self, subset: int) -> int:
        """Labels of a subset that are needed outside it."""
        found = self._alive.get(subset)
        if found is None:
            outside = self.union(self.full & ~subset) | self.out
            found = self._alive[subset] = self.union(subset) & outside
        return found

    @cached_property
    def _kinds(self) -> tuple[int, ...]:
        """A unit of its kind for each operand; equal but for labels is of one kind."""
        number: dict[object, int] = {}
        return tuple(
            1 << 16 * number.setdefault(_kind(op), len(number)) for op in self.operands
        )

    def makeup(self, subset: int) -> int:
        """How many operands of each kind; copies of one another agree in it."""
        found = self._makeups.get(subset)
        if found is None:
            rest = subset & (subset - 1)
            found = self._makeups[subset] = self.makeup(rest) + self.makeup(
                subset ^ rest
            )
        return found

    @cached_property
    def _makeups(self) -> dict[int, int]:
        return {0: 0, **{1 << j: kind for j, kind in enumerate(self._kinds)}}

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
