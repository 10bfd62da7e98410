"""From a network to a program: alternatives, sub-networks, search, blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from tnconv.errors import MemoryLimitError, NetworkError
from tnconv.execution.liveness import peak_bytes
from tnconv.execution.program import Program
from tnconv.execution.registry import load, plugins
from tnconv.network import Network, SubNetwork
from tnconv.options import Options
from tnconv.planning.blocks import Cut, cut_network, cuts, loop_program
from tnconv.planning.cost import workspace
from tnconv.planning.lower import lower
from tnconv.planning.machine import Machine
from tnconv.planning.plan import Blocks, Plan
from tnconv.planning.problem import Problem
from tnconv.planning.search import search
from tnconv.planning.site import Form
from tnconv.rewrite import alternatives, simplify
from tnconv.splice import splice_all

#: operands up to which the exact search is run
EXACT = 12


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
            found[form.name] = form
    return found


def plan_network(
    network: Network, machine: Machine, itemsize: int, options: Options
) -> Planned:
    """The cheapest plan within the memory limit; raises MemoryLimitError if none is."""
    best = _within(network, machine, itemsize, options, depth=0)
    if best is None:
        least = _unlimited(network, machine, itemsize, options).peak
        raise MemoryLimitError(
            f"no plan found within memory_limit={options.memory_limit} bytes: the plan "
            f"without a limit needs {least} bytes beyond inputs and result, and looping "
            "over blocks does not bring it low enough; raise the limit"
        )
    return best


def _unlimited(
    network: Network, machine: Machine, itemsize: int, options: Options
) -> Planned:
    """The cheapest of the simplified network and its alternatives."""
    simplified = simplify(network)
    rivals = [("simplified", simplified.network)]
    if options.alternatives:
        rivals += [
            (name, other)
            for name, other in alternatives(network)
            if other != simplified.network
        ]
    found = []
    for name, rival in rivals:
        planned = _plan_flat(splice_all(rival), machine, itemsize, options)
        found.append((name, planned))
    name, best = min(found, key=lambda pair: pair[1].seconds)
    considered = tuple((n, p.seconds) for n, p in found)
    plan = replace(best.plan, rewrites=name)
    trace = simplified.trace if name == "simplified" else ()
    return replace(
        best, network=network, trace=trace, plan=plan, considered=considered
    )


def _plan_flat(
    network: Network, machine: Machine, itemsize: int, options: Options
) -> Planned:
    parts: dict[int, Program] = {}
    below = 0.0
    for j, op in enumerate(network.operands):
        if isinstance(op, SubNetwork):
            inner = _unlimited(op.network, machine, itemsize, options)
            parts[j] = inner.program
            below += inner.seconds
    problem = Problem(network)
    forms = _allowed(options)
    exact = options.planner == "exact" or len(network.operands) <= EXACT
    if options.planner == "cotengra" or not exact:
        from tnconv.planning.hyper import search_with_cotengra

        plan = search_with_cotengra(problem, machine, itemsize, forms)
    else:
        plan = search(problem, machine, itemsize, forms)
    table = form_table()
    lowered = lower(plan, machine, itemsize, table, parts)
    return Planned(
        network,
        (),
        plan,
        lowered.program,
        plan.seconds + below,
        lowered.flops,
        lowered.bytes,
        peak_bytes(lowered.program, itemsize, workspace(machine, itemsize)),
        lowered.lines,
        (),
    )


def _allowed(options: Options) -> tuple[Form, ...]:
    """The forms in force; those that make every network contractible always stay."""
    table = form_table()
    if options.forms is None:
        return tuple(table.values())
    wanted = set(options.forms) | {"constant", "multiply"}
    return tuple(form for name, form in table.items() if name in wanted)


def _within(
    network: Network, machine: Machine, itemsize: int, options: Options, depth: int
) -> Planned | None:
    """The cheapest plan under the limit, in blocks of one label, or of two."""
    whole = _unlimited(network, machine, itemsize, options)
    limit = options.memory_limit
    if limit is None or whole.peak <= limit:
        return whole
    best: Planned | None = None
    for cut in cuts(network):
        found = _blocked(network, cut, machine, itemsize, options, depth)
        if found and (best is None or found.seconds < best.seconds):
            best = found
    return best


def _blocked(
    network: Network,
    cut: Cut,
    machine: Machine,
    itemsize: int,
    options: Options,
    depth: int,
) -> Planned | None:
    try:
        blocks = cut_network(network, cut)
    except NetworkError:
        return None
    largest = max((b.network for b in blocks), key=_volume)
    inner = options if depth else replace_limit(options, None)
    bodies: dict[Network, Planned] = {}
    for block in blocks:
        if block.network not in bodies:
            planned = _within(block.network, machine, itemsize, inner, depth + 1)
            if planned is None:
                return None
            bodies[block.network] = planned
    program = loop_program(network, blocks, {n: p.program for n, p in bodies.items()})
    peak = max(p.peak + _result_bytes(p, itemsize) for p in bodies.values())
    limit = options.memory_limit
    if limit is not None and peak > limit:
        return None
    turns = [bodies[block.network] for block in blocks]
    first = bodies[largest]
    return Planned(
        network,
        first.trace,
        replace(first.plan, blocks=Blocks(cut.label, cut.size)),
        program,
        sum(p.seconds for p in turns),
        sum(p.flops for p in turns),
        sum(p.bytes for p in turns),
        peak,
        first.lines,
        first.considered,
    )


def replace_limit(options: Options, limit: int | None) -> Options:
    """The same options under another memory limit."""
    from tnconv.options import changed

    return changed(options, {"memory_limit": limit})


def _volume(network: Network) -> int:
    total = 1
    for _, size in network.label_sizes:
        total *= max(1, size)
    return total


def _result_bytes(planned: Planned, itemsize: int) -> int:
    total = itemsize
    for size in planned.program.shape:
        total *= size
    return total
