"""Choosing constants of the cost model so that it predicts what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log
from typing import Any

from tnconv.execution.program import Program
from tnconv.planning.builder import Builder
from tnconv.planning.cost import price
from tnconv.planning.machine import Kind, Machine

#: factors that a constant is tried at, coarse ones first
FACTORS = (4.0, 1.5, 1.15, 1.04)
#: rounds over all constants at each factor, and a floor below which time is noise
ROUNDS = 6
NOISE = 5e-7
#: how far a constant may move: what is further off was not measured but disturbed
REACH = 50.0
#: what a constant that no sample needs costs to move, as a share of the misfit
PULL = 0.002
#: where a constant that is 0 starts from, as nothing is a multiple of it
SEEDS = {
    **{"read": 0.5, "made": 0.5, "stride": 0.02, "element": 1e-11, "packed": 1e-11},
    **{"sum_run": 1e-9, "nest": 1e-9},
}

#: a constant of the machine, or of its native convolutions of one kind
Name = str | tuple[Kind, str]


@dataclass(frozen=True, slots=True)
class Sample:
    """A program and the seconds that it was measured to take."""

    program: Program
    seconds: float


def predicted(program: Program, machine: Machine, itemsize: int) -> float:
    """The seconds that the cost model predicts for a program."""
    builder = Builder({}, machine, itemsize, [shape for _, shape in program.inputs])
    for step in program.steps:
        builder.steps.append(step)
        builder.shapes.append(step.shape)
        builder.charge(price(step, builder))
    return builder.cost.seconds


def misfit(samples: Sequence[Sample], machine: Machine, itemsize: int) -> float:
    """The mean of |log(predicted / measured)|: 0.1 means a tenth off."""
    errors = [
        abs(
            log((predicted(s.program, machine, itemsize) + NOISE) / (s.seconds + NOISE))
        )
        for s in samples
    ]
    return sum(errors) / max(1, len(errors))


def fitted(
    machine: Machine, samples: Sequence[Sample], names: Sequence[Name], itemsize: int
) -> Machine:
    """The machine with some constants changed to fit the samples, one by one, by ever
    finer factors; what they do not tell stays near where it was."""
    machine = start = seeded(machine, names)

    def error_of(tried: Machine) -> float:
        return misfit(samples, tried, itemsize) + PULL * drift(tried, start, names)

    best = error_of(machine)
    for factor in FACTORS:
        for _ in range(ROUNDS):
            before = best
            for name in names:
                for by in (factor, 1 / factor):
                    while within_reach(tried := scaled(machine, name, by), start, name):
                        error = error_of(tried)
                        if error >= best - 1e-9:
                            break
                        machine, best = tried, error
            if before - best < 1e-4:
                break
    return machine


def seeded(machine: Machine, names: Sequence[Name]) -> Machine:
    """The machine with none of these constants 0 that have a seed."""
    for name in names:
        if not constant(machine, name):
            field = name if isinstance(name, str) else name[1]
            machine = _with(machine, name, SEEDS.get(field, 0.0))
    return machine


def drift(machine: Machine, start: Machine, names: Sequence[Name]) -> float:
    """How far some constants have moved, in powers of e."""
    pairs = [(constant(machine, name), constant(start, name)) for name in names]
    return sum([abs(log(found / first)) for found, first in pairs if found != first])


def within_reach(machine: Machine, start: Machine, name: Name) -> bool:
    """Whether a constant is still near where it started."""
    found, first = constant(machine, name), constant(start, name)
    return first / REACH <= found <= first * REACH and first > 0


def constant(machine: Machine, name: Name) -> float:
    """The value of one constant."""
    if isinstance(name, str):
        return float(getattr(machine, name))
    return float(getattr(machine.native[name[0]], name[1]))


def scaled(machine: Machine, name: Name, by: float) -> Machine:
    """The machine with one constant multiplied."""
    return _with(machine, name, constant(machine, name) * by)


def _with(machine: Machine, name: Name, value: Any) -> Machine:
    if isinstance(name, str):
        return replace(machine, **{name: value})
    kind, field = name
    changed = replace(machine.native[kind], **{field: value})
    return replace(machine, native={**machine.native, kind: changed})
