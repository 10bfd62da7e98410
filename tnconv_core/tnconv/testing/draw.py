"""A hypothesis strategy for small networks with everything the language has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from random import Random
from typing import TYPE_CHECKING, Any

from tnconv.axis import Axis
from tnconv.network import Input, Network, Operand, Pattern, Reindex
from tnconv.pattern import IndexPattern
from tnconv.reindex import IndexMap

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Choose = Callable[[Any], Any]


def networks() -> SearchStrategy[Network]:
    """Networks of one or two patterns, one to three inputs and up to nine labels.

    Patterns are of every class, with negative and asymmetric padding and remainders;
    they may share legs, follow one another or repeat. Axes are plain, composite or
    affine with bounds; labels may be hyper-edges, diagonal, broadcast or summed alone;
    padding modes and scales occur.
    """
    from hypothesis import strategies as st

    def drawn(seed: int) -> Network:
        return _Drawing(Random(seed).choice).network()

    return st.integers(0, 2**32).map(drawn)


@dataclass
class _Drawing:
    choose: Choose
    sizes: dict[str, int] = field(default_factory=dict)
    relations: list[Operand] = field(default_factory=list)

    def network(self) -> Network:
        self._add_relations()
        for label in "ncg"[: self.choose((0, 1, 2, 3))]:
            self.sizes[label] = self.choose((2, 1, 3))
        inputs: list[Operand] = [
            Input(f"x{j}", self._axes()) for j in range(self.choose((1, 2, 3)))
        ]
        operands = [*inputs, *self.relations]
        if self.choose((False, False, True)):
            operands = operands[::-1]
        scale = self.choose((Fraction(1), Fraction(1), Fraction(3, 4)))
        output = self._axes()
        label_sizes = tuple(sorted(self.sizes.items()))
        network = Network(tuple(operands), output, label_sizes, scale)
        return self._split(network) if self.choose((True, False, False)) else network

    def _split(self, network: Network) -> Network:
        """A free label as a composite of two, wherever it stands."""
        if "n" not in network.sizes:
            return network
        outer, inner = network.sizes["n"], self.choose((1, 2, 3))
        terms = (("n", inner), ("m", 1))

        def split(axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
            return tuple(
                Axis(outer * inner, terms)
                if axis.labels == ("n",)
                else axis.substitute("n", (("n", 1), ("m", outer)), 0)
                for axis in axes
            )

        operands = tuple(
            replace(op, axes=split(op.axes)) if isinstance(op, Input) else op
            for op in network.operands
        )
        sizes = tuple(sorted({**network.sizes, "n": outer, "m": inner}.items()))
        return replace(
            network, operands=operands, output=split(network.output), label_sizes=sizes
        )

    # ---- patterns

    def _add_relations(self) -> None:
        first = self._pattern(self._record(), "i", "o", "k")
        self.relations.append(first)
        if self.choose((False, True)):
            self._add_second(first)
        if self.choose((False, False, True)):
            self._add_reindex()

    def _pattern(self, index: IndexPattern, *legs: str) -> Pattern:
        for leg, size in zip(
            legs, (index.input, index.output, index.kernel), strict=True
        ):
            self.sizes[leg] = size
        return Pattern(index, *legs)

    def _add_second(self, first: Pattern) -> None:
        """A second pattern: apart, a twin with common legs, or in a row."""
        how = self.choose(("apart", "twin", "twin", "row", "after"))
        if how == "apart":
            self.relations.append(self._pattern(self._record(), "j", "p", "l"))
        elif how == "twin":
            legs = (("i", "j"), ("o", "p"), ("k", "l"))
            chosen = [self.choose(pair) for pair in legs]
            self.relations.append(self._pattern(first.index, *chosen))
        elif how == "row":  # the output of the first is the input of the second
            index = self._record(size=first.index.output)
            self.relations.append(self._pattern(index, "o", "p", "l"))
        else:  # another window on the same input
            index = self._record(size=first.index.input)
            self.relations.append(self._pattern(index, "i", "p", "l"))

    def _record(self, size: int | None = None) -> IndexPattern:
        """A record of a drawn class; the input size may be given."""
        kind = self.choose(
            (
                "any",
                "point",
                "full",
                "tiled",
                "taps",
                "apart",
                "down",
                "common",
                "single",
            )
        )
        output, kernel = self.choose((2, 1, 3, 4)), self.choose((2, 1, 3))
        stride, dilation = self.choose((1, 2, 3)), self.choose((1, 2, 3))
        if kind == "point":
            kernel = 1
        elif kind == "full":
            output = 1
        elif kind == "tiled":
            stride, dilation = kernel, 1
        elif kind == "taps":
            stride, dilation = 1, output
        elif kind == "apart":
            stride = dilation * (kernel - 1) + self.choose((1, 2))
            if self.choose((False, True)):
                output, kernel, stride, dilation = kernel, output, dilation, stride
        elif kind == "down":
            stride, dilation = kernel + 1, 1
        elif kind == "common":
            stride, dilation = 2, 2
        plain = kind == "down" or (kind == "tiled" and self.choose((True, False)))
        padding = 0 if plain else self.choose((0, 0, 1, 2, 3, -1, -2))
        extent = stride * (output - 1) + dilation * (kernel - 1) + 1
        if kind == "single":
            padding = self.choose(range(extent))
        if size is None:
            size = max(0, extent - padding + self.choose((0, 0, 1, 2, -1, -2)))
            size = 1 if kind == "single" else size
        return IndexPattern(size, output, kernel, stride, dilation, padding)

    def _add_reindex(self) -> None:
        """A padding mode in front of the first pattern's input."""
        size = self.sizes["i"]
        mode = self.choose(("reflect", "replicate", "circular", "straight"))
        if mode == "straight":
            index_map = IndexMap.padding("replicate", size + 1, -1, 0)
        else:
            low, high = self.choose((0, 1)), self.choose((0, 1))
            whole = size - low - high
            if whole < 2:
                return
            index_map = IndexMap.padding(mode, whole, low, high)
        self.sizes["r"] = index_map.input
        self.relations.append(Reindex(index_map, "r", "i"))

    # ---- axes

    def _axes(self) -> tuple[Axis, ...]:
        labels = [a for a in sorted(self.sizes) if self.choose((True, False))][:5]
        axes: list[Axis] = []
        while labels:
            kind = self.choose(("plain", "plain", "composite", "view", "diagonal"))
            count = min(len(labels), self.choose((2, 3)) if kind == "composite" else 1)
            taken = labels[:count]
            if kind == "view":
                axes.append(self._view(taken + labels[1 : self.choose((1, 2))]))
            else:
                axes.append(self._composite(taken))
            if kind != "diagonal" or len(axes) > 3:
                labels = labels[count:]
        return tuple(axes)

    def _composite(self, labels: list[str]) -> Axis:
        whole = 1
        for label in labels:
            whole *= self.sizes[label]
        return Axis.of(whole, *labels, sizes=self.sizes)

    def _view(self, labels: list[str]) -> Axis:
        terms = tuple((label, self.choose((1, 2, -1))) for label in labels)
        offset = self.choose((0, 1, -1, 2))
        top = Axis(0, terms, offset).reach(self.sizes)[1]
        size = max(0, top + 1 + self.choose((0, -1, 1)))
        low = min(size, self.choose((0, 1)))
        return Axis(size, terms, offset, low, max(low, size - self.choose((0, 1))))
