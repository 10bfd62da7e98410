"""The exact search: dynamic programming over connected subsets of operands.

What a subset of operands is worth does not depend on how it was contracted, so the best
way to contract it is the best split into two subsets (with the patterns between them),
or a subset and one more pattern. Every candidate is written by its form into an
estimating builder; what is priced is what will run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tnconv.execution.program import Shape
from tnconv.planning.builder import Value
from tnconv.planning.estimator import Estimator, TooDearError
from tnconv.planning.finish import finish
from tnconv.planning.forms.constant import constant_value
from tnconv.planning.machine import Machine
from tnconv.planning.problem import Problem
from tnconv.planning.site import Form, Site, Variant
from tnconv.planning.sites import meetings, patterns_between
from tnconv.planning.state import State, are_twins, paid_seconds, twin_of


class Search:
    """One search: its problem, its machine and the states found so far.

    Nothing that reaches ``bound`` seconds (what a rival network costs) is kept.
    """

    def __init__(
        self,
        problem: Problem,
        machine: Machine,
        itemsize: int,
        forms: Sequence[Form],
        bound: float = float("inf"),
    ) -> None:
        self.problem = problem
        self.machine = machine
        self.itemsize = itemsize
        self.forms = forms
        self.bound = bound
        self.states: dict[int, State] = {}
        self.widest = max((form.constraints[-1] for form in forms), default=0)
        sizes = problem.network.sizes
        self._bit_sizes = [(b, sizes[a]) for a, b in problem.label_bits.items()]

    # ---- leaves

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
        axes = problem.axes(j)
        builder = self._estimator([tuple(axis.size for axis in axes)])
        alive = problem.alive(1 << j)
        value = Value(0, axes)
        value = builder.reduce(value, set(value.labels) - problem.names(alive))
        number = {label: str(n) for n, label in enumerate(op.labels)}
        named = tuple(axis.rename(number) for axis in axes)
        kept = tuple(sorted(number[a] for a in value.labels))
        name = getattr(op, "name", id(op)), getattr(op, "conjugate", None)
        self._keep(1 << j, builder, value, twin=(name, named, kept))

    def _seed_constant(self, j: int) -> None:
        builder = self._estimator([])
        alive = self.problem.names(self.problem.alive(1 << j))
        value = constant_value(builder, self.problem.constraint(j), alive)
        self._keep(1 << j, builder, value, form="constant", constraints=(j,))

    def _keep(
        self, subset: int, builder: Estimator, value: Value, **how: object
    ) -> None:
        seconds = builder.cost.seconds
        labels, shape = self.problem.alive(subset), builder.shapes[value.register]
        self.states[subset] = State(
            subset,
            value.axes,
            shape,
            labels,
            seconds,
            **how,  # type: ignore[arg-type]
        )

    # ---- one candidate

    def consider(self, values: tuple[int, ...], constraints: tuple[int, ...]) -> None:
        """Price every form on one site and keep the best."""
        subset = sum(values) + sum(1 << j for j in constraints)
        parts = tuple(self.states[v] for v in values)
        if paid_seconds(parts) + self._least(parts, constraints) >= self._limit(subset):
            return
        site = self._site(parts, constraints, subset)
        for form in self.forms:
            if form.values != len(values) or len(constraints) not in form.constraints:
                continue
            estimator = self._estimator([part.shape for part in parts])
            for variant in form.variants(estimator, site):
                self._try(form, variant, site, parts, constraints)

    def _try(
        self,
        form: Form,
        variant: Variant,
        site: Site,
        parts: tuple[State, ...],
        constraints: tuple[int, ...],
    ) -> None:
        subset = sum(part.subset for part in parts) + sum(1 << j for j in constraints)
        paid = paid_seconds(parts)
        builder = self._estimator([part.shape for part in parts])
        builder.limit = self._limit(subset) - paid
        try:
            value = form.emit(builder, site, variant)
            if site.final:
                finish(builder, value, self.problem.network)
        except TooDearError:
            return
        seconds = paid + builder.cost.seconds
        if seconds < self._limit(subset):
            self.states[subset] = State(
                subset,
                value.axes,
                builder.shapes[value.register],
                self.problem.alive(subset),
                seconds,
                form.name,
                variant,
                parts,
                constraints,
                twin_of(form.name, variant, site, parts),
            )

    def _least(self, parts: Sequence[State], constraints: tuple[int, ...]) -> float:
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
        """What a subset may cost: less than the best way known, than any way known to
        do it all, and than the bound.

        Costs only grow, so nothing dearer than a finished plan is worth going on with.
        """
        ends = (self.states.get(subset), self.states.get(self.problem.full))
        return min([self.bound, *(end.seconds for end in ends if end)])

    def _site(
        self, parts: tuple[State, ...], constraints: tuple[int, ...], subset: int
    ) -> Site:
        values = tuple(Value(j, part.axes) for j, part in enumerate(parts))
        rules = tuple(self.problem.constraint(j) for j in constraints)
        alive = self.problem.names(self.problem.alive(subset))
        final = subset == self.problem.full
        order = self.problem.network.output_labels if final else ()
        return Site(values, rules, alive, final, are_twins(parts), order)

    def _estimator(self, shapes: Iterable[Shape]) -> Estimator:
        sizes = self.problem.network.sizes
        return Estimator(sizes, self.machine, self.itemsize, shapes)

    # ---- all candidates

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
            pair, all_of_them = (first, second), problem.constraints
            if len(patterns_between(problem, self.states, pair, all_of_them)) == len(
                all_of_them
            ):
                self.consider(pair, all_of_them)
        self.combine([1 << j for j in range(len(problem.operands))])

    def combine(self, leaves: Sequence[int]) -> None:
        """Dynamic programming over unions of ``leaves``: states or constraints."""
        layers: dict[int, list[int]] = {1: [x for x in leaves if x in self.states]}
        free = [
            j
            for j in self.problem.constraints
            if 1 << j in leaves and 1 << j not in layers[1]
        ]
        for count in range(2, len(leaves) + 1):
            found: dict[int, None] = {}
            options = meetings(
                self.problem, self.states, layers, free, count, self.widest
            )
            for values, constraints in options:
                self.consider(values, constraints)
                subset = sum(values) + sum(1 << j for j in constraints)
                if subset in self.states:
                    found[subset] = None
            layers[count] = list(found)
