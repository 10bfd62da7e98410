"""Reading shapes and hyper-parameters: what is wrong is said once, and in one way.

A :class:`Site` knows which operation was called with which shapes, so that every
message names both, then the fact that fails and the remedy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import index
from typing import Any

from tnconv.errors import ArgumentError
from tnconv.network import Network

Shape = tuple[int, ...]
Ints = int | Sequence[int]
#: the shape of a weight, or a network that gives one: a factorized kernel
Weight = Sequence[int] | Network


@dataclass(frozen=True, slots=True)
class Site:
    """An operation and the shapes it was called with."""

    operation: str
    shapes: Mapping[str, Shape]
    #: what stands for the weight, where that is no array
    factors: Network | None = None

    @classmethod
    def of(cls, operation: str, **shapes: Weight) -> Site:
        """The site of a call, its shapes checked to be sizes; ``weight`` alone may be
        a network."""
        weight = shapes.get("weight")
        factors = weight if isinstance(weight, Network) else None
        if factors is not None:
            shapes["weight"] = factors.shape
        found = {name: _sizes(operation, name, s) for name, s in shapes.items()}
        return cls(operation, found, factors)

    def adding(self, name: str, shape: Shape) -> Site:
        """The same site with the shape of an array that the others imply."""
        return replace(self, shapes={**self.shapes, name: shape})

    def error(self, fact: str, remedy: str) -> ArgumentError:
        """The error to raise: operation, fact, shapes, remedy."""
        shapes = ", ".join(f"{name} {shape}" for name, shape in self.shapes.items())
        return ArgumentError(f"{self.operation}: {fact} [shapes: {shapes}]; {remedy}")

    def whole(self, name: str, value: Any, least: int) -> int:
        """``value`` as an int of at least ``least``; bools and floats are refused."""
        number = _as_int(value)
        if number is None:
            raise self.error(f"{name} has {value!r}, which is no int", "give an int")
        if number < least:
            raise self.error(
                f"{name} has {number}, below {least}", f"give at least {least}"
            )
        return number

    def choice(self, name: str, value: Any, known: Sequence[str]) -> None:
        """Refuse a value that is none of the known names."""
        if value not in known:
            raise self.error(
                f"{name} is {value!r}", f"give one of {', '.join(map(repr, known))}"
            )

    def per_axis(self, name: str, value: Any, axes: int, least: int) -> Shape:
        """``value`` as one int per spatial axis; a single int stands for all."""
        if is_list(value):
            if len(value) != axes:
                raise self.error(
                    f"{name}={tuple(value)} has {len(value)} entries for {axes} "
                    f"spatial axes",
                    f"give an int or {axes} ints",
                )
            return tuple(self.whole(name, entry, least) for entry in value)
        return (self.whole(name, value, least),) * axes

    def spatial_rank(self, name: str, axes: int) -> int:
        """How many leading axes (2 batched, 1 unbatched) the shape ``name`` has."""
        leading = len(self.shapes[name]) - axes
        if leading not in (1, 2):
            raise self.error(
                f"{name} has {len(self.shapes[name])} axes for {axes} spatial ones",
                f"give ([batch,] channels and {axes} spatial sizes)",
            )
        return leading

    def split(self, name: str, axes: int) -> tuple[int | None, int, Shape]:
        """Batch size (None if unbatched), channels and spatial sizes of a shape."""
        leading, shape = self.spatial_rank(name, axes), self.shapes[name]
        spatial = shape[leading:]
        if min(spatial) < 1:
            raise self.error(
                f"{name} has a spatial size of 0", "spatial sizes start at 1"
            )
        return (shape[0] if leading == 2 else None), shape[leading - 1], spatial

    def weight(self) -> tuple[int, int, Shape]:
        """The two channel sizes and the kernel sizes of the shape ``weight``."""
        shape = self.shapes["weight"]
        if len(shape) < 3:
            raise self.error(
                f"weight has {len(shape)} axes",
                "give two channel sizes and at least one kernel size",
            )
        if min(shape[2:]) < 1:
            raise self.error("weight has a kernel size of 0", "kernel sizes start at 1")
        return shape[0], shape[1], shape[2:]

    def spatial_axes(self, name: str, **sizes: Any) -> int:
        """The number of spatial axes: the length of a tuple among ``sizes``.

        Where all are plain ints, the shape ``name`` is taken to be batched.
        """
        for key, value in sizes.items():
            if is_list(value):
                if not value:
                    raise self.error(f"{key} is empty", "give one int per spatial axis")
                return len(value)
        axes = len(self.shapes[name]) - 2
        if axes < 1:
            raise self.error(
                f"{name} has {axes + 2} axes, none of them spatial if it is batched",
                f"give {' or '.join(sizes)} as a tuple, one int per spatial axis",
            )
        return axes

    def groups(self, groups: Any, **channels: int) -> int:
        """``groups``, checked to be positive and to divide the channel counts."""
        number = self.whole("groups", groups, 1)
        for name, count in channels.items():
            if count % number:
                raise self.error(
                    f"{name}={count} is not divisible by groups={number}",
                    "choose groups that divides both channel counts",
                )
        return number


def is_list(value: Any) -> bool:
    """Whether a hyper-parameter is given as several values."""
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _as_int(value: Any) -> int | None:
    if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):
        return None
    try:
        return index(value)
    except TypeError:
        return None


def _sizes(operation: str, name: str, shape: Weight) -> Shape:
    if isinstance(shape, Network):
        raise ArgumentError(
            f"{operation}: {name} is a factorized kernel, which stands for a weight "
            f"only; give an array (its to_dense() is one)"
        )
    sizes = tuple(_as_int(size) for size in shape) if is_list(shape) else (None,)
    if any(size is None or size < 0 for size in sizes):
        raise ArgumentError(
            f"{operation}: the shape {shape!r} of {name} is not a tuple of sizes; "
            "give ints of at least 0"
        )
    return tuple(size for size in sizes if size is not None)
