"""What a plan is spent on, in parts, and how much of each a block of a label has."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from tnconv.network import Network
from tnconv.planning.blocks import Cut, turns_of
from tnconv.planning.machine import Machine
from tnconv.planning.products import product_seconds, triangle_seconds

#: what something is spent on; of twins, what is done for both at once has the labels
#: of each: it is done for each where blocks cut only one of them
Labels = tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True)
class Product:
    """A matrix product: its sizes, the labels of its operands (one: a triangle) and
    those of its batch."""

    batch: int
    rows: int
    inner: int
    columns: int
    operands: tuple[Labels, ...]
    alive: frozenset[str]

    def seconds(self, machine: Machine) -> float:
        """The arithmetic."""
        if len(self.operands) == 1:
            return triangle_seconds(self.batch, self.rows, self.inner, machine)[0]
        each = product_seconds(self.rows, self.inner, self.columns, machine)
        return self.batch * each

    def block(self, cut: Blocks) -> Product:
        """The product of one block, as far as it is known to be thinner."""
        sides = [labels for operand in self.operands for labels in operand]
        left, right = cut.carriers(sides[0]), cut.carriers(sides[-1])
        batch = cut.share(left & right & self.alive)
        rows = cut.share(left & self.alive - right)
        columns = cut.share(right & self.alive - left)
        inner = max([cut.share(a - self.alive) for a in (left, right)])
        return replace(
            self,
            batch=max(1, int(self.batch * batch)),
            rows=max(1, int(self.rows * rows)),
            inner=max(1, int(self.inner * inner)),
            columns=max(1, int(self.columns * columns)),
        )


@dataclass(frozen=True, slots=True)
class Share:
    """Seconds of a plan on memory that costs nothing, the bytes of fresh memory that
    are written, the calls that every block makes once more, and the ``turns`` taken.

    ``avoidable``: blocks along a pattern may do without (most of them read no padding,
    and transforms of a block are shorter).
    """

    seconds: float
    labels: Labels
    fresh: int = 0
    calls: int = 0
    turns: int = 1
    avoidable: bool = False
    product: Product | None = None


class Blocks:
    """A cut: its turns, the share of a block of the label and of the inputs of patterns
    that it narrows, and whether most blocks are inside, apart along a pattern."""

    def __init__(self, network: Network, cut: Cut) -> None:
        self.label, self.turns = cut.label, turns_of(network, cut)
        self.inside = any([op.output == cut.label for op in network.patterns])
        self.shares = {cut.label: 1 / self.turns}
        for op in network.patterns:
            if cut.label in (op.output, op.kernel) and op.index.input:
                index = op.index if cut.label == op.output else op.index.swap()
                share = index.touches(cut.size) / index.input
                self.shares[op.input] = max(share, 1 / self.turns)
        self._times: dict[Labels, float] = {}

    def carriers(self, labels: frozenset[str]) -> frozenset[str]:
        """Those of some labels that blocks narrow."""
        return labels.intersection(self.shares)

    def share(self, carriers: frozenset[str]) -> float:
        """What a block has of all their values; an input may have become the label."""
        shares = [self.shares[a] for a in carriers]
        if self.label in carriers and len(shares) > 1:
            return prod(shares) / max([self.shares[a] for a in carriers - {self.label}])
        return prod(shares)

    def times(self, labels: Labels) -> float:
        """How often what carries these labels is done, or held, by all blocks."""
        found = self._times.get(labels)
        if found is None:
            most = max([self.share(self.carriers(each)) for each in labels])
            found = self.turns * most
            found = self._times[labels] = found if len(labels) == 1 else min(found, 2.0)
        return found

    def spare(self, labels: frozenset[str]) -> bool:
        """Whether most blocks do without padding of what carries these labels."""
        return self.inside and not labels.isdisjoint(self.shares)
