"""One autograd function for every network: its derivatives are networks again.

Backward, forward mode and vmap each plan a derived network and call it through the same
door, so that double backward and nested transforms follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch.autograd import forward_ad

from tnconv.execution.backend import Place
from tnconv.execution.cache import BoundedCache
from tnconv.execution.expression import Expression, planned_expression
from tnconv.network import Network
from tnconv_backends.torch.derivatives import batched, fresh, jvps, readers, real, vjps

Array = Any

_DERIVED: BoundedCache[tuple[Expression, ...]] = BoundedCache(4096)
_transforming: Callable[[], bool] = torch._C._are_functorch_transforms_active


def is_plain(arrays: Sequence[Array]) -> bool:
    """Whether no derivative is wanted and no transform is at work."""
    if torch.is_grad_enabled():
        for array in arrays:
            if array.requires_grad:
                return False
    return forward_ad._current_level < 0 and not _transforming()


def contract(job: Expression, arrays: Sequence[Array]) -> Array:
    """The door: run an expression, differentiably where that is wanted."""
    if is_plain(arrays):
        return _run(job, arrays)
    return Contraction.apply(job, *arrays)  # type: ignore[no-untyped-call]


def _run(job: Expression, arrays: Sequence[Array]) -> Array:
    return job.compiled(job.backend.place(arrays[0]))(arrays)


class Contraction(torch.autograd.Function):
    """A network applied to its arrays, in the order of ``job.network.arguments``."""

    @staticmethod
    def forward(job: Expression, *arrays: Array) -> Array:
        """Run what was planned."""
        return _run(job, arrays)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Array) -> None:
        """Keep the arrays that the wanted gradients read, and no others."""
        job, *arrays = inputs
        names = tuple(job.network.arguments)
        wanted = [n for n, w in zip(names, ctx.needs_input_grad[1:], strict=True) if w]
        read = _read_by(job.network, wanted)
        ctx.job, ctx.place = job, job.backend.place(arrays[0])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(
            *(a if n in read else None for n, a in zip(names, arrays, strict=True))
        )
        ctx.save_for_forward(*arrays)

    @staticmethod
    def backward(ctx: Any, cotangent: Array | None) -> tuple[Array | None, ...]:
        """The VJPs of the inputs that want one."""
        network, wanted = ctx.job.network, ctx.needs_input_grad
        if cotangent is None:
            return (None,) * len(wanted)
        names = tuple(network.arguments)
        own = fresh(network, "cotangent")
        arrays = dict(zip(names, ctx.saved_tensors, strict=True)) | {own: cotangent}

        def vjp(name: str) -> Array:
            parts = _derived(ctx, ("vjp", name), lambda: vjps(network, name, own))
            return _total(parts, arrays)

        found = [
            vjp(name) if want else None
            for name, want in zip(names, wanted[1:], strict=True)
        ]
        return (None, *found)

    @staticmethod
    def jvp(ctx: Any, _: None, *tangents: Array | None) -> Array:
        """The sum of the networks with one array replaced by its tangent."""
        network = ctx.job.network
        names = tuple(network.arguments)
        own = fresh(network, "tangent")
        arrays = dict(zip(names, ctx.saved_tensors, strict=True))

        def along(name: str, tangent: Array) -> Array:
            parts = _derived(ctx, ("jvp", name), lambda: jvps(network, name, own))
            return _total(parts, arrays | {own: tangent})

        return _added(
            along(name, tangent)
            for name, tangent in zip(names, tangents, strict=True)
            if tangent is not None
        )

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], job: Expression, *arrays: Array
    ) -> tuple[Array, int]:
        """One call of the network with one more axis."""
        given, mapped = {}, set()
        named = zip(job.network.arguments, arrays, in_dims[1:], strict=True)
        for name, array, dim in named:
            given[name] = array if dim is None else array.movedim(dim, 0)
            if dim is not None:
                mapped.add(name)
        chosen, size = frozenset(mapped), info.batch_size
        here = _Here(job, job.backend.place(arrays[0]))
        parts = _derived(
            here, ("vmap", chosen, size), lambda: [batched(job.network, chosen, size)]
        )
        return _total(parts, given), 0


class _Here:
    """A job and where its arrays are, as a context holds them."""

    def __init__(self, job: Expression, place: Place) -> None:
        self.job, self.place = job, place


def _read_by(network: Network, wanted: Iterable[str]) -> set[str]:
    """The arrays that the VJPs with respect to ``wanted`` read."""
    names = set(network.arguments)
    read: set[str] = set()
    for name in wanted:
        read |= names if readers(network, name) > 1 else names - {name}
    return read


def _total(parts: Sequence[Expression], arrays: Mapping[str, Array]) -> Array:
    return _added(
        contract(part, [arrays[name] for name in part.network.arguments])
        for part in parts
    )


def _added(parts: Iterable[Array]) -> Array:
    total = None
    for part in parts:
        total = part if total is None else total + part
    return total


def _derived(
    here: Any, what: tuple[Any, ...], build: Callable[[], Iterable[Network]]
) -> tuple[Expression, ...]:
    """Derived expressions of a job at a place, planned once."""
    job, place = here.job, here.place

    def plan() -> tuple[Expression, ...]:
        networks = build()
        if not job.dtype.startswith("complex"):
            networks = map(real, networks)
        return tuple(
            planned_expression(network, job.backend, place, job.options)
            for network in networks
        )

    return _DERIVED.get_or_make((what, job.network, place, job.options), plan)
