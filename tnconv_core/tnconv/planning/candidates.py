"""Other plans for a network: what the search finds where the best is forbidden.

A plan's neighbors are what is found without one of its forms, or without one of its
steps; these have neighbors again. The cheapest are followed first, so the list begins
with the plan that is chosen and goes on with what it was chosen over. Before them come
plans in the orders that people write by hand (:mod:`tnconv.planning.orders`), unless
they are predicted to take far longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import count

from tnconv.execution.program import Program
from tnconv.network import Network
from tnconv.options import Options
from tnconv.planning.builder import Builder
from tnconv.planning.engine import EXACT
from tnconv.planning.machine import Machine
from tnconv.planning.orders import ordered_plans
from tnconv.planning.planner import plan_network
from tnconv.planning.problem import Problem
from tnconv.planning.rivals import (
    Planned,
    form_table,
    plan_flat,
    plans_flat,
    rivals,
)
from tnconv.planning.site import Constraint, Form, Site, Variant
from tnconv.splice import splice_all

#: plannings per plan asked for, and how many times the best price is still looked at
TRIES = 4
WORST = 30.0
#: the same for plans in an order given by hand: what so much slower wins no race
FAR = 4.0

#: a form (with an empty variant and no constraints: wherever it applies), or one step
Veto = tuple[str, Variant | None, tuple[Constraint, ...]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plan that was considered, and what was forbidden to find it."""

    planned: Planned
    without: tuple[str, ...] = ()

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms of its steps, in order."""
        return self.planned.plan.forms


def candidates(
    network: Network,
    machine: Machine,
    itemsize: int,
    options: Options,
    limit: int = 8,
    chosen: Planned | None = None,
) -> tuple[Candidate, ...]:
    """At most ``limit`` plans with different programs, the chosen one first.

    That is the one the search finds, or the one given (from a store). The others are in
    the order of their predicted time. With ``planner="hyper"``, those of a network
    beyond the exact search are what its trials found, each along another tree. Raises
    what :func:`tnconv.planning.planner.plan_network` raises.

    >>> from tnconv import networks
    >>> from tnconv.options import current
    >>> from tnconv.planning.constants import nearest
    >>> from tnconv.planning.device import cpu
    >>> network = networks.conv((2, 3, 9), (4, 3, 3))
    >>> found = candidates(network, nearest("numpy", cpu(2)), 4, current(), limit=3)
    >>> len({plan.planned.program for plan in found})
    3
    """
    if chosen is None:
        chosen = plan_network(network, machine, itemsize, options)
    programs = {chosen.program}
    found: list[Candidate] = []
    job = _Job(machine, itemsize, options, WORST * chosen.seconds)
    for candidate in _explored(network, job, TRIES * limit):
        if len(programs) == limit:
            break
        if _fits(candidate, chosen, options) and _is_new(candidate, programs):
            found.append(candidate)
    found.sort(key=lambda candidate: candidate.planned.seconds)
    return (Candidate(chosen), *found)


@dataclass(frozen=True, slots=True)
class _Job:
    machine: Machine
    itemsize: int
    options: Options
    bound: float

    def is_searched(self, flat: Network) -> bool:
        """Whether many trees are tried for a network: one search has many plans."""
        return self.options.planner == "hyper" and len(flat.operands) > EXACT

    def plan(self, rival: Network, vetoes: Iterable[Veto]) -> Planned | None:
        """The cheapest plan of a rival without what is forbidden, if there is one."""
        table = _without(form_table(), tuple(vetoes))
        return plan_flat(
            rival, self.machine, self.itemsize, self.options, self.bound, table
        )


def _explored(network: Network, job: _Job, tries: int) -> Iterator[Candidate]:
    """Plans around the best of every rival, cheapest first; one may come twice."""
    order = count()  # decides between equal prices
    heap: list[tuple[float, int, Network, Planned, frozenset[Veto]]] = []
    seen: set[tuple[Network, frozenset[Veto]]] = set()

    def look(name: str, rival: Network, vetoes: frozenset[Veto]) -> Iterator[Candidate]:
        if (rival, vetoes) in seen or len(seen) >= tries:
            return
        seen.add((rival, vetoes))
        planned = job.plan(rival, vetoes)
        if planned is not None:
            plan = replace(planned.plan, rewrites=name)
            planned = replace(planned, network=network, plan=plan)
            heappush(heap, (planned.seconds, next(order), rival, planned, vetoes))
            yield Candidate(planned, tuple(sorted(_named(veto) for veto in vetoes)))

    for known in rivals(network, job.options):
        flat = splice_all(known.network)
        if job.is_searched(flat):
            yield from _tried(network, known.name, flat, job, tries)
        else:
            yield from look(known.name, flat, frozenset())
        if known.name == "simplified":
            yield from _by_hand(network, known.name, flat, job)
    for coarse in (True, False):
        waiting = list(heap) if coarse else heap
        while waiting and len(seen) < tries:
            _, _, rival, planned, vetoes = heappop(waiting)
            for veto in _neighbors(planned, coarse):
                yield from look(planned.plan.rewrites, rival, vetoes | {veto})


def _tried(
    network: Network, name: str, flat: Network, job: _Job, limit: int
) -> Iterator[Candidate]:
    """What the trials of a hyper-search found for a rival."""
    for planned in plans_flat(flat, job.machine, job.itemsize, job.options, limit):
        plan = replace(planned.plan, rewrites=name)
        yield Candidate(replace(planned, network=network, plan=plan))


def _by_hand(
    network: Network, name: str, flat: Network, job: _Job
) -> Iterator[Candidate]:
    """Plans of a rival in the orders that people write by hand."""
    bound = FAR / WORST * job.bound
    for planned in ordered_plans(flat, job.machine, job.itemsize, job.options, bound):
        plan = replace(planned.plan, rewrites=name)
        yield Candidate(replace(planned, network=network, plan=plan))


def _neighbors(planned: Planned, coarse: bool) -> dict[Veto, None]:
    """What can be forbidden: a form wherever it applies, or one step of the plan."""
    steps = planned.plan.steps
    if coarse:
        return {(step.form, None, ()): None for step in steps if step.values}
    problem = Problem(planned.plan.network)
    found: dict[Veto, None] = {}
    for step in steps:
        if step.values:
            rules = tuple(problem.constraint(j) for j in step.constraints)
            found[step.form, step.variant, rules] = None
    return found


def _without(table: Mapping[str, Form], vetoes: tuple[Veto, ...]) -> dict[str, Form]:
    """The forms less what is forbidden."""
    allowed = dict(table)
    for name in {veto[0] for veto in vetoes}:
        mine = [veto for veto in vetoes if veto[0] == name]
        if any(variant is None for _, variant, _ in mine):
            del allowed[name]
        else:
            allowed[name] = _restricted(table[name], frozenset(mine))
    return allowed


def _restricted(form: Form, vetoes: frozenset[Veto]) -> Form:
    """A form that does not offer some of its variants."""

    def variants(builder: Builder, site: Site) -> Iterable[Variant]:
        for variant in form.variants(builder, site):
            if (form.name, variant, site.constraints) not in vetoes:
                yield variant

    return replace(form, variants=variants)


def _named(veto: Veto) -> str:
    form, variant, constraints = veto
    if variant is None:
        return form
    labels = " ".join(label for rule in constraints for label in rule.labels)
    return f"{form} at {labels}" if labels else f"{form} {variant}"


def _fits(candidate: Candidate, chosen: Planned, options: Options) -> bool:
    """Whether a plan keeps to the options, as far as the chosen one does."""
    if options.memory_limit is not None:
        if candidate.planned.peak > options.memory_limit:
            return False
    if options.forms is None:
        return True
    allowed = {*options.forms, *chosen.plan.forms}
    return allowed.issuperset(candidate.forms)


def _is_new(candidate: Candidate, programs: set[Program]) -> bool:
    known = candidate.planned.program in programs
    programs.add(candidate.planned.program)
    return not known
