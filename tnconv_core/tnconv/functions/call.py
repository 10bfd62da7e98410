"""The one door of every operation: look up what was planned, or check and plan it.

A call with known shapes, hyper-parameters, dtype, device and options is a dictionary
look-up and the backend's own calls. Everything that can be wrong is checked before
anything is planned, once per key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tnconv.errors import ArgumentError
from tnconv.execution.cache import BoundedCache
from tnconv.execution.expression import Run, places_of, planned_expression
from tnconv.execution.registry import backend_for
from tnconv.network import Network
from tnconv.options import current

Array = Any


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """An operation on arrays: ``build`` maps shapes and arguments to a network."""

    name: str
    build: Callable[..., Network]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    run: Run
    job: Any
    call: Callable[[Run, Any, Sequence[Array]], Array]
    bias_shape: tuple[int, ...] | None


_CALLS: BoundedCache[_Entry] = BoundedCache(4096)


def call(
    operation: Operation,
    arrays: tuple[Array, ...],
    arguments: tuple[Any, ...],
    bias: Array | None = None,
) -> Array:
    """Run an operation on arrays; ``bias`` is added along the channel axis."""
    try:
        key = (
            operation,
            arguments,
            current(),
            *[(type(a), a.shape, a.dtype, a.device) for a in arrays],
            None if bias is None else (type(bias), bias.shape, bias.dtype, bias.device),
        )
        entry = _CALLS.entries.get(key)
    except (AttributeError, TypeError):  # not an array, or a library without device
        key, entry = None, None
    if entry is None:
        entry = _planned(operation, arrays, arguments, bias, key)
    result = entry.call(entry.run, entry.job, arrays)
    if bias is not None:
        result = result + bias.reshape(entry.bias_shape)
    return result


def _planned(
    operation: Operation,
    arrays: tuple[Array, ...],
    arguments: tuple[Any, ...],
    bias: Array | None,
    key: Any,
) -> _Entry:
    given = arrays if bias is None else (*arrays, bias)
    places = places_of(operation.name, given)
    shapes = [tuple(int(n) for n in a.shape) for a in arrays]
    if key is None:  # dtype or device hidden: the place knows them
        key = (operation, arguments, current(), *places, *map(tuple, shapes))
        key = (*key, None if bias is None else tuple(bias.shape))

    def make() -> _Entry:
        network = operation.build(*shapes, *arguments)
        backend = backend_for(type(arrays[0]))
        found = planned_expression(network, backend, places[0], current())
        bias_shape = _bias_shape(operation.name, network, arrays, bias)
        return _Entry(found.compiled(places[0]), found, backend.call, bias_shape)

    return _CALLS.get_or_make(key, make)


def _bias_shape(
    name: str, network: Network, arrays: Sequence[Array], bias: Array | None
) -> tuple[int, ...] | None:
    """The shape a bias is broadcast in: its channels, then ones for space."""
    if bias is None:
        return None
    spatial = len(arrays[1].shape) - 2
    channels = network.shape[-1 - spatial]
    if tuple(bias.shape) != (channels,):
        raise ArgumentError(
            f"{name}: bias has shape {tuple(bias.shape)}, the result has {channels} "
            f"channels (shape {network.shape}); pass a bias of shape ({channels},)"
        )
    return (channels, *(1,) * spatial)


def clear() -> None:
    """Forget every planned call."""
    _CALLS.clear()


__all__ = ["Operation", "call", "clear"]
