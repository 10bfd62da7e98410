"""Beyond the exact search: cotengra finds a contraction tree, our forms carry it out.

cotengra prices patterns as dense tensors, so its tree is taken as advice: along the
tree, every join of two arrays is planned exactly together with the patterns waiting
there. This is the only file that imports cotengra.
"""

from __future__ import annotations

from dataclasses import dataclass

from tnconv.planning.problem import Problem
from tnconv.planning.search import Search

#: operands up to which cotengra's own dynamic program is fast on networks of layers
OPTIMAL = 40


@dataclass(frozen=True, slots=True)
class _Node:
    """Arrays contracted so far (0: none), and constraints that wait."""

    array: int
    waiting: tuple[int, ...]


def follow_tree(found: Search) -> None:
    """Fill in the states along the tree that cotengra proposes, up to the whole."""
    problem = found.problem
    bound, found.bound = found.bound, float("inf")
    found.seed()
    nodes = [
        _Node(1 << j, ()) if 1 << j in found.states else _Node(0, (j,))
        for j in range(len(problem.operands))
    ]
    for pair in _tree(problem):
        first, second = (nodes[j] for j in pair)
        nodes.append(_joined(found, problem, first, second))
    _absorbed(found, problem, nodes[-1])
    found.bound = bound


def _tree(problem: Problem) -> list[tuple[int, int]]:
    """Pairs of operands in SSA numbering."""
    import cotengra

    order = [label for label, _ in problem.network.label_sizes]
    symbol = {label: cotengra.get_symbol(j) for j, label in enumerate(order)}
    inputs = [tuple(symbol[a] for a in op.labels) for op in problem.operands]
    output = tuple(
        symbol[a]
        for a in problem.network.output_labels
        if any(a in op.labels for op in problem.operands)
    )
    sizes = {symbol[a]: max(1, int(n)) for a, n in problem.network.label_sizes}
    if len(inputs) == 1:
        return []
    if len(inputs) <= OPTIMAL:
        optimizer = cotengra.OptimalOptimizer(minimize="combo-64")
    else:
        optimizer = cotengra.RandomGreedyOptimizer(
            max_repeats=64, seed=0, minimize="flops", parallel=False
        )
    tree = optimizer.search(inputs, output, sizes)
    return [(int(pair[0]), int(pair[1])) for pair in tree.get_ssa_path()]


def _joined(found: Search, problem: Problem, first: _Node, second: _Node) -> _Node:
    waiting = first.waiting + second.waiting
    if not first.array or not second.array:
        return _Node(first.array | second.array, waiting)
    mine, theirs = (found.states[n.array].labels for n in (first, second))
    ready = [j for j in waiting if problem.legs[j] & (mine | theirs)]
    leaves = [first.array, second.array, *(1 << j for j in ready)]
    whole = sum(leaves)
    found.combine(leaves)
    if whole not in found.states:  # they meet only through operands further away
        found.consider((first.array, second.array), ())
        return _Node(first.array | second.array, waiting)
    left = tuple(j for j in waiting if j not in ready)
    return _Node(whole, left)


def _absorbed(found: Search, problem: Problem, node: _Node) -> _Node:
    """Join the constraints that wait, one by one, as soon as they touch."""
    array, waiting = node.array, list(node.waiting)
    grew = True
    while waiting and grew:
        grew = False
        for j in list(waiting):
            if problem.legs[j] & found.states[array].labels:
                found.consider((array,), (j,))
                array |= 1 << j
                waiting.remove(j)
                grew = True
    return _Node(array, tuple(waiting))
