"""What a plan is charged: its seconds, and the bytes it holds meanwhile.

Memory is charged as it is rented, by bytes and seconds. As many bytes as a share of
inputs and result are free, and never less than an allocator keeps at hand; what a plan
holds beyond them is charged for as long as the plan takes, in units of inputs plus
result, but with no more than the seconds themselves. So a plan may take longer to hold
less, by one figure for every operation, size and machine, and twice as long at the
most; and more steeply so where it holds more than a target, if there is one. What a
library allocates inside of a call pays no rent: its own operator allocates as much, but
counts where there is a target. Arrays, free or not, are charged besides as faulted in
once.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from tnconv.execution.landing import maker
from tnconv.execution.liveness import peaks
from tnconv.execution.program import Native, Program, size_of
from tnconv.network import Network
from tnconv.planning.cost import native_faults
from tnconv.planning.machine import Machine
from tnconv.planning.rates import fresh
from tnconv.planning.workspace import workspace

#: what it costs to hold as many bytes again as inputs and result, as a share of the
#: seconds they are held
RENT = 0.5
#: the same beyond a target, up to the plan's seconds: to keep to it, a plan may take
#: twice the time
STEEP = 20.0
#: bytes that pay no rent, as blocks of arrays this small save nobody anything; and
#: where there is a target
FREE, SMALL = 4 << 20, 1 << 20


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes beyond inputs and result: of arrays, and of all that is allocated."""

    arrays: int
    peak: int


@dataclass(frozen=True, slots=True)
class Charge:
    """What is charged for a network: ``given`` bytes are read and made, a share of them
    is ``free``, and what is beyond ``most`` is dear."""

    machine: Machine
    itemsize: int
    given: int
    free: float
    most: float = inf

    @classmethod
    def of(
        cls,
        network: Network,
        machine: Machine,
        itemsize: int,
        share: float,
        target: float | None = None,
    ) -> Charge:
        """For the inputs and the result of a network; shares of them are free, and
        aimed at."""
        shapes = [*network.arguments.values(), network.shape]
        given = max(1, sum(map(size_of, shapes))) * itemsize
        most = inf if target is None or share == inf else max(target * given, SMALL)
        free = max(share * given, FREE if target is None else SMALL)
        return cls(machine, itemsize, given, free, most)

    def held(self, program: Program) -> Held:
        """The bytes that a program holds at its worst moment."""
        beside = workspace(self.machine, self.itemsize)
        return Held(*peaks(program, self.itemsize, beside))

    def lands(self, body: Program, added: bool) -> bool:
        """Whether a loop's body writes, or adds, its result to the loop's own."""
        at = maker(body)
        if at is None:
            return False
        beside = workspace(self.machine, self.itemsize)(body, at)
        return beside.landed({added}) is not None

    def faults(self, held: Held) -> float:
        """Seconds that the arrays take to be faulted in, as results of their size do:
        less than that is kept by the allocator, which is shown what a program holds."""
        return fresh(held.arrays, self.machine)

    def packed(self, program: Program) -> float:
        """The seconds that native calls of a program take to fault in what they pack,
        and what they make: blocks of it would be memory that is used again."""
        count, shapes = len(program.inputs), program.shapes
        return sum(
            native_faults(
                [shapes[r] for r in step.sources],
                shapes[at],
                self.itemsize,
                self.machine,
            )
            for at, step in enumerate(program.steps, count)
            if isinstance(step, Native)
        )

    def is_free(self, held: Held) -> bool:
        """Whether no rent is paid."""
        return held.arrays <= self.free and held.peak <= self.most

    def price(self, seconds: float, held: Held) -> float:
        """Seconds, rent and faults."""
        rent = RENT * max(0.0, held.arrays - self.free) / self.given
        dear = STEEP * max(0.0, held.peak - self.most) / self.given
        return seconds * (1 + min(rent, 1.0) + min(dear, 1.0)) + self.faults(held)
