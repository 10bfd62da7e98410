"""One axis of an array, seen through an affine view.

An axis of length ``size`` is addressed by labels: the label values ``l`` stand at

    position = offset + sum(step * l  for label, step in terms)

and positions outside ``[low, high)`` do not exist: they read as zero, and what is
written there is dropped. This one record is a plain leg, a composite ``(g c)``, a crop,
zero padding, a slice with a step, a reversal, and (where positions repeat) a window.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from tnconv.errors import NetworkError

Term = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Axis:
    """An affine view of one array axis; ``high=-1`` stands for ``size``.

    >>> Axis.of(6, "a", "b", sizes={"a": 2, "b": 3}).terms
    (('a', 3), ('b', 1))
    """

    size: int
    terms: tuple[Term, ...]
    offset: int = 0
    low: int = 0
    high: int = -1

    def __post_init__(self) -> None:
        high, terms = self.high, self.terms
        if high == -1:
            high = self.size
            object.__setattr__(self, "high", high)
        if not 0 <= self.low <= high <= self.size:
            raise NetworkError(
                f"axis: bounds {self.low}:{self.high} of size {self.size}"
            )
        if len(terms) > 1 and len(dict(terms)) != len(terms):
            raise NetworkError(f"axis: a label twice in {self.terms}")

    @classmethod
    def of(cls, size: int, *labels: str, sizes: Mapping[str, int]) -> Axis:
        """The composite axis of ``labels``, outermost first."""
        if len(labels) == 1:
            return _plain(size, labels[0])
        terms: list[Term] = []
        step = 1
        for label in reversed(labels):
            terms.append((label, step))
            step *= max(1, sizes[label])
        return cls(size, tuple(reversed(terms)))

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that address this axis."""
        return tuple([label for label, _ in self.terms])

    def step(self, label: str) -> int:
        """How far the position moves with ``label``; 0 where it does not occur."""
        for name, step in self.terms:
            if name == label:
                return step
        return 0

    def reach(self, sizes: Mapping[str, int]) -> tuple[int, int]:
        """Smallest and largest position addressed (labels of size 0 count as 1)."""
        low = high = self.offset
        for label, step in self.terms:
            move = step * (sizes[label] - 1)
            if step > 0:
                high += move if move > 0 else 0
            elif move < 0:
                low += move
        return low, high

    def in_bounds(self, sizes: Mapping[str, int]) -> bool:
        """Whether every addressed position exists."""
        low, high = self.reach(sizes)
        return self.low <= low and high < self.high

    def is_plain(self, sizes: Mapping[str, int]) -> bool:
        """Whether it is exactly one label, in order and whole (or size 1, unnamed)."""
        if not self.terms:
            return self.size == 1 and self.offset == 0 and self.in_bounds(sizes)
        return (
            len(self.terms) == 1
            and self.terms[0][1] == 1
            and sizes[self.terms[0][0]] == self.size
            and self.offset == 0
            and (self.low, self.high) == (0, self.size)
        )

    def is_composite(self, sizes: Mapping[str, int]) -> bool:
        """Whether it is a whole row-major split into its labels, in their order."""
        step, count = 1, 1
        for label, have in reversed(self.terms):
            if have != step:
                return False
            step *= max(1, sizes[label])
            count *= sizes[label]
        whole = (self.low, self.high, self.offset) == (0, self.size, 0)
        return whole and count == self.size

    def substitute(self, label: str, terms: tuple[Term, ...], offset: int) -> Axis:
        """Put ``offset + sum(step * l)`` in the place of ``label``."""
        if label not in [name for name, _ in self.terms]:
            return self
        step = self.step(label)
        merged: dict[str, int] = {}
        for name, move in self.terms:
            if name != label:
                merged[name] = merged.get(name, 0) + move
                continue
            for new, by in terms:
                merged[new] = merged.get(new, 0) + step * by
        kept = tuple([term for term in merged.items() if term[1]])
        return Axis(self.size, kept, self.offset + step * offset, self.low, self.high)

    def rename(self, names: Mapping[str, str]) -> Axis:
        """The same view with other label names."""
        terms = tuple([(names.get(label, label), step) for label, step in self.terms])
        return Axis(self.size, terms, self.offset, self.low, self.high)


@lru_cache(maxsize=4096)
def _plain(size: int, label: str) -> Axis:
    """The axis of one label; values while planning have few others."""
    return Axis(size, ((label, 1),))
