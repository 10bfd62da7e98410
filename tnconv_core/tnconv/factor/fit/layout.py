"""Factors and weight with one axis per label, and what is linear in one factor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from tnconv.axis import Axis
from tnconv.errors import ArgumentError
from tnconv.factor.formats import bonds
from tnconv.functions.contract import contract
from tnconv.network import Input, Network

Array = Any
Labels = tuple[str, ...]

#: what a label of a second copy ends in
PRIME = "'"


@dataclass(frozen=True)
class Layout:
    """The labels of every factor and of every axis of the weight, and their sizes.

    ``shapes`` are those of the factors as the network has them.
    """

    factors: Mapping[str, Labels]
    weight: tuple[Labels, ...]
    sizes: Mapping[str, int]
    shapes: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, network: Network) -> Layout:
        """The layout of a kernel's network.

        Raises ArgumentError where it is more than a product of factors, each with a
        whole label or several for every axis.
        """
        sizes = network.sizes
        factors: dict[str, Labels] = {}
        for operand in network.operands:
            if not isinstance(operand, Input) or operand.conjugate:
                raise _unfit(f"an operand on {', '.join(operand.labels)} is no factor")
            factors[operand.name] = _whole(operand.axes, sizes)
        _check(factors, _whole(network.output, sizes), network)
        weight = tuple(axis.labels for axis in network.output)
        return cls(factors, weight, sizes, network.arguments)

    @property
    def output(self) -> Labels:
        """All labels of the weight, in order."""
        return tuple(label for axis in self.weight for label in axis)

    @property
    def group(self) -> Labels:
        """Labels of the weight that stand on every factor."""
        every = set(self.output).intersection(*map(set, self.factors.values()))
        return tuple(label for label in self.output if label in every)

    @property
    def bonds(self) -> Labels:
        """The labels that are summed."""
        seen = dict.fromkeys(a for labels in self.factors.values() for a in labels)
        return tuple(label for label in seen if label not in self.output)

    @property
    def is_tree(self) -> bool:
        """Whether every bond joins two factors, and taking any away parts them."""
        ends = [len(self.holders(bond)) for bond in self.bonds]
        return max(ends, default=2) == 2 and len(ends) < len(self.factors)

    def primed(self, labels: Iterable[str]) -> Layout:
        """The same layout, knowing a second copy of some labels."""
        more = {label + PRIME: self.sizes[label] for label in labels}
        return replace(self, sizes={**self.sizes, **more})

    def shape(self, labels: Iterable[str]) -> tuple[int, ...]:
        """The shape of an array with these labels."""
        return tuple(self.sizes[label] for label in labels)

    def holders(self, label: str) -> Labels:
        """The factors that carry a label."""
        return tuple(name for name, labels in self.factors.items() if label in labels)

    def operands(self, *, without: str = "") -> list[Input]:
        """The factors as inputs, less one."""
        return [
            self.operand(name, labels)
            for name, labels in self.factors.items()
            if name != without
        ]

    def operand(self, name: str, labels: Sequence[str]) -> Input:
        """An input with one axis per label."""
        return Input(name, self.axes(labels))

    def axes(self, labels: Iterable[str]) -> tuple[Axis, ...]:
        """One axis per label."""
        return tuple(Axis(self.sizes[label], ((label, 1),)) for label in labels)

    def network(self, operands: Sequence[Input], output: Sequence[str]) -> Network:
        """A network on these labels."""
        return Network.build(operands, self.axes(output), self.sizes)

    def dense(self, factors: Mapping[str, Array]) -> Array:
        """The weight that factors make, an axis per label."""
        return run(self.network(self.operands(), self.output), factors)

    def given(self, factors: Mapping[str, Array], xp: Any) -> tuple[Array, ...]:
        """The factors in the shapes and the order of the network."""
        return tuple(xp.reshape(factors[name], s) for name, s in self.shapes.items())

    def taken(self, factors: Sequence[Array], xp: Any) -> dict[str, Array]:
        """Factors of the network by name, an axis per label."""
        return {
            name: xp.reshape(factor, self.shape(labels))
            for (name, labels), factor in zip(
                self.factors.items(), factors, strict=True
            )
        }

    def shaped(self, name: str, values: Array, labels: Labels, xp: Any) -> Array:
        """A factor from values with its labels in some order, several on an axis."""
        full = xp.reshape(values, self.shape(labels))
        order = tuple(labels.index(label) for label in self.factors[name])
        return xp.permute_dims(full, order)

    def spread(self, weight: Array, xp: Any) -> Array:
        """A dense weight with an axis per label."""
        return xp.reshape(weight, self.shape(self.output))


def run(network: Network, arrays: Mapping[str, Array]) -> Array:
    """Contract a network with arrays by name."""
    return contract(network, *(arrays[name] for name in network.arguments))


def matrix(
    xp: Any, array: Array, labels: Sequence[str], *parts: Sequence[str]
) -> Array:
    """An array with its labels in the order of the parts, an axis for each part."""
    order = [labels.index(label) for part in parts for label in part]
    moved = xp.permute_dims(array, tuple(order))
    sizes = dict(zip(labels, array.shape, strict=True))
    return xp.reshape(moved, tuple(prod(sizes[a] for a in part) for part in parts))


def times(
    xp: Any, layout: Layout, values: Array, labels: Labels, legs: Labels, by: Array
) -> Array:
    """Multiply an array along some legs by (groups, legs, legs) from the right."""
    rest = tuple(a for a in labels if a not in (*legs, *layout.group))
    flat = matrix(xp, values, labels, layout.group, rest, legs) @ by
    order = (*layout.group, *rest, *legs)
    full = xp.reshape(flat, layout.shape(order))
    return xp.permute_dims(full, tuple(order.index(a) for a in labels))


def _whole(axes: Sequence[Axis], sizes: Mapping[str, int]) -> Labels:
    labels = [label for axis in axes for label in axis.labels]
    whole = all(a.is_plain(sizes) or a.is_composite(sizes) for a in axes)
    if not whole or len(set(labels)) != len(labels):
        raise _unfit("an axis is not made of whole labels, each of them once")
    return tuple(labels)


def _check(factors: Mapping[str, Labels], output: Labels, network: Network) -> None:
    seen = [label for labels in factors.values() for label in labels]
    if missing := [label for label in output if label not in seen]:
        raise _unfit(f"the weight's leg {missing[0]!r} is on no factor")
    for bond in bonds(network):
        if seen.count(bond) < 2:
            raise _unfit(f"the label {bond!r} is on one factor only, and summed there")
    if network.scale != 1:
        raise _unfit(f"the network is scaled by {network.scale}")


def _unfit(fact: str) -> ArgumentError:
    return ArgumentError(
        f"decompose: {fact}; give a network that is a product of factors, each with "
        "legs of the weight and labels it shares with other factors"
    )
