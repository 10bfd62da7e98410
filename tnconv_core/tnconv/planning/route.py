"""A plan laid out: what each step meets and keeps, to be written for several networks.

Blocks of a network differ from it in sizes only, so what a plan means in sets of labels
is worked out once and written for each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tnconv.execution.program import Conjugate, Constant, Program
from tnconv.network import Input, Network, Operand, Pattern, Reindex, SubNetwork
from tnconv.planning.builder import Builder, Value
from tnconv.planning.finish import finish
from tnconv.planning.forms.constant import constant_value
from tnconv.planning.plan import Plan
from tnconv.planning.problem import Problem
from tnconv.planning.site import Constraint, Form, Site, Variant


@dataclass(frozen=True, slots=True)
class Stop:
    """One step: its form (None: the constraints as an array), what it takes, the labels
    needed afterwards, and for each value its labels and those of the constraints."""

    form: Form | None
    variant: Variant
    values: tuple[int, ...]
    constraints: tuple[int, ...]
    alive: frozenset[str]
    read: tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True)
class Written:
    """One step as it was written: from where to where in the list of the builder,
    and what it costs."""

    stop: Stop
    site: Site
    value: Value
    start: int
    end: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Route:
    """The arrays of a network with the labels they keep, and the steps in order."""

    leaves: tuple[tuple[int, frozenset[str]], ...]
    stops: tuple[Stop, ...]

    @classmethod
    def of(cls, plan: Plan, forms: Mapping[str, Form]) -> Route:
        """The way of a plan."""
        problem = Problem(plan.network)
        leaves = [(j, problem.names(problem.alive(1 << j))) for j in problem.arrays]
        sets = {j: 1 << j for j in problem.arrays}
        stops = []
        for number, step in enumerate(plan.steps, len(problem.operands)):
            sets[number] = sum([sets[v] for v in step.values])
            legs = 0
            for j in step.constraints:
                sets[number] |= 1 << j
                legs |= problem.legs[j]
            read = [problem.names(problem.alive(sets[v]) | legs) for v in step.values]
            stops.append(
                Stop(
                    forms[step.form] if step.values else None,
                    step.variant,
                    step.values,
                    step.constraints,
                    problem.names(problem.alive(sets[number])),
                    tuple(read),
                )
            )
        return cls(tuple(leaves), tuple(stops))

    def write(
        self, builder: Builder, network: Network, parts: Mapping[int, Program]
    ) -> tuple[int, list[Written]]:
        """Write the steps for a network; the register of the result, and the steps.

        ``parts`` holds the programs of sub-network operands.
        """
        operands, names = network.operands, list(network.arguments)
        values: dict[int, Value] = {}
        for j, kept in self.leaves:
            value = _leaf(builder, operands[j], names, parts.get(j))
            values[j] = builder.reduce(value, set(value.labels) - kept)
        whole = values[0] if 0 in values else None
        written = []
        for number, stop in enumerate(self.stops, len(operands)):
            start, before = len(builder.steps), builder.cost.seconds
            site = self._site(builder, stop, values, network)
            if stop.form is None:
                whole = constant_value(builder, site.constraints, sorted(site.alive))
            else:
                whole = stop.form.emit(builder, site, stop.variant)
            values[number] = whole
            end, seconds = len(builder.steps), builder.cost.seconds - before
            written.append(Written(stop, site, whole, start, end, seconds))
        if whole is None:  # nothing but labels: the number 1, broadcast
            whole = Value(builder.add(Constant((), (), (), ())), ())
        return finish(builder, whole, network), written

    def _site(
        self,
        builder: Builder,
        stop: Stop,
        values: Mapping[int, Value],
        network: Network,
    ) -> Site:
        parts = tuple([values[v] for v in stop.values])
        rules = tuple([_rule(network.operands[j]) for j in stop.constraints])
        final = stop is self.stops[-1]
        order = network.output_labels if final else ()
        twins = _are_twins(builder, parts)
        return Site(parts, rules, stop.alive, final, twins, order)


def _rule(op: Operand) -> Constraint:
    assert isinstance(op, (Pattern, Reindex))
    return op


def _leaf(
    builder: Builder, op: Operand, names: list[str], part: Program | None
) -> Value:
    if isinstance(op, Input):
        register = names.index(op.name)
        if op.conjugate:
            register = builder.add(Conjugate((register,), builder.shapes[register]))
    else:
        assert isinstance(op, SubNetwork) and part is not None
        register = _inline(builder, part, names)
    return Value(register, op.axes)


def _inline(builder: Builder, program: Program, names: list[str]) -> int:
    """The steps of another program, reading arguments by name; its result."""
    registers = {r: names.index(name) for r, (name, _) in enumerate(program.inputs)}
    for at, step in enumerate(program.steps, len(program.inputs)):
        registers[at] = builder.add(step.renumbered(registers))
    return registers[program.result]


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
