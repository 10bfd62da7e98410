"""The hyper-search: many trees, each judged by what its contraction costs by our forms.

A trial draws a tree by cotengra's greedy method: its noise, the weight it gives to what
a step frees, and how much smaller than dense the legs of patterns are taken to be (an
engine that takes patterns for dense tensors misjudges what windows cost; how much so
is for the optimizer to find). The tree is followed and improved by windows, and the
seconds that come of it are what the optimizer (CMA-ES) learns from. At last the best
ways that any trial found for any subset of operands meet in one plan.

Trials follow from the seed alone: no clock, no process and no optional library of
cotengra has a say, unless a limit of seconds ends the search early.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tnconv.errors import MissingDependencyError
from tnconv.network import Pattern
from tnconv.planning.hyper.engines import Tree, cotengra_tree, ssa, symbols
from tnconv.planning.hyper.follow import follow
from tnconv.planning.hyper.windows import refine
from tnconv.planning.problem import Problem
from tnconv.planning.search import Search
from tnconv.planning.state import State

#: what cotengra knows our trials by, and the space they are drawn from
METHOD = "tnconv"
SPACE: dict[str, dict[str, Any]] = {
    "temperature": {"type": "FLOAT_EXP", "min": 0.001, "max": 1.0},
    "costmod": {"type": "FLOAT", "min": 0.1, "max": 4.0},
    "read": {"type": "FLOAT", "min": 0.0, "max": 1.0},
    "written": {"type": "FLOAT", "min": 0.0, "max": 1.0},
    "taps": {"type": "FLOAT", "min": 0.0, "max": 1.0},
    "polish": {"type": "BOOL"},
    "seed": {"type": "INT", "min": 0, "max": 2**31 - 1},
}
#: trees that cost so many times the best when followed are not improved by windows
PROMISING = 100.0
#: what a tree that cannot be followed is said to cost, in units of the first tree
HOPELESS = 1e6


@dataclass(frozen=True, slots=True)
class Effort:
    """How long is searched: so many trials, from a seed, and no new one begins after
    so many seconds (None: all of them)."""

    trials: int = 64
    seed: int = 0
    seconds: float | None = None


def hyper_search(found: Search, effort: Effort, keep: int = 1) -> list[State]:
    """The best ways to the whole that trials find, the cheapest first: at most
    ``keep`` of them, which differ in their trees. ``found`` has the first in its
    states.

    Nothing is returned where nothing stays below the bound of the search.
    """
    return judged(found, effort).ways(keep)


def judged(found: Search, effort: Effort) -> Judge:
    """What trials found, and the trees that they tried."""
    judge = Judge(found)
    judge.tree(cotengra_tree(found.problem))
    if effort.trials and len(found.problem.operands) > 2:
        _run(judge, effort)
    return judge


@dataclass(slots=True)
class Judge:
    """What trees cost; the best way that any of them had to contract a subset."""

    found: Search
    best: dict[int, State] = field(default_factory=dict)
    wholes: list[State] = field(default_factory=list)
    first: float = 0.0
    #: every tree with its score, the first in units of itself
    known: dict[tuple[tuple[int, int], ...], float] = field(default_factory=dict)

    def __call__(self, trial: dict[str, Any]) -> float:
        """The score of a trial of cotengra, which also notes what it counts itself."""
        trial.update(flops=0, write=0, size=0)
        return self.tree(ssa(trial["tree"]))

    def tree(self, tree: Tree) -> float:
        """Seconds along a tree, improved by windows, in units of the first one's."""
        key = tuple(tree)
        if key not in self.known:
            seconds = self._seconds(tree)
            self.first = self.first or seconds
            self.known[key] = min(HOPELESS, seconds / (self.first or 1.0))
        return self.known[key]

    def ways(self, keep: int) -> list[State]:
        """The best ways to the whole, the cheapest first: the best of all trees meet,
        and are improved once more."""
        found, full = self.found, self.found.problem.full
        found.states.update(self.best)
        if full not in found.states:
            return []
        bound, found.bound = found.bound, float("inf")
        refine(found)
        found.bound = bound
        ways = {state.seconds: state for state in (found.states[full], *self.wholes)}
        return [ways[s] for s in sorted(ways) if s < bound][:keep]

    def _seconds(self, tree: Tree) -> float:
        search, full = self.found.like(), self.found.problem.full
        whole = self.best.get(full)
        search.bound = PROMISING * whole.seconds if whole else float("inf")
        follow(search, tree)
        if full not in search.states:
            return float("inf")
        search.bound = float("inf")
        refine(search)
        for subset, state in search.states.items():
            known = self.best.get(subset)
            if known is None or state.seconds < known.seconds:
                self.best[subset] = state
        self.wholes.append(search.states[full])
        return search.states[full].seconds


def _run(judge: Judge, effort: Effort) -> None:
    """Let cotengra's hyper-optimizer draw the trials."""
    import cotengra

    check_optimizer()
    problem = judge.found.problem
    inputs, output, sizes = symbols(problem, cotengra.get_symbol)
    optimizer = cotengra.HyperOptimizer(
        methods=[_method()],
        minimize=judge,
        max_repeats=effort.trials,
        max_time=effort.seconds,
        parallel=False,
        optlib="cmaes",
        reconf_opts=None,
        on_trial_error="raise",
        constants={METHOD: {"legs": _legs(problem, cotengra.get_symbol)}},
        seed=effort.seed,
    )
    optimizer.search(inputs, output, sizes)


@cache
def check_optimizer() -> None:
    """Raise MissingDependencyError where the optimizer is not installed."""
    try:
        import cmaes  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "options(planner='hyper') learns from its trials by CMA-ES, which is not "
            'installed; install it with: pip install "tnconv[search]"'
        ) from error


@cache
def _method() -> str:
    """Make our trials known to cotengra, once."""
    from cotengra.hyperoptimizers.hyper import register_hyper_function

    register_hyper_function(METHOD, _drawn, SPACE)
    return METHOD


def _drawn(
    inputs: Any,
    output: Any,
    size_dict: Mapping[str, int],
    *,
    legs: Mapping[str, str],
    temperature: float,
    costmod: float,
    polish: bool,
    seed: int,
    **smaller: float,
) -> Any:
    """A tree by the greedy method, as if the legs of patterns were smaller."""
    from cotengra import OptimalOptimizer, RandomGreedyOptimizer

    sizes = {
        a: max(1, round(n ** (1 - smaller[legs[a]]))) if a in legs else n
        for a, n in size_dict.items()
    }
    tree = RandomGreedyOptimizer(
        max_repeats=1,
        costmod=(costmod, costmod),
        temperature=(temperature, temperature),
        seed=seed,
        accel=False,
        parallel=False,
    ).search(inputs, output, sizes)
    if polish:
        exact = OptimalOptimizer(accel=False)
        tree.subtree_reconfigure_(minimize="flops", optimize=exact, seed=seed)
    return tree


def _legs(problem: Problem, symbol: Any) -> dict[str, str]:
    """The role of every label that a pattern has as a leg; what is read wins over what
    is written: a layer's output is the input of the next."""
    number = {a: symbol(j) for j, (a, _) in enumerate(problem.network.label_sizes)}
    patterns = [op for op in problem.operands if isinstance(op, Pattern)]
    roles = {number[op.kernel]: "taps" for op in patterns}
    roles |= {number[op.output]: "written" for op in patterns}
    return roles | {number[op.input]: "read" for op in patterns}
