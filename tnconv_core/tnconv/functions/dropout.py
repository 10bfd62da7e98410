"""Calls that keep a random share of some labels: tensor dropout on any operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from tnconv.dropout import drawn, kept
from tnconv.execution.cache import BoundedCache
from tnconv.execution.expression import places_of
from tnconv.functions.call import Operation, call, flat
from tnconv.network import Network

Keep = Mapping[str, float]
_WHOLE: BoundedCache[Network] = BoundedCache(1024)


def call_kept(
    operation: Operation,
    arrays: tuple[Any, ...],
    arguments: tuple[Any, ...],
    keep: Keep | None,
    seed: int | None,
) -> Any:
    """Run an operation on the shares that ``keep`` and ``seed`` draw, or on all.

    What was drawn is part of the key, so a call is planned once for each part.
    """
    if keep is None:
        return call(operation, arrays, arguments)
    operation, arrays = flat(operation, arrays)
    places_of(operation.name, arrays, operation.names)
    shapes = tuple(tuple(int(n) for n in a.shape) for a in arrays)
    network = _WHOLE.get_or_make(
        (operation, shapes, arguments),
        lambda: operation.network(*operation.given(shapes), *arguments),
    )
    shares = drawn(network, keep, seed, operation.name)
    if not shares:
        return call(operation, arrays, arguments)
    return call(_of_shares(operation), arrays, (*arguments, shares))


@lru_cache(maxsize=64)
def _of_shares(operation: Operation) -> Operation:
    """The operation with what is kept as a last argument."""

    def build(*values: Any) -> Network:
        return kept(operation.network(*values[:-1]), values[-1])

    return replace(operation, build=build)
