"""The rivals: a simplified network and its alternatives, searched; the best is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from math import inf
from typing import NamedTuple

from tnconv.execution.program import Conjugate, Program, View
from tnconv.execution.registry import load, plugins
from tnconv.network import Network, SubNetwork
from tnconv.options import Options
from tnconv.planning.engine import EXACT, plans_of
from tnconv.planning.machine import Machine
from tnconv.planning.plan import Plan
from tnconv.planning.planned import Found, Planned, Trace, nothing
from tnconv.planning.problem import Problem
from tnconv.planning.search import PATIENCE, Search
from tnconv.planning.site import Form
from tnconv.rewrite import alternatives, default_alternatives, simplify
from tnconv.splice import splice_all

__all__ = ["Planned", "form_table", "plan_flat", "race", "rivals", "unlimited"]

Forms = tuple[Form, ...]


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
    return race(network, machine, machine, itemsize, options).best()


def race(
    network: Network,
    search: Machine,
    machine: Machine,
    itemsize: int,
    options: Options,
) -> Race:
    """The simplified network and its alternatives, searched at the prices of one
    machine; what was found is priced, and the best chosen, at those of another."""
    races = (
        Race(network, search, machine, itemsize, options, forms)
        for forms in _allowed(options, form_table())
    )
    return next(race for race in races if race.run())


class Race:
    """Rivals one after another, each with the best price so far as its bound."""

    def __init__(
        self,
        network: Network,
        search: Machine,
        machine: Machine,
        itemsize: int,
        options: Options,
        forms: Forms,
    ) -> None:
        self.network, self.search, self.machine = network, search, machine
        self.itemsize, self.options, self.forms = itemsize, options, forms
        #: the price of the cheapest, as searched
        self.bound = inf
        self._considered: list[tuple[str, float]] = []
        self._best: Planned | None = None

    def run(self) -> bool:
        """Enter all, and those that mend the best; False if none can be contracted."""
        for rival in rivals(self.network, self.options):
            self.enter(rival)
        if self._best is not None and self.options.alternatives:
            for rival in _menders(self.network, self._best.program):
                self.enter(rival)
        return self._best is not None

    def enter(self, rival: Rival) -> None:
        """Search for a plan of a rival; inf where it is dearer than the best."""
        flat = splice_all(rival.network)
        found = _found(
            flat, self.search, self.itemsize, self.options, self.bound, self.forms
        )
        if found is None:
            self._considered.append((rival.name, inf))
            return
        self.bound = min(self.bound, found.seconds)
        planned = self._priced(found)
        self._considered.append((rival.name, planned.seconds))
        if self._best is None or planned.seconds < self._best.seconds:
            plan = replace(planned.plan, rewrites=rival.name)
            self._best = replace(planned, trace=rival.trace, plan=plan)

    def best(self) -> Planned:
        """The cheapest, as a program."""
        assert self._best is not None
        considered = tuple(self._considered)
        return replace(self._best, network=self.network, considered=considered)

    def _priced(self, found: Found | Planned) -> Planned:
        """What was found as a program, at the prices of the machine."""
        if isinstance(found, Planned):
            return found
        table = form_table()
        if self.search is self.machine:
            return found.lowered(self.machine, self.itemsize, table)
        return found.priced(self.machine, self.itemsize, table)


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


def rival_named(network: Network, name: str) -> Rival | None:
    """The rival of that name, those that mend something included."""
    if name == "as built":
        return Rival(name, network)
    if name == "simplified":
        return Rival(name, simplify(network).network, simplify(network).trace)
    for alternative in default_alternatives():
        if name.startswith(alternative.name):
            for found, other in alternatives(network, [alternative]):
                if found == name:
                    return Rival(name, other)
    return None


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
            if isinstance(found, Found):
                return found.lowered(machine, itemsize, form_table())
            return found
    return None


def plans_flat(
    network: Network, machine: Machine, itemsize: int, options: Options, limit: int
) -> list[Planned]:
    """The best plans of one network that one search finds, at most ``limit``: more than
    one where many trees are tried."""
    for forms in _allowed(options, form_table()):
        found = _several(network, machine, itemsize, options, inf, forms, limit)
        if found:
            return [
                one.lowered(machine, itemsize, form_table())
                if isinstance(one, Found)
                else one
                for one in found
            ]
    return []


def _found(
    network: Network,
    machine: Machine,
    itemsize: int,
    options: Options,
    bound: float,
    forms: Forms,
) -> Found | Planned | None:
    """The plan of one network; None where nothing is cheaper than ``bound`` seconds."""
    found = _several(network, machine, itemsize, options, bound, forms, 1)
    return found[0] if found else None


def _several(
    network: Network,
    machine: Machine,
    itemsize: int,
    options: Options,
    bound: float,
    forms: Forms,
    limit: int,
) -> list[Found | Planned]:
    """The plans of one network below ``bound`` seconds, the cheapest first."""
    network = network.without()  # labels that stand nowhere become a factor
    if 0 in network.sizes.values():
        return [nothing(network)]
    parts: dict[int, Program] = {}
    inner: list[Plan] = []
    below = 0.0
    for j, op in enumerate(network.operands):
        if isinstance(op, SubNetwork):
            part = unlimited(op.network, machine, itemsize, options)
            parts[j] = part.program
            inner.append(part.plan)
            below += part.seconds
    if not network.operands:
        return [Found(Plan(network, (), 0.0, "nothing to contract"), parts, below)]
    left = bound - below
    search = Search(Problem(network), machine, itemsize, forms, left, PATIENCE)
    return [
        Found(replace(plan, parts=tuple(inner)), parts, plan.seconds + below)
        for plan in plans_of(search, options, limit)
    ]


def _allowed(options: Options, table: Mapping[str, Form]) -> Iterator[Forms]:
    """The forms in force; then, for networks these cannot contract, two that always
    can."""
    if options.forms is None:
        yield tuple(table.values())
        return
    yield tuple(form for name, form in table.items() if name in options.forms)
    wanted = {*options.forms, "constant", "multiply"}
    yield tuple(form for name, form in table.items() if name in wanted)
