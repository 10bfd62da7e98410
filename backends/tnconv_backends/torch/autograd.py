"""One autograd function for every network: its derivatives are networks again.

Backward, forward mode and vmap each plan a derived network and call it through the same
door, so that double backward and nested transforms follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress
from typing import Any

import torch
from torch.autograd import forward_ad

from tnconv.edits import without_conjugates
from tnconv.execution.cache import BoundedCache
from tnconv.execution.expression import Expression, Run, planned_expression
from tnconv.execution.staged import Row, cheapest_row, pulled_back
from tnconv.network import Network
from tnconv_backends.torch.derivatives import batched, fresh, jvps, readers, vjps

Array = Any


@dataclass(frozen=True, slots=True)
class _Derived:
    """A derived network, planned and compiled, and the arrays it reads."""

    job: Expression
    run: Run
    names: tuple[str, ...]


_DERIVED: BoundedCache[tuple[_Derived, ...]] = BoundedCache(4096)
_ROWS: BoundedCache[dict[str, _Derived]] = BoundedCache(1024)
_STAGED = ("float32", "float64", "complex64", "complex128")
#: whether a transform of ``torch.func`` is at work
transforming: Callable[[], bool] = torch._C._are_functorch_transforms_active


def contract(run: Run, job: Expression, arrays: Sequence[Array]) -> Array:
    """The door: run an expression, differentiably where that is wanted."""
    if transforming():
        return Contraction.apply(job, run, *arrays)  # type: ignore[no-untyped-call]
    if forward_ad._current_level >= 0:
        return _apply(job, run, *arrays)
    if torch.is_grad_enabled():
        wanted = sum([array.requires_grad for array in arrays])
        if wanted > 1 and len(arrays) > 2:
            return _in_stages(job, run, arrays)
        if wanted:
            return _apply(job, run, *arrays)
    return run(arrays)


def _in_stages(job: Expression, run: Run, arrays: Sequence[Array]) -> Array:
    """The products of a plan one by one, so that gradients share what they have in
    common; half precision is rounded once, and memory limits are kept, so not these."""
    if job.dtype not in _STAGED or job.options.memory_limit is not None:
        return _apply(job, run, *arrays)
    wanted = tuple([array.requires_grad for array in arrays])
    parts = _staged(job, arrays[0], wanted)
    if len(parts) == 1:
        return _apply(job, run, *arrays)
    known = dict(zip(job.network.arguments, arrays, strict=True))
    for name, part in parts.items():
        known[name] = contract(part.run, part.job, [known[a] for a in part.names])
    return known["result"]


def _staged(
    job: Expression, like: Array, wanted: tuple[bool, ...]
) -> dict[str, _Derived]:
    """The stages of a job by the name of their results, for the gradients wanted."""
    place = job.backend.place(like)

    def rows() -> dict[str, _Derived]:
        names = frozenset(compress(job.network.arguments, wanted))
        row = cheapest_row(job, place, lambda row: _run_for(row, names, job.dtype))
        parts = _derived(job, like, ("stages", row), lambda: [s.network for s in row])
        return dict(zip([s.name for s in row], parts, strict=True))

    return _ROWS.get_or_make((job.network, place, job.options, wanted), rows)


def _run_for(row: Row, wanted: frozenset[str], dtype: str) -> Iterator[Network]:
    """All that runs: the stages, and the gradients of what leads to those wanted."""
    yield from (stage.network for stage in row)
    for stage, name in pulled_back(row, wanted):
        network = stage.network
        for found in vjps(network, name, fresh(network, "cotangent")):
            yield _real(found, dtype)


def _real(network: Network, dtype: str) -> Network:
    """The network without conjugates, where arrays are real."""
    return network if dtype.startswith("complex") else without_conjugates(network)


class Contraction(torch.autograd.Function):
    """A network applied to its arrays, in the order of ``job.network.arguments``."""

    @staticmethod
    def forward(job: Expression, run: Run, *arrays: Array) -> Array:
        """Run what was planned."""
        return run(arrays)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Array) -> None:
        """Keep the arrays that the wanted gradients read, and no others."""
        ctx.job = job = inputs[0]
        ctx.set_materialize_grads(False)
        read = _read_by(job.network, tuple(ctx.needs_input_grad))
        ctx.save_for_backward(*compress(inputs, read))
        if forward_ad._current_level >= 0:
            ctx.save_for_forward(*inputs[2:])

    @staticmethod
    def backward(ctx: Any, cotangent: Array | None) -> tuple[Array | None, ...]:
        """The VJPs of the inputs that want one."""
        job, network, wanted = ctx.job, ctx.job.network, ctx.needs_input_grad
        if cotangent is None:
            return (None,) * len(wanted)
        names = tuple(network.arguments)
        own = fresh(network, "cotangent")
        kept = compress(names, _read_by(network, tuple(wanted))[2:])
        arrays = dict(zip(kept, ctx.saved_tensors, strict=True))
        arrays[own] = cotangent

        def vjp(name: str) -> Array:
            key = ("vjp", name)
            parts = _derived(job, cotangent, key, lambda: vjps(network, name, own))
            return _total(parts, arrays)

        found = [
            vjp(name) if want else None
            for name, want in zip(names, wanted[2:], strict=True)
        ]
        return (None, None, *found)

    @staticmethod
    def jvp(ctx: Any, _job: None, _run: None, *tangents: Array | None) -> Array:
        """The sum of the networks with one array replaced by its tangent."""
        job, network = ctx.job, ctx.job.network
        names = tuple(network.arguments)
        own = fresh(network, "tangent")
        arrays = dict(zip(names, ctx.saved_tensors, strict=True))

        def along(name: str, tangent: Array) -> Array:
            key = ("jvp", name)
            parts = _derived(job, tangent, key, lambda: jvps(network, name, own))
            return _total(parts, arrays | {own: tangent})

        return _added(
            along(name, tangent)
            for name, tangent in zip(names, tangents, strict=True)
            if tangent is not None
        )

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[int | None, ...],
        job: Expression,
        run: Run,
        *arrays: Array,
    ) -> tuple[Array, int]:
        """One call of the network with one more axis."""
        given, mapped = {}, set()
        named = zip(job.network.arguments, arrays, in_dims[2:], strict=True)
        for name, array, dim in named:
            given[name] = array if dim is None else array.movedim(dim, 0)
            if dim is not None:
                mapped.add(name)
        names, size = frozenset(mapped), info.batch_size
        parts = _derived(
            job,
            arrays[0],
            ("vmap", names, size),
            lambda: [batched(job.network, names, size)],
        )
        return _total(parts, given), 0


#: without transforms the function's own entry: it inspects no signature on each call
_apply: Callable[..., Array] = super(torch.autograd.Function, Contraction).apply


@lru_cache(maxsize=4096)
def _read_by(network: Network, needed: tuple[bool, ...]) -> tuple[bool, ...]:
    """Which inputs of the function the wanted VJPs read: of the arrays, all but what is
    differentiated, if it is read once; the first two are no arrays."""
    names = set(network.arguments)
    read: set[str] = set()
    for name, want in zip(network.arguments, needed[2:], strict=True):
        if want:
            read |= names if readers(network, name) > 1 else names - {name}
    return (False, False, *[name in read for name in network.arguments])


def _total(parts: Sequence[_Derived], arrays: Mapping[str, Array]) -> Array:
    return _added(
        contract(part.run, part.job, [arrays[name] for name in part.names])
        for part in parts
    )


def _added(parts: Iterable[Array]) -> Array:
    total = None
    for part in parts:
        total = part if total is None else total + part
    return total


def _derived(
    job: Expression,
    like: Array,
    what: tuple[Any, ...],
    build: Callable[[], Iterable[Network]],
) -> tuple[_Derived, ...]:
    """Derived expressions of a job for arrays that live where ``like`` does."""
    place = job.backend.place(like)

    def plan() -> tuple[_Derived, ...]:
        found = []
        for network in build():
            network = _real(network, job.dtype)
            new = planned_expression(network, job.backend, place, job.options)
            found.append(_Derived(new, new.compiled(place), tuple(network.arguments)))
        return tuple(found)

    return _DERIVED.get_or_make((what, job.network, place, job.options), plan)
