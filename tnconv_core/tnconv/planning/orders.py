"""Plans in the orders that people write by hand, whatever the search thinks of them.

*One after the other*: every array meets what came of those before, beginning with the
one that patterns run over; with the factors of a kernel that is the textbook chain.
*The others first*: these are contracted among themselves, and meet that one at last;
that is a kernel made anew in every call. Where the clock decides (tuning, measured
explanations), both take part, by all forms and by the calls of a library alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tnconv.network import Network, Pattern, SubNetwork
from tnconv.options import Options
from tnconv.planning.engine import EXACT
from tnconv.planning.machine import Machine
from tnconv.planning.plan import Plan
from tnconv.planning.planned import Found, Planned
from tnconv.planning.problem import Problem
from tnconv.planning.rivals import form_table
from tnconv.planning.search import Search
from tnconv.planning.state import unroll

#: the forms that are calls which every library for arrays or layers has
LIBRARY = ("gemm", "multiply", "native")

#: arrays in the order in which they meet, each with the patterns used up then
Order = Sequence[tuple[int, tuple[int, ...]]]


def ordered_plans(
    flat: Network,
    machine: Machine,
    itemsize: int,
    options: Options,
    bound: float = float("inf"),
) -> Iterator[Planned]:
    """The cheapest plans along these orders, by all forms in force and by those of a
    library, below ``bound`` seconds; none for fewer than three arrays, whose order is
    no question.

    >>> from tnconv import networks, parse
    >>> from tnconv.options import current
    >>> from tnconv.planning.constants import nearest
    >>> from tnconv.planning.device import cpu
    >>> kernel = parse("u: d r, v: r c k -> d c k", shapes=[(64, 8), (8, 32, 3)])
    >>> network = networks.conv((8, 32, 100), kernel)
    >>> torch = nearest("torch", cpu(2))
    >>> found = ordered_plans(network.without(), torch, 4, current())
    >>> [plan.plan.forms for plan in found][-2:]
    [('native', 'gemm'), ('gemm', 'native')]
    """
    flat = flat.without()
    problem = Problem(flat)
    if len(problem.arrays) < 3 or not _is_plain(flat):
        return
    table = form_table()
    allowed = tuple(table) if options.forms is None else options.forms
    for names in (allowed, [name for name in LIBRARY if name in allowed]):
        forms = tuple(table[name] for name in names)
        for source, order in _orders(problem):
            search = Search(problem, machine, itemsize, forms, bound)
            found = _along(order, search, source)
            if found is not None:
                yield Found(found, {}, found.seconds).lowered(machine, itemsize, table)


def _is_plain(flat: Network) -> bool:
    """Whether a network is small, without parts, and not empty."""
    apart = any(isinstance(op, SubNetwork) for op in flat.operands)
    return not apart and len(flat.operands) <= EXACT and 0 not in flat.sizes.values()


def _along(order: Order, search: Search, source: str) -> Plan | None:
    """The cheapest plan in an order; None where the forms cannot follow it."""
    problem = search.problem
    search.seed()
    (first, _), *others = order
    at = 1 << first
    for array, rules in others:
        leaves = [at, 1 << array, *(1 << j for j in rules)]
        search.combine(leaves)
        at = sum(leaves)
        if at not in search.states:
            return None
    whole = search.states[at]
    return Plan(problem.network, unroll(whole, problem), whole.seconds, source)


def _orders(problem: Problem) -> Iterator[tuple[str, Order]]:
    data = max(problem.arrays, key=lambda j: _data(problem, j))
    others = _row(problem, data)
    yield "one array after the other", _with_patterns(problem, [data, *others])
    met = [(j, ()) for j in others]
    yield "the other arrays first", [*met, (data, problem.constraints)]


def _data(problem: Problem, array: int) -> tuple[int, int]:
    """How many patterns run over an array by input or output leg, and its size."""
    legs = problem.legs[array]
    read = [op for op in problem.operands if isinstance(op, Pattern)]
    bit = problem.label_bits
    maps = [bit[op.input] | bit[op.output] for op in read]
    return sum(bool(legs & own) for own in maps), problem.size(legs)


def _row(problem: Problem, first: int) -> list[int]:
    """The other arrays, each touching what came before where one does; those that bring
    labels of the result come last."""
    left = [j for j in problem.arrays if j != first]
    at, row = problem.legs[first], list[int]()
    while left:
        best = min(left, key=lambda j: _turn(problem, at, j))
        left.remove(best)
        row.append(best)
        at |= problem.legs[best]
    return row


def _turn(problem: Problem, at: int, array: int) -> tuple[bool, bool]:
    legs = problem.legs[array]
    return not legs & at, bool(legs & problem.out & ~at)


def _with_patterns(problem: Problem, row: Iterable[int]) -> Order:
    """Each array with the patterns that it is the first to touch from the other side;
    what no array touches so comes at the end."""
    at, left, order = 0, list(problem.constraints), list[tuple[int, tuple[int, ...]]]()
    for array in row:
        legs = problem.legs[array]
        used = [j for j in left if problem.legs[j] & legs and problem.legs[j] & at]
        left = [j for j in left if j not in used]
        order.append((array, tuple(used)))
        at |= legs
        for j in used:
            at |= problem.legs[j]
    last, used_last = order.pop()
    return [*order, (last, (*used_last, *left))]
