"""Choosing constants of the cost model so that it predicts what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log

from tnconv.execution.program import Program
from tnconv.planning.builder import Builder
from tnconv.planning.cost import price
from tnconv.planning.machine import Kind, Machine

#: factors that a constant is tried at, coarse ones first
FACTORS = (4.0, 1.5, 1.15, 1.04)
#: rounds over all constants at each factor, and a floor below which time is noise
ROUNDS = 6
NOISE = 5e-7

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
            log(
                (predicted(s.program, machine, itemsize) + NOISE) / (s.seconds + NOISE)
            )
        )
        for s in samples
    ]
    return sum(errors) / max(1, len(errors))


def fitted(
    machine: Machine, samples: Sequence[Sample], names: Sequence[Name], itemsize: int
) -> Machine:
    """The machine with some constants changed to fit the samples, one by one, by ever
    finer factors."""
    best = misfit(samples, machine, itemsize)
    for factor in FACTORS:
        for _ in range(ROUNDS):
            before = best
            for name in names:
                for by in (factor, 1 / factor):
                    while (tried := scaled(machine, name, by)) != machine:
                        error = misfit(samples, tried, itemsize)
                        if error >= best:
                            break
                        machine, best = tried, error
            if before - best < 1e-4:
                break
    return machine


def scaled(machine: Machine, name: Name, by: float) -> Machine:
    """The machine with one constant multiplied."""
    if isinstance(name, str):
        return replace(machine, **{name: getattr(machine, name) * by})
    kind, constant = name
    rate = machine.native[kind]
    changed = replace(rate, **{constant: getattr(rate, constant) * by})
    return replace(machine, native={**machine.native, kind: changed})
