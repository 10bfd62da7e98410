"""The cheapest plan without a limit: in one piece, or in blocks.

A path of large arrays pays for fresh memory in one piece, and hardly in blocks, whose
memory the allocator uses again. So two paths are looked for: the one that is cheapest
where fresh memory has its price, and the one that is where it has none. Each is tried
in blocks, and the charge of the whole decides. Where there is a target for what is held
and the best is charged much, paths without one of its forms are looked at as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import inf

from tnconv.execution.program import size_of
from tnconv.network import Network, SubNetwork
from tnconv.options import Options, changed
from tnconv.planning.charge import Charge
from tnconv.planning.engine import EXACT
from tnconv.planning.looped import looped
from tnconv.planning.lower import lower
from tnconv.planning.machine import Machine
from tnconv.planning.rivals import Planned, form_table, unlimited

#: what a step may obtain beside its result, in arrays as large as the largest
BESIDE = 4
#: from which share of a plan's seconds on its charge has others looked at
DEAR = 1.1


def cheapest(
    network: Network, machine: Machine, itemsize: int, options: Options
) -> Planned:
    """The plan that is charged least, by :mod:`tnconv.planning.charge`."""
    paths = _paths(network, machine, itemsize, options)
    shares = options.memory_share, options.memory_target
    charge = Charge.of(paths[0].network, machine, itemsize, *shares)

    def charged(planned: Planned) -> float:
        return charge.price(planned.seconds, charge.held(planned.program))

    found = [looped(planned, charge) for planned in paths]
    dear = min(map(charged, found)) > DEAR * paths[0].seconds
    if dear and charge.most < inf:
        others = _without_a_form(paths[0], machine, itemsize, options)
        found += [looped(planned, charge) for planned in others]
    return replace(min(found, key=charged), considered=paths[0].considered)


def _without_a_form(
    planned: Planned, machine: Machine, itemsize: int, options: Options
) -> Iterator[Planned]:
    """The cheapest plans without one of the forms that a plan multiplies with."""
    for name in sorted({s.form for s in planned.plan.steps if len(s.values) > 1}):
        others = [form for form in options.forms or form_table() if form != name]
        without = changed(options, {"forms": others})
        yield unlimited(planned.network, machine, itemsize, without)


def _paths(
    network: Network, machine: Machine, itemsize: int, options: Options
) -> list[Planned]:
    """The cheapest in one piece, and the cheapest where memory is never fresh if that
    is another one."""
    if _is_large(network):  # each search costs much, or its parts are searched apart
        return [unlimited(network, machine, itemsize, options)]
    calm = unlimited(network, replace(machine, fresh=inf), itemsize, options)
    if BESIDE * _largest(calm) * itemsize < machine.fresh_from:
        return [calm]
    usual = unlimited(network, machine, itemsize, options)
    if calm.plan.steps == usual.plan.steps and calm.plan.network == usual.plan.network:
        return [usual]
    return [usual, _priced(calm, machine, itemsize)]


def _is_large(network: Network) -> bool:
    nested = any(isinstance(op, SubNetwork) for op in network.operands)
    return nested or len(network.operands) > EXACT


def _largest(planned: Planned) -> int:
    """Elements of the largest array."""
    return max(map(size_of, planned.program.shapes), default=0)


def _priced(planned: Planned, machine: Machine, itemsize: int) -> Planned:
    """A plan at the prices of another machine."""
    done, _ = lower(planned.plan, machine, itemsize, form_table(), {})
    plan = replace(planned.plan, seconds=done.seconds)
    return replace(planned, plan=plan, seconds=done.seconds)
