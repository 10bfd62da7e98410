"""The trees that cotengra and opt_einsum propose, patterns priced as dense tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tnconv.planning.problem import Problem

#: operands up to which cotengra's own dynamic program is fast on networks of layers
OPTIMAL = 40

Tree = list[tuple[int, int]]


def cotengra_tree(problem: Problem) -> Tree:
    """Pairs of operands in SSA numbering."""
    import cotengra

    inputs, output, sizes = symbols(problem, cotengra.get_symbol)
    if len(inputs) == 1:
        return []
    if len(inputs) <= OPTIMAL:
        optimizer = cotengra.OptimalOptimizer(minimize="combo-64")
    else:
        optimizer = cotengra.RandomGreedyOptimizer(
            max_repeats=64, seed=0, accel=False, parallel=False
        )
    return ssa(optimizer.search(inputs, output, sizes))


def ssa(tree: Any) -> Tree:
    """The pairs of a tree of cotengra."""
    return [(int(pair[0]), int(pair[1])) for pair in tree.get_ssa_path()]


def _opt_einsum_tree(problem: Problem) -> Tree:
    """The same from opt_einsum's dynamic program, whose path recycles positions."""
    import opt_einsum

    inputs, output, sizes = symbols(problem, opt_einsum.get_symbol)
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


TREES: dict[str, Callable[[Problem], Tree]] = {
    "cotengra": cotengra_tree,
    "opt_einsum": _opt_einsum_tree,
}


def symbols(
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
