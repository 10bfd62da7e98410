"""What follows from the labels of a network alone, whatever their sizes.

Layers of one kind differ in sizes only, so which labels of a subset are needed outside
it, and which subsets may meet, is worked out once and kept for the next network of the
same structure.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Generic, TypeVar

from tnconv.network import Input, Network, SubNetwork

#: structures that are kept; those of many operands fill up with subsets
KEPT = 32

Key = TypeVar("Key")
Found = TypeVar("Found")

#: the subsets that meet, and the constraints used up between them
Meeting = tuple[tuple[int, ...], tuple[int, ...]]
#: what comes of a meeting, and the meeting
Joined = tuple[int, Meeting]


class Memo(dict[Key, Found], Generic[Key, Found]):
    """A table that fills itself: ``memo[key]`` is made where it is missing."""

    def __init__(
        self, make: Callable[[Key], Found], known: dict[Key, Found] | None = None
    ) -> None:
        super().__init__(known or {})
        self._make = make

    def __missing__(self, key: Key) -> Found:
        found = self[key] = self._make(key)
        return found


class Structure:
    """Operands as bits, labels as bits: sets of either are numbers.

    ``legs`` has the labels of each operand one by one (in the order of an array's axes;
    input, output and kernel of a pattern), ``kinds`` whether it is an array.
    """

    def __init__(
        self, legs: tuple[tuple[int, ...], ...], kinds: tuple[bool, ...], out: int
    ) -> None:
        self.leg_bits = legs
        self.out = out
        self.full = (1 << len(legs)) - 1
        self.legs = tuple([sum(set(bits)) for bits in legs])
        self.arrays = tuple([j for j, array in enumerate(kinds) if array])
        self.constraints = tuple([j for j, array in enumerate(kinds) if not array])
        #: input, output and kernel leg of each constraint (index maps: no kernel)
        self.triples = {j: (*legs[j], 0, 0, 0)[:3] for j in self.constraints}
        known = {0: 0, **{1 << j: bits for j, bits in enumerate(self.legs)}}
        #: all labels that occur in a subset of operands
        self.union = Memo(self._union, known).__getitem__
        #: labels of a subset that are needed outside it
        self.alive = Memo(self._alive).__getitem__
        #: the masks of a meeting: labels of both values and of what comes of it, then
        #: inputs, outputs and kernels of the constraints
        self.masks = Memo(self._masks).__getitem__
        #: ways of one subset, and of two, to meet: by what they depend on
        self.alone: dict[tuple[int, int], tuple[Joined, ...]] = {}
        self.pairs: dict[tuple[int, int, int, int], tuple[Joined, ...]] = {}

    def _union(self, subset: int) -> int:
        rest = subset & (subset - 1)  # less the lowest bit
        return self.union(rest) | self.union(subset ^ rest)

    def _alive(self, subset: int) -> int:
        outside = self.union(self.full & ~subset) | self.out
        return self.union(subset) & outside

    def _masks(self, meeting: Meeting) -> tuple[int, int, int, int, int, int]:
        inputs = outputs = kernels = 0
        for j in meeting[1]:
            read, written, taps = self.triples[j]
            inputs, outputs = inputs | read, outputs | written
            kernels |= taps
        left, right = (*meeting[0], 0)[:2]
        whole = self.alive(subset_of(meeting))
        return self.alive(left), self.alive(right), whole, inputs, outputs, kernels


def subset_of(meeting: Meeting) -> int:
    """What comes of a meeting."""
    subset = sum(meeting[0])
    for j in meeting[1]:
        subset |= 1 << j
    return subset


def structure_of(network: Network) -> Structure:
    """The structure of a network; that of the last networks is known."""
    bits = {label: 1 << j for j, (label, _) in enumerate(network.label_sizes)}
    arrays = (Input, SubNetwork)
    legs = tuple([tuple([bits[a] for a in op.labels]) for op in network.operands])
    kinds = tuple([isinstance(op, arrays) for op in network.operands])
    return _made(legs, kinds, sum([bits[a] for a in network.output_labels]))


@lru_cache(KEPT)
def _made(
    legs: tuple[tuple[int, ...], ...], kinds: tuple[bool, ...], out: int
) -> Structure:
    return Structure(legs, kinds, out)
