"""The plan that was found, in blocks of one label, where that is cheaper.

Blocks are a matter of speed as much as of memory: a large intermediate faults its
pages in on every call, one that the allocator uses again or that fits a cache does not.
The steps stay as they are; they are written once more for the network of a block. What
is compared is the charge (:mod:`tnconv.planning.charge`): seconds and bytes held.

One block stands for all while a cut is chosen; the cut that is chosen is written out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from tnconv.errors import NetworkError
from tnconv.execution.program import size_of
from tnconv.network import Network, SubNetwork
from tnconv.planning.blocks import (
    Cut,
    CutBlock,
    cut_block,
    cut_labels,
    cut_network,
    loop_program,
    turns_of,
)
from tnconv.planning.charge import Charge, Held
from tnconv.planning.lower import Lowered, lower_block, sketch
from tnconv.planning.plan import Blocks
from tnconv.planning.repeats import Repeats
from tnconv.planning.rivals import Planned, form_table
from tnconv.planning.route import Route
from tnconv.planning.site import NotHereError
from tnconv.planning.turns import handed_bytes, turn_seconds, whole_seconds

#: blocks of a plan that pays no rent are looked for where holding its arrays costs
#: this share of the time
WORTH = 0.05
#: how far to trust what a cut is charged at least
TRUST = 0.99
#: cuts that are written out, if the best is not what its sample said
TRIES = 3


class Charged(NamedTuple):
    """A plan and what it is charged."""

    planned: Planned
    price: float


def looped(planned: Planned, charge: Charge) -> Charged:
    """The plan, or the same in blocks of a label if that is cheaper."""
    held = planned.held
    whole = Charged(planned, charge.price(planned.seconds, held))
    if not planned.plan.steps or _is_nested(planned.plan.network):
        return whole
    faults = charge.faults(held) + charge.packed(planned.program)
    if charge.is_free(held) and faults <= WORTH * planned.seconds:
        return whole
    parts = _Whole.of(planned, charge, held)
    for _, cut in _cuts(parts, whole.price)[:TRIES]:
        found = blocked(planned, parts.route, cut, charge)
        if found is not None:
            price = charge.price(found.seconds, found.held)
            if price < whole.price:
                return Charged(found, price)
    return whole


@dataclass(frozen=True, slots=True)
class _Whole:
    """The plan in one piece, laid out and in parts."""

    planned: Planned
    charge: Charge
    held: Held
    route: Route
    parts: Repeats

    @classmethod
    def of(cls, planned: Planned, charge: Charge, held: Held) -> _Whole:
        """What blocks of a plan are compared with."""
        network, route = planned.plan.network, Route.of(planned.plan, form_table())
        return cls(planned, charge, held, route, Repeats.of(route, network, charge))

    @property
    def network(self) -> Network:
        """The network that is cut."""
        return self.planned.plan.network

    def cuts(self, label: str) -> list[Cut]:
        """Blocks from half of a label down to single values."""
        size, found = self.network.sizes[label], []
        while size > 1:
            size = -(-size // 2)
            found.append(Cut(label, size))
        return found

    def sampled(self, cut: Cut) -> float:
        """What blocks are charged if all are like one in the middle, or along a kernel
        like the first; inf where the plan has none."""
        charge, network = self.charge, self.network
        turns = turns_of(network, cut)
        along = any([op.kernel == cut.label for op in network.patterns])
        try:
            block = cut_block(
                network.without(), cut, 0 if along else (turns - 1) // 2
            ).network
            body = sketch(self.route, block, charge.machine, charge.itemsize)
        except (NetworkError, NotHereError):
            return float("inf")
        share = network.sizes[cut.label] / cut.size
        result_shape = self.planned.program.shape
        around = turn_seconds(body.program, network.arguments, result_shape, charge)
        seconds = share * body.seconds + turns * around
        seconds += whole_seconds(result_shape, charge)
        inside = charge.held(body.program)
        result = handed_bytes(body.program, result_shape, charge)
        held = Held(inside.arrays + result, inside.peak + result)
        return charge.price(seconds, held)


def _is_nested(network: Network) -> bool:
    return any(isinstance(op, SubNetwork) for op in network.operands)


def _cuts(whole: _Whole, price: float) -> list[tuple[float, Cut]]:
    """Cuts below a price, the cheapest first.

    They are sampled in the order of what they are charged at least, until none that is
    left can be cheaper; larger and smaller blocks of a label wait until one of it was.
    """
    ways = [_Way(whole, label, price / TRUST) for label in cut_labels(whole.network)]
    waiting = [(way.least(way.start), n, way.start) for n, way in enumerate(ways)]
    heapify(waiting)
    found: list[tuple[float, Cut]] = []
    while waiting and TRUST * waiting[0][0] < price:
        _, n, at = heappop(waiting)
        way = ways[n]
        sampled = whole.sampled(way.cuts[at])
        if sampled < price:
            price = sampled
            found.append((sampled, way.cuts[at]))
        for more in way.beside(at):
            heappush(waiting, (way.least(more), n, more))
    return found[::-1]


class _Way:
    """The cuts of a label, and what each is charged at least; not worked out from
    ``limit`` on."""

    def __init__(self, whole: _Whole, label: str, limit: float) -> None:
        self.cuts, self._whole, self._limit = whole.cuts(label), whole, limit
        self._least: dict[int, float] = {}
        self._waited: set[int] = set()
        self.start = self._lowest()
        self._waited.add(self.start)

    def least(self, at: int) -> float:
        """What one of them is charged at least."""
        found = self._least.get(at)
        if found is None:
            found = self._whole.parts.least(self.cuts[at], self._limit)
            self._least[at] = found
        return found

    def beside(self, at: int) -> list[int]:
        """The next larger and smaller blocks, if they did not come before."""
        found = [n for n in (at - 1, at + 1) if 0 <= n < len(self.cuts)]
        found = [n for n in found if n not in self._waited]
        self._waited.update(found)
        return found

    def _lowest(self) -> int:
        """From the largest blocks that pay no rent on, larger or smaller ones as long
        as they promise more."""
        at, peak = 0, self._whole.held.arrays / 2
        while peak > self._whole.charge.free and at + 1 < len(self.cuts):
            at, peak = at + 1, peak / 2
        for step in (1, -1):
            while 0 <= at + step < len(self.cuts):
                if self.least(at + step) >= self.least(at):
                    break
                at += step
        return at


def blocked(planned: Planned, route: Route, cut: Cut, charge: Charge) -> Planned | None:
    """The plan in blocks; None where a block has no such plan."""
    bodies: dict[Network, Lowered] = {}
    try:
        blocks = cut_network(planned.plan.network.without(), cut)
        for network in dict.fromkeys([block.network for block in blocks]):
            body = lower_block(route, network, charge.machine, charge.itemsize)
            bodies[network] = body
    except (NetworkError, NotHereError):
        return None
    return _assembled(planned, cut, blocks, bodies, charge)


def _assembled(
    planned: Planned,
    cut: Cut,
    blocks: list[CutBlock],
    bodies: dict[Network, Lowered],
    charge: Charge,
) -> Planned:
    turns = [bodies[block.network] for block in blocks]
    programs = {network: body.program for network, body in bodies.items()}
    program = loop_program(planned.plan.network, blocks, programs)
    result = sum(size_of(body.program.shape) for body in turns) * charge.itemsize
    arrays = planned.plan.network.arguments
    around = {
        network: turn_seconds(body.program, arrays, program.shape, charge)
        for network, body in bodies.items()
    }
    seconds = sum(bodies[b.network].seconds + around[b.network] for b in blocks)
    return replace(
        planned,
        plan=replace(planned.plan, blocks=Blocks(cut.label, cut.size)),
        program=program,
        seconds=seconds + whole_seconds(program.shape, charge),
        flops=sum(body.flops for body in turns),
        bytes=sum(body.bytes for body in turns) + 2 * result,
        held=charge.held(program),
    )
