"""A plan becomes a program: the forms write their steps once more, for real."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tnconv.execution.program import Conjugate, Constant, Program, Step
from tnconv.network import Input, SubNetwork
from tnconv.planning.builder import Builder, Value
from tnconv.planning.finish import finish
from tnconv.planning.forms.constant import constant_value
from tnconv.planning.machine import Machine
from tnconv.planning.plan import Plan, PlanStep
from tnconv.planning.problem import Problem
from tnconv.planning.site import Form, Site


@dataclass(frozen=True, slots=True)
class Lowered:
    """The program of a plan, its price, and a line for each step of the path."""

    program: Program
    seconds: float
    flops: int
    bytes: int
    lines: tuple[str, ...]


def lower(
    plan: Plan,
    machine: Machine,
    itemsize: int,
    forms: Mapping[str, Form],
    parts: Mapping[int, Program],
    kind: type[Builder] = Builder,
) -> Lowered:
    """Write the program; ``parts`` holds the programs of sub-network operands.

    With the ``kind`` of builder that only sketches, the program is good for its price.
    """
    problem = Problem(plan.network)
    arguments = tuple(plan.network.arguments.items())
    builder = kind(
        plan.network.sizes, machine, itemsize, [shape for _, shape in arguments]
    )
    values: dict[int, Value] = {}
    for j in problem.arrays:
        values[j] = _leaf(builder, problem, j, parts)
    lines = []
    sets = {j: 1 << j for j in values}
    for at, step in enumerate(plan.steps):
        number = len(problem.operands) + at
        sets[number] = sum(sets[v] for v in step.values)
        sets[number] |= sum(1 << j for j in step.constraints)
        value, line = _step(builder, problem, step, values, sets[number], forms)
        values[number] = value
        lines.append(line)
    if not values:  # nothing but labels: the number 1, broadcast
        one = Constant((), (), (), ())
        values[0] = Value(builder.add(one), ())
    whole = values[len(problem.operands) + len(plan.steps) - 1 if plan.steps else 0]
    result = finish(builder, whole, plan.network)
    program = _trimmed(Program(arguments, tuple(builder.steps), result))
    cost = builder.cost
    return Lowered(program, cost.seconds, cost.flops, cost.bytes, tuple(lines))


def _leaf(
    builder: Builder, problem: Problem, j: int, parts: Mapping[int, Program]
) -> Value:
    op = problem.operands[j]
    names = list(problem.network.arguments)
    if isinstance(op, Input):
        register = names.index(op.name)
        if op.conjugate:
            register = builder.add(Conjugate((register,), builder.shapes[register]))
    else:
        assert isinstance(op, SubNetwork)
        register = _inline(builder, parts[j], names)
    value = Value(register, problem.axes(j))
    dead = set(value.labels) - problem.names(problem.alive(1 << j))
    return builder.reduce(value, dead)


def _inline(builder: Builder, program: Program, names: list[str]) -> int:
    """The steps of another program, reading arguments by name; its result."""
    registers = {r: names.index(name) for r, (name, _) in enumerate(program.inputs)}
    for at, step in enumerate(program.steps, len(program.inputs)):
        registers[at] = builder.add(step.renumbered(registers))
    return registers[program.result]


def _step(
    builder: Builder,
    problem: Problem,
    step: PlanStep,
    values: Mapping[int, Value],
    subset: int,
    forms: Mapping[str, Form],
) -> tuple[Value, str]:
    alive = problem.names(problem.alive(subset))
    rules = tuple(problem.constraint(j) for j in step.constraints)
    names = ", ".join(_name(problem, j) for j in (*step.values, *step.constraints))
    if not step.values:
        return constant_value(builder, rules, sorted(alive)), f"constant: {names}"
    parts = tuple(values[v] for v in step.values)
    final = subset == problem.full
    order = problem.network.output_labels if final else ()
    site = Site(parts, rules, alive, final, _are_twins(builder, parts), order)
    form = forms[step.form]
    line = f"{form.describe(site, step.variant)}: {names}"
    value = form.emit(builder, site, step.variant)
    kept = " ".join(value.labels)
    return value, f"{line} -> {kept}" if kept else f"{line} -> (a number)"


def _are_twins(builder: Builder, values: tuple[Value, ...]) -> bool:
    """Whether two values are one register seen through views alike, and as far: blocks
    cut the labels of one copy and not those of the other."""
    if len(values) < 2 or values[0].register != values[1].register:
        return False
    first, second = values
    names = dict(zip(first.labels, second.labels, strict=False))
    if any(builder.sizes[a] != builder.sizes[b] for a, b in names.items()):
        return False
    return tuple(axis.rename(names) for axis in first.axes) == second.axes


def _name(problem: Problem, j: int) -> str:
    if j >= len(problem.operands):
        return f"#{j - len(problem.operands) + 1}"
    op = problem.operands[j]
    if isinstance(op, Input):
        return op.name
    return "sub-network" if isinstance(op, SubNetwork) else f"P({' '.join(op.labels)})"


def _trimmed(program: Program) -> Program:
    """The program without steps that nothing reads."""
    count = len(program.inputs)
    needed = {program.result}
    for at in reversed(range(len(program.steps))):
        if at + count in needed:
            needed |= set(program.steps[at].sources)
    steps: list[Step] = []
    registers = {r: r for r in range(count)}
    for at, step in enumerate(program.steps):
        if at + count in needed:
            registers[at + count] = count + len(steps)
            steps.append(step.renumbered(registers))
    return Program(program.inputs, tuple(steps), registers[program.result])
