"""A program of a canonical network, for one with other names and another order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from tnconv.execution.program import Program
from tnconv.network import Network
from tnconv.planning.planned import Planned
from tnconv.store.canonical import renamed

#: the names of a canonical network's arrays
NAME = re.compile(r"\bx\d+\b")


def adapted(planned: Planned, network: Network, names: Mapping[str, str]) -> Planned:
    """The same plan with the arrays of a network, in its order. Labels keep their
    canonical names; ``names`` gives the arrays theirs."""
    plan = replace(planned.plan, network=renamed(planned.plan.network, names))
    lines = tuple(
        NAME.sub(lambda found: names.get(found[0], found[0]), line)
        for line in planned.lines
    )
    program = _reordered(planned.program, network, names)
    return replace(planned, network=network, plan=plan, lines=lines, program=program)


def _reordered(program: Program, network: Network, names: Mapping[str, str]) -> Program:
    """The program reading its arguments in the order of the network's."""
    order = list(network.arguments)
    count = len(program.inputs)
    mine = [order.index(names[name]) for name, _ in program.inputs]
    registers = dict(enumerate(mine))
    registers |= {r: r for r in range(count, count + len(program.steps))}
    steps = tuple(step.renumbered(registers) for step in program.steps)
    inputs = tuple(network.arguments.items())
    return Program(inputs, steps, registers[program.result])
