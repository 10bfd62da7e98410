"""Following a tree: every join of two arrays, with the patterns that wait there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tnconv.planning.hyper.engines import TREES
from tnconv.planning.hyper.windows import refine
from tnconv.planning.problem import Problem
from tnconv.planning.search import Search


@dataclass(frozen=True, slots=True)
class _Node:
    """Arrays contracted so far (0: none), and constraints that wait."""

    array: int
    waiting: tuple[int, ...]


def follow_tree(found: Search, engine: str = "cotengra") -> None:
    """Fill in the states along the tree an engine proposes, up to the whole."""
    bound, found.bound = found.bound, float("inf")
    follow(found, TREES[engine](found.problem))
    if found.problem.full in found.states:
        refine(found)
    found.bound = bound


def follow(found: Search, tree: Iterable[tuple[int, int]]) -> None:
    """Fill in the states along a tree, given as pairs in SSA numbering; the whole is
    missing where the forms in force cannot follow it, or not within the bound."""
    problem = found.problem
    found.seed()
    nodes = [
        _Node(1 << j, ()) if 1 << j in found.states else _Node(0, (j,))
        for j in range(len(problem.operands))
    ]
    for pair in tree:
        first, second = (nodes[j] for j in pair)
        node = _joined(found, problem, first, second)
        if node.array and node.array not in found.states:
            return
        nodes.append(node)
    _absorbed(found, problem, nodes[-1])


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
