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
from tnconv.execution.program import Pad, Program, Spectral, size_of
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
        """Seconds that the arrays held beyond inputs and result are worth."""
        return self.arrays(planned.program) / self.machine.fresh

    def arrays(self, program: Program) -> int:
        """Bytes of arrays held; what a library takes inside a call is not counted."""
        return peak_bytes(program, self.itemsize, lambda step, shapes: 0)

    def price(self, planned: Planned) -> float:
        """Seconds, and what is held."""
        return planned.seconds + self.held(planned)


def looped(planned: Planned, machine: Machine, itemsize: int) -> Planned:
    """The plan, or the same in blocks of a label if that is cheaper."""
    shop = _Shop(machine, itemsize)
    network = planned.plan.network
    if not planned.plan.steps or _is_nested(network):
        return planned
    if shop.held(planned) <= WORTH * planned.seconds:
        return planned
    best, body = planned, _Body.of(planned, shop)
    for label in _labels(network):
        for size in _halvings(network.sizes[label]):
            cut = Cut(label, size)
            if body.least(planned, cut, shop) >= shop.price(best):
                break
            candidate = _blocked(planned, cut, shop)
            if candidate is None or shop.price(candidate) >= shop.price(best):
                break  # smaller blocks only add calls
            best = candidate
    blocks = best.plan.blocks
    if best is planned or blocks is None:
        return planned
    written = _blocked(planned, Cut(blocks.label, blocks.size), shop.writing())
    assert written is not None
    return written


@dataclass(frozen=True, slots=True)
class _Body:
    """What blocks do not save: seconds of the steps on memory that costs nothing, and
    the products called by each. Most blocks read no padding, and transforms of a block
    are shorter: these do not count."""

    seconds: float
    calls: int

    @classmethod
    def of(cls, planned: Planned, shop: _Shop) -> _Body:
        """Of the plan in one piece."""
        program = planned.program
        shapes = [shape for _, shape in program.inputs]
        calm = replace(shop.machine, fresh=float("inf"))
        sketch, saved = Sketch({}, calm, shop.itemsize, shapes), 0.0
        for step in program.steps:
            before = sketch.cost.seconds
            sketch.add(step)
            if isinstance(step, (Pad, Spectral)):
                saved += sketch.cost.seconds - before
        calls = sum(len(step.sources) > 1 for step in program.steps)
        return cls(sketch.cost.seconds - saved, calls)

    def least(self, planned: Planned, cut: Cut, shop: _Shop) -> float:
        """What blocks of the plan cost at least, with what they hold: results are added
        up, and a block takes and holds its share at least."""
        m, network = shop.machine, planned.plan.network
        turns = -(-network.sizes[cut.label] // cut.size)
        result = size_of(planned.program.shape) * shop.itemsize
        if cut.label not in network.output_labels:
            result *= turns
        calls = m.call * (2 * turns + self.calls * (turns - 1))
        held = shop.arrays(planned.program) / turns / m.fresh
        return self.seconds + calls + result / m.add + held


def _is_nested(network: Network) -> bool:
    return any(isinstance(op, SubNetwork) for op in network.operands)


def _labels(network: Network) -> list[str]:
    """Labels to cut: those that most arrays carry, the result's before others."""
    arrays = [op for op in network.operands if isinstance(op, Input)]
    kept = set(network.output_labels)

    def rank(label: str) -> tuple[int, bool]:
        return -sum(label in op.labels for op in arrays), label not in kept

    return sorted(cut_labels(network), key=rank)[:LABELS]


def _halvings(size: int) -> Iterator[int]:
    """Blocks from half of a size down to single values."""
    while size > 1:
        size = -(-size // 2)
        yield size


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
