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
    #: which array is each argument of the network; None: they are in order
    order: tuple[int, ...] | None
    #: the index that lines a bias up with the channels
    spread: tuple[slice | None, ...] | None


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
    if entry.order is not None:
        arrays = tuple([arrays[j] for j in entry.order])
    result = entry.call(entry.run, entry.job, arrays)
    return result if bias is None else result + bias[entry.spread]


def _planned(
    operation: Operation,
    arrays: tuple[Array, ...],
    arguments: tuple[Any, ...],
    bias: Array | None,
    key: Any,
) -> _Entry:
    given = arrays if bias is None else (*arrays, bias)
    names = operation.names or tuple(f"array {j + 1}" for j in range(len(arrays)))
    places = places_of(operation.name, given, (*names, "bias"))
    shapes = [tuple(int(n) for n in a.shape) for a in arrays]
    if key is None:  # dtype or device hidden: the place knows them
        key = (operation, arguments, current(), *places, *map(tuple, shapes))
        key = (*key, None if bias is None else tuple(bias.shape))

    def make() -> _Entry:
        network = operation.build(*shapes, *arguments)
        kind: Any = type(arrays[0])
        backend = backend_for(kind)
        found = planned_expression(network, backend, places[0], current())
        spread = _spread(operation.name, network, arrays, bias)
        run, order = found.compiled(places[0]), _order(operation, network)
        return _Entry(run, found, backend.call, order, spread)

    return _CALLS.get_or_make(key, make)


def _order(operation: Operation, network: Network) -> tuple[int, ...] | None:
    """Where each argument of the network stands among the arrays of the call."""
    wanted = tuple(network.arguments)
    if not operation.names or wanted == operation.names:
        return None
    return tuple(operation.names.index(name) for name in wanted)


def _spread(
    name: str, network: Network, arrays: Sequence[Array], bias: Array | None
) -> tuple[slice | None, ...] | None:
    """The index that gives a bias an axis of length 1 per spatial dimension."""
    if bias is None:
        return None
    spatial = len(arrays[1].shape) - 2
    channels = network.shape[-1 - spatial]
    if tuple(bias.shape) != (channels,):
        raise ArgumentError(
            f"{name}: bias has shape {tuple(bias.shape)}, the result has {channels} "
            f"channels (shape {network.shape}); pass a bias of shape ({channels},)"
        )
    return (slice(None), *(None,) * spatial)
