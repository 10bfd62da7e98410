"""One network: what is found for it, and what that takes."""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.hyper.networks import network
from benchmarks.measure import alternate
from tnconv.execution.expression import Expression, expression
from tnconv.network import Input, Network, Pattern
from tnconv.planning.hyper import Effort, judged
from tnconv.planning.hyper.engines import Tree, ssa, symbols
from tnconv.planning.hyper.follow import follow
from tnconv.planning.hyper.windows import refine
from tnconv.planning.plan import Plan
from tnconv.planning.planned import Found
from tnconv.planning.problem import Problem
from tnconv.planning.rivals import form_table
from tnconv.planning.search import PATIENCE, Search
from tnconv.planning.state import State, unroll
from tnconv.rewrite import simplify
from tnconv.splice import splice_all

Array = Any


@dataclass(frozen=True)
class Row:
    """Predicted seconds, multiply-adds on dense patterns, and measured seconds."""

    name: str
    operands: int
    search: float
    one: float
    hyper: float
    hq: float
    hq_plain: float
    flops: float
    least_flops: float
    hq_flops: float
    times: dict[str, float]


def row(name: str, options: argparse.Namespace) -> Row:
    """Everything about one network."""
    default = expression(network(name), backend=options.backend)
    search = fresh_search(default)
    before = time.perf_counter()
    judge = judged(search, Effort(options.trials, options.seed))
    (best,) = judge.ways(1)
    spent = time.perf_counter() - before
    hq = auto_hq(search.problem, spent)
    plain, improved = followed(search, ssa(hq))
    least = min(dense_flops(search.problem, [*tree]) for tree in judge.known)
    path = [(*step.values, *step.constraints) for step in unroll(best, search.problem)]
    return Row(
        name,
        len(search.problem.operands),
        spent,
        default.plan.seconds,
        best.seconds,
        improved.seconds,
        plain.seconds,
        dense_flops(search.problem, path),
        least,
        float(hq.total_flops()),
        times(default, [best, improved], hq, options),
    )


def fresh_search(found: Expression) -> Search:
    """A search for the network of an expression, simplified, on the same machine."""
    flat = splice_all(simplify(found.searched).network).without()
    machine, forms = found.backend.machine(found.place), tuple(form_table().values())
    return Search(Problem(flat), machine, found.itemsize, forms, patience=PATIENCE)


def auto_hq(problem: Problem, seconds: float) -> Any:
    """The tree of cotengra's ``auto-hq`` after as long a search."""
    import cotengra

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it recommends libraries that are not there
        optimizer = cotengra.AutoHQOptimizer(
            max_time=seconds, max_repeats=100_000, parallel=False, optlib="cmaes"
        )
        return optimizer.search(*symbols(problem, cotengra.get_symbol))


def followed(search: Search, tree: Tree) -> tuple[State, State]:
    """A tree by the forms of tnconv: step by step, and improved by windows."""
    fresh = search.like()
    follow(fresh, tree)
    plain = fresh.states[search.problem.full]
    refine(fresh)
    return plain, fresh.states[search.problem.full]


def dense_flops(problem: Problem, path: Any) -> float:
    """Multiply-adds of a path with every pattern as a dense tensor."""
    import cotengra

    arguments = symbols(problem, cotengra.get_symbol)
    tree = cotengra.ContractionTree.from_path(*arguments, ssa_path=path)
    return float(tree.total_flops())


def times(
    default: Expression, states: list[State], hq: Any, options: argparse.Namespace
) -> dict[str, float]:
    """Median seconds of plans and of cotengra's contraction, in turns; their results
    are compared first."""
    names = default.network.arguments
    rng = np.random.default_rng(options.seed)
    arrays = [rng.standard_normal(s).astype("float32") for s in names.values()]
    arrays = [x / max(1.0, float(np.prod(x.shape[1:])) ** 0.5) for x in arrays]
    given = [_array(x, options.backend) for x in arrays]
    calls: dict[str, Callable[[], Any]] = {"one": lambda: default(*given)}
    for name, state in zip(("hyper", "hq"), states, strict=True):
        run = replace(default, planned=_planned(default, state))
        calls[name] = lambda run=run: run(*given)  # type: ignore[misc]
    flat = fresh_search(default).problem.network
    operands = [_array(x, options.backend) for x in dense(flat, names, arrays)]
    shape = default.network.shape
    calls["cotengra"] = lambda: hq.contract(operands).reshape(shape)
    expected = np.asarray(calls["one"]())
    for name, call in calls.items():
        scale = float(np.abs(expected).max())
        np.testing.assert_allclose(
            np.asarray(call()), expected, rtol=0, atol=1e-4 * scale, err_msg=name
        )
    found = alternate(calls, options.seconds, options.seed)
    return {name: timing.seconds for name, timing in found.items()}


def _planned(default: Expression, state: State) -> Any:
    search = fresh_search(default)
    problem = search.problem
    steps = unroll(state, problem)
    plan = Plan(problem.network, steps, state.seconds, "benchmark")
    machine = default.backend.machine(default.place)
    return Found(plan, {}, state.seconds).lowered(
        machine, default.itemsize, form_table()
    )


def dense(flat: Network, names: Any, arrays: list[Array]) -> list[Array]:
    """The operands of a network as cotengra takes them: patterns as zeros and ones,
    composite axes split."""
    given = dict(zip(names, arrays, strict=True))
    found = []
    for op in flat.operands:
        if isinstance(op, Input):
            sizes = tuple(flat.sizes[label] for label in op.labels)
            found.append(given[op.name].reshape(sizes))
        else:
            assert isinstance(op, Pattern)
            found.append(_zeros_and_ones(op))
    return found


def _zeros_and_ones(op: Pattern) -> Array:
    index = op.index
    i, o, k = np.ogrid[: index.input, : index.output, : index.kernel]
    meets = i == index.stride * o + index.dilation * k - index.padding
    return meets.astype("float32")


def _array(x: Array, backend: str) -> Array:
    if backend == "torch":
        import torch

        return torch.from_numpy(np.ascontiguousarray(x))
    return x
