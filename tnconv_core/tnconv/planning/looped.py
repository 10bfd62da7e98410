"""The plan that was found, in blocks of one label, where that is cheaper.

Blocks are a matter of speed as much as of memory: a large intermediate faults its
pages in on every call, one that the allocator uses again or that fits a cache does not.
The steps stay as they are; they are written once more for the network of a block. What
is compared is seconds plus the price of the bytes held, a byte held being charged as a
byte faulted in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tnconv.errors import NetworkError
from tnconv.execution.liveness import peak_bytes
from tnconv.execution.program import Program, size_of
from tnconv.network import Input, Network, SubNetwork
from tnconv.planning.blocks import Cut, CutBlock, cut_labels, cut_network, loop_program
from tnconv.planning.builder import Builder
from tnconv.planning.cost import workspace
from tnconv.planning.estimator import Sketch
from tnconv.planning.lower import Lowered, lower
from tnconv.planning.machine import Machine
from tnconv.planning.plan import Blocks, Plan
from tnconv.planning.rivals import Planned, form_table
from tnconv.planning.site import NotHereError

#: blocks are looked for where holding memory costs this share of the time
WORTH = 0.05
#: labels that are tried, most widely carried first
LABELS = 4


@dataclass(frozen=True, slots=True)
class _Shop:
    """What a plan is written for, and how."""

    machine: Machine
    itemsize: int
    kind: type[Builder] = Sketch

    def writing(self) -> _Shop:
        """The same, for real."""
        return replace(self, kind=Builder)

    def held(self, planned: Planned) -> float:
        """Seconds that the bytes held beyond inputs and result are worth."""
        return planned.peak / self.machine.fresh

    def price(self, planned: Planned) -> float:
        """Seconds, and what is held."""
        return planned.seconds + self.held(planned)


def looped(planned: Planned, machine: Machine, itemsize: int) -> Planned:
    """The plan, or the same in blocks of a label if that is cheaper."""
    shop = _Shop(machine, itemsize)
    network = planned.plan.network
    if shop.held(planned) <= WORTH * planned.seconds or _is_nested(network):
        return planned
    best, saved = planned, _fresh_seconds(planned, shop) + shop.held(planned) / 2
    for label in _labels(network):
        if saved <= _spent(planned, label, shop):
            continue
        for candidate in _along(planned, label, shop):
            if shop.price(candidate) >= shop.price(best):
                break  # smaller blocks only add calls
            best = candidate
    blocks = best.plan.blocks
    if best is planned or blocks is None:
        return planned
    written = _blocked(planned, Cut(blocks.label, blocks.size), shop.writing())
    assert written is not None
    return written


def _spent(planned: Planned, label: str, shop: _Shop) -> float:
    """What halves of a label cost at least, to be set against the fresh memory and the
    half of what is held that they save: their results are held, and added up."""
    m, result = shop.machine, size_of(planned.program.shape) * shop.itemsize
    turns = 1 if label in planned.plan.network.output_labels else 2
    return 4 * m.call + turns * (result / m.add + result / 2 / m.fresh)


def _fresh_seconds(planned: Planned, shop: _Shop) -> float:
    """Seconds of the plan's steps that go into memory faulted in."""
    program, machine = planned.program, shop.machine
    shapes = [shape for _, shape in program.inputs]
    calm = replace(machine, fresh=float("inf"))
    real = Sketch({}, machine, shop.itemsize, shapes)
    kept = Sketch({}, calm, shop.itemsize, shapes)
    for step in program.steps:
        real.add(step)
        kept.add(step)
    return real.cost.seconds - kept.cost.seconds


def _is_nested(network: Network) -> bool:
    return any(isinstance(op, SubNetwork) for op in network.operands)


def _labels(network: Network) -> list[str]:
    """Labels to cut: those that most arrays carry, the result's before others."""
    arrays = [op for op in network.operands if isinstance(op, Input)]
    kept = set(network.output_labels)

    def rank(label: str) -> tuple[int, bool]:
        return -sum(label in op.labels for op in arrays), label not in kept

    return sorted(cut_labels(network), key=rank)[:LABELS]


def _along(planned: Planned, label: str, shop: _Shop) -> Iterator[Planned]:
    """Blocks of a label, from half of it down, as long as a block fits its steps."""
    size = planned.plan.network.sizes[label]
    while size > 1:
        size = -(-size // 2)
        candidate = _blocked(planned, Cut(label, size), shop)
        if candidate is None:
            return
        yield candidate


def _blocked(planned: Planned, cut: Cut, shop: _Shop) -> Planned | None:
    plan = planned.plan
    try:
        blocks = cut_network(plan.network.without(), cut)
    except NetworkError:
        return None
    bodies: dict[Network, Lowered] = {}
    try:
        for block in blocks:
            if block.network not in bodies:
                bodies[block.network] = _body(plan, block.network, shop)
    except NotHereError:
        return None
    return _assembled(planned, cut, blocks, bodies, shop)


def _body(plan: Plan, network: Network, shop: _Shop) -> Lowered:
    steps = replace(plan, network=network)
    return lower(steps, shop.machine, shop.itemsize, form_table(), {}, shop.kind)


def _assembled(
    planned: Planned,
    cut: Cut,
    blocks: list[CutBlock],
    bodies: dict[Network, Lowered],
    shop: _Shop,
) -> Planned:
    turns = [bodies[block.network] for block in blocks]
    programs = {network: body.program for network, body in bodies.items()}
    program = loop_program(planned.plan.network, blocks, programs)
    largest = max(size_of(body.program.shape) for body in turns) * shop.itemsize
    added = 2 * shop.machine.call + largest / shop.machine.add
    return replace(
        planned,
        plan=replace(planned.plan, blocks=Blocks(cut.label, cut.size)),
        program=program,
        seconds=sum(body.seconds + added for body in turns),
        flops=sum(body.flops for body in turns),
        bytes=sum(body.bytes + 2 * largest for body in turns),
        peak=largest + max(_peak(body.program, shop) for body in turns),
    )


def _peak(program: Program, shop: _Shop) -> int:
    beside = workspace(shop.machine, shop.itemsize)
    return peak_bytes(program, shop.itemsize, beside)
