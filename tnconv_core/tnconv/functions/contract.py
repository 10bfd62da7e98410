"""Contract any network given in labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tnconv.edits import replace
from tnconv.errors import ArgumentError
from tnconv.execution.cache import BoundedCache
from tnconv.functions.call import Operation, call
from tnconv.network import Network
from tnconv.networks.conv import factors_of
from tnconv.options import options as options_set

Array = Any
_OPERATIONS: BoundedCache[Operation] = BoundedCache(1024)


def contract(
    notation: str | Network,
    *arrays: Array,
    sizes: Mapping[str, int] | None = None,
    **options: Any,
) -> Array:
    """Contract arrays as notation says: operands, patterns, and the result.

    A pattern is its relation: ``i ~ 2 o + 3 k - 1`` has stride 2, dilation 3 and a low
    padding of 1; ``p = reflect(i, 1, 1)`` is a padding mode; :mod:`tnconv.notation` has
    the whole notation. Sizes that no array gives come by ``sizes``; an output size that
    is not given is the largest that needs no padding at the high end. Nothing is
    conjugated but inputs marked ``conj``. Options are those of :func:`tnconv.options`.

    >>> import numpy as np, tnconv
    >>> x, w = np.ones((1, 3, 8)), np.ones((4, 3, 3))
    >>> tnconv.contract("n c i, i ~ o + k - 1, d c k -> n d o", x, w,
    ...                 sizes={"o": 8}).shape
    (1, 4, 8)

    Raises NotationError for text that cannot be read, ArgumentError for shapes that do
    not fit, ArrayError for mixed libraries, dtypes or devices.
    """
    if options:
        with options_set(**options):
            return contract(notation, *arrays, sizes=sizes)
    if not arrays:
        raise ArgumentError("contract: no array is given, so there is no array library")
    return call(_operation(notation, sizes), arrays, ())


def _operation(notation: str | Network, sizes: Mapping[str, int] | None) -> Operation:
    """One operation object per text and sizes, so that calls are found again."""
    _check(notation, sizes)
    if isinstance(notation, str):
        fixed = tuple(sorted((sizes or {}).items()))
        return _OPERATIONS.get_or_make(
            (notation, fixed), lambda: _from_text(notation, dict(fixed))
        )
    network = notation

    def check(*given: tuple[int, ...] | Network) -> Network:
        wanted, shapes = tuple(network.arguments.values()), tuple(map(_shape, given))
        if shapes != wanted:
            raise ArgumentError(
                f"contract: the network takes arrays of shapes {wanted}, got {shapes}"
            )
        return _with_factors(network, given)

    return _OPERATIONS.get_or_make(
        network, lambda: Operation("contract", check, tuple(network.arguments))
    )


def _check(notation: Any, sizes: Any) -> None:
    if not isinstance(notation, str | Network):
        raise ArgumentError(
            f"contract: takes notation (a text) or a Network, got {notation!r:.60}"
        )
    if sizes is None:
        return
    if not isinstance(sizes, Mapping):
        raise ArgumentError(f"contract: sizes maps labels to ints, got {sizes!r:.60}")
    for label, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise ArgumentError(
                f"contract: sizes gives label {label!r} the size {size!r}; "
                "sizes are ints from 0 on"
            )


def _from_text(text: str, sizes: dict[str, int]) -> Operation:
    def build(*given: tuple[int, ...] | Network) -> Network:
        from tnconv.notation import parse

        shapes = [_shape(one) for one in given]
        network = parse(text, sizes=sizes, shapes=shapes)
        if unknown := sorted(set(sizes) - set(network.sizes)):
            raise ArgumentError(
                f"contract: sizes name {', '.join(unknown)}, and {text!r} has no such "
                "label"
            )
        wanted = len(network.arguments)
        if wanted != len(shapes):
            raise ArgumentError(
                f"contract: {text!r} has {wanted} arrays, got {len(shapes)}"
            )
        return _with_factors(network, given)

    return Operation("contract", build, ())


def _shape(given: tuple[int, ...] | Network) -> tuple[int, ...]:
    return given.shape if isinstance(given, Network) else given


def _with_factors(
    network: Network, given: Sequence[tuple[int, ...] | Network]
) -> Network:
    """The network with factorized kernels in the place of the arrays they stand for."""
    for name, one in zip(tuple(network.arguments), given, strict=True):
        if isinstance(one, Network):
            network = replace(network, name, factors_of(name, one))
    return network
