"""A plan as a row of small networks, one for each product of arrays.

What a plan contracts first is a network of its own, whose result the next one reads by
name. Differentiated one after the other from the last to the first, as any chain is,
the stages give the gradients of all arrays with each common part contracted once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod

from tnconv.axis import Axis
from tnconv.network import Input, Network, Operand, Pattern, Reindex, SubNetwork
from tnconv.planning.plan import Plan
from tnconv.planning.problem import Problem


@dataclass(frozen=True, slots=True)
class Stage:
    """A network, and the name by which later ones read its result."""

    name: str
    network: Network


def stages(plan: Plan) -> tuple[Stage, ...]:
    """The stages in the order in which they run; the last gives the plan's result.

    It is a single one where there is no more than one product of arrays, where an array
    is read twice (gradients then add up), and where parts have plans of their own, or
    blocks hold memory down.

    >>> import tnconv
    >>> kernel = tnconv.parse("u: d r, v: r c k -> d c k", shapes=[(64, 2), (2, 32, 3)])
    >>> network = tnconv.networks.conv((8, 32, 100), kernel)
    >>> [list(s.network.arguments) for s in stages(tnconv.expression(network).plan)]
    [['x', 'weight.v'], ['weight.u', 'stage1']]
    """
    network = plan.network
    names = [op.name for op in network.inputs]
    apart = any(isinstance(op, SubNetwork) for op in network.operands)
    if apart or plan.blocks or not plan.steps or len(set(names)) < len(names):
        return (Stage("result", network),)
    return _Cutter(plan, Problem(network)).stages()


@dataclass(frozen=True)
class _Cutter:
    """A plan being taken apart, with what its operands are to the search."""

    plan: Plan
    problem: Problem

    def stages(self) -> tuple[Stage, ...]:
        """Each product of arrays but the last, then the rest of the network."""
        network, first = self.plan.network, len(self.problem.operands)
        sets = {j: 1 << j for j in range(first)}
        parts: dict[int, list[Operand]] = {j: [network.operands[j]] for j in sets}
        found: list[Stage] = []
        for number, step in enumerate(self.plan.steps, first):
            met = [op for v in step.values for op in parts[v]]
            met += [network.operands[j] for j in step.constraints]
            sets[number] = sum(sets[v] for v in (*step.values, *step.constraints))
            last = number == first + len(self.plan.steps) - 1
            if len(step.values) > 1 and not last:
                name = _fresh(f"stage{len(found) + 1}", network.arguments)
                found.append(Stage(name, self._product(met, sets[number])))
                met = [Input(name, found[-1].network.output)]
            parts[number] = met
        rest = parts[first + len(self.plan.steps) - 1]
        whole = Network.build(rest, network.output, network.sizes, network.scale)
        return (*found, Stage("result", whole))

    def _product(self, operands: Sequence[Operand], subset: int) -> Network:
        """Operands with an axis for each label that is needed outside of them."""
        sizes, problem = self.plan.network.sizes, self.problem
        kept = problem.names(problem.alive(subset))
        labels = _ordered(operands, kept, sizes)
        axes = [Axis(sizes[label], ((label, 1),)) for label in labels]
        return Network.build(operands, axes, sizes, Fraction(1))


def _ordered(
    operands: Sequence[Operand], kept: frozenset[str], sizes: Mapping[str, int]
) -> list[str]:
    """The labels kept, as the largest array has them: a pattern's other leg stands in
    the place of the one that it takes, and other new ones where channels were summed.
    """
    arrays = [op for op in operands if isinstance(op, Input)]
    main = max(arrays, key=lambda op: prod([sizes[a] for a in op.labels])).labels
    place = {a: a for a in main if a in kept}
    for op in operands:
        if isinstance(op, (Pattern, Reindex)):
            for mine, other in ((op.input, op.output), (op.output, op.input)):
                if other in kept and other not in main:
                    place.setdefault(mine, other)
    every = dict.fromkeys([a for op in operands for a in op.labels if a in kept])
    new = [a for a in every if a not in {place.get(label) for label in main}]
    at = next((j for j, a in enumerate(main) if a not in place), len(main))
    found = [place[a] for a in main if a in place]
    return [*found[:at], *new, *found[at:]]


def _fresh(name: str, taken: Mapping[str, object]) -> str:
    while name in taken:
        name += "'"
    return name
