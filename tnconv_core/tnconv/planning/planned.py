"""A plan with its program, and what is known of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tnconv.execution.liveness import peaks
from tnconv.execution.program import AxisMap, Constant, Program, View
from tnconv.network import Network
from tnconv.pattern import IndexPattern
from tnconv.planning.charge import Held
from tnconv.planning.lower import Lowered, lower
from tnconv.planning.machine import Machine
from tnconv.planning.plan import Plan
from tnconv.planning.site import Form
from tnconv.planning.workspace import workspace

#: the rules that fired, and where
Trace = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, its program, and what is known of both."""

    network: Network
    trace: Trace
    plan: Plan
    program: Program
    seconds: float
    flops: int
    bytes: int
    held: Held
    lines: tuple[str, ...]
    considered: tuple[tuple[str, float], ...]

    @property
    def peak(self) -> int:
        """Bytes beyond inputs and result, at the worst moment."""
        return self.held.peak


@dataclass(frozen=True, slots=True)
class Found:
    """A plan that is not yet lowered, and the programs of its sub-networks."""

    plan: Plan
    parts: Mapping[int, Program]
    seconds: float

    def lowered(
        self, machine: Machine, itemsize: int, forms: Mapping[str, Form]
    ) -> Planned:
        """The plan as a program, at the price it was found at."""
        done, lines = lower(self.plan, machine, itemsize, forms, self.parts)
        done = replace(done, seconds=self.seconds)
        return _planned(self.plan, done, lines, machine, itemsize)

    def priced(
        self, machine: Machine, itemsize: int, forms: Mapping[str, Form]
    ) -> Planned:
        """The same at another machine's prices; a network without parts."""
        done, lines = lower(self.plan, machine, itemsize, forms, self.parts)
        plan = replace(self.plan, seconds=done.seconds)
        return _planned(plan, done, lines, machine, itemsize)


def _planned(
    plan: Plan, done: Lowered, lines: tuple[str, ...], machine: Machine, itemsize: int
) -> Planned:
    held = Held(*peaks(done.program, itemsize, workspace(machine, itemsize)))
    return Planned(
        plan.network,
        (),
        plan,
        done.program,
        done.seconds,
        done.flops,
        done.bytes,
        held,
        lines,
        (),
    )


def nothing(network: Network) -> Planned:
    """A label of size 0 leaves nothing to add up: the result is zeros."""
    arguments, count = tuple(network.arguments.items()), len(network.arguments)
    zero = Constant((), (), (IndexPattern(0, 1, 1),), ())
    maps: tuple[AxisMap, ...] = ()
    wide = View((count,), network.shape, maps, network.shape, True)
    program = Program(arguments, (zero, wide), count + 1)
    plan = Plan(network, (), 0.0, "nothing to add up")
    return Planned(network, (), plan, program, 0.0, 0, 0, Held(0, 0), (), ())
