"""A plan becomes a program: the forms write their steps once more, for real."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tnconv.execution.program import Program, Step
from tnconv.network import Input, Network, SubNetwork
from tnconv.planning.builder import Builder
from tnconv.planning.estimator import Sketch
from tnconv.planning.machine import Machine
from tnconv.planning.plan import Plan
from tnconv.planning.route import Route, Written
from tnconv.planning.site import Form


@dataclass(frozen=True, slots=True)
class Lowered:
    """The program of a plan and its price."""

    program: Program
    seconds: float
    flops: int
    bytes: int


def lower(
    plan: Plan,
    machine: Machine,
    itemsize: int,
    forms: Mapping[str, Form],
    parts: Mapping[int, Program],
) -> tuple[Lowered, tuple[str, ...]]:
    """Write the program, and a line for each step of the path; ``parts`` holds the
    programs of sub-network operands."""
    route = Route.of(plan, forms)
    done, written = _lowered(route, plan.network, machine, itemsize, parts)
    return done, tuple([_line(plan.network, step) for step in written])


def lower_block(
    route: Route, network: Network, machine: Machine, itemsize: int
) -> Lowered:
    """The program of a block: a network that differs from the plan's in sizes only."""
    return _lowered(route, network, machine, itemsize, {})[0]


def sketch(route: Route, network: Network, machine: Machine, itemsize: int) -> Lowered:
    """The same for its price: of a loop that is unrolled only the first turn."""
    return _lowered(route, network, machine, itemsize, {}, Sketch)[0]


def _lowered(
    route: Route,
    network: Network,
    machine: Machine,
    itemsize: int,
    parts: Mapping[int, Program],
    kind: type[Builder] = Builder,
) -> tuple[Lowered, list[Written]]:
    builder = kind(network.sizes, machine, itemsize, network.arguments.values())
    result, written = route.write(builder, network, parts)
    cost, program = builder.cost, _program(builder, network, result)
    return Lowered(program, cost.seconds, cost.flops, cost.bytes), written


def _line(network: Network, step: Written) -> str:
    """What a step does, in words."""
    stop, site = step.stop, step.site
    names = ", ".join([_name(network, j) for j in (*stop.values, *stop.constraints)])
    if stop.form is None:
        return f"constant: {names}"
    kept = " ".join(step.value.labels) or "(a number)"
    return f"{stop.form.describe(site, stop.variant)}: {names} -> {kept}"


def _name(network: Network, j: int) -> str:
    if j >= len(network.operands):
        return f"#{j - len(network.operands) + 1}"
    op = network.operands[j]
    if isinstance(op, Input):
        return op.name
    return "sub-network" if isinstance(op, SubNetwork) else f"P({' '.join(op.labels)})"


def _program(builder: Builder, network: Network, result: int) -> Program:
    """The steps, without those that nothing reads."""
    arguments = tuple(network.arguments.items())
    count, needed = len(arguments), {result}
    for at in reversed(range(len(builder.steps))):
        if at + count in needed:
            needed.update(builder.steps[at].sources)
    if len(needed - set(range(count))) == len(builder.steps):
        return Program(arguments, tuple(builder.steps), result)
    steps: list[Step] = []
    registers = {r: r for r in range(count)}
    for at, step in enumerate(builder.steps):
        if at + count in needed:
            registers[at + count] = count + len(steps)
            steps.append(step.renumbered(registers))
    return Program(arguments, tuple(steps), registers[result])
