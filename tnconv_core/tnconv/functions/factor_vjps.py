"""How the gradients of all factors are planned: together, or one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tnconv.execution.expression import places_of
from tnconv.execution.registry import backend_for
from tnconv.functions.arguments import HYPER, TRANSPOSED
from tnconv.functions.backward import Backward, backward
from tnconv.functions.call import Entry, Operation, entry_of
from tnconv.network import Network
from tnconv.networks import conv, conv_transpose, factorized
from tnconv.networks.checks import Shape
from tnconv.options import current

Array = Any
Several = Callable[[Sequence[Array]], tuple[Array, ...]]
NAMES = ("x", "cotangent", "weight")


def planned(
    operation: Operation, arrays: tuple[Array, ...], arguments: tuple[Any, ...], _: None
) -> Several:
    """The entry of a new call: arrays, the factors last, to a gradient for each."""
    places = places_of(operation.name, arrays, operation.names)
    kind: Any = type(arrays[0])
    backend, place = backend_for(kind), places[0]
    shapes = operation.given([tuple(int(n) for n in a.shape) for a in arrays])
    built: Any = operation.build(*shapes, *arguments)
    forward, *networks = built
    per_example = arguments[0]
    if not per_example:
        wanted = operation.names[2:]
        way = backward(forward, wanted, backend, place, current())
        if way is not None:
            return _together(way, operation.names)
    return _apart([entry_of(operation, n, backend, place) for n in networks])


def _together(way: Backward, names: tuple[str, ...]) -> Several:
    def run(given: Sequence[Array]) -> tuple[Array, ...]:
        known = dict(zip(names, given, strict=True))
        return way(known, known.pop("cotangent"))

    return run


def _apart(entries: Sequence[Entry]) -> Several:
    return lambda given: tuple([entry(given) for entry in entries])


def _built(
    forward: Callable[..., Network],
    vjp: Callable[..., Network],
    keywords: tuple[str, ...],
) -> Callable[..., tuple[Network, ...]]:
    """The forward network, and the gradient of each factor."""

    def build(
        x: Shape, cotangent: Shape, kernel: Network, per_example: bool, *values: Any
    ) -> tuple[Network, ...]:
        hyper = dict(zip(keywords, values, strict=True))
        each = [
            vjp(x, cotangent, kernel, name, per_example=per_example, **hyper)
            for name in kernel.arguments
        ]
        return forward(x, kernel, **hyper), *each

    return build


VJPS = Operation(
    "conv_factor_vjps",
    _built(conv, factorized.conv_factor_vjp, HYPER),
    NAMES,
    planned=planned,
)
TRANSPOSE_VJPS = Operation(
    "conv_transpose_factor_vjps",
    _built(conv_transpose, factorized.conv_transpose_factor_vjp, TRANSPOSED),
    NAMES,
    planned=planned,
)
