"""A plan that is kept as it is, in blocks of as many labels as a memory limit takes.

For a large network every search costs much, so its path and forms stay; blocks of one
label after another are laid around them until what a block holds is within the limit.
A cut is judged by one block of it, from the middle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import log

from tnconv.errors import NetworkError
from tnconv.execution.program import size_of
from tnconv.network import Network
from tnconv.planning.blocks import (
    Cut,
    cut_block,
    cut_labels,
    cut_network,
    turns_of,
)
from tnconv.planning.charge import Charge
from tnconv.planning.lower import sketch
from tnconv.planning.plan import Blocks, Plan
from tnconv.planning.planned import Planned
from tnconv.planning.realize import realized
from tnconv.planning.rivals import form_table
from tnconv.planning.route import Route
from tnconv.planning.site import NotHereError
from tnconv.planning.turns import turn_seconds

#: blocks beyond which cutting is given up
TURNS = 1 << 13
#: how often a plan is cut again whose blocks held more than the one that was looked at
TRIES = 4


def sliced(planned: Planned, limit: int, charge: Charge) -> Planned | None:
    """The plan in blocks that hold no more than ``limit`` bytes; None where cutting
    does not bring it that low."""
    plan = replace(planned.plan, blocks=None)
    within = limit
    for _ in range(TRIES):
        chosen = _chosen(plan, within, charge)
        if chosen is None:
            return None
        found = _written(planned, _nested(plan, chosen), charge)
        if found is None or found.peak <= limit:
            return found
        within = within * limit // found.peak
    return None


@dataclass(frozen=True, slots=True)
class _Sample:
    """A cut, one of its blocks, the bytes that takes with its result, and the seconds
    of all of them."""

    cut: Cut
    network: Network
    needed: int
    seconds: float


def _chosen(plan: Plan, limit: int, charge: Charge) -> list[Cut] | None:
    """Cuts of labels, the outermost first, that bring a block below the limit."""
    route, network = Route.of(plan, form_table()), plan.network.without()
    whole = sketch(route, network, charge.machine, charge.itemsize)
    needed, seconds = charge.held(whole.program).peak, whole.seconds
    found: dict[str, int] = {}  # a label that is cut again has smaller blocks
    turns = 1
    while needed > limit:
        samples = list(_halves(network, route, charge))
        smaller = [sample for sample in samples if sample.needed < needed]
        fit = [sample for sample in smaller if sample.needed <= limit]
        if not smaller or turns > TURNS:
            return None
        if fit:
            best = min(fit, key=lambda one: one.seconds)
        else:
            best = min(smaller, key=lambda one: _effort(one, needed, seconds))
        found[best.cut.label] = best.cut.size
        turns *= turns_of(network, best.cut)
        seconds = best.seconds / turns_of(network, best.cut)
        network, needed = best.network, best.needed
    return [Cut(label, size) for label, size in found.items()]


def _effort(sample: _Sample, needed: int, seconds: float) -> float:
    """What time grows by for each halving of what is needed."""
    dearer = max(0.0, log(sample.seconds / seconds)) if seconds else 0.0
    return (0.05 + dearer) / log(needed / max(1, sample.needed))


def _halves(network: Network, route: Route, charge: Charge) -> Iterator[_Sample]:
    """Every label cut in two, as far as the plan has such blocks."""
    for label in cut_labels(network):
        cut = Cut(label, -(-network.sizes[label] // 2))
        sample = _sample(network, cut, route, charge)
        if sample is not None:
            yield sample


def _sample(network: Network, cut: Cut, route: Route, charge: Charge) -> _Sample | None:
    """One block of a cut; None where the plan has none."""
    turns = turns_of(network, cut)
    try:
        block = cut_block(network, cut, (turns - 1) // 2).network
        body = sketch(route, block, charge.machine, charge.itemsize)
    except (NetworkError, NotHereError):
        return None
    around = turn_seconds(body.program, network.arguments, network.shape, charge)
    result = size_of(block.shape) * charge.itemsize
    needed = result + charge.held(body.program).peak
    return _Sample(cut, block, needed, turns * (body.seconds + around))


def _nested(plan: Plan, wanted: Sequence[Cut]) -> Plan:
    """The plan in blocks of the first cut, each in blocks of the next, and so on."""
    network = plan.network.without()
    whole = replace(plan, network=network)
    left = [cut for cut in wanted if cut.size < network.sizes.get(cut.label, 0)]
    if not left:
        return whole
    cut, *rest = left
    if not rest:
        return replace(whole, blocks=Blocks(cut.label, cut.size))
    blocks = dict.fromkeys(block.network for block in cut_network(network, cut))
    inside = replace(plan, rewrites="as built")
    bodies = [_nested(replace(inside, network=block), rest) for block in blocks]
    return replace(whole, steps=(), blocks=Blocks(cut.label, cut.size, tuple(bodies)))


def _written(planned: Planned, plan: Plan, charge: Charge) -> Planned | None:
    """The plan as a program, with what is known of the one in one piece."""
    try:
        found = realized(plan, charge.machine, charge.itemsize, form_table())
    except (NetworkError, NotHereError):
        return None
    whole = replace(found.plan, rewrites=plan.rewrites, source=plan.source)
    return replace(
        found,
        network=planned.network,
        trace=planned.trace,
        plan=whole,
        lines=planned.lines,
        considered=planned.considered,
    )
