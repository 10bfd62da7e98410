"""The plan that was found, in blocks of one label, where that is cheaper.

Blocks are a matter of speed as much as of memory: a large intermediate faults its
pages in on every call, one that the allocator uses again or that fits a cache does not.
The steps stay as they are; they are written once more for the network of a block. What
is compared is the charge (:mod:`tnconv.planning.charge`): seconds and bytes held.

One block stands for all while a cut is chosen; the cut that is chosen is written out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tnconv.errors import NetworkError
from tnconv.execution.program import Pad, Spectral, size_of
from tnconv.network import Input, Network, SubNetwork
from tnconv.planning.blocks import (
    Cut,
    CutBlock,
    cut_block,
    cut_labels,
    cut_network,
    loop_program,
    turns_of,
)
from tnconv.planning.builder import Builder
from tnconv.planning.charge import Charge, Held
from tnconv.planning.estimator import Sketch
from tnconv.planning.lower import Lowered, lower
from tnconv.planning.plan import Blocks, Plan
from tnconv.planning.rivals import Planned, form_table
from tnconv.planning.site import NotHereError
from tnconv.planning.turns import turn_seconds, whole_seconds

#: blocks of a plan that pays no rent are looked for where holding its arrays costs
#: this share of the time
WORTH = 0.05
#: labels that are tried, most widely carried first
LABELS = 4
#: cuts that are written out, if the best is not what its sample said
TRIES = 3


def looped(planned: Planned, charge: Charge) -> Planned:
    """The plan, or the same in blocks of a label if that is cheaper."""
    network = planned.plan.network
    if not planned.plan.steps or _is_nested(network):
        return planned
    held = charge.held(planned.program)
    if charge.is_free(held) and charge.faults(held) <= WORTH * planned.seconds:
        return planned
    whole = charge.price(planned.seconds, held)
    for _, cut in _cuts(_Whole.of(planned, charge, held), whole)[:TRIES]:
        found = blocked(planned, cut, charge)
        if found and charge.price(found.seconds, charge.held(found.program)) < whole:
            return found
    return planned


@dataclass(frozen=True, slots=True)
class _Whole:
    """The plan in one piece, and what blocks do not save of it: ``seconds`` of the
    steps on memory that costs nothing, and the products called by each. Most blocks
    read no padding, and transforms of a block are shorter: these do not count."""

    planned: Planned
    charge: Charge
    held: Held
    seconds: float
    calls: int

    @classmethod
    def of(cls, planned: Planned, charge: Charge, held: Held) -> _Whole:
        """What blocks of a plan are compared with."""
        program = planned.program
        shapes = [shape for _, shape in program.inputs]
        calm = replace(charge.machine, fresh=float("inf"))
        sketch, saved = Sketch({}, calm, charge.itemsize, shapes), 0.0
        for step in program.steps:
            before = sketch.cost.seconds
            sketch.add(step)
            if isinstance(step, (Pad, Spectral)):
                saved += sketch.cost.seconds - before
        calls = sum(len(step.sources) > 1 for step in program.steps)
        return cls(planned, charge, held, sketch.cost.seconds - saved, calls)

    def least(self, cut: Cut) -> float:
        """What blocks are charged at least: results are added up, and a block takes and
        holds its share at least."""
        charge, network = self.charge, self.planned.plan.network
        turns = turns_of(network, cut)
        result = size_of(self.planned.program.shape) * charge.itemsize
        if cut.label not in network.output_labels:
            result *= turns
        calls = charge.machine.call * (2 * turns + self.calls * (turns - 1))
        seconds = self.seconds + calls + result / charge.machine.add
        part = Held(self.held.arrays // turns, self.held.peak // turns)
        return charge.price(seconds, part)

    def sampled(self, cut: Cut) -> float:
        """What blocks are charged if all are like one in the middle; inf where the plan
        has none."""
        plan, charge = self.planned.plan, self.charge
        turns = turns_of(plan.network, cut)
        try:
            block = cut_block(plan.network.without(), cut, (turns - 1) // 2)
            body = _body(plan, block.network, charge, Sketch)
        except (NetworkError, NotHereError):
            return float("inf")
        share = plan.network.sizes[cut.label] / cut.size
        program, result_shape = body.program, self.planned.program.shape
        around = turn_seconds(program, plan.network.arguments, result_shape, charge)
        seconds = share * body.seconds + turns * around
        seconds += whole_seconds(result_shape, charge)
        inside = charge.held(body.program)
        result = size_of(body.program.shape) * charge.itemsize
        held = Held(inside.arrays + result, inside.peak + result)
        return charge.price(seconds, held)


def _is_nested(network: Network) -> bool:
    return any(isinstance(op, SubNetwork) for op in network.operands)


def _cuts(whole: _Whole, price: float) -> list[tuple[float, Cut]]:
    """The best cut of each label below a price, the cheapest first."""
    found: list[tuple[float, Cut]] = []
    for label in _labels(whole.planned.plan.network):
        best = _best_cut(whole, label, min((p for p, _ in found), default=price))
        if best is not None:
            found.append(best)
    return sorted(found, key=lambda option: option[0])


def _best_cut(whole: _Whole, label: str, price: float) -> tuple[float, Cut] | None:
    """The cheapest cut of a label below a price: the largest blocks that pay no rent,
    or else larger ones as long as these are cheaper, or else smaller ones."""
    cuts = [Cut(label, n) for n in _halvings(whole.planned.plan.network.sizes[label])]
    start = _start(whole, len(cuts))
    best: tuple[float, Cut] | None = None
    for cut in cuts[start::-1]:
        found = _below(whole, cut, price)
        if found is None and best is not None:
            break
        if found is not None:
            price, best = found, (found, cut)
    if best is None or best[1] == cuts[start]:
        for cut in cuts[start + 1 :]:
            found = _below(whole, cut, price)
            if found is None:
                break
            price, best = found, (found, cut)
    return best


def _start(whole: _Whole, count: int) -> int:
    """How often a label is halved until the rent would be gone."""
    halved, peak = 1, whole.held.peak / 2
    while peak > whole.charge.free and halved < count:
        halved, peak = halved + 1, peak / 2
    return halved - 1


def _below(whole: _Whole, cut: Cut, price: float) -> float | None:
    if whole.least(cut) >= price:
        return None
    found = whole.sampled(cut)
    return found if found < price else None


def _labels(network: Network) -> list[str]:
    """Labels to cut: those that most arrays carry, the result's before others. An
    array carries the outputs of the patterns that read it, too."""
    arrays = [set(op.labels) for op in network.operands if isinstance(op, Input)]
    for op in network.patterns:
        for labels in arrays:
            labels |= {op.output} if op.input in labels else set()
    kept = set(network.output_labels)

    def rank(label: str) -> tuple[int, bool]:
        return -sum(label in labels for labels in arrays), label not in kept

    return sorted(cut_labels(network), key=rank)[:LABELS]


def _halvings(size: int) -> Iterator[int]:
    """Blocks from half of a size down to single values."""
    while size > 1:
        size = -(-size // 2)
        yield size


def blocked(planned: Planned, cut: Cut, charge: Charge) -> Planned | None:
    """The plan in blocks; None where a block has no such plan."""
    plan = planned.plan
    bodies: dict[Network, Lowered] = {}
    try:
        blocks = cut_network(plan.network.without(), cut)
        for network in dict.fromkeys(block.network for block in blocks):
            bodies[network] = _body(plan, network, charge, Builder)
    except (NetworkError, NotHereError):
        return None
    return _assembled(planned, cut, blocks, bodies, charge)


def _body(plan: Plan, network: Network, charge: Charge, kind: type[Builder]) -> Lowered:
    steps = replace(plan, network=network)
    return lower(steps, charge.machine, charge.itemsize, form_table(), {}, kind)


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
        peak=charge.held(program).peak,
    )
