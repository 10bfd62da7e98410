"""Which search is run for a network: the exact one, or along trees of an engine."""

from __future__ import annotations

from tnconv.options import Options
from tnconv.planning.plan import Plan
from tnconv.planning.search import Search
from tnconv.planning.state import State, unroll

#: operands up to which the exact search is run
EXACT = 24


def plans_of(search: Search, options: Options, limit: int = 1) -> list[Plan]:
    """The plans that the planner in force finds, the cheapest first; none where nothing
    stays below the bound of the search."""
    states, source = _states(search, options, limit)
    problem = search.problem
    return [
        Plan(problem.network, unroll(whole, problem), whole.seconds, source)
        for whole in states
    ]


def _states(search: Search, options: Options, limit: int) -> tuple[list[State], str]:
    """Exactly where that is quick; else along one tree, which also bounds it, or along
    many where these are asked for."""
    planner, full = options.planner, search.problem.full
    if _is_exact(search, options):
        return _known(search, full), "exact search"
    if planner == "hyper":
        from tnconv.planning.hyper import Effort, hyper_search

        effort = Effort(options.trials, options.seed, options.search_seconds)
        found = hyper_search(search.like(), effort, limit)
        return found, f"hyper-search of {effort.trials} trials, seed {effort.seed}"
    from tnconv.planning.hyper import follow_tree

    engine = "opt_einsum" if planner == "opt_einsum" else "cotengra"
    follow_tree(search, engine)
    return _known(search, full), f"{engine}'s tree"


def _is_exact(search: Search, options: Options) -> bool:
    """Whether the exact search was run, and ended."""
    if options.planner == "exact":
        search.patience = float("inf")
        return search.run()
    small = len(search.problem.operands) <= EXACT
    return small and options.planner in ("auto", "hyper") and search.run()


def _known(search: Search, full: int) -> list[State]:
    return [search.states[full]] if full in search.states else []
