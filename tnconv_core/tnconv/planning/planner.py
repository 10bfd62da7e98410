"""From a network to a program: the best of its rivals, in blocks under a limit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

from tnconv.errors import MemoryLimitError, NetworkError
from tnconv.execution.program import size_of
from tnconv.network import Network
from tnconv.options import Options, changed
from tnconv.planning.blocks import (
    Cut,
    cut_labels,
    cut_network,
    cuts,
)
from tnconv.planning.charge import Charge
from tnconv.planning.engine import EXACT
from tnconv.planning.looped import looped
from tnconv.planning.machine import Machine
from tnconv.planning.realize import assembled
from tnconv.planning.rivals import Planned, form_table, unlimited
from tnconv.planning.sliced import sliced

__all__ = ["Planned", "form_table", "plan_network"]

#: how many labels are cut, one inside the other
DEEPEST = 2
#: from which share of a plan's seconds on its charge has others looked at
DEAR = 1.1


def plan_network(
    network: Network, machine: Machine, itemsize: int, options: Options
) -> Planned:
    """The cheapest plan within the memory limit; raises MemoryLimitError if none is."""
    best = _within(network, _Job(machine, itemsize, options))
    if best is None:
        least = unlimited(network, machine, itemsize, options).peak
        raise MemoryLimitError(
            f"no plan found within memory_limit={options.memory_limit} bytes: the plan "
            f"without a limit needs {least} bytes beyond inputs and result, and "
            "looping over blocks does not bring it low enough; raise the limit"
        )
    return best


@dataclass(frozen=True, slots=True)
class _Job:
    """What a network is planned for, and how many labels are cut around it."""

    machine: Machine
    itemsize: int
    options: Options
    depth: int = 0

    def inside(self, limit: int | None) -> _Job:
        """The same for the networks inside a block."""
        options = changed(self.options, {"memory_limit": limit})
        return replace(self, options=options, depth=self.depth + 1)

    def size(self, shape: tuple[int, ...]) -> int:
        """Bytes of an array."""
        return size_of(shape) * self.itemsize


def _within(network: Network, job: _Job) -> Planned | None:
    """The cheapest plan under the limit: whole, in blocks of one label, or of two."""
    whole = unlimited(network, job.machine, job.itemsize, job.options)
    if not job.depth:
        whole = _modest(whole, job)
    limit = job.options.memory_limit
    if limit is None or whole.peak <= limit:
        return whole
    if len(whole.plan.network.operands) > EXACT:  # where every search costs much
        charge = Charge.of(whole.network, job.machine, job.itemsize, 0.0)
        found = sliced(whole, limit, charge)
        if found is not None:
            return found
    if job.depth == DEEPEST:
        return None
    for nested in (False, True):  # blocks of whole plans first, then blocks of blocks
        fits = [_first_fit(network, a, job, limit, nested) for a in cut_labels(network)]
        ways = [planned for planned in fits if planned is not None]
        if ways:
            return min(ways, key=lambda planned: planned.seconds)
    return None


def _modest(whole: Planned, job: _Job) -> Planned:
    """The plan, in blocks where that is charged less; or where its memory costs much
    beside a target, one without a form that it multiplies with, if that is charged
    less still."""
    options = job.options
    shares = options.memory_share, options.memory_target
    charge = Charge.of(whole.network, job.machine, job.itemsize, *shares)
    best = looped(whole, charge)
    price = charge.price(best.seconds, charge.held(best.program))
    if charge.most == inf or price <= DEAR * whole.seconds:
        return best
    for name in sorted({s.form for s in whole.plan.steps if len(s.values) > 1}):
        others = [form for form in options.forms or form_table() if form != name]
        without = changed(options, {"forms": others})
        other = looped(
            unlimited(whole.network, job.machine, job.itemsize, without), charge
        )
        charged = charge.price(other.seconds, charge.held(other.program))
        if charged < price:
            best, price = other, charged
    return best


def _first_fit(
    network: Network, label: str, job: _Job, limit: int, nested: bool
) -> Planned | None:
    """The largest blocks of a label that stay under the limit."""
    for cut in cuts(network, label):
        planned = _blocked(network, cut, job, limit, nested)
        if planned is not None:
            return planned
    return None


def _blocked(
    network: Network, cut: Cut, job: _Job, limit: int, nested: bool
) -> Planned | None:
    """One cut, its bodies whole or cut again; None where that is too big."""
    try:
        blocks = cut_network(network.without(), cut)
    except NetworkError:
        return None
    result = max(job.size(block.network.shape) for block in blocks)
    if limit < result:
        return None
    inside = job.inside(limit - result if nested else None)
    bodies: dict[Network, Planned] = {}
    for block in blocks:
        if block.network not in bodies:
            planned = _within(block.network, inside)
            if planned is None or planned.peak + result > limit:
                return None
            bodies[block.network] = planned
    return assembled(network, cut, blocks, bodies, job.machine, job.itemsize)
