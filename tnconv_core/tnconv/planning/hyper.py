"""Beyond the exact search: an engine finds a contraction tree, our forms carry it out.

cotengra (and opt_einsum's dynamic program, a second opinion) price patterns as dense
tensors, so the tree is taken as advice: along the tree, every join of two arrays is
planned exactly together with the patterns waiting there; then windows of the result are
planned again by what they cost, until nothing improves. This is the only file that
imports cotengra.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from tnconv.planning.problem import Problem
from tnconv.planning.search import Search
from tnconv.planning.state import State

#: operands up to which cotengra's own dynamic program is fast on networks of layers
OPTIMAL = 40
#: states and constraints that are planned together again, exactly
WINDOW = 6


@dataclass(frozen=True, slots=True)
class _Node:
    """Arrays contracted so far (0: none), and constraints that wait."""

    array: int
    waiting: tuple[int, ...]


def follow_tree(found: Search, engine: str = "cotengra") -> None:
    """Fill in the states along the tree an engine proposes, up to the whole."""
    problem = found.problem
    bound, found.bound = found.bound, float("inf")
    found.seed()
    nodes = [
        _Node(1 << j, ()) if 1 << j in found.states else _Node(0, (j,))
        for j in range(len(problem.operands))
    ]
    for pair in _TREES[engine](problem):
        first, second = (nodes[j] for j in pair)
        node = _joined(found, problem, first, second)
        if node.array and node.array not in found.states:
            break  # the forms in force cannot follow the tree
        nodes.append(node)
    else:
        _absorbed(found, problem, nodes[-1])
    if problem.full in found.states:
        refine(found)
    found.bound = bound


def refine(found: Search) -> None:
    """Plan windows of the way to the whole again, exactly, until nothing improves.

    A window is a subset that was contracted, seen as a union of at most ``WINDOW``
    smaller ones and of the constraints between them.
    """
    full, before = found.problem.full, float("inf")
    planned: set[Hashable] = set()
    while found.states[full].seconds < before:
        before = found.states[full].seconds
        _sweep(found, found.states[full], planned)


def _sweep(found: Search, state: State, planned: set[Hashable]) -> None:
    """The parts first, then the window that ends in this state, if it is new."""
    for part in state.parts:
        if part.parts:
            _sweep(found, part, planned)
    leaves = _window(found, state)
    if (window := tuple([(leaf.subset, leaf.seconds) for leaf in leaves])) in planned:
        return
    planned.add(window)
    found.states.update({leaf.subset: leaf for leaf in leaves})
    used = sum(leaf.subset for leaf in leaves)
    rules = [1 << j for j in found.problem.constraints if state.subset & ~used & 1 << j]
    found.combine([*(leaf.subset for leaf in leaves), *rules])


def _window(found: Search, state: State) -> list[State]:
    """The states that a window starts from: the largest are taken apart."""
    leaves = [found.states.get(part.subset, part) for part in state.parts]
    rules = len(state.constraints)
    while True:
        open_ones = [leaf for leaf in leaves if leaf.parts]
        if not open_ones:
            return leaves
        widest = max(open_ones, key=lambda leaf: leaf.subset.bit_count())
        more = len(widest.parts) - 1 + len(widest.constraints)
        if len(leaves) + rules + more > WINDOW:
            return leaves
        leaves.remove(widest)
        leaves += widest.parts
        rules += len(widest.constraints)


Tree = list[tuple[int, int]]


def _cotengra_tree(problem: Problem) -> Tree:
    """Pairs of operands in SSA numbering."""
    import cotengra

    inputs, output, sizes = _symbols(problem, cotengra.get_symbol)
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


def _opt_einsum_tree(problem: Problem) -> Tree:
    """The same from opt_einsum's dynamic program, whose path recycles positions."""
    import opt_einsum

    inputs, output, sizes = _symbols(problem, opt_einsum.get_symbol)
    if len(inputs) == 1:
        return []
    search = opt_einsum.DynamicProgramming(minimize="combo")
    path = search([set(term) for term in inputs], set(output), sizes)
    alive, tree = list(range(len(inputs))), []
    for step in path:  # of one operand or more
        taken = [alive.pop(j) for j in sorted(step, reverse=True)]
        node = taken.pop()
        while taken:
            tree.append((node, taken.pop()))
            node = len(inputs) + len(tree) - 1
        alive.append(node)
    return tree


_TREES: dict[str, Callable[[Problem], Tree]] = {
    "cotengra": _cotengra_tree,
    "opt_einsum": _opt_einsum_tree,
}


def _symbols(
    problem: Problem, symbol: Callable[[int], str]
) -> tuple[list[tuple[str, ...]], tuple[str, ...], dict[str, int]]:
    """The network in one-character labels: engines are safe with nothing else."""
    order = {
        label: symbol(j) for j, (label, _) in enumerate(problem.network.label_sizes)
    }
    inputs = [tuple(order[a] for a in op.labels) for op in problem.operands]
    used = {a for term in inputs for a in term}
    output = tuple(order[a] for a in problem.network.output_labels if order[a] in used)
    sizes = {order[a]: max(1, int(n)) for a, n in problem.network.label_sizes}
    return inputs, output, sizes


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
        found.consider(((first.array, second.array), ()))
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
            if array not in found.states:
                return _Node(array, tuple(waiting))
            if problem.legs[j] & found.states[array].labels:
                found.consider(((array,), (j,)))
                array |= 1 << j
                waiting.remove(j)
                grew = True
    return _Node(array, tuple(waiting))
