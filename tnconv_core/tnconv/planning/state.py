"""What the search keeps of a subset: the best way found, and the plan it unrolls to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tnconv.axis import Axis
from tnconv.execution.program import Shape
from tnconv.network import Pattern
from tnconv.planning.mirror import Mirror
from tnconv.planning.plan import PlanStep
from tnconv.planning.problem import Problem
from tnconv.planning.site import Constraint, Site, Variant


@dataclass(frozen=True, slots=True)
class State:
    """The best way found to contract a subset of operands (a set of bits)."""

    subset: int
    axes: tuple[Axis, ...]
    shape: Shape
    labels: int
    seconds: float
    form: str = ""
    variant: Variant = ()
    parts: tuple[State, ...] = ()
    constraints: tuple[int, ...] = ()
    #: equal for subsets that are copies of one another: they are paid for once
    twin: object = field(default=None, compare=False)


def paid_seconds(parts: tuple[State, ...]) -> float:
    """What the parts of a site cost; copies of one another are paid for once."""
    if len(parts) == 1 or are_twins(parts):
        return parts[0].seconds
    return parts[0].seconds + parts[1].seconds


def are_twins(parts: tuple[State, ...]) -> bool:
    """Whether two parts are copies of one another."""
    if len(parts) != 2:
        return False
    first, second = parts[0].twin, parts[1].twin
    return first is not None and (first is second or first == second)


def twin_of(
    form: str, variant: Variant, site: Site, parts: tuple[State, ...]
) -> object:
    """What a subset is, label names and operand positions aside."""
    if any(part.twin is None for part in parts):
        return None
    order = list(dict.fromkeys(a for v in site.values for a in v.labels))
    order += [a for c in site.constraints for a in c.labels if a not in order]
    number = {label: j for j, label in enumerate(order)}
    records = tuple(
        (_record(c), tuple(number[a] for a in c.labels)) for c in site.constraints
    )
    seats = tuple(tuple(number[a] for a in v.labels) for v in site.values)
    alive = tuple(sorted(number[a] for a in site.alive if a in number))
    named = tuple(number.get(v, v) if isinstance(v, str) else v for v in variant)
    inner = tuple(part.twin for part in parts)
    return (form, named, inner, seats, records, alive)


def _record(constraint: Constraint) -> object:
    return constraint.index if isinstance(constraint, Pattern) else constraint.map


def mirrored(
    state: State, labels: int, mirror: Mirror, states: Mapping[int, State]
) -> State:
    """The way to contract the mirror image of a subset; its parts have states."""
    return replace(
        state,
        subset=mirror.image(state.subset),
        axes=mirror.axes(state.axes),
        labels=labels,
        variant=tuple([mirror.named(item) for item in state.variant]),
        parts=tuple([states[mirror.image(part.subset)] for part in state.parts]),
        constraints=tuple([mirror.operands[j] for j in state.constraints]),
    )


def unroll(whole: State, problem: Problem) -> tuple[PlanStep, ...]:
    """The steps of a state, operands before results."""
    steps: list[PlanStep] = []
    number: dict[int, int] = {1 << j: j for j in problem.arrays}

    def visit(state: State) -> int:
        if state.subset not in number:
            values = tuple(visit(part) for part in state.parts)
            steps.append(PlanStep(state.form, state.variant, values, state.constraints))
            number[state.subset] = len(problem.operands) + len(steps) - 1
        return number[state.subset]

    visit(whole)
    return tuple(steps)
