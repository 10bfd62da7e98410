"""The rivals: a simplified network and its alternatives, searched; the best is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

from tnconv.execution.liveness import peak_bytes
from tnconv.execution.program import AxisMap, Conjugate, Constant, Program, View
from tnconv.execution.registry import load, plugins
from tnconv.network import Network, SubNetwork
from tnconv.options import Options
from tnconv.pattern import IndexPattern
from tnconv.planning.lower import lower
from tnconv.planning.machine import Machine
from tnconv.planning.plan import Plan
from tnconv.planning.problem import Problem
from tnconv.planning.search import PATIENCE, Search
from tnconv.planning.site import Form
from tnconv.planning.state import unroll
from tnconv.planning.workspace import workspace
from tnconv.rewrite import alternatives, default_alternatives, simplify
from tnconv.splice import splice_all

#: the rules that fired, and where
Trace = tuple[tuple[str, str], ...]

#: operands up to which the exact search is run
EXACT = 24

Forms = tuple[Form, ...]


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


@dataclass(frozen=True, slots=True)
class _Found:
    """What the search found for a network: a plan, not yet lowered."""

    plan: Plan
    parts: Mapping[int, Program]
    seconds: float

    def lowered(self, machine: Machine, itemsize: int) -> Planned:
        """The plan as a program."""
        plan = self.plan
        done, lines = lower(plan, machine, itemsize, form_table(), self.parts)
        peak = peak_bytes(done.program, itemsize, workspace(machine, itemsize))
        return Planned(
            plan.network,
            (),
            plan,
            done.program,
            self.seconds,
            done.flops,
            done.bytes,
            peak,
            lines,
            (),
        )


def unlimited(
    network: Network, machine: Machine, itemsize: int, options: Options
) -> Planned:
    """The cheapest of the simplified network and its alternatives."""
    found = (
        _raced(network, _Race(machine, itemsize, options, forms))
        for forms in _allowed(options, form_table())
    )
    return next(planned for planned in found if planned is not None)


def _raced(network: Network, race: _Race) -> Planned | None:
    """The winner among a network's rivals; None where no form can contract any."""
    options = race.options
    for rival in rivals(network, options):
        race.enter(rival)
    if not race.is_won():
        return None
    best = race.best()
    if options.alternatives:
        for rival in _menders(network, best.program):
            race.enter(rival)
        best = race.best()
    return replace(best, network=network, considered=tuple(race.considered))


class _Race:
    """Rivals one after another, each with the best price so far as its bound."""

    def __init__(
        self, machine: Machine, itemsize: int, options: Options, forms: Forms
    ) -> None:
        self.machine, self.itemsize, self.options = machine, itemsize, options
        self.forms = forms
        self.considered: list[tuple[str, float]] = []
        self.bound = float("inf")
        self._first: tuple[Rival, _Found | Planned] | None = None
        self._best: Planned | None = None

    def enter(self, rival: Rival) -> None:
        """Search for a plan of a rival; inf where it is dearer than the best."""
        flat = splice_all(rival.network)
        found = _found(
            flat, self.machine, self.itemsize, self.options, self.bound, self.forms
        )
        seconds = float("inf") if found is None else found.seconds
        self.considered.append((rival.name, seconds))
        if found is not None and (self._first is None or seconds < self.bound):
            self._first, self._best, self.bound = (rival, found), None, seconds

    def is_won(self) -> bool:
        """Whether any rival could be contracted."""
        return self._first is not None

    def best(self) -> Planned:
        """The winner so far, as a program."""
        assert self._first is not None
        if self._best is None:
            rival, found = self._first
            if isinstance(found, _Found):
                found = found.lowered(self.machine, self.itemsize)
            plan = replace(found.plan, rewrites=rival.name)
            self._best = replace(found, trace=rival.trace, plan=plan)
        return self._best


class Rival(NamedTuple):
    """A network that may be planned in another's place."""

    name: str
    network: Network
    trace: Trace = ()


def rivals(network: Network, options: Options) -> Iterator[Rival]:
    """The simplified network with its trace, then alternatives: beyond the exact search
    only the network as built, as each costs another search."""
    simplified = simplify(network)
    yield Rival("simplified", simplified.network, simplified.trace)
    if not options.alternatives:
        return
    seen = {_records(simplified.network)}
    small = len(simplified.network.operands) <= EXACT
    for name, other in alternatives(network):
        if (small or name == "as built") and (records := _records(other)) not in seen:
            seen.add(records)
            yield Rival(name, other)


