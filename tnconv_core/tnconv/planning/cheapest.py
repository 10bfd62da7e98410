"""The cheapest plan without a limit: in one piece, or in blocks.

A path of large arrays pays for fresh memory in one piece, and hardly in blocks, whose
memory the allocator uses again. So the path that is looked for first is the cheapest
where fresh memory has no price; if in blocks it pays for some all the same, the one
that is the cheapest where it has, too. The charge of the whole decides. Where there is
a target for what is held and the best is charged much, paths without one of its forms
are looked at as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import inf

from tnconv.network import Network, SubNetwork
from tnconv.options import Options, changed
from tnconv.planning import rivals
from tnconv.planning.charge import Charge
from tnconv.planning.engine import EXACT
from tnconv.planning.looped import Charged, looped
from tnconv.planning.machine import Machine
from tnconv.planning.planned import Planned

#: by how much more than without fresh memory a plan may cost, so that no other path is
#: looked for: what all plans cost without it is less than what any costs with it
WORTH = 0.05
#: from which share of a plan's seconds on its charge has others looked at
DEAR = 1.1


def cheapest(
    network: Network, machine: Machine, itemsize: int, options: Options
) -> Planned:
    """The plan that is charged least, by :mod:`tnconv.planning.charge`."""
    large = _is_large(network)  # its parts are searched apart, or a search costs much
    calm = machine if large else machine.calm
    race = rivals.race(network, calm, machine, itemsize, options)
    first, enough = race.best(), (1 + WORTH) * race.bound
    shares = options.memory_share, options.memory_target
    charge = Charge.of(first.network, machine, itemsize, *shares)

    paths, found = [first], [looped(first, charge)]
    if min(first.seconds, found[0].price) > enough:
        paths.append(rivals.unlimited(network, machine, itemsize, options))
        found.append(looped(paths[1], charge))
    usual = min(paths, key=_seconds)
    if charge.most < inf and min(map(_price, found)) > DEAR * usual.seconds:
        others = _without_a_form(usual, machine, itemsize, options)
        found += [looped(planned, charge) for planned in others]
    best = min(found, key=_price).planned
    return replace(best, considered=paths[-1].considered)


def _seconds(planned: Planned) -> float:
    return planned.seconds


def _price(charged: Charged) -> float:
    return charged.price


def _without_a_form(
    planned: Planned, machine: Machine, itemsize: int, options: Options
) -> Iterator[Planned]:
    """The cheapest plans without one of the forms that a plan multiplies with."""
    for name in sorted({s.form for s in planned.plan.steps if len(s.values) > 1}):
        others = [form for form in options.forms or rivals.form_table() if form != name]
        without = changed(options, {"forms": others})
        yield rivals.unlimited(planned.network, machine, itemsize, without)


def _is_large(network: Network) -> bool:
    nested = any(isinstance(op, SubNetwork) for op in network.operands)
    return nested or len(network.operands) > EXACT
