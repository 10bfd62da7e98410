"""The exact search: the cheapest way to contract every subset of operands that matters.

What a subset of operands is worth does not depend on how it was contracted, so the best
way to contract it is the best split into two subsets (with the patterns between them),
or a subset and one more pattern. Subsets are settled in the order of what they cost, as
in Dijkstra's algorithm; a candidate waits under its floor (what it costs at least) and
is written by its form into an estimating builder only when nothing cheaper is left. So
what is priced is what will run, and what cannot be part of the best plan is not priced.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from tnconv.execution.program import Shape
from tnconv.planning.builder import Value
from tnconv.planning.estimator import Estimator, TooDearError
from tnconv.planning.explore import Exploration
from tnconv.planning.finish import finish
from tnconv.planning.forms.constant import constant_value
from tnconv.planning.machine import Machine
from tnconv.planning.outline import NEVER, Outline
from tnconv.planning.problem import Problem
from tnconv.planning.site import Form, Site, Variant
from tnconv.planning.state import State, are_twins, paid_seconds, twin_of
from tnconv.planning.structure import Meeting, subset_of

#: candidates that may wait before an exact search is given up
PATIENCE = 40_000


class Search:
    """One search: its problem, its machine and the states found so far.

    Nothing that reaches ``bound`` seconds (what a rival network costs) is kept, and no
    more than ``patience`` candidates may wait at a time.
    """

    def __init__(
        self,
        problem: Problem,
        machine: Machine,
        itemsize: int,
        forms: Sequence[Form],
        bound: float = float("inf"),
        patience: float = PATIENCE,
    ) -> None:
        self.problem = problem
        self.machine = machine
        self.itemsize = itemsize
        self.forms = forms
        self.bound = bound
        self.patience = patience
        self.states: dict[int, State] = {}
        self.widest = max((form.constraints[-1] for form in forms), default=0)
        self._values: dict[tuple[int, int], Value] = {}
        self._floors: dict[Meeting, tuple[tuple[float, Form], ...]] = {}
        self._offered: dict[tuple[int, int], tuple[Form, ...]] = {}

    def like(self) -> Search:
        """The same search with nothing found yet; what meetings cost at least is known
        to both."""
        fresh = Search(
            self.problem,
            self.machine,
            self.itemsize,
            self.forms,
            self.bound,
            self.patience,
        )
        fresh._floors, fresh._offered = self._floors, self._offered
        return fresh

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
        kept = tuple(sorted((number[a], builder.sizes[a]) for a in value.labels))
        name = getattr(op, "name", id(op)), getattr(op, "conjugate", None)
        twin = (name, named, kept) if problem.has_copies else None
        self._keep(1 << j, builder, value, twin=twin)

    def _seed_constant(self, j: int) -> None:
        builder = self._estimator([])
        alive = self.problem.names(self.problem.alive(1 << j))
        value = constant_value(builder, [self.problem.constraint(j)], sorted(alive))
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

    def consider(self, meeting: Meeting) -> None:
        """Price every form where subsets meet and keep the best."""
        for form in self._forms(meeting):
            self.price(form, meeting, self.limit(subset_of(meeting)))

    def price(self, form: Form, meeting: Meeting, limit: float) -> bool:
        """Try the variants of a form; whether one stays below a limit."""
        parts = tuple([self.states[v] for v in meeting[0]])
        site, found = self._site(meeting, parts), False
        subset, paid = subset_of(meeting), paid_seconds(parts)
        estimator = self._estimator([part.shape for part in parts])
        estimator.limit = limit - paid
        with suppress(TooDearError):  # what every variant needs may be too dear
            for variant in form.variants(estimator, site):
                builder = self._estimator([part.shape for part in parts])
                builder.limit = limit - paid
                value = self._written(form, variant, site, builder)
                seconds = paid + builder.cost.seconds
                if value is None or seconds >= limit:
                    continue
                found, limit = True, seconds
                estimator.limit = limit - paid
                self.states[subset] = State(
                    subset,
                    value.axes,
                    builder.shapes[value.register],
                    self.problem.alive(subset),
                    seconds,
                    form.name,
                    variant,
                    parts,
                    meeting[1],
                    twin_of(form.name, variant, site, parts),
                )
        return found

    def _written(
        self, form: Form, variant: Variant, site: Site, builder: Estimator
    ) -> Value | None:
        """What a variant makes of a site; None where it is too dear."""
        try:
            value = form.emit(builder, site, variant)
            if site.final:
                finish(builder, value, self.problem.network)
        except TooDearError:
            return None
        return value

    def limit(self, *subsets: int) -> float:
        """What may be paid for the last of some subsets: less than the bound, and than
        the best way known to any of them or to the whole.

        Costs only grow, so nothing dearer than a finished plan is worth going on with.
        """
        least = self.bound
        for subset in (*subsets, self.problem.full):
            state = self.states.get(subset)
            if state is not None and state.seconds < least:
                least = state.seconds
        return least

    def _site(self, meeting: Meeting, parts: tuple[State, ...]) -> Site:
        subset = subset_of(meeting)
        final = subset == self.problem.full
        return Site(
            tuple([self._value(part, j) for j, part in enumerate(parts)]),
            tuple(self.problem.constraint(j) for j in meeting[1]),
            self.problem.names(self.problem.alive(subset)),
            final,
            are_twins(parts),
            self.problem.network.output_labels if final else (),
        )

    def _value(self, part: State, seat: int) -> Value:
        """A part as the value in a seat of a site, made once."""
        key = part.subset, seat
        known = self._values.get(key)
        if known is None or known.axes is not part.axes:
            known = self._values[key] = Value(seat, part.axes)
        return known

    def _estimator(self, shapes: Iterable[Shape]) -> Estimator:
        sizes = self.problem.network.sizes
        return Estimator(sizes, self.machine, self.itemsize, shapes)

    # ---- all candidates

    def run(self) -> bool:
        """Find the cheapest way to contract the whole; False where patience ended.

        The whole is missing afterwards if nothing stays below the bound.
        """
        if not self.states:
            self.seed()
        return self.combine([1 << j for j in range(len(self.problem.operands))])

    def combine(self, leaves: Sequence[int]) -> bool:
        """The cheapest way to contract ``leaves``: states, or single constraints."""
        return Exploration(self, leaves).run()

    def offers(self, meeting: Meeting) -> Iterator[tuple[float, Form]]:
        """The forms that take so many values and constraints, with what they cost at
        least, the parts included."""
        paid = paid_seconds(tuple(self.states[v] for v in meeting[0]))
        for floor, form in self.floors(meeting):
            yield paid + floor, form

    def floors(self, meeting: Meeting) -> tuple[tuple[float, Form], ...]:
        """The forms for a meeting that may apply, with their floors; found once."""
        found = self._floors.get(meeting)
        if found is None:
            outline = self._outline(meeting)
            pairs = [(form.floor(outline), form) for form in self._forms(meeting)]
            found = tuple([pair for pair in pairs if pair[0] < NEVER])
            self._floors[meeting] = found
        return found

    def _forms(self, meeting: Meeting) -> tuple[Form, ...]:
        values, constraints = key = len(meeting[0]), len(meeting[1])
        found = self._offered.get(key)
        if found is None:
            found = self._offered[key] = tuple(
                form
                for form in self.forms
                if form.values == values and constraints in form.constraints
            )
        return found

    def _outline(self, meeting: Meeting) -> Outline:
        problem, rules = self.problem, self.problem.constraint
        return Outline(
            self.machine,
            self.itemsize,
            problem.size,
            problem.longest,
            *problem.structure.masks(meeting),
            tuple([rules(j) for j in meeting[1]]),
        )
