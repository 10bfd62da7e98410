"""Figures of a set of measurements: ratios, means, worst cases, shares of memory.

A ratio is a peer's time over ours, so above 1 we are faster. The best peer of a case is
the fastest of all contestants that can do it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, inf, log

from benchmarks.cases import OPERATIONS
from benchmarks.contestants import AGAIN, OURS, SHOWN_ONLY, reference
from benchmarks.record import Measured, Results


def peers(measured: Measured, backend: str) -> dict[str, float]:
    """The times of those that tnconv is compared with."""
    left_out = (OURS, AGAIN, *SHOWN_ONLY[backend])
    return {n: s for n, s in measured.seconds.items() if n not in left_out}


def best(measured: Measured, backend: str) -> str | None:
    """The name of the fastest peer, None where nobody else can do the case."""
    found = peers(measured, backend)
    return min(found, key=found.__getitem__) if found else None


def ratio(measured: Measured, backend: str) -> float:
    """The best peer's time over ours, infinite where one of the two is missing."""
    name, ours = best(measured, backend), measured.seconds.get(OURS)
    return inf if name is None or ours is None else measured.seconds[name] / ours


def geomean(values: Iterable[float]) -> float:
    """The geometric mean, nan of nothing.

    >>> geomean([0.5, 2.0])
    1.0
    """
    logs = [log(value) for value in values]
    return exp(sum(logs) / len(logs)) if logs else float("nan")


@dataclass(frozen=True)
class Row:
    """A case of one operation: its ratio in every round that it was measured in."""

    measured: Measured
    ratios: tuple[float, ...]
    peer: str

    @property
    def repeated(self) -> float:
        """The best ratio of all rounds: a loss counts if it is there every time."""
        return max(self.ratios)

    @property
    def share(self) -> dict[str, float]:
        """Extra memory over arrays read and result, of each contestant."""
        whole = max(1, self.measured.given + self.measured.result)
        return {name: extra / whole for name, extra in self.measured.extra.items()}


def rows(results: Results, operation: str) -> list[Row]:
    """The cases of an operation that tnconv and a peer were timed in, worst first."""
    backend = results.header["backend"]
    rounds: dict[str, list[Measured]] = {}
    for measured in results.cases:
        if measured.operation == operation and ratio(measured, backend) < inf:
            rounds.setdefault(measured.layer, []).append(measured)
    found = [
        Row(
            own[0],
            tuple(ratio(each, backend) for each in own),
            best(own[0], backend) or "",
        )
        for own in (sorted(o, key=lambda m: m.round) for o in rounds.values())
    ]
    return sorted(found, key=lambda row: row.repeated)


def operations(results: Results) -> list[str]:
    """The operations that were measured, in the usual order."""
    there = {measured.operation for measured in results.cases}
    return [name for name in OPERATIONS if name in there]


def against(found: list[Row]) -> dict[str, list[float]]:
    """Time of every single contestant over ours, over the cases that it can do."""
    out: dict[str, list[float]] = {}
    for row in found:
        seconds = row.measured.seconds
        for name, own in seconds.items():
            if name not in (OURS, AGAIN):
                out.setdefault(name, []).append(own / seconds[OURS])
    return out


def resolution(found: list[Row], backend: str) -> list[float]:
    """Second timing of the reference over its first, for each case that has both."""
    out = []
    for row in found:
        seconds = row.measured.seconds
        name = reference(row.measured.operation, backend)
        if name in seconds and AGAIN in seconds:
            out.append(seconds[AGAIN] / seconds[name])
    return sorted(out)


def spread(values: list[float], part: float = 0.9) -> float:
    """The factor that this part of the ratios stays within, in either direction.

    >>> spread([1.0, 0.5, 1.25], 0.5)
    1.25
    """
    factors = sorted(max(value, 1 / value) for value in values)
    return factors[min(len(factors) - 1, int(part * len(factors)))] if factors else 1.0


def refusals(results: Results, operation: str) -> dict[str, dict[str, list[str]]]:
    """Contestant -> reason -> layers; what differs from case to case is cut off."""
    out: dict[str, dict[str, list[str]]] = {}
    for measured in results.cases:
        if measured.operation == operation and measured.round == 1:
            for name, text in measured.cannot.items():
                known = out.setdefault(name, {}).setdefault(text.split(": ")[0], [])
                known.append(measured.layer)
    return out
