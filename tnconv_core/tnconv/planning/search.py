"""The exact search: dynamic programming over connected subsets of operands.

What a subset of operands is worth does not depend on how it was contracted, so the best
way to contract it is the best split into two subsets (with the patterns between them),
or a subset and one more pattern. Every candidate is written by its form into an
estimating builder; what is priced is what will run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from tnconv.axis import Axis
from tnconv.execution.program import Shape
from tnconv.planning.builder import Estimator, TooDearError, Value
from tnconv.planning.finish import finish
from tnconv.planning.forms.constant import constant_value
from tnconv.planning.machine import Machine
from tnconv.planning.plan import PlanStep
from tnconv.planning.problem import Problem
from tnconv.planning.site import Form, Site, Variant


@dataclass(frozen=True, slots=True)
class State:
    """The best way found to contract a subset."""

    axes: tuple[Axis, ...]
    shape: Shape
    labels: int
    seconds: float
    form: str = ""
    variant: Variant = ()
    values: tuple[int, ...] = ()
    constraints: tuple[int, ...] = ()
    #: equal for subsets that are copies of one another: they are paid for once
    twin: object = field(default=None, compare=False)


class Search:
    """One search: its problem, its machine and the states found so far."""

    def __init__(
        self,
        problem: Problem,
        machine: Machine,
        itemsize: int,
        forms: Sequence[Form],
        bound: float = float("inf"),
    ) -> None:
        self.bound = bound
        self.problem = problem
        self.machine = machine
        self.itemsize = itemsize
        self.forms = forms
        self.states: dict[int, State] = {}
        sizes = problem.network.sizes
        self._bit_sizes = [(b, sizes[a]) for a, b in problem.label_bits.items()]
        self.widest = max((len(f.constraints) and f.constraints[-1]) for f in forms)

    # ---- one candidate

    def consider(self, values: tuple[int, ...], constraints: tuple[int, ...]) -> None:
        """Price every form on one site and keep the best."""
        subset = sum(values) + sum(1 << j for j in constraints)
        final = subset == self.problem.full
        parts = [self.states[v] for v in values]
        paid = parts[0].seconds
        if len(parts) == 2 and (
            parts[0].twin is None or parts[0].twin != parts[1].twin
        ):
            paid += parts[1].seconds
        if paid + self._least(parts, constraints) >= self._limit(subset):
            return
        site = self._site(parts, constraints, subset, final)
        for form in self.forms:
            if form.values != len(values) or len(constraints) not in form.constraints:
                continue
            for variant in form.variants(self._estimator(parts), site):
                self._try(form, variant, site, parts, paid, values, constraints)

    def _least(self, parts: list[State], constraints: tuple[int, ...]) -> float:
        """Seconds that no form can beat: a product at the machine's peak rate."""
        if constraints or len(parts) == 1:
            return 0.0
        volume = 2.0
        labels = parts[0].labels | parts[1].labels
        for bit, size in self._bit_sizes:
            if labels & bit:
                volume *= size
        return volume / self.machine.gemm

    def _limit(self, subset: int) -> float:
        """What a subset may cost: the best way known, any way known to do it all, or
        what a rival network costs.

        Costs only grow, so nothing dearer than a finished plan is worth going on with.
        """
        ends = (self.states.get(subset), self.states.get(self.problem.full))
        return min([self.bound, *(end.seconds for end in ends if end)])

    def _site(
        self,
        parts: list[State],
        constraints: tuple[int, ...],
        subset: int,
        final: bool,
    ) -> Site:
        values = tuple(Value(j, part.axes) for j, part in enumerate(parts))
        rules = tuple(self.problem.constraint(j) for j in constraints)
        alive = self.problem.names(self.problem.alive(subset))
        return Site(values, rules, alive, final)

    def _estimator(self, parts: list[State]) -> Estimator:
        shapes = [part.shape for part in parts]
        return Estimator(
            self.problem.network.sizes, self.machine, self.itemsize, shapes
        )

    def _try(
        self,
        form: Form,
        variant: Variant,
        site: Site,
        parts: list[State],
        paid: float,
        values: tuple[int, ...],
        constraints: tuple[int, ...],
    ) -> None:
        builder = self._estimator(parts)
        subset = sum(values) + sum(1 << j for j in constraints)
        builder.limit = self._limit(subset) - paid
        try:
            value = form.emit(builder, site, variant)
            if site.final:
                finish(builder, value, self.problem.network)
        except TooDearError:
            return
        seconds = paid + builder.cost.seconds
        best = self.states.get(subset)
        if best is None or seconds < best.seconds:
            self.states[subset] = State(
                value.axes,
                builder.shapes[value.register],
                self.problem.alive(subset),
                seconds,
                form.name,
                variant,
                values,
                constraints,
                self._twin(form, variant, site, parts, constraints),
            )

    def _twin(
        self,
        form: Form,
        variant: Variant,
        site: Site,
        parts: list[State],
        constraints: tuple[int, ...],
    ) -> object:
        """What the subset is, label names and operand positions aside."""
        if any(part.twin is None for part in parts):
            return None
        order = list(dict.fromkeys(a for v in site.values for a in v.labels))
        order += [a for c in site.constraints for a in c.labels if a not in order]
        number = {label: j for j, label in enumerate(order)}
        records = tuple(
            (
                getattr(c, "index", None) or getattr(c, "map", None),
                tuple(number[a] for a in c.labels),
            )
            for c in site.constraints
        )
        seats = tuple(tuple(number[a] for a in v.labels) for v in site.values)
        alive = tuple(sorted(number[a] for a in site.alive if a in number))
        named = tuple(number.get(v, v) if isinstance(v, str) else v for v in variant)
        inner = tuple(part.twin for part in parts)
        return (form.name, named, inner, seats, records, alive)

    # ---- all candidates

    def seed(self) -> None:
        """The operands themselves; a part without arrays starts from a constant."""
        problem = self.problem
        for j in problem.arrays:
            self._seed_array(j)
        for part in problem.components():
            if not any(part >> j & 1 for j in problem.arrays):
                self._seed_constant(
                    next(j for j in problem.constraints if part >> j & 1)
                )

    def _seed_array(self, j: int) -> None:
        problem, op = self.problem, self.problem.operands[j]
        shape = tuple(axis.size for axis in problem.axes(j))
        builder = Estimator(problem.network.sizes, self.machine, self.itemsize, [shape])
        alive = problem.alive(1 << j)
        value = Value(0, problem.axes(j))
        value = builder.reduce(value, set(value.labels) - problem.names(alive))
        order = {label: n for n, label in enumerate(op.labels)}
        axes = tuple(
            axis.rename({a: str(n) for a, n in order.items()})
            for axis in problem.axes(j)
        )
        kept = tuple(sorted(order[a] for a in value.labels))
        seconds = builder.cost.seconds
        if 1 << j == problem.full:
            finish(builder, value, problem.network)
        self.states[1 << j] = State(
            value.axes,
            builder.shapes[value.register],
            alive,
            seconds,
            twin=(
                getattr(op, "name", id(op)),
                getattr(op, "conjugate", None),
                axes,
                kept,
            ),
        )

    def _seed_constant(self, j: int) -> None:
        problem = self.problem
        builder = Estimator(problem.network.sizes, self.machine, self.itemsize)
        alive = problem.alive(1 << j)
        value = constant_value(builder, problem.constraint(j), problem.names(alive))
        self.states[1 << j] = State(
            value.axes,
            builder.shapes[value.register],
            alive,
            builder.cost.seconds,
            form="constant",
            constraints=(j,),
        )

    def run(self) -> None:
        """Fill in every connected subset, smallest first, up to the whole.

        The whole is missing afterwards if nothing stays below the bound.
        """
        problem = self.problem
        if not self.states:
            self.seed()
        if len(problem.arrays) == 2 and len(problem.constraints) <= self.widest:
            # one fused call for all of it, if there is one, bounds everything else
            first, second = (1 << j for j in problem.arrays)
            if len(self._between(first, second, list(problem.constraints))) == len(
                problem.constraints
            ):
                self.consider((first, second), problem.constraints)
        singles = [1 << j for j in range(len(problem.operands))]
        self.combine(singles)

    def combine(self, leaves: Sequence[int]) -> None:
        """Dynamic programming over unions of ``leaves``: states or constraints."""
        bits = {leaf: 1 << j for j, leaf in enumerate(leaves)}
        done: dict[int, list[int]] = {1: [x for x in leaves if x in self.states]}
        size = dict.fromkeys(done[1], 1)
        free = [
            j for j in self.problem.constraints if 1 << j in bits and 1 << j not in size
        ]
        for count in range(2, len(leaves) + 1):
            for values, constraints in list(self._sites(count, done, free)):
                self.consider(values, constraints)
                subset = sum(values) + sum(1 << j for j in constraints)
                if size.setdefault(subset, count) == count and subset in self.states:
                    found = done.setdefault(count, [])
                    if subset not in found:
                        found.append(subset)

    def _sites(
        self, count: int, done: dict[int, list[int]], free: list[int]
    ) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        yield from self._absorptions(done.get(count - 1, []), free)
        for between in range(min(self.widest, count - 2) + 1):
            for small in range(1, (count - between) // 2 + 1):
                large = count - between - small
                firsts, seconds = done.get(small, []), done.get(large, [])
                yield from self._pairs(firsts, seconds, between, small == large, free)

    def _absorptions(
        self, subsets: list[int], free: list[int]
    ) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        for subset in subsets:
            labels = self.states[subset].labels
            for j in free:
                if not subset >> j & 1 and self.problem.legs[j] & labels:
                    yield (subset,), (j,)

    def _pairs(
        self,
        firsts: list[int],
        seconds: list[int],
        between: int,
        same: bool,
        free: list[int],
    ) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        for first in firsts:
            for second in seconds:
                if first & second or (same and first >= second):
                    continue
                if not between:
                    if self._touch(first, second):
                        yield (first, second), ()
                    continue
                for chosen in combinations(self._between(first, second, free), between):
                    yield (first, second), chosen

    def _touch(self, first: int, second: int) -> bool:
        mine, theirs = self.states[first].labels, self.states[second].labels
        if mine & theirs:
            return True
        outside = self.problem.union(self.problem.full & ~(first | second))
        return not (mine | theirs) & outside  # two whole parts: an outer product

    def _between(self, first: int, second: int, free: list[int]) -> list[int]:
        """Patterns with one leg in each, that could be cast in a role."""
        mine, theirs = self.states[first].labels, self.states[second].labels
        used = first | second
        found = []
        for j in free:
            legs = self.problem.legs[j]
            if used >> j & 1 or not legs & mine or not legs & theirs:
                continue
            if legs & mine & theirs or not legs & ~(mine | theirs):
                continue
            found.append(j)
        return found


def unroll(found: Search, problem: Problem) -> list[PlanStep]:
    """The steps of the best plan, operands before results."""
    steps: list[PlanStep] = []
    number: dict[int, int] = {1 << j: j for j in problem.arrays}

    def visit(subset: int) -> int:
        if subset in number:
            return number[subset]
        state = found.states[subset]
        values = tuple(visit(v) for v in state.values)
        steps.append(PlanStep(state.form, state.variant, values, state.constraints))
        number[subset] = len(problem.operands) + len(steps) - 1
        return number[subset]

    visit(problem.full)
    return steps
