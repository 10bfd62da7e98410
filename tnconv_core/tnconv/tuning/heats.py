"""Whether one plan is faster than another, beyond the noise of the clock."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median

from tnconv.tuning.clock import Timed, in_turn, trim_heap, usual

#: races of one pair, and how many of them the faster one has to win
HEATS, WON = 7, 6
#: a gain that is worth another plan
WORTH = 0.01
#: rounds of a heat at least
LEAST = 1
#: a race that takes this many times as long as it may is given up
OVERTIME = 4.0


@dataclass(frozen=True, slots=True)
class Heat:
    """Seconds of the default plan, of the same once more, and of its challenger.

    ``steady``: the challenger's median is not above the default plan's either. What is
    fast undisturbed may be slow as a rule, and a rule is what calls meet.
    """

    default: float
    again: float
    other: float
    steady: bool = True

    @classmethod
    def of(cls, times: Sequence[Sequence[float]]) -> Heat:
        """From the times of the three."""
        default, again, other = map(usual, times)
        rule = [median(own) for own in times]
        return cls(default, again, other, rule[2] <= max(rule[:2]))

    @property
    def usual(self) -> float:
        """The default plan's, of both measurements."""
        return sqrt(self.default * self.again)

    @property
    def spread(self) -> float:
        """How far the two measurements of one plan are apart, as a share."""
        low, high = sorted((self.default, self.again))
        return high / low - 1.0

    @property
    def won(self) -> bool:
        """Whether the challenger was faster than both."""
        return self.steady and self.other < min(self.default, self.again)


@dataclass(frozen=True, slots=True)
class Race:
    """All heats of a default plan and its challenger.

    >>> race = Race((Heat(1.0, 1.02, 0.5),) * HEATS)
    >>> race.won, round(race.gain, 2), round(race.spread, 2)
    (True, 2.02, 0.02)
    """

    heats: Sequence[Heat]

    @property
    def default(self) -> float:
        """Seconds of the default plan."""
        return median(heat.usual for heat in self.heats)

    @property
    def other(self) -> float:
        """Seconds of the challenger."""
        return median(heat.other for heat in self.heats)

    @property
    def gain(self) -> float:
        """The default plan's time over the challenger's."""
        return median(heat.usual / heat.other for heat in self.heats)

    @property
    def spread(self) -> float:
        """What two measurements of one plan usually differ by, as a share: the upper
        quartile of all heats."""
        apart = sorted(heat.spread for heat in self.heats)
        return apart[len(apart) * 3 // 4]

    @property
    def won(self) -> bool:
        """Whether the challenger wins: by more than the spread, and in nearly all
        heats. Of two equal plans one in a hundred does."""
        won = sum(heat.won for heat in self.heats)
        return won >= WON and self.gain > 1.0 + max(self.spread, WORTH)


def raced(default: Timed, other: Timed, seconds: float, draw: random.Random) -> Race:
    """A race of about so many seconds, or less where it is lost before. The default
    plan runs twice in every heat, so that noise is known beside what it disturbs; and
    every heat begins with an empty heap, so that no plan wins by what lay there."""
    heats: list[Heat] = []
    three, end = (default, default, other), time.perf_counter() + OVERTIME * seconds
    while len(heats) < HEATS and sum(not heat.won for heat in heats) <= HEATS - WON:
        trim_heap()
        for call in (default, other):  # finds its memory anew
            call.clocked()
        times = in_turn(three, seconds / HEATS, LEAST, draw)
        heats.append(Heat.of(times))
        if time.perf_counter() > end:
            break
    return Race(tuple(heats))
