"""The rivals: a simplified network and its alternatives, searched; the best is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache

from tnconv.execution.liveness import peak_bytes
from tnconv.execution.program import AxisMap, Constant, Program, View
from tnconv.execution.registry import load, plugins
from tnconv.network import Network, SubNetwork
from tnconv.options import Options
from tnconv.pattern import IndexPattern
from tnconv.planning.cost import workspace
from tnconv.planning.lower import lower
from tnconv.planning.machine import Machine
from tnconv.planning.plan import Plan
from tnconv.planning.problem import Problem
from tnconv.planning.search import Search
from tnconv.planning.site import Form
from tnconv.planning.state import unroll
from tnconv.rewrite import alternatives, simplify
from tnconv.splice import splice_all

#: operands up to which the exact search is run, and from which it is given a bound
EXACT = 12
BOUNDED = 6


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, its program, and what is known of both."""

    network: Network
    trace: tuple[tuple[str, str], ...]
    plan: Plan
    program: Program
    seconds: float
    flops: int
    bytes: int
    peak: int
    lines: tuple[str, ...]
    considered: tuple[tuple[str, float], ...]


@cache
def form_table() -> Mapping[str, Form]:
    """Every registered form by name."""
    found: dict[str, Form] = {}
    for name in plugins("tnconv.forms"):
        entry = load("tnconv.forms", name)
        for form in entry if isinstance(entry, tuple) else (entry,):
            found.setdefault(form.name, form)
    return found


def unlimited(
    network: Network, machine: Machine, itemsize: int, options: Options
) -> Planned:
    """The cheapest of the simplified network and its alternatives."""
    best: Planned | None = None
    considered: list[tuple[str, float]] = []
    for name, rival, trace in rivals(network, options):
        bound = best.seconds if best else float("inf")
        planned = plan_flat(splice_all(rival), machine, itemsize, options, bound)
        if planned is None:
            continue
        considered.append((name, planned.seconds))
        if planned.seconds < bound:
            plan = replace(planned.plan, rewrites=name)
            best = replace(planned, network=network, trace=trace, plan=plan)
    assert best is not None
    return replace(best, considered=tuple(considered))


def rivals(
    network: Network, options: Options
) -> Iterator[tuple[str, Network, tuple[tuple[str, str], ...]]]:
    """The simplified network with its trace, then alternatives: of large networks only
    the network as built."""
    simplified = simplify(network)
    yield "simplified", simplified.network, simplified.trace
    if not options.alternatives:
        return
    seen = {_records(simplified.network)}
    small = len(simplified.network.operands) <= BOUNDED
    for name, other in alternatives(network):
        if not small and name != "as built":
            continue  # each costs another search
        if (records := _records(other)) not in seen:
            seen.add(records)
            yield name, other, ()


def _nothing(network: Network) -> Planned:
    """A label of size 0 leaves nothing to add up: the result is zeros."""
    arguments, count = tuple(network.arguments.items()), len(network.arguments)
    zero = Constant((), (), IndexPattern(0, 1, 1), ())
    maps: tuple[AxisMap, ...] = ()
    wide = View((count,), network.shape, maps, network.shape, True)
    program = Program(arguments, (zero, wide), count + 1)
    plan = Plan(network, (), 0.0, "nothing to add up")
    return Planned(network, (), plan, program, 0.0, 0, 0, 0, (), ())


def _records(network: Network) -> tuple[str, ...]:
    """The patterns: networks that share them differ in labels only."""
    return tuple(sorted(repr(op.index) for op in network.patterns))


def plan_flat(
    network: Network,
    machine: Machine,
    itemsize: int,
    options: Options,
    bound: float,
    table: Mapping[str, Form] | None = None,
) -> Planned | None:
    """Plan one network; None where nothing is cheaper than ``bound`` seconds.

    ``table`` holds the forms that there are, those registered where it is not given.
    """
    table = form_table() if table is None else table
    network = network.without()  # labels that stand nowhere become a factor
    if 0 in network.sizes.values():
        return _nothing(network)
    parts: dict[int, Program] = {}
    below = 0.0
    for j, op in enumerate(network.operands):
        if isinstance(op, SubNetwork):
            inner = unlimited(op.network, machine, itemsize, options)
            parts[j] = inner.program
            below += inner.seconds
    plan = _searched(network, machine, itemsize, options, bound - below, table)
    if plan is None:
        return None
    lowered = lower(plan, machine, itemsize, table, parts)
    peak = peak_bytes(lowered.program, itemsize, workspace(machine, itemsize))
    return Planned(
        network,
        (),
        plan,
        lowered.program,
        plan.seconds + below,
        lowered.flops,
        lowered.bytes,
        peak,
        lowered.lines,
        (),
    )


def _searched(
    network: Network,
    machine: Machine,
    itemsize: int,
    options: Options,
    bound: float,
    table: Mapping[str, Form],
) -> Plan | None:
    """Exactly where that is quick; else along cotengra's tree, which also bounds it."""
    if not network.operands:
        return Plan(network, (), 0.0, "nothing to contract")
    for forms in _allowed(options, table):
        plan = _found(Problem(network), machine, itemsize, options, forms, bound)
        if plan is not None:
            return plan
    return None


def _found(
    problem: Problem,
    machine: Machine,
    itemsize: int,
    options: Options,
    forms: tuple[Form, ...],
    bound: float,
) -> Plan | None:
    count = len(problem.operands)
    found = Search(problem, machine, itemsize, forms, bound)
    engine = "opt_einsum" if options.planner == "opt_einsum" else "cotengra"
    exact = options.planner == "exact" or (options.planner == "auto" and count <= EXACT)
    if not exact or count > BOUNDED:
        from tnconv.planning.hyper import follow_tree

        follow_tree(found, engine)
    if exact:
        found.run()
    if problem.full not in found.states:
        return None
    whole = found.states[problem.full]
    source = "exact search" if exact else f"{engine}'s tree"
    return Plan(problem.network, unroll(whole, problem), whole.seconds, source)


def _allowed(options: Options, table: Mapping[str, Form]) -> Iterator[tuple[Form, ...]]:
    """The forms in force; then, for networks these cannot contract, two that always
    can."""
    if options.forms is None:
        yield tuple(table.values())
        return
    yield tuple(form for name, form in table.items() if name in options.forms)
    wanted = {*options.forms, "constant", "multiply"}
    yield tuple(form for name, form in table.items() if name in wanted)
