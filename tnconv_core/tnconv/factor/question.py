"""What a choice of ranks goes by: caps, spectra, costs and trial fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tnconv.factor.rank import Cost, Ranks


@dataclass(frozen=True)
class Spectrum:
    """Singular values of one unfolding of the weight, a tuple for each group.

    ``shapes`` are rows and columns of each group's matrix, those that are zero
    throughout not counted: they say nothing about noise.
    """

    values: tuple[tuple[float, ...], ...]
    shapes: tuple[tuple[int, int], ...]

    def left_out(self, rank: int) -> float:
        """The sum of squares beyond a rank, over all groups."""
        return sum(value * value for group in self.values for value in group[rank:])

    def least(self, allowed: float) -> int:
        """The least rank, from 1 on, that leaves out no more than ``allowed``."""
        longest = max(len(group) for group in self.values)
        sums, total = [0.0] * (longest + 1), 0.0
        for at in reversed(range(longest)):
            total += sum(g[at] ** 2 for g in self.values if at < len(g))
            sums[at] = total
        return max(1, next(r for r, left in enumerate(sums) if left <= allowed))

    def above_noise(self) -> int:
        """The largest EVBMF rank of the groups; may be 0."""
        from tnconv.factor.evbmf import evbmf

        pairs = zip(self.values, self.shapes, strict=True)
        return max(evbmf(v[: min(s)], s).rank if min(s) else 0 for v, s in pairs)


@dataclass(frozen=True)
class Question:
    """What a choice of ranks goes by.

    ``caps`` maps each bond to its largest rank, in the order of ranks, and ``parted``
    says whether every bond parts the network. ``find_cuts`` gives the spectra there of
    the weight as errors are measured (of squared norm ``square``), ``find_raw`` those
    of the weight itself, ``find_sides`` that of every factor's legs with the positions
    of its bonds among the ranks. ``cost`` is what a kernel of some ranks costs, and for
    None the dense weight; ``error`` fits a kernel and gives its relative error.
    """

    caps: Mapping[str, int]
    parted: bool
    find_cuts: Callable[[], Mapping[str, Spectrum]]
    find_raw: Callable[[], Mapping[str, Spectrum]]
    find_sides: Callable[[], Sequence[tuple[Spectrum, tuple[int, ...]]]]
    square: float
    cost: Callable[[Cost, Ranks | None], float]
    error: Callable[[Ranks], float]
    round_to: int = 1

    @cached_property
    def cuts(self) -> Mapping[str, Spectrum]:
        """The spectrum at every bond, as errors are measured."""
        return self.find_cuts()

    @property
    def full(self) -> Ranks:
        """All caps."""
        return tuple(self.caps.values())

    def uniform(self, rank: int) -> Ranks:
        """One rank for all bonds, up to their caps."""
        return tuple(min(rank, cap) for cap in self.full)

    def rounded(self, ranks: Ranks, up: bool = True) -> Ranks:
        """Ranks as multiples of ``round_to``, within 1 and the caps."""
        step = self.round_to
        found = [(-(-r // step) if up else r // step) * step for r in ranks]
        return tuple(
            max(min(step, cap), min(r, cap))
            for r, cap in zip(found, self.full, strict=True)
        )