def _menders(network: Network, program: Program) -> Iterator[Rival]:
    """Alternatives that spare the best program a kind of step it takes on what it made
    itself (an array of the caller, or a view of it, is no such thing)."""
    known, kinds = set(range(len(program.inputs))), set()
    for register, step in enumerate(program.steps, len(program.inputs)):
        if known.issuperset(step.sources):
            known |= {register} if isinstance(step, (View, Conjugate)) else set()
        else:
            kinds.add(step.kind)
    chosen = [a for a in default_alternatives() if a.mends and a.mends in kinds]
    for name, other in alternatives(network, chosen):
        yield Rival(name, other)


def _nothing(network: Network) -> Planned:
    """A label of size 0 leaves nothing to add up: the result is zeros."""
    arguments, count = tuple(network.arguments.items()), len(network.arguments)
    zero = Constant((), (), (IndexPattern(0, 1, 1),), ())
    maps: tuple[AxisMap, ...] = ()
    wide = View((count,), network.shape, maps, network.shape, True)
    program = Program(arguments, (zero, wide), count + 1)
    plan = Plan(network, (), 0.0, "nothing to add up")
    return Planned(network, (), plan, program, 0.0, 0, 0, 0, (), ())


def _records(network: Network) -> tuple[str, ...]:
    """The patterns, and where each of their legs is read and written: networks that
    share these differ in labels only."""
    places: dict[str, str] = dict.fromkeys(network.output_labels, ">")
    for op in network.inputs:
        for label in op.labels:
            places[label] = f"{places.get(label, '')} {op.name}"
    return tuple(
        sorted(f"{op.index} {[*map(places.get, op.labels)]}" for op in network.patterns)
    )


def plan_flat(
    network: Network,
    machine: Machine,
    itemsize: int,
    options: Options,
    bound: float,
    table: Mapping[str, Form],
) -> Planned | None:
    """The plan and program of one network by the forms of a table; None where nothing
    is cheaper than ``bound`` seconds."""
    for forms in _allowed(options, table):
        found = _found(network, machine, itemsize, options, bound, forms)
        if found is not None:
            if isinstance(found, _Found):
                return found.lowered(machine, itemsize)
            return found
    return None


def _found(
    network: Network,
    machine: Machine,
    itemsize: int,
    options: Options,
    bound: float,
    forms: Forms,
) -> _Found | Planned | None:
    """The plan of one network; None where nothing is cheaper than ``bound`` seconds."""
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
    if not network.operands:
        return _Found(Plan(network, (), 0.0, "nothing to contract"), parts, below)
    problem, left = Problem(network), bound - below
    plan = _planned(problem, machine, itemsize, options, forms, left)
    return _Found(plan, parts, plan.seconds + below) if plan else None


def _planned(
    problem: Problem,
    machine: Machine,
    itemsize: int,
    options: Options,
    forms: Forms,
    bound: float,
) -> Plan | None:
    """Exactly where that is quick; else along cotengra's tree, which also bounds it."""
    asked = options.planner == "exact"
    patience = float("inf") if asked else PATIENCE
    search = Search(problem, machine, itemsize, forms, bound, patience)
    source, done = "exact search", asked
    if asked or (options.planner == "auto" and len(problem.operands) <= EXACT):
        done = search.run()
    if not done:
        from tnconv.planning.hyper import follow_tree

        engine = "opt_einsum" if options.planner == "opt_einsum" else "cotengra"
        source = f"{engine}'s tree"
        follow_tree(search, engine)
    if problem.full not in search.states:
        return None
    whole = search.states[problem.full]
    return Plan(problem.network, unroll(whole, problem), whole.seconds, source)


def _allowed(options: Options, table: Mapping[str, Form]) -> Iterator[Forms]:
    """The forms in force; then, for networks these cannot contract, two that always
    can."""
    if options.forms is None:
        yield tuple(table.values())
        return
    yield tuple(form for name, form in table.items() if name in options.forms)
    wanted = {*options.forms, "constant", "multiply"}
    yield tuple(form for name, form in table.items() if name in wanted)
