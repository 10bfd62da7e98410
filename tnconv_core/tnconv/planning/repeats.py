"""What blocks of a label do again, and hold, at least: before any block is written.

A step that does not carry the label is the same in every block; what reads the input of
a pattern whose output is cut overlaps with what the next block reads. Products of
blocks are thinner, and fresh memory costs its time where a block asks for much of it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from tnconv.execution.liveness import held_bytes
from tnconv.execution.program import (
    Constant,
    Gram,
    Matmul,
    MultiplySum,
    Native,
    Pad,
    Program,
    Spectral,
    Step,
    View,
    size_of,
)
from tnconv.network import Network
from tnconv.planning.blocks import Cut
from tnconv.planning.charge import Charge, Held
from tnconv.planning.cost import price
from tnconv.planning.estimator import Sketch
from tnconv.planning.route import Route, Written
from tnconv.planning.shares import Blocks, Labels, Product, Share
from tnconv.planning.turns import whole_seconds
from tnconv.planning.workspace import workspace

#: products of less than this share of the time are not looked at one by one
SMALL = 0.02
#: steps that sum labels
PRODUCTS = (Gram, Matmul, MultiplySum, Native, Spectral)


@dataclass(frozen=True, slots=True)
class Repeats:
    """A plan in parts: its shares of time, and the bytes held at its worst moment by
    the labels they carry, in arrays and beside them."""

    network: Network
    charge: Charge
    shares: tuple[Share, ...]
    arrays: tuple[tuple[int, Labels], ...]
    beside: tuple[int, Labels]
    lands: bool

    @classmethod
    def of(cls, route: Route, network: Network, charge: Charge) -> Repeats:
        """The parts of a plan for a network."""
        meter = _Meter(network, charge)
        result, written = route.write(meter, network, {})
        shares = _merged([share for step in written for share in meter.shares(step)])
        arguments = tuple(network.arguments.items())
        program = Program(arguments, tuple(meter.steps), result)
        extra = workspace(charge.machine, charge.itemsize)
        moments = [
            (sum(held.values()) + more, at, dict(held), more)
            for at, (held, more) in enumerate(
                held_bytes(program, charge.itemsize, extra), meter.inputs
            )
        ]
        _, at, held, more = max(moments, default=(0, 0, {}, 0))
        every, labels = (frozenset(network.sizes),), meter.labels
        arrays = [(nbytes, labels.get(r, every)) for r, nbytes in held.items()]
        beside = more, labels.get(at, every)
        lands = charge.lands(program, added=False)
        return cls(network, charge, tuple(shares), tuple(arrays), beside, lands)

    def least(self, cut: Cut, limit: float) -> float:
        """What all blocks of a cut are charged, at least; no more is worked out from
        ``limit`` on."""
        charge, made = self.charge, size_of(self.network.shape) * self.charge.itemsize
        blocks = Blocks(self.network, cut)
        turns = blocks.turns
        each = made // turns if cut.label in self.network.output_labels else made
        each = 0 if self.lands else each
        seconds = 2 * turns * charge.machine.call
        seconds += whole_seconds(self.network.shape, charge)
        seconds += turns * each / charge.machine.add  # results are added up
        for share in self.shares:
            seconds += self._seconds(share, blocks)
            if seconds >= limit:
                return seconds
        parts = [n * blocks.times(labels) / turns for n, labels in self.arrays]
        arrays = each + int(sum(parts))
        nbytes, labels = self.beside
        beside = int(nbytes * blocks.times(labels) / turns)
        return charge.price(seconds, Held(arrays, arrays + beside))

    def _seconds(self, share: Share, blocks: Blocks) -> float:
        """What all blocks take for a share."""
        if share.avoidable and blocks.spare(share.labels[0]):
            return 0.0
        machine, times = self.charge.machine, blocks.times(share.labels)
        seconds = times * share.seconds
        if share.product is not None:
            once = blocks.turns * share.product.block(blocks).seconds(machine)
            more = once - times * share.product.seconds(machine)
            seconds += max(0.0, share.turns * more)
        if times * share.fresh >= blocks.turns * machine.fresh_from:
            seconds += times * share.fresh * share.turns / machine.fresh
        again = (blocks.turns - times) * share.calls * share.turns
        return seconds + max(0.0, again) * machine.call


class _Meter(Sketch):
    """A sketch that remembers what each step costs, how often its loop turns, and the
    labels it carries."""

    def __init__(self, network: Network, charge: Charge) -> None:
        shapes = list(network.arguments.values())
        super().__init__(network.sizes, charge.machine, charge.itemsize, shapes)
        self.calm = Sketch(self.sizes, charge.machine.calm, self.itemsize)
        self.calm.shapes, self.calm.steps = self.shapes, self.steps
        self.calm.inputs = self.inputs
        self.prices: list[tuple[float, float]] = []
        self.looped: dict[int, int] = {}
        self.labels: dict[int, Labels] = {}

    def add(self, step: Step) -> int:
        """Price a step, unless it is known."""
        before, count = self.cost.seconds, len(self.steps)
        register = super().add(step)
        if len(self.steps) > count:
            calm = price(step, self.calm).seconds
            self.prices.append((self.cost.seconds - before, calm))
        return register

    def turns(self, items: Sequence[Any]) -> Iterator[Any]:
        """The first turn of a loop."""
        start = len(self.steps)
        yield from super().turns(items)
        self.looped.update(dict.fromkeys(range(start, len(self.steps)), len(items)))

    def shares(self, written: Written) -> Iterator[Share]:
        """The parts of a step of the plan: what only one of two values leads to carries
        the labels of that one."""
        values, read = written.site.values, written.stop.read
        known = {v.register: (a,) for v, a in zip(values, read, strict=True)}
        reach: dict[int, Labels] = {**known}
        if written.site.twins:
            reach = {values[0].register: read}
        every = (frozenset().union(*read),)
        kept = written.stop.alive.union(_named(written.stop.variant))
        left = written.seconds
        for at in range(written.start, written.end):
            step = self.steps[at]
            sources = [reach.get(r, every) for r in step.sources]
            labels = _joined(sources) if sources else every
            made = labels
            if isinstance(step, PRODUCTS):
                made = (frozenset().union(*labels) & kept,)
            reach[self.inputs + at] = self.labels[self.inputs + at] = made
            turns, (once, calm) = self.looped.get(at, 1), self.prices[at]
            left -= turns * once
            nbytes = size_of(step.shape) * self.itemsize
            yield Share(
                turns * calm,
                labels,
                nbytes if nbytes >= self.machine.fresh_from and calm < once else 0,
                int(len(sources) > 1),
                turns,
                isinstance(step, (Pad, Spectral)),
                self._product(step, tuple(sources), written.stop.alive),
            )
        if left > 0:  # what adds up the turns
            yield Share(left, every)

    def _product(
        self, step: Step, sources: tuple[Labels, ...], alive: frozenset[str]
    ) -> Product | None:
        if not isinstance(step, (Matmul, Gram)):
            return None
        if any([self._is_constant(r) for r in step.sources]):
            return None  # what it carries of the value's legs is not known
        left = self.shapes[step.sources[0]]
        batch, columns = prod(step.shape[:-2]), step.shape[-1]
        return Product(batch, left[-2], left[-1], columns, sources, alive)

    def _is_constant(self, register: int) -> bool:
        at = register - self.inputs
        step = self.steps[at] if at >= 0 else None
        while isinstance(step, View) and step.sources[0] >= self.inputs:
            step = self.steps[step.sources[0] - self.inputs]
        return isinstance(step, Constant)


def _merged(shares: list[Share]) -> list[Share]:
    """The largest first; what is small or plain in one for equal labels."""
    small = SMALL * sum([share.seconds for share in shares])
    found: list[Share] = []
    rest: dict[tuple[Labels, bool], tuple[float, int]] = {}
    for share in shares:
        if share.fresh or (share.product is not None and share.seconds > small):
            found.append(share)
        else:
            key = share.labels, share.avoidable
            seconds, calls = rest.get(key, (0.0, 0))
            calls += share.calls * share.turns
            rest[key] = seconds + share.seconds, calls
    for (labels, avoidable), (seconds, calls) in rest.items():
        found.append(Share(seconds, labels, 0, calls, 1, avoidable))
    return sorted(found, key=lambda share: -share.seconds)


def _named(item: Hashable) -> Iterator[str]:
    """The names in a variant: labels that it loops over are among them."""
    if isinstance(item, tuple):
        for part in item:
            yield from _named(part)
    elif isinstance(item, str):
        yield item


def _joined(sources: Sequence[Labels]) -> Labels:
    """The labels of what reads some arrays."""
    if len(set(sources)) == 1:
        return sources[0]
    return (frozenset().union(*[each for labels in sources for each in labels]),)
