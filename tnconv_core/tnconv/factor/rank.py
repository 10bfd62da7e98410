"""What may be asked for as ranks: numbers, a budget, an error, or what noise leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

from tnconv.errors import ArgumentError

Ranks = tuple[int, ...]
Cost = Literal["params", "macs", "seconds"]
COSTS: tuple[Cost, ...] = ("params", "macs", "seconds")


@dataclass(frozen=True)
class Fraction:
    """The largest ranks whose kernel costs at most ``share`` of the dense weight.

    ``of`` is "params" (entries), "macs" (multiply-adds of the textbook chain) or
    "seconds" (predicted, both planned for the layer); the latter two ask
    :func:`tnconv.decompose` for a ``workload``. Among ranks of one cost those are
    taken that leave out the same share of the weight at every cut.
    """

    share: float
    of: Cost = "params"

    def __post_init__(self) -> None:
        _check_share("Fraction", self.share, least_open=True)
        if self.of not in COSTS:
            raise ArgumentError(
                f"Fraction: of is {self.of!r}; give one of {', '.join(COSTS)}"
            )


@dataclass(frozen=True)
class Energy:
    """The smallest ranks that keep ``share`` of the weight's squared norm."""

    share: float

    def __post_init__(self) -> None:
        _check_share("Energy", self.share, least_open=True)


@dataclass(frozen=True)
class RelativeError:
    """The smallest ranks with ``|weight - kernel| <= error * |weight|``.

    Where several bonds are cut each gets an equal part of the squared error, so the
    kernel may be better than asked for.
    """

    error: float

    def __post_init__(self) -> None:
        _check_share("RelativeError", self.error, least_open=False)


@dataclass(frozen=True)
class EVBMF:
    """What is above the noise, by :func:`tnconv.factor.evbmf.evbmf`.

    ``weaken`` goes that share of the way from there to the full rank, rounded up.
    """

    weaken: float = 0.0

    def __post_init__(self) -> None:
        _check_share("EVBMF", self.weaken, least_open=False)


Rank = int | Sequence[int] | Fraction | Energy | RelativeError | EVBMF


def _check_share(name: str, value: Any, *, least_open: bool) -> None:
    number = not isinstance(value, bool) and isinstance(value, (int, float))
    if (
        number
        and isfinite(value)
        and 0 <= value <= 1
        and not (least_open and value == 0)
    ):
        return
    least = "above 0" if least_open else "from 0"
    raise ArgumentError(f"{name}: got {value!r}; give a number {least} to 1")
