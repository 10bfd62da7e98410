"""How ranks are chosen: numbers, a budget, an error, or what the spectrum says.

Every choice answers one :class:`Question`: which bonds a kernel has, how large each may
be, the singular values of the cut through the weight at each bond, and what a kernel of
given ranks costs. The answer is ranks with the reason, and remarks for the reader.

A bond whose removal parts the network has a cut, and the squared error is at most the
sum over cuts of what is left out there. A bond without one (CP, a ring) is judged by
trial fits for an error, and by the unfolding of each factor's legs for EVBMF; such
kernels get one rank for all bonds, up to each bond's cap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, prod, sqrt
from typing import Any

from tnconv.errors import ArgumentError
from tnconv.factor.question import Question
from tnconv.factor.rank import EVBMF, Energy, Fraction, Rank, Ranks, RelativeError
from tnconv.networks.checks import is_list


@dataclass(frozen=True)
class Choice:
    """Ranks, why they are these, and remarks such as "evbmf found nothing"."""

    ranks: Ranks
    reason: str
    remarks: tuple[str, ...] = ()


def choose(rank: Rank, question: Question) -> Choice:
    """Answer a question.

    Raises ArgumentError for numbers that are no ranks, and where not even rank 1 fits a
    budget.
    """
    if isinstance(rank, Fraction):
        return _by_cost(rank, question)
    if isinstance(rank, Energy):
        found = _by_error(sqrt(max(0.0, 1 - rank.share)), question)
        return Choice(found, f"keeps {rank.share:g} of the squared norm")
    if isinstance(rank, RelativeError):
        found = _by_error(rank.error, question)
        return Choice(found, f"relative error of at most {rank.error:g}")
    if isinstance(rank, EVBMF):
        return _by_noise(rank, question)
    return Choice(question.rounded(_numbers(rank, question)), "given")


def _numbers(rank: Any, question: Question) -> Ranks:
    names = ", ".join(question.caps)
    given = tuple(rank) if is_list(rank) else (rank,) * len(question.caps)
    if len(given) != len(question.caps):
        raise ArgumentError(
            f"decompose: got {len(given)} ranks for {len(question.caps)} bonds "
            f"({names}); give an int or one for each"
        )
    for value, (bond, cap) in zip(given, question.caps.items(), strict=True):
        kind = type(value).__name__
        if kind in ("bool", "bool_") or not hasattr(value, "__index__"):
            raise ArgumentError(
                f"decompose: rank {value!r} of bond {bond!r} is no int; give ints from "
                "1 on, or Fraction, Energy, RelativeError or EVBMF"
            )
        if not 1 <= value <= cap:
            raise ArgumentError(
                f"decompose: rank {value} of bond {bond!r} is not within 1 and {cap}, "
                "the largest that means anything; give ranks of at most "
                f"{question.full} ({names})"
            )
    return tuple(int(value) for value in given)


def _by_error(error: float, question: Question) -> Ranks:
    if question.parted:
        allowed = error**2 * question.square / max(1, len(question.cuts))
        allowed += 1e-15 * question.square  # what rounding leaves of zeros
        return question.rounded(
            tuple(question.cuts[bond].least(allowed) for bond in question.caps)
        )

    def fits(rank: int) -> bool:
        found = question.error(question.rounded(question.uniform(rank)))
        return found <= max(error, 1e-7)

    most = max(question.full)
    return question.rounded(question.uniform(_first(fits, most)))


def _first(holds: Callable[[int], bool], most: int) -> int:
    """The first number that holds, by doubling and halving; ``most`` if none does."""
    low, high = 0, 1
    while high < most and not holds(high):
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _by_cost(rank: Fraction, question: Question) -> Choice:
    whole = question.cost(rank.of, None)
    budget = rank.share * whole

    def affordable(ranks: Ranks) -> bool:
        return question.cost(rank.of, ranks) <= budget

    family = _levels(question) if question.parted else _uniform(question)
    least = question.rounded(question.uniform(1), up=False)
    if not affordable(least):
        raise ArgumentError(
            f"decompose: ranks {least} already cost "
            f"{question.cost(rank.of, least):.4g} {rank.of}, of {whole:.4g} for the "
            f"dense weight, and {rank!r} allows {budget:.4g}; allow more or keep the "
            "layer as it is"
        )
    low, high = 0, len(family)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if affordable(family[middle]) else (low, middle)
    ranks = _filled(family[low], question, affordable)
    share = question.cost(rank.of, ranks) / whole
    return Choice(ranks, f"{share:.3f} of the dense {rank.of} (at most {rank.share:g})")


def _uniform(question: Question) -> list[Ranks]:
    every = range(1, max(question.full) + 1)
    found = (question.rounded(question.uniform(r), up=False) for r in every)
    return list(dict.fromkeys(found))


def _levels(question: Question) -> list[Ranks]:
    """Ranks by what every cut leaves out, from rank 1 on to the caps."""
    bonds = list(question.caps)
    tails = sorted(
        {
            question.cuts[bond].left_out(r)
            for bond in bonds
            for r in range(1, question.caps[bond] + 1)
        },
        reverse=True,
    )
    found = (tuple(question.cuts[bond].least(tail) for bond in bonds) for tail in tails)
    ranks = (question.rounded(r, up=False) for r in found)
    least = question.rounded(question.uniform(1), up=False)
    return list(dict.fromkeys((least, *ranks)))


def _filled(
    ranks: Ranks, question: Question, affordable: Callable[[Ranks], bool]
) -> Ranks:
    """Single ranks raised while the budget allows, those first that help most."""
    open_bonds = set(range(len(ranks)))
    while open_bonds:
        at = max(open_bonds, key=lambda j: (_next(question, j, ranks[j]), -j))
        more = tuple(r + question.round_to * (j == at) for j, r in enumerate(ranks))
        more = tuple(min(r, cap) for r, cap in zip(more, question.full, strict=True))
        if more != ranks and affordable(more):
            ranks = more
        else:
            open_bonds.remove(at)
    return ranks


def _next(question: Question, at: int, rank: int) -> float:
    if not question.parted:
        return 0.0
    cut = question.cuts[list(question.caps)[at]]
    return cut.left_out(rank) - cut.left_out(rank + question.round_to)


def _by_noise(rank: EVBMF, question: Question) -> Choice:
    if question.parted:
        found = question.find_raw()
        raw = tuple(found[bond].above_noise() for bond in question.caps)
        reason = "evbmf of each cut"
    else:
        raw = question.uniform(_spanning(question))
        reason = "the least with which every factor spans the evbmf rank of its legs"
    remarks = tuple(
        f"evbmf found nothing above the noise at bond {bond!r}; rank 1 is the least"
        for bond, rank_there in zip(question.caps, raw, strict=True)
        if rank_there == 0
    )
    if rank.weaken:
        reason += f", weakened by {rank.weaken:g}"
    pairs = zip(raw, question.full, strict=True)
    weak = tuple(max(1, ceil(r + rank.weaken * (cap - r) - 1e-9)) for r, cap in pairs)
    return Choice(question.rounded(weak), reason, remarks)


def _spanning(question: Question) -> int:
    """The least uniform rank whose bonds span what every side has above the noise."""
    need = [(side.above_noise(), at) for side, at in question.find_sides()]

    def spans(rank: int) -> bool:
        ranks = question.uniform(rank)
        return all(prod(ranks[j] for j in at) >= least for least, at in need)

    if all(least == 0 for least, _ in need):
        return 0
    return _first(spans, max(question.full))
