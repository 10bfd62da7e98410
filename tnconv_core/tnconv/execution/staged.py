"""The order of products in which a network is cheapest together with its gradients.

A plan is chosen for the result alone. Where gradients follow, every product of arrays
is kept and pulled back, and what is quick forward may be slow on the way back. So the
plan's order and those that people write by hand (:mod:`tnconv.planning.orders`) are
priced whole: all that is planned for them, forward and back. What is kept between is
not charged: that chose orders which measurement did not bear out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from tnconv.execution.backend import Place
from tnconv.execution.expression import Expression, planned_expression
from tnconv.network import Network

if TYPE_CHECKING:
    from tnconv.planning.stages import Stage

Row = tuple["Stage", ...]
#: the networks that are run for a row of stages
Pieces = Callable[[Row], Iterable[Network]]


def cheapest_row(job: Expression, place: Place, pieces: Pieces) -> Row:
    """The stages of a network for which the pieces are predicted to take least: those
    of its plan, unless another order costs less.

    >>> import tnconv
    >>> kernel = tnconv.parse("u: d r, v: r c k -> d c k", shapes=[(64, 8), (8, 32, 3)])
    >>> job = tnconv.expression(tnconv.networks.conv((8, 32, 100), kernel))
    >>> row = cheapest_row(job, job.place, lambda row: [s.network for s in row])
    >>> [list(stage.network.arguments) for stage in row]
    [['x', 'weight.v'], ['weight.u', 'stage1']]
    """
    from tnconv.planning.stages import stages  # late: it loads the planner

    best = stages(job.plan)
    if len(best) == 1:
        return best
    least = _price(job, place, pieces(best), float("inf"))
    tried = {best}
    for row in _other_rows(job, place, least):
        if row not in tried:
            tried.add(row)
            seconds = _price(job, place, pieces(row), least)
            if seconds < least:
                best, least = row, seconds
    return best


def _other_rows(job: Expression, place: Place, bound: float) -> Iterator[Row]:
    """The stages of plans in other orders, whose result alone costs less than a
    bound."""
    from tnconv.planning.orders import ordered_plans
    from tnconv.planning.stages import stages
    from tnconv.rewrite import simplify
    from tnconv.splice import splice_all

    flat = splice_all(simplify(job.searched).network)
    machine = job.backend.machine(place)
    for planned in ordered_plans(flat, machine, job.itemsize, job.options, bound):
        row = stages(planned.plan)
        if len(row) > 1:
            yield row


def _price(
    job: Expression, place: Place, pieces: Iterable[Network], bound: float
) -> float:
    """What is predicted for all pieces; at least the bound where they reach it."""
    total, plain = 0.0, job.options.plain  # nobody is told of what may never run
    for network in pieces:
        found = planned_expression(network, job.backend, place, plain)
        total += found.planned.seconds
        if total >= bound:
            break
    return total


def pulled_back(row: Row, wanted: frozenset[str]) -> Iterator[tuple[Stage, str]]:
    """The gradients that are made, from the last stage to the first: of which stage,
    in which of its arrays."""
    leads = set(wanted)
    for stage in row:
        if leads & set(stage.network.arguments):
            leads.add(stage.name)
    for stage in reversed(row):
        for name in stage.network.arguments:
            if name in leads:
                yield stage, name
