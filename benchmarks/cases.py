"""Operations, and what a contestant is asked to do: one operation on one layer.

Every operation is a contraction of two of three arrays of a convolution (wide, narrow,
weight), or of the wide one with itself. Which, is its *kind*: "narrow" (the
convolution), "wide" (its transpose), "weight", "weights" (one per example), "expand",
"reduce". A transposed layer swaps the first two.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

from benchmarks.layers import Ints, Layer

#: operation -> (kind, kind for a transposed layer or None, title)
OPERATIONS: dict[str, tuple[str, str | None, str]] = {
    "forward": ("narrow", "wide", "forward"),
    "input-vjp": ("wide", "narrow", "input VJP"),
    "weight-vjp": ("weight", "weight", "weight VJP"),
    "per-example": ("weights", "weights", "per-example weight VJP"),
    "kfac-expand": ("expand", None, "KFAC-expand input factor"),
    "kfac-reduce": ("reduce", None, "KFAC-reduce input factor"),
}

#: kind -> the arrays it reads
READS = {
    "narrow": ("wide", "weight"),
    "wide": ("narrow", "weight"),
    "weight": ("wide", "narrow"),
    "weights": ("wide", "narrow"),
    "expand": ("wide",),
    "reduce": ("wide",),
}


class Cannot(Exception):
    """A contestant cannot do a case; ``detail`` is what differs from case to case."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)


@dataclass(frozen=True)
class Case:
    """One operation on one layer, with the arrays it reads (the others are None).

    ``wide`` is (batch, c, *wide sizes), ``narrow`` (batch, d, *narrow sizes),
    ``weight`` (d, c/groups, *kernel_size); ``memory`` is how many bytes a contestant
    may take.
    """

    operation: str
    layer: Layer
    batch: int
    memory: int
    wide: Any = None
    narrow: Any = None
    weight: Any = None

    @property
    def kind(self) -> str:
        """What is contracted."""
        return kind(self.operation, self.layer)

    @cached_property
    def result_shape(self) -> Ints:
        """The shape of a right result."""
        layer, found = self.layer, self.kind
        if found in ("narrow", "wide"):
            channels, size = layer.narrow if found == "narrow" else layer.wide
            return (self.batch, channels, *size)
        if found in ("expand", "reduce"):
            side = layer.wide[0] // layer.groups * layer.taps
            return (layer.groups, side, side)
        shape = layer.weight_shape
        return (self.batch, *shape) if found == "weights" else shape

    @property
    def arrays(self) -> dict[str, Any]:
        """The arrays that are read, by role."""
        return {role: getattr(self, role) for role in READS[self.kind]}

    @property
    def given_bytes(self) -> int:
        """Bytes of the arrays that are read."""
        return sum(int(array.nbytes) for array in self.arrays.values())

    @property
    def result_bytes(self) -> int:
        """Bytes of a result in float32."""
        return 4 * prod(self.result_shape)

    def torch(self, device: str = "cpu") -> Case:
        """The same case on PyTorch tensors; on the CPU they share the memory."""
        import torch

        found: dict[str, Any] = {
            role: torch.from_numpy(a).to(device) for role, a in self.arrays.items()
        }
        return replace(self, **found)

    def ordered(self, names: Iterable[str]) -> list[Any]:
        """The arrays of a network's arguments, as tnconv names them."""
        roles = {"x": "wide", "weight": "weight", "cotangent": "narrow"}
        if self.layer.transposed:
            roles |= {"x": "narrow", "cotangent": "wide"}
        return [getattr(self, roles[name]) for name in names]

    def network(self) -> Any:
        """The network of the operation, as tnconv builds it from shapes alone."""
        from tnconv import networks

        layer, hyper = self.layer, self.layer.hyper()
        prefix = "conv_transpose" if layer.transposed else "conv"
        shapes: dict[str, Any] = {
            role: tuple(array.shape) for role, array in self.arrays.items()
        }
        roles = ("narrow", "wide") if layer.transposed else ("wide", "narrow")
        x, v = (shapes.get(role, ()) for role in roles)
        if self.operation == "forward":
            return getattr(networks, prefix)(x, shapes["weight"], **hyper)
        if self.operation == "input-vjp":
            build = getattr(networks, f"{prefix}_input_vjp")
            return build(shapes["weight"], v, layer.input_size, **hyper)
        if self.operation.startswith("kfac"):
            hyper |= factor_keywords(self.kind)
            return networks.kfac_input_factor(x, layer.kernel_size, **hyper)
        build = getattr(networks, f"{prefix}_weight_vjp")
        each = self.operation == "per-example"
        return build(x, v, layer.kernel_size, per_example=each, **hyper)


def factor_keywords(kind: str) -> dict[str, str]:
    """How tnconv is asked for the factor that all contestants compute, einconv's."""
    over = {"expand": "batch", "reduce": "both"}
    return {"approximation": kind, "normalization": over[kind]}


def kind(operation: str, layer: Layer) -> str:
    """What an operation contracts; raises :class:`Cannot` where it is not offered."""
    plain, transposed, title = OPERATIONS[operation]
    found = transposed if layer.transposed else plain
    if found is None:
        raise Cannot(f"{title} is not offered for transposed convolutions")
    return found


def make(operation: str, layer: Layer, batch: int, memory: int, seed: int) -> Case:
    """A case on NumPy arrays, float32, standard normal, the same for the same seed."""
    import numpy as np

    shapes = {
        "wide": (batch, layer.wide[0], *layer.wide[1]),
        "narrow": (batch, layer.narrow[0], *layer.narrow[1]),
        "weight": layer.weight_shape,
    }
    rng = np.random.default_rng(seed)
    arrays = {
        role: rng.standard_normal(shapes[role], dtype=np.float32)
        for role in READS[kind(operation, layer)]
    }
    return Case(operation, layer, batch, memory, **arrays)
